#include "http/listing_text.hpp"

#include <charconv>
#include <cstddef>

#include "ferry/base/wall_clock.hpp"

namespace ferry::http {
namespace {

constexpr std::int64_t seconds_of_a_day = 86'400;

constexpr auto two_digits = [] {
    std::array<std::array<char, 2>, 100> all{};
    for (std::size_t value = 0; value < all.size(); ++value) {
        all[value] = {static_cast<char>('0' + value / 10), static_cast<char>('0' + value % 10)};
    }
    return all;
}();

void put_two_digits(char* at, int value) {
    const auto& digits = two_digits[static_cast<std::size_t>(value)];
    at[0] = digits[0];
    at[1] = digits[1];
}

}  // namespace

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

void append_readable_size(std::string& out, std::uint64_t size_bytes) {
    if (size_bytes < 1024) {
        append_number(out, size_bytes);
        out += " B";
        return;
    }
    constexpr std::string_view letters = "KMGTPE";
    std::size_t unit = 0;
    std::uint64_t divisor = 1024;
    while (unit + 1 < letters.size() && size_bytes / divisor >= 1024) {
        divisor *= 1024;
        ++unit;
    }
    const std::uint64_t whole = size_bytes / divisor;
    append_number(out, whole);
    if (whole < 10) {
        out += '.';
        out += static_cast<char>('0' + size_bytes % divisor * 10 / divisor);
    }
    out += ' ';
    out += letters[unit];
    out += "iB";
}

void utc_text::set_day(std::int64_t days) noexcept {
    const auto date = to_calendar(days * seconds_of_a_day);
    octets_ = {'0', '0', '0', '0', '-', '0', '0', '-', '0', '0',
               'T', '0', '0', ':', '0', '0', ':', '0', '0', 'Z'};
    put_two_digits(octets_.data(), date.year / 100);
    put_two_digits(octets_.data() + 2, date.year % 100);
    put_two_digits(octets_.data() + 5, date.month);
    put_two_digits(octets_.data() + 8, date.day);
    days_ = days;
}

void utc_text::set(std::int64_t seconds) noexcept {
    constexpr std::int64_t year_1 = -62'135'596'800;
    constexpr std::int64_t year_10000 = 253'402'300'800;
    is_empty_ = seconds < year_1 || seconds >= year_10000;
    if (is_empty_) {
        return;
    }
    // Rounded down, before 1970, too.
    const auto days = (seconds - year_1) / seconds_of_a_day + year_1 / seconds_of_a_day;
    if (days != days_) {
        set_day(days);
    }
    const auto second = static_cast<int>(seconds - days * seconds_of_a_day);
    put_two_digits(octets_.data() + 11, second / 3'600);
    put_two_digits(octets_.data() + 14, second / 60 % 60);
    put_two_digits(octets_.data() + 17, second % 60);
}

}  // namespace ferry::http
