#pragma once

#include <compare>
#include <cstdint>

namespace ferry {

/// A moment of civil time, UTC, for dates that people and protocols see. Timers never use it
/// (threats.md, R12).
struct wall_time {
    std::int64_t seconds = 0;       ///< Since 1970-01-01T00:00:00Z.
    std::uint32_t nanoseconds = 0;  ///< 0 to 999,999,999.

    friend auto operator<=>(const wall_time&, const wall_time&) = default;
};

/// The present, from the system's clock. Cost: a vDSO call, some 20 ns.
[[nodiscard]] wall_time read_wall_clock() noexcept;

/// A wall time split into UTC calendar fields.
struct calendar_time {
    int year = 1970;
    int month = 1;   ///< 1 to 12.
    int day = 1;     ///< 1 to 31.
    int hour = 0;    ///< 0 to 23.
    int minute = 0;  ///< 0 to 59.
    int second =
        0;  ///< 0 to 60 on input (leap second, taken as 59 by `to_seconds`), 0 to 59 on output.
    int weekday = 4;  ///< 0 is Sunday. Ignored on input.
};

/// Splits `seconds` into proleptic Gregorian UTC fields. Cost: arithmetic only.
[[nodiscard]] calendar_time to_calendar(std::int64_t seconds) noexcept;

/// The inverse. Fields must be in range (see `is_valid`).
[[nodiscard]] std::int64_t to_seconds(const calendar_time& time) noexcept;

/// True when every field is in its range and the day exists in that month (29 February included).
[[nodiscard]] bool is_valid(const calendar_time& time) noexcept;

/// Names as in RFC 9110 section 5.6.7 and `ls -l`: "Sun", "Jan". `weekday` 0..6, `month` 1..12.
[[nodiscard]] const char* weekday_name(int weekday) noexcept;
[[nodiscard]] const char* month_name(int month) noexcept;

}  // namespace ferry
