#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>

#include "ferry/base/assert.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::runtime {

/// A token bucket: what a rate still allows to everybody who draws from it. It holds an eighth of a
/// second's tokens and begins full; in the long run no more is drawn than the rate gives.
///
/// Kept as one number, the moment at which everything drawn so far is paid for (as GCRA does, ITU-T
/// I.371), so any threads may share it. Whoever draws more than there is waits its turn: moments
/// are given out in the order of drawing, and nobody has to be woken. The rate is the drawer's, so
/// it may change, or differ between two that share.
///
/// Cost: one compare-and-swap a draw: bench/runtime_bench.cpp.
class token_bucket {
  public:
    token_bucket() noexcept = default;
    token_bucket(const token_bucket&) = delete;
    token_bucket& operator=(const token_bucket&) = delete;

    /// How much is saved while nobody draws: also what makes up for timers that fire late.
    static constexpr duration burst = std::chrono::milliseconds(125);
    /// What is drawn at once is at most this, so that a transfer goes evenly: a sixteenth of a
    /// second's, but an octet at least and 256 KiB at most.
    [[nodiscard]] static constexpr std::uint64_t quantum(std::uint64_t octets_per_second) noexcept {
        return std::clamp<std::uint64_t>(octets_per_second / 16, 1, 256_KiB);
    }

    /// Draws `octets`, 1 GiB at most, and gives the moment from which they may move; not later than
    /// `now` means at once. `octets_per_second` is not 0. Never suspends.
    [[nodiscard]] time_point draw(time_point now, std::uint64_t octets,
                                  std::uint64_t octets_per_second) noexcept {
        const auto price = price_of(octets, octets_per_second);
        const auto saved_since = (now - burst).time_since_epoch().count();
        auto paid_until = paid_until_.load(std::memory_order_relaxed);
        for (;;) {  // Bounded in practice: each failure is another thread's success.
            const auto begins = std::max(paid_until, saved_since);
            if (paid_until_.compare_exchange_weak(paid_until, begins + price,
                                                  std::memory_order_relaxed)) {
                return time_point(duration(begins));
            }
        }
    }

    /// Draws one of what there are `per_second` of, if it is there now: gives 0. Else draws nothing
    /// and gives how long it will be until there is one. `saved_max`, 1 at least: how many are
    /// saved while nobody draws. For one bucket always this or always `draw`. Never suspends.
    [[nodiscard]] duration draw_one(time_point now, std::uint64_t per_second,
                                    std::uint64_t saved_max) noexcept {
        FERRY_ASSERT(saved_max > 0 && saved_max <= 1'000'000'000);
        const auto price = price_of(1, per_second);
        const auto moment = now.time_since_epoch().count();
        const auto saved_since = moment - price * static_cast<std::int64_t>(saved_max - 1);
        auto paid_until = paid_until_.load(std::memory_order_relaxed);
        for (;;) {  // Bounded in practice: each failure is another thread's success.
            const auto begins = std::max(paid_until, saved_since);
            if (begins > moment) {
                return duration(begins - moment);
            }
            if (paid_until_.compare_exchange_weak(paid_until, begins + price,
                                                  std::memory_order_relaxed)) {
                return duration::zero();
            }
        }
    }

    /// True when all that was drawn had been paid for at `when`: a bucket that has saved since then
    /// as much as it may is as good as a new one.
    [[nodiscard]] bool is_paid_for(time_point when) const noexcept {
        return paid_until_.load(std::memory_order_relaxed) <= when.time_since_epoch().count();
    }

    /// Puts back `octets` that were drawn at that rate and did not move. Those who wait already
    /// wait no shorter.
    void put_back(std::uint64_t octets, std::uint64_t octets_per_second) noexcept {
        paid_until_.fetch_sub(price_of(octets, octets_per_second), std::memory_order_relaxed);
    }

  private:
    /// In nanoseconds, rounded up.
    [[nodiscard]] static std::int64_t price_of(std::uint64_t octets,
                                               std::uint64_t octets_per_second) noexcept {
        constexpr std::uint64_t second = 1'000'000'000;
        FERRY_ASSERT(octets <= 1_GiB && octets_per_second > 0);
        return static_cast<std::int64_t>((octets * second + octets_per_second - 1) /
                                         octets_per_second);
    }

    /// Of the reactors' clock. Far in the past, and far enough from the end of the numbers for what
    /// is put back.
    std::atomic<std::int64_t> paid_until_{std::numeric_limits<std::int64_t>::min() / 2};
};

}  // namespace ferry::runtime
