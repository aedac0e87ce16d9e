#include "ftp/time.hpp"

#include <algorithm>
#include <array>

#include "ferry/base/ascii.hpp"

namespace ferry::ftp {
namespace {

constexpr std::int64_t first_second = -62'167'219'200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t last_second = 253'402'300'799;   // 9999-12-31T23:59:59Z

/// Writes `value` in decimal with leading zeros into `[at, at + digits)`; returns the end.
char* write_padded(char* at, unsigned value, int digits) noexcept {
    for (int i = digits - 1; i >= 0; --i) {
        at[i] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

int read_digits(std::string_view text) noexcept {
    int value = 0;
    for (const char c : text) {
        value = value * 10 + (c - '0');
    }
    return value;
}

}  // namespace

void append_time_val(std::string& out, const wall_time& when, time_precision precision) {
    std::array<char, time_val_bytes + 4> text;
    write_time_val(std::span(text).first<time_val_bytes>(), when.seconds);
    char* end = text.data() + time_val_bytes;
    if (precision == time_precision::milliseconds) {
        *end++ = '.';
        end = write_padded(end, when.nanoseconds / 1'000'000, 3);
    }
    out.append(text.data(), end);
}

void write_time_val(std::span<char, time_val_bytes> at, std::int64_t seconds) noexcept {
    const auto shown = to_calendar(clamp_to_four_digit_years(seconds));
    char* next = write_padded(at.data(), static_cast<unsigned>(shown.year), 4);
    for (const int field : {shown.month, shown.day, shown.hour, shown.minute, shown.second}) {
        next = write_padded(next, static_cast<unsigned>(field), 2);
    }
}

result<wall_time> parse_time_val(std::string_view text) {
    const auto whole = text.substr(0, text.find('.'));
    if (whole.size() != 14 || !std::ranges::all_of(whole, ascii::is_digit)) {
        return failure(errc::invalid);
    }
    const calendar_time fields{.year = read_digits(whole.substr(0, 4)),
                               .month = read_digits(whole.substr(4, 2)),
                               .day = read_digits(whole.substr(6, 2)),
                               .hour = read_digits(whole.substr(8, 2)),
                               .minute = read_digits(whole.substr(10, 2)),
                               .second = read_digits(whole.substr(12, 2))};
    if (!is_valid(fields)) {
        return failure(errc::invalid);
    }
    wall_time when{.seconds = to_seconds(fields), .nanoseconds = 0};
    if (whole.size() == text.size()) {
        return when;
    }
    const auto fraction = text.substr(whole.size() + 1);
    if (fraction.empty() || !std::ranges::all_of(fraction, ascii::is_digit)) {
        return failure(errc::invalid);
    }
    std::uint32_t unit = 100'000'000;
    for (const char c : fraction) {
        when.nanoseconds += static_cast<std::uint32_t>(c - '0') * unit;
        unit /= 10;
    }
    return when;
}

std::int64_t clamp_to_four_digit_years(std::int64_t seconds) noexcept {
    return std::clamp(seconds, first_second, last_second);
}

}  // namespace ferry::ftp
