#pragma once

#include <cstddef>
#include <optional>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::runtime {

/// How many of one core's tasks may do a costly thing at once: each takes a permit before and gives
/// it back after. First come, first served. Outlives its permits and whoever waits for one; its end
/// asserts that. One core's own, as its permits are.
class permits {
  public:
    /// 0 permits: nobody ever gets one.
    permits(core& here, std::size_t count) noexcept : io_(here.io()), count_(count), free_(count) {}
    permits(const permits&) = delete;
    permits& operator=(const permits&) = delete;
    ~permits() { FERRY_ASSERT(waiting_.empty() && free_ == count_); }

    /// Leave to do the thing. Move-only; given back when it dies.
    class permit {
      public:
        explicit permit(permits& from) noexcept : from_(&from) {}
        permit(permit&& other) noexcept : from_(std::exchange(other.from_, nullptr)) {}
        permit& operator=(permit&& other) noexcept {
            if (this != &other) {
                give_back();
                from_ = std::exchange(other.from_, nullptr);
            }
            return *this;
        }
        ~permit() { give_back(); }

        /// Gives it back now. Idempotent.
        void give_back() noexcept {
            if (from_ != nullptr) {
                std::exchange(from_, nullptr)->return_one();
            }
        }

      private:
        permits* from_;
    };

    /// A permit, waiting until `deadline` for it if need be. Errors: errc::timed_out, at once when
    /// there is none and the deadline has passed already; errc::cancelled. One that is handed over
    /// in the turn of a deadline or a stop is taken: whoever gets it gives it back. Cost: no
    /// allocation beyond the frame.
    [[nodiscard]] task<result<permit>> take(time_point deadline) {
        if (auto at_once = try_take()) {
            co_return std::move(*at_once);
        }
        if (deadline <= io_.now()) {
            co_return failure(errc::timed_out);
        }
        waiter mine(io_);
        waiting_.push_back(mine);
        const auto woken = co_await mine.given.wait(deadline);
        if (!mine.has_permit) {
            co_return failure(woken.error());  // Only a permit ends the wait without an error.
        }
        co_return permit(*this);  // Also when a stop or the deadline was as quick.
    }

    /// A permit, if there is one and nobody waits for it. Never suspends.
    [[nodiscard]] std::optional<permit> try_take() noexcept {
        if (free_ == 0) {
            return std::nullopt;
        }
        --free_;
        return permit(*this);
    }

  private:
    /// Lives in the frame of `take` and leaves the list with it: by a permit, or unserved.
    struct waiter : list_node {
        explicit waiter(reactor& io) noexcept : given(io) {}
        event given;
        bool has_permit = false;
    };

    void return_one() noexcept {
        if (waiter* const first = waiting_.pop_front()) {
            first->has_permit = true;
            first->given.announce();  // Kept without effect if it is on its way out already.
        } else {
            ++free_;
        }
    }

    reactor& io_;
    std::size_t count_;
    std::size_t free_;  ///< None while anybody waits.
    intrusive_list<waiter> waiting_;
};

}  // namespace ferry::runtime
