#pragma once

#include <chrono>

namespace ferry::runtime {

using duration = std::chrono::nanoseconds;

/// The clock of timers and deadlines. It has no `now()`: only a reactor tells the time, so that a
/// simulated one can (threats.md, R12).
struct monotonic {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<monotonic>;
    static constexpr bool is_steady = true;
};

/// An absolute moment of the reactor's clock.
using time_point = monotonic::time_point;

/// The deadline of a wait that has none.
inline constexpr time_point never = time_point::max();

}  // namespace ferry::runtime
