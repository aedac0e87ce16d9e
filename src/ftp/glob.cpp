#include "ftp/glob.hpp"

#include <cstddef>

namespace ferry::ftp {
namespace {

/// How one octet fared against the element at the front of a pattern.
struct element_match {
    bool matches = false;
    std::size_t element_bytes = 1;
};

/// `pattern` begins with '['.
element_match match_set(std::string_view pattern, char octet) noexcept {
    std::size_t at = 1;
    const bool inverted = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
    at += inverted ? 1 : 0;
    const auto c = static_cast<unsigned char>(octet);
    bool found = false;
    for (bool is_first = true; at < pattern.size(); is_first = false) {
        if (pattern[at] == ']' && !is_first) {
            return {.matches = found != inverted, .element_bytes = at + 1};
        }
        const auto low = static_cast<unsigned char>(pattern[at]);
        auto high = low;
        ++at;
        if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            high = static_cast<unsigned char>(pattern[at + 1]);
            at += 2;
        }
        found = found || (low <= c && c <= high);
    }
    return {.matches = octet == '[', .element_bytes = 1};
}

/// `pattern` is not empty and does not begin with '*'.
element_match match_element(std::string_view pattern, char octet) noexcept {
    switch (pattern.front()) {
        case '?':
            return {.matches = true};
        case '[':
            return match_set(pattern, octet);
        default:
            return {.matches = pattern.front() == octet};
    }
}

}  // namespace

bool is_pattern(std::string_view text) noexcept {
    return text.find_first_of("*?[") != std::string_view::npos;
}

bool matches_pattern(std::string_view pattern, std::string_view name) noexcept {
    if (name.starts_with('.') && !pattern.starts_with('.')) {
        return false;
    }
    // On a mismatch only the last star has to give way by one octet: what an earlier one could take
    // more, the last one can, too. So there is no second loop inside.
    std::string_view behind_star;
    std::string_view retry_name;
    bool has_star = false;
    while (!name.empty()) {
        if (!pattern.empty() && pattern.front() == '*') {
            pattern.remove_prefix(1);
            has_star = true;
            behind_star = pattern;
            retry_name = name;
            continue;
        }
        if (!pattern.empty()) {
            const auto element = match_element(pattern, name.front());
            if (element.matches) {
                pattern.remove_prefix(element.element_bytes);
                name.remove_prefix(1);
                continue;
            }
        }
        if (!has_star) {
            return false;
        }
        retry_name.remove_prefix(1);
        name = retry_name;
        pattern = behind_star;
    }
    return pattern.find_first_not_of('*') == std::string_view::npos;
}

}  // namespace ferry::ftp
