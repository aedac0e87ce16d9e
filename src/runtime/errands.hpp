#pragma once

#include <atomic>
#include <cstdint>

#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/reactor.hpp"

namespace ferry::runtime {

/// The operations that a reactor has out on the offload pool. Part of the reactor.
class pool_errands {
  public:
    /// Does an operation's work on a thread of the pool; what it returns becomes `op::result`.
    using work = std::int64_t (*)(op&) noexcept;
    /// Takes an operation back, on its core.
    using homecoming = void (*)(reactor& home, op& what) noexcept;

    /// `came_back` is called once for every operation sent.
    pool_errands(reactor& home, offload_pool& pool, homecoming came_back) noexcept
        : home_(home), pool_(pool), came_back_(came_back) {}
    pool_errands(const pool_errands&) = delete;
    pool_errands& operator=(const pool_errands&) = delete;

    /// Waits until no pool thread touches the reactor any more.
    ~pool_errands();

    /// Has `what` done by `perform`. False: memory is out, nothing was sent.
    /// Cost: one allocation, two switches of thread.
    [[nodiscard]] bool send(op& what, work perform) noexcept;

  private:
    struct errand;

    reactor& home_;
    offload_pool& pool_;
    homecoming came_back_;
    std::atomic<unsigned> out_{0};  ///< Pool threads that may still touch `home_`.
};

}  // namespace ferry::runtime
