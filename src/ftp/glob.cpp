#include "ftp/glob.hpp"

#include <cstddef>

namespace ferry::ftp {
namespace {

/// How one octet fared against the element at the front of a pattern.
struct element_match {
    bool matches = false;
    std::size_t element_bytes = 1;
};

/// Where the content of the set that `pattern` begins with starts, behind '[' and '!'.
std::size_t begin_of_set(std::string_view pattern) noexcept {
    return pattern.size() > 1 && (pattern[1] == '!' || pattern[1] == '^') ? 2 : 1;
}

/// `pattern` begins with a set that is closed.
element_match match_set(std::string_view pattern, char octet) noexcept {
    std::size_t at = begin_of_set(pattern);
    const bool inverted = at == 2;
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
    return {};
}

/// `pattern` is not empty and does not begin with '*'; its last ']' has `behind_close` octets
/// behind it. A set that nothing closes is known by that, not by looking for its end at every
/// octet, which would make many of them cost the pattern squared.
element_match match_element(std::string_view pattern, char octet,
                            std::size_t behind_close) noexcept {
    if (pattern.front() == '?') {
        return {.matches = true};
    }
    // A ']' right at the beginning is in the set (POSIX.2 section 2.13.1).
    const bool is_set =
        pattern.front() == '[' && pattern.size() > behind_close + 1 + begin_of_set(pattern);
    return is_set ? match_set(pattern, octet) : element_match{.matches = pattern.front() == octet};
}

}  // namespace

bool is_pattern(std::string_view text) noexcept {
    return text.find_first_of("*?[") != std::string_view::npos;
}

bool matches_pattern(std::string_view pattern, std::string_view name) noexcept {
    if (name.starts_with('.') && !pattern.starts_with('.')) {
        return false;
    }
    const auto last_close = pattern.rfind(']');
    const auto behind_close =
        last_close == std::string_view::npos ? pattern.size() : pattern.size() - 1 - last_close;
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
            const auto element = match_element(pattern, name.front(), behind_close);
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
