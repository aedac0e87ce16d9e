#include "http/html.hpp"

#include <array>
#include <cstdint>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

/// Octets that are written as they are, wherever they stand.
constexpr auto is_plain = [] {
    std::array<bool, 256> plain{};
    for (int c = 0x20; c < 0x7F; ++c) {
        plain[static_cast<std::size_t>(c)] =
            std::string_view("&<>\"'").find(static_cast<char>(c)) == std::string_view::npos;
    }
    return plain;
}();

constexpr std::uint32_t octet(char c) noexcept {
    return static_cast<unsigned char>(c);
}

struct code_point {
    std::uint32_t value = 0;
    std::size_t size_bytes = 0;  ///< 0 when the text does not begin with a well-formed sequence.
};

/// Decodes the first sequence of two to four octets (RFC 3629 section 4: shortest form, no
/// surrogates, nothing over U+10FFFF).
code_point decode_first(std::string_view text) noexcept {
    const auto lead = octet(text[0]);
    const std::size_t size = lead >= 0xF0 && lead <= 0xF4   ? 4
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xC2 && lead <= 0xDF ? 2
                                                            : 0;
    if (size == 0 || text.size() < size) {
        return {};
    }
    std::uint32_t value = lead & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((octet(text[i]) & 0xC0U) != 0x80U) {
            return {};
        }
        value = value << 6U | (octet(text[i]) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return {};
    }
    return {.value = value, .size_bytes = size};
}

/// C1 controls, line and paragraph separators, and what overrides or isolates the direction of
/// writing.
constexpr bool is_deceptive(std::uint32_t value) noexcept {
    return (value >= 0x80 && value <= 0x9F) || value == 0x061C || value == 0x200E ||
           value == 0x200F || (value >= 0x2028 && value <= 0x202E) ||
           (value >= 0x2066 && value <= 0x2069) || value == 0xFEFF;
}

std::string_view reference(char c) noexcept {
    switch (c) {
        case '&':
            return "&amp;";
        case '<':
            return "&lt;";
        case '>':
            return "&gt;";
        case '"':
            return "&quot;";
        case '\'':
            return "&#39;";
        default:
            return replacement;
    }
}

}  // namespace

void append_html(std::string& out, std::string_view text) {
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain[octet(text[plain])]) {
            ++plain;
        }
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) {
            return;
        }
        if (octet(text[0]) < 0x80) {
            out += reference(text[0]);
            text.remove_prefix(1);
            continue;
        }
        const auto first = decode_first(text);
        if (first.size_bytes == 0) {
            out += replacement;
            text.remove_prefix(1);
        } else {
            out += is_deceptive(first.value) ? replacement : text.substr(0, first.size_bytes);
            text.remove_prefix(first.size_bytes);
        }
    }
}

}  // namespace ferry::http
