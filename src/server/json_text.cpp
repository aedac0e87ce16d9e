#include "server/json_text.hpp"

#include <algorithm>
#include <cstddef>

#include "server/plain_prefix.hpp"

namespace ferry::server {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr bool is_plain(char c) noexcept {
    const auto octet = static_cast<unsigned char>(c);
    return (octet >= 0x20U) & (octet < 0x7FU) & (c != '"') & (c != '\\');
}

/// The length of the UTF-8 character of two octets or more that `text` begins with; 0 where it
/// begins with none (RFC 3629 section 4: no overlong form, no surrogate, nothing above U+10FFFF).
std::size_t character_bytes(std::string_view text) noexcept {
    const auto octet = [text](std::size_t index) noexcept {
        return index < text.size() ? static_cast<unsigned char>(text[index]) : 0U;
    };
    const auto is_tail = [&octet](std::size_t index) noexcept {
        return (octet(index) & 0xC0U) == 0x80U;
    };
    const unsigned lead = octet(0);
    const unsigned second = octet(1);
    if (lead < 0xC2U || lead > 0xF4U || !is_tail(1)) {
        return 0;
    }
    if (lead < 0xE0U) {
        return 2;
    }
    if (lead < 0xF0U) {
        const bool is_wrong =
            (lead == 0xE0U && second < 0xA0U) || (lead == 0xEDU && second > 0x9FU);
        return !is_wrong && is_tail(2) ? 3 : 0;
    }
    const bool is_wrong = (lead == 0xF0U && second < 0x90U) || (lead == 0xF4U && second > 0x8FU);
    return !is_wrong && is_tail(2) && is_tail(3) ? 4 : 0;
}

void append_hex(std::string& out, std::string_view before, unsigned char octet) {
    out += before;
    out += hex_digits[octet >> 4U];
    out += hex_digits[octet & 15U];
}

}  // namespace

void append_json_text(std::string& out, std::string_view text) {
    for (;;) {  // Bounded by `text`: each turn takes an octet off its front.
        const auto plain_bytes = plain_prefix(text, is_plain);
        out.append(text.data(), plain_bytes);
        text.remove_prefix(plain_bytes);
        if (text.empty()) {
            return;
        }
        const auto octet = static_cast<unsigned char>(text.front());
        std::size_t taken = 1;
        if (octet == '"') {
            out += "\\\"";
        } else if (octet < 0x80U && octet != '\\') {
            append_hex(out, "\\u00", octet);
        } else {
            const auto bytes = character_bytes(text);
            if (bytes == 2 && octet == 0xC2U && static_cast<unsigned char>(text[1]) < 0xA0U) {
                append_hex(out, "\\u00", static_cast<unsigned char>(text[1]));
            } else if (bytes != 0) {
                out.append(text.substr(0, bytes));
            } else {
                append_hex(out, "\\\\x", octet);
            }
            taken = std::max<std::size_t>(bytes, 1);
        }
        text.remove_prefix(taken);
    }
}

}  // namespace ferry::server
