#include "http/html.hpp"

#include <array>
#include <cstdint>

#include "http/code_points.hpp"

namespace ferry::http {
namespace {

/// Octets that are written as they are, wherever they stand.
constexpr auto is_plain_octet = [] {
    std::array<bool, 256> plain{};
    for (int c = 0x20; c < 0x7F; ++c) {
        plain[static_cast<std::size_t>(c)] =
            std::string_view("&<>\"'").find(static_cast<char>(c)) == std::string_view::npos;
    }
    return plain;
}();

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
            return replacement_character;
    }
}

}  // namespace

void append_html(std::string& out, std::string_view text) {
    while (!text.empty()) {
        std::size_t plain = 0;
        while (plain < text.size() && is_plain_octet[octet_value(text[plain])]) {
            ++plain;
        }
        out.append(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) {
            return;
        }
        if (octet_value(text[0]) < 0x80) {
            out += reference(text[0]);
            text.remove_prefix(1);
            continue;
        }
        const auto first = decode_first_code_point(text);
        if (first.size_bytes == 0) {
            out += replacement_character;
            text.remove_prefix(1);
        } else {
            out += is_deceptive(first.value) ? replacement_character
                                             : text.substr(0, first.size_bytes);
            text.remove_prefix(first.size_bytes);
        }
    }
}

}  // namespace ferry::http
