#include "http/date.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

#include "ferry/base/ascii.hpp"
#include "ferry/base/wall_clock.hpp"

namespace ferry::http {
namespace {

constexpr std::int64_t first_second = -62'167'219'200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t last_second = 253'402'300'799;   // 9999-12-31T23:59:59Z

/// Takes the parts of a date from the front of a text; after the first part that does not fit,
/// `failed` stays true and every number is 0.
class date_scanner {
  public:
    explicit date_scanner(std::string_view text) : rest_(text) {}

    void literal(std::string_view expected) {
        if (rest_.starts_with(expected)) {
            rest_.remove_prefix(expected.size());
        } else {
            failed_ = true;
        }
    }

    /// Exactly `digits` digits.
    int number(std::size_t digits) {
        if (rest_.size() < digits) {
            failed_ = true;
            return 0;
        }
        int value = 0;
        for (const char c : rest_.substr(0, digits)) {
            if (!ascii::is_digit(c)) {
                failed_ = true;
                return 0;
            }
            value = value * 10 + (c - '0');
        }
        rest_.remove_prefix(digits);
        return value;
    }

    /// The day of asctime: two digits, or a space and one.
    int padded_day() {
        if (rest_.starts_with(' ')) {
            rest_.remove_prefix(1);
            return number(1);
        }
        return number(2);
    }

    int month() {
        for (int month = 1; month <= 12; ++month) {
            if (rest_.starts_with(month_name(month))) {
                rest_.remove_prefix(3);
                return month;
            }
        }
        failed_ = true;
        return 0;
    }

    void short_weekday() {
        for (int day = 0; day < 7; ++day) {
            if (rest_.starts_with(weekday_name(day))) {
                rest_.remove_prefix(3);
                return;
            }
        }
        failed_ = true;
    }

    void time_of_day(calendar_time& out) {
        out.hour = number(2);
        literal(":");
        out.minute = number(2);
        literal(":");
        out.second = number(2);
    }

    [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

/// `Sun, 06 Nov 1994 08:49:37 GMT`
std::optional<calendar_time> parse_imf_fixdate(std::string_view text) {
    date_scanner in(text);
    calendar_time out;
    in.short_weekday();
    in.literal(", ");
    out.day = in.number(2);
    in.literal(" ");
    out.month = in.month();
    in.literal(" ");
    out.year = in.number(4);
    in.literal(" ");
    in.time_of_day(out);
    in.literal(" GMT");
    return in.finished() ? std::optional(out) : std::nullopt;
}

/// `Sun Nov  6 08:49:37 1994`
std::optional<calendar_time> parse_asctime(std::string_view text) {
    date_scanner in(text);
    calendar_time out;
    in.short_weekday();
    in.literal(" ");
    out.month = in.month();
    in.literal(" ");
    out.day = in.padded_day();
    in.literal(" ");
    in.time_of_day(out);
    in.literal(" ");
    out.year = in.number(4);
    return in.finished() ? std::optional(out) : std::nullopt;
}

auto as_tuple(const calendar_time& time) {
    return std::tuple(time.year, time.month, time.day, time.hour, time.minute, time.second);
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
std::optional<calendar_time> parse_rfc850(std::string_view text, std::int64_t now_seconds) {
    static constexpr auto weekdays = std::to_array<std::string_view>(
        {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"});
    const auto comma = text.find(',');
    if (comma == std::string_view::npos ||
        std::ranges::find(weekdays, text.substr(0, comma)) == weekdays.end()) {
        return std::nullopt;
    }
    date_scanner in(text.substr(comma));
    calendar_time out;
    in.literal(", ");
    out.day = in.number(2);
    in.literal("-");
    out.month = in.month();
    in.literal("-");
    const int two_digits = in.number(2);
    in.literal(" ");
    in.time_of_day(out);
    in.literal(" GMT");
    if (!in.finished()) {
        return std::nullopt;
    }
    const auto now = to_calendar(std::clamp(now_seconds, first_second, last_second));
    // From the latest candidate downwards, the first that is at most 50 years after now.
    for (int century = now.year / 100 + 1;; --century) {
        out.year = century * 100 + two_digits;
        auto fifty_years_before = out;
        fifty_years_before.year -= 50;
        if (as_tuple(fifty_years_before) <= as_tuple(now)) {
            return out;
        }
    }
}

void put_digits(char* at, std::size_t digits, int value) {
    for (std::size_t i = digits; i-- > 0; value /= 10) {
        at[i] = static_cast<char>('0' + value % 10);
    }
}

}  // namespace

date_text format_date(std::int64_t seconds) noexcept {
    const auto time = to_calendar(std::clamp(seconds, first_second, last_second));
    date_text made;
    char* const out = made.octets_.data();
    constexpr std::string_view shape = "Sun, 06 Nov 1994 08:49:37 GMT";
    static_assert(shape.size() == date_text::size_bytes);
    std::copy(shape.begin(), shape.end(), out);
    std::copy_n(weekday_name(time.weekday), 3, out);
    put_digits(out + 5, 2, time.day);
    std::copy_n(month_name(time.month), 3, out + 8);
    put_digits(out + 12, 4, time.year);
    put_digits(out + 17, 2, time.hour);
    put_digits(out + 20, 2, time.minute);
    put_digits(out + 23, 2, time.second);
    return made;
}

result<std::int64_t> parse_date(std::string_view text, std::int64_t now_seconds) {
    auto time = parse_imf_fixdate(text);
    if (!time) {
        time = parse_rfc850(text, now_seconds);
    }
    if (!time) {
        time = parse_asctime(text);
    }
    if (!time || !is_valid(*time)) {
        return failure(errc::invalid);
    }
    return to_seconds(*time);
}

}  // namespace ferry::http
