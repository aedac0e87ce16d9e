#include "http/content_disposition.hpp"

#include "ferry/base/ascii.hpp"
#include "http/code_points.hpp"

namespace ferry::http {
namespace {

/// attr-char of RFC 8187 section 3.2.1: what stands for itself in an extended value.
bool is_attribute_char(char c) {
    return ascii::is_alpha(c) || ascii::is_digit(c) ||
           std::string_view("!#$&+-.^_`|~").find(c) != std::string_view::npos;
}

void append_extended(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : text) {
        if (is_attribute_char(c)) {
            out += c;
        } else {
            const auto octet = static_cast<unsigned char>(c);
            out += '%';
            out += digits[octet >> 4U];
            out += digits[octet & 15U];
        }
    }
}

}  // namespace

std::string attachment_named(std::string_view name) {
    std::string plain;     // US-ASCII, without '%': some clients decode that (RFC 6266 appendix D).
    std::string extended;  // UTF-8.
    bool is_plain = true;
    while (!name.empty()) {
        const char c = name.front();
        if (static_cast<unsigned char>(c) < 0x80) {
            const bool is_harmless = !ascii::is_control(c) && c != '"' && c != '\\' && c != '/';
            plain += is_harmless && c != '%' ? c : '_';
            extended += is_harmless ? c : '_';
            is_plain = is_plain && c != '%';
            name.remove_prefix(1);
            continue;
        }
        const auto first = decode_first_code_point(name);
        const bool is_shown = first.size_bytes > 0 && !is_deceptive(first.value);
        plain += '_';
        extended += is_shown ? name.substr(0, first.size_bytes) : std::string_view("_");
        is_plain = is_plain && !is_shown;
        name.remove_prefix(first.size_bytes > 0 ? first.size_bytes : 1);
    }
    std::string value = "attachment; filename=\"" + plain + "\"";
    if (!is_plain) {
        value += "; filename*=UTF-8''";
        append_extended(value, extended);
    }
    return value;
}

}  // namespace ferry::http
