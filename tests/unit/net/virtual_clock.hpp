#pragma once

#include <algorithm>
#include <cerrno>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/reactor.hpp"

namespace ferry::net_test {

/// A reactor that does no operations and waits for nothing: when nobody is ready the time is at
/// once that of the next timer. What waits for a clock alone is tested to the millisecond by it.
class virtual_clock final : public runtime::reactor {
  public:
    virtual_clock() noexcept : reactor(runtime::time_point(std::chrono::seconds(1'000))) {}

    [[nodiscard]] runtime::submission submit(runtime::op& what) noexcept override {
        what.result = -ENOSYS;
        return runtime::submission::done;
    }
    void cancel(runtime::op&) noexcept override {}
    void wake() noexcept override {}
    void run() noexcept override {
        begin_run(now());
        for (;;) {
            const bool is_busy = run_turn_work();
            if (quit_requested()) {
                return;
            }
            if (!is_busy) {
                const auto next = timers().next_wake();
                FERRY_ASSERT(next != runtime::never);  // Else nobody would ever run again.
                set_now(std::max(next, now()));
            }
        }
    }
};

/// A core on a `virtual_clock`.
struct virtual_core {
    virtual_clock io;
    runtime::core here{0, io, ferry::random(1)};
    runtime::stop_scope stop;

    /// Runs `function(nursery&, arguments...)`, a coroutine, to its end.
    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        runtime::run_core(here, stop, function, std::move(arguments)...);
    }
};

}  // namespace ferry::net_test
