#include "ftp/glob.hpp"

#include <algorithm>
#include <cstddef>

namespace ferry::ftp {
namespace {

/// How the character at the front of a name fared against the element at the front of a pattern.
struct element_match {
    bool matches = false;
    std::size_t element_bytes = 1;
};

/// The character that `text`, which is not empty, begins with: of UTF-8 (RFC 3629 section 3), or an
/// octet that is none. Such texts are in the order of their characters' numbers.
std::string_view first_character(std::string_view text) noexcept {
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t bytes = lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes == 1 || lead > 0xF4 || bytes > text.size()) {
        return text.substr(0, 1);
    }
    const auto rest = text.substr(1, bytes - 1);
    const bool is_one = std::ranges::all_of(
        rest, [](char each) { return (static_cast<unsigned char>(each) & 0xC0U) == 0x80U; });
    return text.substr(0, is_one ? bytes : 1);
}

/// Where the content of the set that `pattern` begins with starts, behind '[' and '!'.
std::size_t begin_of_set(std::string_view pattern) noexcept {
    return pattern.size() > 1 && (pattern[1] == '!' || pattern[1] == '^') ? 2 : 1;
}

/// `pattern` begins with a set that is closed.
element_match match_set(std::string_view pattern, std::string_view character) noexcept {
    std::size_t at = begin_of_set(pattern);
    const bool inverted = at == 2;
    bool found = false;
    for (bool is_first = true; at < pattern.size(); is_first = false) {
        if (pattern[at] == ']' && !is_first) {
            return {.matches = found != inverted, .element_bytes = at + 1};
        }
        const auto low = first_character(pattern.substr(at));
        auto high = low;
        at += low.size();
        if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
            high = first_character(pattern.substr(at + 1));
            at += 1 + high.size();
        }
        found = found || (low <= character && character <= high);
    }
    return {};
}

/// `pattern` is not empty and does not begin with '*'; its last ']' has `behind_close` octets
/// behind it. A set that nothing closes is known by that, not by looking for its end at every
/// character, which would make many of them cost the pattern squared.
element_match match_element(std::string_view pattern, std::string_view character,
                            std::size_t behind_close) noexcept {
    if (pattern.front() == '?') {
        return {.matches = true};
    }
    // A ']' right at the beginning is in the set (POSIX.2 section 2.13.1).
    const bool is_set =
        pattern.front() == '[' && pattern.size() > behind_close + 1 + begin_of_set(pattern);
    return is_set ? match_set(pattern, character)
                  : element_match{.matches = pattern.starts_with(character),
                                  .element_bytes = character.size()};
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
    // On a mismatch only the last star has to give way by one character: what an earlier one could
    // take more, the last one can, too. So there is no second loop inside.
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
            const auto character = first_character(name);
            const auto element = match_element(pattern, character, behind_close);
            if (element.matches) {
                pattern.remove_prefix(element.element_bytes);
                name.remove_prefix(character.size());
                continue;
            }
        }
        if (!has_star) {
            return false;
        }
        retry_name.remove_prefix(first_character(retry_name).size());
        name = retry_name;
        pattern = behind_star;
    }
    return pattern.find_first_not_of('*') == std::string_view::npos;
}

}  // namespace ferry::ftp
