#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "ferry/runtime/time.hpp"

namespace ferry::sim {

/// What is to happen on a simulated machine, in the order of virtual time. Time stands still while
/// something happens and jumps to the next moment when it is over.
class agenda {
  public:
    using happening = std::function<void()>;

    explicit agenda(runtime::time_point start) noexcept : now_(start) {}
    agenda(const agenda&) = delete;
    agenda& operator=(const agenda&) = delete;

    [[nodiscard]] runtime::time_point now() const noexcept { return now_; }

    /// Notes `what` for `when`, or for this moment if that is past. Equal moments: first noted,
    /// first done.
    void at(runtime::time_point when, happening what);
    void after(runtime::duration delay, happening what) { at(now_ + delay, std::move(what)); }

    /// Moves time to the next moment and lets its first happening happen. False: there is none, or
    /// none up to `until`, and time has moved to `until` (unless that is `never`).
    bool step(runtime::time_point until = runtime::never);

    /// Moves the clock on by `by` without doing what is due meanwhile: it is late then.
    void jump(runtime::duration by) noexcept { now_ += by; }

    [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }

    /// Forgets all of it: the machine has lost power.
    void clear() noexcept { heap_.clear(); }

  private:
    struct entry {
        runtime::time_point when;
        std::uint64_t order;
        happening what;
    };
    [[nodiscard]] static bool is_later(const entry& a, const entry& b) noexcept {
        return a.when != b.when ? a.when > b.when : a.order > b.order;
    }

    runtime::time_point now_;
    std::uint64_t next_order_ = 0;
    std::vector<entry> heap_;
};

}  // namespace ferry::sim
