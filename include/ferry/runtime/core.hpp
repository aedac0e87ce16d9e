#pragma once

#include <coroutine>
#include <cstdint>

#include "ferry/base/random.hpp"
#include "ferry/runtime/reactor.hpp"

namespace ferry::runtime {

/// One core's state: its reactor, its random source, its number. Everything per core hangs off it;
/// nothing of it is touched from another thread but `reactor::post`.
class core {
  public:
    core(unsigned index, reactor& io, ferry::random rng) noexcept
        : io_(io), rng_(rng), index_(index) {}
    core(const core&) = delete;
    core& operator=(const core&) = delete;

    [[nodiscard]] unsigned index() const noexcept { return index_; }
    [[nodiscard]] reactor& io() noexcept { return io_; }
    [[nodiscard]] ferry::random& rng() noexcept { return rng_; }
    [[nodiscard]] time_point now() const noexcept { return io_.now(); }

    /// A number that no other connection of this process has, whatever its core: for logs.
    [[nodiscard]] std::uint64_t number_connection() noexcept {
        constexpr std::uint64_t cores_max = 1'024;
        return ++connections_ * cores_max + index_;
    }

    class yield_awaiter : ready_node {
      public:
        explicit yield_awaiter(reactor& io) noexcept : io_(io) {}
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> self) noexcept {
            waiting = self;
            io_.make_ready(*this);
        }
        void await_resume() const noexcept {}

      private:
        reactor& io_;
    };

    /// `co_await here.yield()`: lets everything else that is ready on this core run first.
    [[nodiscard]] yield_awaiter yield() noexcept { return yield_awaiter(io_); }

  private:
    reactor& io_;
    ferry::random rng_;
    unsigned index_;
    std::uint64_t connections_ = 0;
};

}  // namespace ferry::runtime
