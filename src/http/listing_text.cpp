#include "http/listing_text.hpp"

#include <charconv>
#include <cstddef>

#include "ferry/base/wall_clock.hpp"

namespace ferry::http {
namespace {

void put_two_digits(char* at, int value) {
    at[0] = static_cast<char>('0' + value / 10 % 10);
    at[1] = static_cast<char>('0' + value % 10);
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

utc_text::utc_text(std::int64_t seconds) noexcept {
    constexpr std::int64_t year_1 = -62'135'596'800;
    constexpr std::int64_t year_10000 = 253'402'300'800;
    if (seconds < year_1 || seconds >= year_10000) {
        return;
    }
    const auto time = to_calendar(seconds);
    octets_ = {'0', '0', '0', '0', '-', '0', '0', '-', '0', '0',
               'T', '0', '0', ':', '0', '0', ':', '0', '0', 'Z'};
    char* const text = octets_.data();
    put_two_digits(text, time.year / 100);
    put_two_digits(text + 2, time.year);
    put_two_digits(text + 5, time.month);
    put_two_digits(text + 8, time.day);
    put_two_digits(text + 11, time.hour);
    put_two_digits(text + 14, time.minute);
    put_two_digits(text + 17, time.second);
    is_empty_ = false;
}

}  // namespace ferry::http
