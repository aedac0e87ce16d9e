#pragma once

#include <cerrno>
#include <coroutine>
#include <cstdint>
#include <utility>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/timers.hpp"

namespace ferry::runtime {

/// One operation as something to await: submits on `co_await`, gives back what the call returned,
/// or:
///   errc::timed_out   the deadline passed first (checked before submitting, too)
///   errc::cancelled   the scope was asked to stop first
///   any other         the system's refusal
///
/// Immovable and for one use: made and awaited in one expression. A result that is a descriptor
/// belongs to whoever awaited, even when the stop came at the same time. Cost: no allocation.
class [[nodiscard]] op_wait : op {
  public:
    /// `fill(op&)` sets the arguments of the operation `what` on `descriptor`.
    template <class Fill>
    op_wait(reactor& io, opcode what, int descriptor, time_point deadline, Fill&& fill)
        : op(what, descriptor, &op_wait::on_complete), io_(io), deadline_(deadline) {
        std::forward<Fill>(fill)(static_cast<op&>(*this));
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }

    template <class Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        stop_scope* scope = self.promise().scope;
        if (scope != nullptr && scope->stop_requested()) {
            result = -ECANCELED;
            return false;
        }
        if (deadline_ <= io_.now()) {
            result = -ECANCELED;
            timed_out_ = true;
            return false;
        }
        waiting_ = self;
        if (io_.submit(*this) == submission::done) {
            return false;
        }
        if (scope != nullptr) {
            scope->add(on_stop_);
        }
        if (deadline_ != never) {
            io_.timers().arm(on_deadline_, deadline_);
        }
        return true;
    }

    [[nodiscard]] ferry::result<std::int64_t> await_resume() const noexcept {
        if (op::result >= 0) {
            return op::result;
        }
        if (op::result == -ECANCELED) {
            return failure(timed_out_ ? errc::timed_out : errc::cancelled, ECANCELED);
        }
        return failure_from_errno(static_cast<int>(-op::result));
    }

  private:
    struct stop_hook : stop_callback {
        explicit stop_hook(op_wait& waiting) noexcept
            : stop_callback([](stop_callback& self) noexcept {
                  auto& owner = static_cast<stop_hook&>(self).owner;
                  owner.io_.cancel(owner);
              }),
              owner(waiting) {}
        op_wait& owner;
    };
    struct deadline_hook : timer {
        explicit deadline_hook(op_wait& waiting) noexcept
            : timer([](timer& self) noexcept {
                  auto& owner = static_cast<deadline_hook&>(self).owner;
                  owner.timed_out_ = true;
                  owner.io_.cancel(owner);
              }),
              owner(waiting) {}
        op_wait& owner;
    };

    static void on_complete(op& finished) noexcept {
        auto& self = static_cast<op_wait&>(finished);
        self.on_stop_.unlink();
        self.on_deadline_.unlink();
        self.waiting_.resume();
    }

    reactor& io_;
    time_point deadline_;
    std::coroutine_handle<> waiting_;
    stop_hook on_stop_{*this};
    deadline_hook on_deadline_{*this};
    bool timed_out_ = false;
};

/// Something one coroutine waits for and anything on the same core may announce. An announcement
/// without a waiter is kept (once) for the next wait.
class event {
  public:
    explicit event(reactor& io) noexcept : io_(io) {}
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    ~event() { FERRY_ASSERT(waiter_ == nullptr); }

    class [[nodiscard]] wait_awaiter : ready_node {
      public:
        wait_awaiter(event& waited, time_point deadline, bool heeds_stop) noexcept
            : event_(waited), deadline_(deadline), heeds_stop_(heeds_stop) {}

        [[nodiscard]] bool await_ready() noexcept {
            return std::exchange(event_.announced_, false);
        }

        template <class Promise>
        [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
            stop_scope* scope = self.promise().scope;
            if (heeds_stop_ && scope != nullptr) {
                if (scope->stop_requested()) {
                    outcome_ = errc::cancelled;
                    return false;
                }
                scope->add(on_stop_);
            }
            if (deadline_ != never) {
                event_.io_.timers().arm(on_deadline_, deadline_);
            }
            FERRY_ASSERT(event_.waiter_ == nullptr);
            event_.waiter_ = this;
            waiting = self;
            return true;
        }

        /// Nothing, or errc::cancelled, errc::timed_out.
        [[nodiscard]] result<void> await_resume() const noexcept {
            if (outcome_ != no_failure) {
                return failure(outcome_);
            }
            return {};
        }

      private:
        friend class event;
        static constexpr auto no_failure = static_cast<errc>(255);

        struct stop_hook : stop_callback {
            explicit stop_hook(wait_awaiter& waiting) noexcept
                : stop_callback([](stop_callback& self) noexcept {
                      static_cast<stop_hook&>(self).owner.finish(errc::cancelled);
                  }),
                  owner(waiting) {}
            wait_awaiter& owner;
        };
        struct deadline_hook : timer {
            explicit deadline_hook(wait_awaiter& waiting) noexcept
                : timer([](timer& self) noexcept {
                      static_cast<deadline_hook&>(self).owner.finish(errc::timed_out);
                  }),
                  owner(waiting) {}
            wait_awaiter& owner;
        };

        void detach() noexcept {
            event_.waiter_ = nullptr;
            on_stop_.unlink();
            on_deadline_.unlink();
        }
        void finish(errc outcome) noexcept {
            outcome_ = outcome;
            detach();
            event_.io_.make_ready(*this);
        }

        event& event_;
        time_point deadline_;
        stop_hook on_stop_{*this};
        deadline_hook on_deadline_{*this};
        errc outcome_ = no_failure;
        bool heeds_stop_;
    };

    /// Waits for an announcement: nothing, or errc::timed_out, errc::cancelled. One waiter at a
    /// time.
    [[nodiscard]] wait_awaiter wait(time_point deadline = never) noexcept {
        return wait_awaiter(*this, deadline, true);
    }

    /// The same, deaf to stop requests: only for joining what a stop has been passed on to.
    [[nodiscard]] wait_awaiter wait_through_stop() noexcept {
        return wait_awaiter(*this, never, false);
    }

    /// Makes the waiter ready; it runs when the loop comes to it.
    void announce() noexcept {
        if (waiter_ == nullptr) {
            announced_ = true;
        } else {
            waiter_->finish(wait_awaiter::no_failure);
        }
    }

    /// Resumes the waiter at once, inside this call: from a completion at the bottom of the loop
    /// only, with nothing of the caller's touched afterwards.
    void announce_and_resume() noexcept {
        if (waiter_ == nullptr) {
            announced_ = true;
            return;
        }
        auto* waiter = waiter_;
        waiter->detach();
        waiter->waiting.resume();
    }

    /// Forgets a kept announcement.
    void clear() noexcept { announced_ = false; }

    [[nodiscard]] bool has_waiter() const noexcept { return waiter_ != nullptr; }

  private:
    reactor& io_;
    wait_awaiter* waiter_ = nullptr;
    bool announced_ = false;
};

/// An event that nobody announces: its deadline is the point.
class [[nodiscard]] sleep_wait {
  public:
    sleep_wait(reactor& io, time_point when) noexcept
        : never_announced_(io), wait_(never_announced_.wait(when)) {}
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <class Promise>
    [[nodiscard]] bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        return wait_.await_suspend(self);
    }
    [[nodiscard]] result<void> await_resume() const noexcept {
        const auto outcome = wait_.await_resume();
        if (!outcome && outcome.error() == errc::timed_out) {
            return {};
        }
        return outcome;
    }

  private:
    event never_announced_;
    event::wait_awaiter wait_;
};

/// `co_await sleep_until(here, when)`: nothing when the moment has come, or errc::cancelled.
[[nodiscard]] inline sleep_wait sleep_until(core& here, time_point when) noexcept {
    return sleep_wait(here.io(), when);
}

}  // namespace ferry::runtime
