#include "ferry/base/ascii.hpp"

namespace ferry::ascii {

void append_escaped(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (const char c : text) {
        if (is_control(c) || c == '"' || c == '\\') {
            const auto octet = static_cast<unsigned char>(c);
            out += "\\x";
            out += digits[octet >> 4U];
            out += digits[octet & 15U];
        } else {
            out += c;
        }
    }
}

}  // namespace ferry::ascii
