#include "server/access_log_format.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ranges>
#include <span>
#include <string_view>

#include "ferry/base/ascii.hpp"

namespace ferry::server {
namespace {

constexpr bool is_plain(char c) noexcept {
    return !ascii::is_control(c) && c != '"' && c != '\\';
}

/// As `ascii::append_escaped`, with the usual case, nothing to escape, in one copy.
void append_clean(std::string& out, std::string_view text) {
    const auto dirty = std::ranges::find_if_not(text, is_plain);
    const auto clean_bytes = static_cast<std::size_t>(dirty - text.begin());
    out.append(text.substr(0, clean_bytes));
    ascii::append_escaped(out, text.substr(clean_bytes));
}

/// A field that ends at the next blank.
void append_word(std::string& out, std::string_view text) {
    if (text.empty()) {
        out += '-';
        return;
    }
    for (auto blank = text.find(' '); blank != std::string_view::npos; blank = text.find(' ')) {
        append_clean(out, text.substr(0, blank));
        out += "\\x20";
        text.remove_prefix(blank + 1);
    }
    append_clean(out, text);
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    if (text.empty()) {
        out += '-';
    } else {
        append_clean(out, text);
    }
    out += '"';
}

template <class Number>
void append_number(std::string& out, Number value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

void append_request_line(std::string& out, const access_record& record) {
    out += '"';
    bool first = true;
    for (const auto piece : {record.method, record.target, record.protocol}) {
        if (piece.empty()) {
            continue;  // Each has its own shape, so one that is missing leaves no doubt about the
                       // rest.
        }
        if (!first) {
            out += ' ';
        }
        append_clean(out, piece);
        first = false;
    }
    out += first ? "-\"" : "\"";
}

/// Writes the last digits of `value`, as many as `field` has, with leading zeros.
void write_digits(std::span<char> field, int value) noexcept {
    for (auto& digit : field | std::views::reverse) {
        digit = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

}  // namespace

void access_log_formatter::set_stamp(std::int64_t second) noexcept {
    const auto time = to_calendar(second);
    constexpr std::string_view shape = "[dd/Mon/yyyy:hh:mm:ss +0000]";
    static_assert(shape.size() == stamp_bytes);
    std::ranges::copy(shape, stamp_.begin());
    const std::span stamp(stamp_);
    write_digits(stamp.subspan(1, 2), time.day);
    std::memcpy(stamp_.data() + 4, month_name(time.month), 3);
    write_digits(stamp.subspan(8, 4), std::clamp(time.year, 0, 9'999));
    write_digits(stamp.subspan(13, 2), time.hour);
    write_digits(stamp.subspan(16, 2), time.minute);
    write_digits(stamp.subspan(19, 2), time.second);
    stamped_second_ = second;
}

void access_log_formatter::append(std::string& out, const access_record& record) {
    if (record.when.seconds != stamped_second_) {
        set_stamp(record.when.seconds);
    }
    append_word(out, record.peer);
    out += " - ";
    append_word(out, record.user);
    out += ' ';
    out.append(stamp_.data(), stamp_.size());
    out += ' ';
    append_request_line(out, record);
    out += ' ';
    if (record.status == 0) {
        out += '-';
    } else {
        append_number(out, record.status);
    }
    out += ' ';
    append_number(out, record.body_bytes);
    out += ' ';
    append_quoted(out, record.referer);
    out += ' ';
    append_quoted(out, record.user_agent);
    out += ' ';
    append_number(out, record.duration.count());
    out += '\n';
}

}  // namespace ferry::server
