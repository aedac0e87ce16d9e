#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ferry::http {

/// What stands for text that is malformed or not shown: U+FFFD, REPLACEMENT CHARACTER.
inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

[[nodiscard]] constexpr std::uint32_t octet_value(char c) noexcept {
    return static_cast<unsigned char>(c);
}

/// One character of a name.
struct code_point {
    std::uint32_t value = 0;
    std::size_t size_bytes = 0;  ///< 0 when the text does not begin with a well-formed sequence.
};

/// Decodes the first sequence of two to four octets (RFC 3629 section 4: shortest form, no
/// surrogates, nothing over U+10FFFF). `text` must not be empty. ASCII counts as not well formed:
/// whoever asks has dealt with it.
[[nodiscard]] code_point decode_first_code_point(std::string_view text) noexcept;

/// True for what makes a name look like another or break a line unseen: C1 controls, line and
/// paragraph separators, and what overrides or isolates the direction of writing (threats.md, V11).
[[nodiscard]] bool is_deceptive(std::uint32_t value) noexcept;

/// True when all of `text` is UTF-8 (RFC 3629), ASCII included. Cost: one pass.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

}  // namespace ferry::http
