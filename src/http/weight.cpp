#include "http/weight.hpp"

#include <algorithm>

#include "ferry/base/ascii.hpp"

namespace ferry::http {

std::optional<weight> parse_weight(std::string_view text) noexcept {
    if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1') ||
        (text.size() > 1 && text[1] != '.')) {
        return std::nullopt;
    }
    weight value = text[0] == '1' ? full_weight : 0;
    weight unit = 100;
    for (const char c : text.substr(std::min<std::size_t>(2, text.size()))) {
        if (!ascii::is_digit(c)) {
            return std::nullopt;
        }
        value = static_cast<weight>(value + unit * (c - '0'));
        unit /= 10;
    }
    return value <= full_weight ? std::optional(value) : std::nullopt;
}

}  // namespace ferry::http
