#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/stop.hpp"

namespace ferry::vfs_test {

/// A reactor in front of another that lets a test see every operation before it begins: to count
/// it, to cut it short, to ask for a stop in its middle, or to answer in the system's place.
/// For operations only: no timers, no messages from other threads. So its time may be set on.
class scripted_reactor final : public runtime::reactor {
  public:
    /// Called with each operation. What it returns is the operation's result, and then it is not
    /// done; nothing lets it go on.
    using script = std::function<std::optional<std::int64_t>(runtime::op&)>;

    explicit scripted_reactor(runtime::reactor& inner) noexcept
        : reactor(inner.now()), inner_(inner) {}

    void set_script(script before_each) { before_each_ = std::move(before_each); }

    /// Asks `scope` to stop as soon as every coroutine waits: in mid-operation, if the one being
    /// submitted is not done at once.
    void stop_when_waiting(runtime::stop_scope& scope) noexcept { stop_next_ = &scope; }

    /// From now on it is later by `step`.
    void let_pass(runtime::duration step) noexcept { ahead_ += step; }

    runtime::submission submit(runtime::op& what) noexcept override {
        if (before_each_) {
            if (const auto answer = before_each_(what)) {
                what.result = *answer;
                return runtime::submission::done;
            }
        }
        const auto complete = what.complete;
        what.complete = &scripted_reactor::on_complete;
        const auto begun = inner_.submit(what);
        if (begun == runtime::submission::done) {
            what.complete = complete;
        } else {
            in_flight_.emplace(&what, in_flight{complete, this});
        }
        return begun;
    }

    void cancel(runtime::op& what) noexcept override { inner_.cancel(what); }

    void run() noexcept override {
        begin_run(inner_.now() + ahead_);
        while (!quit_requested()) {
            set_now(inner_.now() + ahead_);
            if (run_turn_work() || has_ready() || quit_requested()) {
                continue;
            }
            if (auto* scope = std::exchange(stop_next_, nullptr)) {
                scope->request_stop();
                continue;
            }
            FERRY_ASSERT(!in_flight_.empty());  // Nothing would ever end this run.
            inner_.run();
        }
    }

    void wake() noexcept override { inner_.wake(); }

  private:
    struct in_flight {
        runtime::op::function complete;
        scripted_reactor* self;
    };

    static void on_complete(runtime::op& what) noexcept {
        const auto found = in_flight_.find(&what);
        const in_flight before = found->second;
        in_flight_.erase(found);
        before.self->inner_.quit();  // What this resumes may need the turn of the outer loop.
        before.complete(what);
    }

    runtime::reactor& inner_;
    script before_each_;
    runtime::duration ahead_{};
    runtime::stop_scope* stop_next_ = nullptr;
    static thread_local inline std::unordered_map<runtime::op*, in_flight> in_flight_;
};

}  // namespace ferry::vfs_test
