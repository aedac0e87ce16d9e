#include "ferry/base/wall_clock.hpp"

#include <array>
#include <chrono>

#include "ferry/base/kernel.hpp"

namespace ferry {

wall_time read_wall_clock() noexcept {
    const timespec now = kernel::wall_clock();
    return {.seconds = now.tv_sec, .nanoseconds = static_cast<std::uint32_t>(now.tv_nsec)};
}

calendar_time to_calendar(std::int64_t seconds) noexcept {
    using namespace std::chrono;
    const sys_seconds when{std::chrono::seconds{seconds}};
    const auto day = floor<days>(when);
    const year_month_day date{day};
    const hh_mm_ss time{when - day};
    return {.year = static_cast<int>(date.year()),
            .month = static_cast<int>(static_cast<unsigned>(date.month())),
            .day = static_cast<int>(static_cast<unsigned>(date.day())),
            .hour = static_cast<int>(time.hours().count()),
            .minute = static_cast<int>(time.minutes().count()),
            .second = static_cast<int>(time.seconds().count()),
            .weekday = static_cast<int>(weekday{day}.c_encoding())};
}

std::int64_t to_seconds(const calendar_time& time) noexcept {
    using namespace std::chrono;
    const sys_days day = year{time.year} / month{static_cast<unsigned>(time.month)} /
                         std::chrono::day{static_cast<unsigned>(time.day)};
    const int second = time.second > 59 ? 59 : time.second;
    return day.time_since_epoch().count() * 86'400LL + time.hour * 3'600 + time.minute * 60 +
           second;
}

bool is_valid(const calendar_time& time) noexcept {
    using namespace std::chrono;
    const bool clock_fits = time.hour >= 0 && time.hour <= 23 && time.minute >= 0 &&
                            time.minute <= 59 && time.second >= 0 && time.second <= 60;
    const bool date_fits = time.year >= 0 && time.year <= 9'999 && time.month >= 1 &&
                           time.month <= 12 && time.day >= 1 &&
                           (year{time.year} / month{static_cast<unsigned>(time.month)} /
                            day{static_cast<unsigned>(time.day)})
                               .ok();
    return clock_fits && date_fits;
}

const char* weekday_name(int weekday) noexcept {
    static constexpr std::array<const char*, 7> names{"Sun", "Mon", "Tue", "Wed",
                                                      "Thu", "Fri", "Sat"};
    return names[static_cast<std::size_t>(weekday) % names.size()];
}

const char* month_name(int month) noexcept {
    static constexpr std::array<const char*, 12> names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return names[static_cast<std::size_t>(month - 1) % names.size()];
}

}  // namespace ferry
