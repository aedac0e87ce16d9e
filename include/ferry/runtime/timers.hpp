#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::runtime {

/// One moment to be told about. Lives in the frame that waits; destroying it disarms it.
class timer : public list_node {
  public:
    using function = void (*)(timer&) noexcept;

    explicit timer(function on_expiry) noexcept : on_expiry_(on_expiry) {}

    [[nodiscard]] time_point when() const noexcept { return when_; }

  private:
    friend class timer_wheel;
    time_point when_ = never;
    function on_expiry_;
};

/// All deadlines of one core: a hierarchical wheel of 5 levels of 64 slots, tick 2^20 ns (about 1
/// ms).
///
/// A timer never fires before its moment and at most one tick (plus the length of a turn) after it.
/// Timers that expire in the same advance fire in the order of their moments; equal moments in the
/// order they were armed. Cost: arming and disarming O(1), no allocation ever. Moments beyond the
/// wheel's reach (about 18 minutes) wait on its rim and are sorted in again as it turns.
class timer_wheel {
  public:
    explicit timer_wheel(time_point start) noexcept;

    /// Arms `which` for `when`, disarming it first if needed. `never` only disarms. A moment
    /// already past fires in the next advance.
    void arm(timer& which, time_point when) noexcept;

    /// Fires everything due at `now`. A callback may arm and disarm any timer, its own included.
    /// Returns how many fired. Time never runs backwards: an earlier `now` does nothing.
    std::size_t advance(time_point now) noexcept;

    /// A moment not later than the next expiry, and later than the last advance unless something is
    /// due: how long a reactor may sleep. `never` when nothing is armed.
    [[nodiscard]] time_point next_wake() const noexcept;

  private:
    static constexpr unsigned level_bits = 6;
    static constexpr unsigned slots = 1U << level_bits;
    static constexpr unsigned levels = 5;
    static constexpr unsigned tick_shift = 20;

    [[nodiscard]] static std::uint64_t tick_of(time_point when) noexcept;
    void place(timer& which) noexcept;
    void collect_slot(unsigned level, unsigned slot, intrusive_list<timer>& due) noexcept;

    std::uint64_t now_tick_;
    time_point now_;
    std::array<std::array<intrusive_list<timer>, slots>, levels> wheel_;
    // A set bit says the slot may hold timers: disarming leaves the bit, the next look clears it.
    mutable std::array<std::uint64_t, levels> occupied_{};
};

}  // namespace ferry::runtime
