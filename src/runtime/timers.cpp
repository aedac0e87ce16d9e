#include "ferry/runtime/timers.hpp"

#include <algorithm>
#include <bit>

namespace ferry::runtime {
namespace {

/// Sorts `list` of `count` timers by moment, keeping the order of equals. Merge sort: no
/// allocation.
void sort_by_moment(intrusive_list<timer>& list, std::size_t count) noexcept {
    if (count < 2) {
        return;
    }
    intrusive_list<timer> first;
    for (std::size_t moved = 0; moved < count / 2; ++moved) {
        first.push_back(*list.pop_front());
    }
    intrusive_list<timer> second;
    second.append(list);
    sort_by_moment(first, count / 2);
    sort_by_moment(second, count - count / 2);
    while (!first.empty() && !second.empty()) {
        auto& smaller = second.front()->when() < first.front()->when() ? second : first;
        list.push_back(*smaller.pop_front());
    }
    list.append(first);
    list.append(second);
}

}  // namespace

timer_wheel::timer_wheel(time_point start) noexcept
    : now_tick_(static_cast<std::uint64_t>(start.time_since_epoch().count()) >> tick_shift),
      now_(start) {}

std::uint64_t timer_wheel::tick_of(time_point when) noexcept {
    // Rounded up, so that a timer never fires before its moment.
    const auto nanoseconds =
        static_cast<std::uint64_t>(std::max<std::int64_t>(when.time_since_epoch().count(), 0));
    return (nanoseconds + (1U << tick_shift) - 1) >> tick_shift;
}

void timer_wheel::arm(timer& which, time_point when) noexcept {
    which.unlink();
    which.when_ = when;
    if (when != never) {
        place(which);
    }
}

void timer_wheel::place(timer& which) noexcept {
    // What is past goes to the next tick: `now_tick_` itself has been swept already.
    const std::uint64_t tick = std::max(tick_of(which.when_), now_tick_ + 1);
    const std::uint64_t ticks_ahead = tick - now_tick_;
    unsigned level = 0;
    while (level + 1 < levels && ticks_ahead >= (std::uint64_t{1} << (level_bits * (level + 1)))) {
        ++level;
    }
    const std::uint64_t reach = std::uint64_t{1} << (level_bits * levels);
    const std::uint64_t placed = ticks_ahead >= reach ? now_tick_ + reach - 1 : tick;
    const auto slot = static_cast<unsigned>(placed >> (level_bits * level)) % slots;
    wheel_[level][slot].push_back(which);
    occupied_[level] |= std::uint64_t{1} << slot;
}

void timer_wheel::collect_slot(unsigned level, unsigned slot, intrusive_list<timer>& due) noexcept {
    due.append(wheel_[level][slot]);
    occupied_[level] &= ~(std::uint64_t{1} << slot);
}

std::size_t timer_wheel::advance(time_point now) noexcept {
    if (now < now_) {
        return 0;
    }
    now_ = now;
    const auto target = static_cast<std::uint64_t>(now.time_since_epoch().count()) >> tick_shift;
    intrusive_list<timer> moved;
    if (target > now_tick_) {
        for (unsigned level = 0; level < levels; ++level) {
            const unsigned shift = level_bits * level;
            const std::uint64_t from = now_tick_ >> shift;
            const std::uint64_t to = target >> shift;
            if (from == to) {
                break;  // No higher level has turned either.
            }
            // A whole turn or more sweeps every slot once. Higher levels' current slot is swept on
            // entering it: what lies there is due within the span of the level below.
            const std::uint64_t steps = std::min<std::uint64_t>(to - from, slots);
            for (std::uint64_t step = 1; step <= steps; ++step) {
                collect_slot(level, static_cast<unsigned>((from + step) % slots), moved);
            }
        }
        now_tick_ = target;
    }

    intrusive_list<timer> due;
    std::size_t due_count = 0;
    while (timer* each = moved.pop_front()) {
        if (tick_of(each->when_) > now_tick_) {
            place(*each);
        } else {
            due.push_back(*each);
            ++due_count;
        }
    }
    sort_by_moment(due, due_count);
    // A callback may disarm a timer that is due as well: it then simply leaves the list.
    std::size_t fired = 0;
    while (timer* each = due.pop_front()) {
        ++fired;
        each->on_expiry_(*each);
    }
    return fired;
}

time_point timer_wheel::next_wake() const noexcept {
    std::uint64_t nearest = ~std::uint64_t{0};
    for (unsigned level = 0; level < levels; ++level) {
        const unsigned shift = level_bits * level;
        const std::uint64_t here = now_tick_ >> shift;
        while (occupied_[level] != 0) {
            const auto first = static_cast<int>((here + 1) % slots);
            const auto ahead =
                static_cast<unsigned>(std::countr_zero(std::rotr(occupied_[level], first)));
            const auto slot = static_cast<unsigned>((here + 1 + ahead) % slots);
            if (wheel_[level][slot].empty()) {
                occupied_[level] &= ~(std::uint64_t{1} << slot);
                continue;
            }
            nearest = std::min(nearest, (here + 1 + ahead) << shift);
            break;
        }
    }
    if (nearest == ~std::uint64_t{0}) {
        return never;
    }
    return time_point(duration(static_cast<std::int64_t>(nearest << tick_shift)));
}

}  // namespace ferry::runtime
