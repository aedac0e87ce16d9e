#include "ferry/auth/escapes.hpp"

#include <fmt/format.h>

#include <cstddef>

#include "ferry/base/ascii.hpp"

namespace ferry::auth {

std::optional<std::string> unescape(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? ascii::hex_value(text[i + 1]) : -1;
        const int low = high < 0 ? -1 : ascii::hex_value(text[i + 2]);
        if (low < 0) {
            return std::nullopt;
        }
        plain += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return plain;
}

std::string escape(std::string_view text) {
    std::string made;
    for (const char each : text) {
        if (each == ':' || each == ',' || each == '=' || each == '%' || ascii::is_control(each)) {
            made += fmt::format("%{:02X}", static_cast<unsigned char>(each));
        } else {
            made += each;
        }
    }
    return made;
}

}  // namespace ferry::auth
