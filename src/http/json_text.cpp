#include "http/json_text.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

#include "http/code_points.hpp"

namespace ferry::http {
namespace {

constexpr bool is_plain(char c) noexcept {
    return c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
}

/// `value` is of the Basic Multilingual Plane.
void append_escape(std::string& out, std::uint32_t value) {
    constexpr std::string_view digits = "0123456789abcdef";
    const std::array<char, 6> escape{'\\',
                                     'u',
                                     digits[value >> 12U & 15U],
                                     digits[value >> 8U & 15U],
                                     digits[value >> 4U & 15U],
                                     digits[value & 15U]};
    out.append(escape.data(), escape.size());
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain(text[plain])) {
            ++plain;
        }
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) {
            break;
        }
        const auto octet = static_cast<unsigned char>(text[0]);
        if (text[0] == '"' || text[0] == '\\') {
            out += '\\';
            out += text[0];
            text.remove_prefix(1);
            continue;
        }
        if (octet < 0x80) {
            append_escape(out, octet);
            text.remove_prefix(1);
            continue;
        }
        const auto first = decode_first_code_point(text);
        if (first.size_bytes == 0) {
            out += replacement_character;
            text.remove_prefix(1);
        } else {
            if (is_deceptive(first.value)) {
                append_escape(out, first.value);
            } else {
                out += text.substr(0, first.size_bytes);
            }
            text.remove_prefix(first.size_bytes);
        }
    }
    out += '"';
}

}  // namespace ferry::http
