#include "http/content_range.hpp"

#include <limits>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

/// Takes a number off the front of `text`.
std::optional<std::uint64_t> take_decimal(std::string_view& text) noexcept {
    constexpr std::uint64_t max = std::numeric_limits<std::int64_t>::max();
    std::uint64_t value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && ascii::is_digit(text[digits]); ++digits) {
        const auto digit = static_cast<std::uint64_t>(text[digits] - '0');
        if (value > (max - digit) / 10) {
            return std::nullopt;
        }
        value = value * 10 + digit;
    }
    text.remove_prefix(digits);
    return digits == 0 ? std::nullopt : std::optional(value);
}

bool take(std::string_view& text, char what) noexcept {
    if (!text.starts_with(what)) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::optional<content_part> parse_content_range(std::string_view value) noexcept {
    constexpr std::string_view unit = "bytes ";
    if (!ascii::equal_ignoring_case(value.substr(0, unit.size()), unit)) {
        return std::nullopt;
    }
    value.remove_prefix(unit.size());
    const auto first = take_decimal(value);
    if (!first || !take(value, '-')) {
        return std::nullopt;
    }
    const auto last = take_decimal(value);
    if (!last || *last < *first || !take(value, '/')) {
        return std::nullopt;
    }
    content_part part{.octets = {.offset = *first, .size_bytes = *last - *first + 1},
                      .whole_size_bytes = {}};
    if (value == "*") {
        return part;
    }
    part.whole_size_bytes = take_decimal(value);
    if (!part.whole_size_bytes || !value.empty() || *part.whole_size_bytes <= *last) {
        return std::nullopt;
    }
    return part;
}

}  // namespace ferry::http
