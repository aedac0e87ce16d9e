#include "http/code_points.hpp"

#include <array>

namespace ferry::http {

code_point decode_first_code_point(std::string_view text) noexcept {
    const auto lead = octet_value(text[0]);
    const std::size_t size = lead >= 0xF0 && lead <= 0xF4   ? 4
                             : lead >= 0xE0 && lead <= 0xEF ? 3
                             : lead >= 0xC2 && lead <= 0xDF ? 2
                                                            : 0;
    if (size == 0 || text.size() < size) {
        return {};
    }
    std::uint32_t value = lead & (0x7FU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((octet_value(text[i]) & 0xC0U) != 0x80U) {
            return {};
        }
        value = value << 6U | (octet_value(text[i]) & 0x3FU);
    }
    constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
    if (value < least[size] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        return {};
    }
    return {.value = value, .size_bytes = size};
}

bool is_deceptive(std::uint32_t value) noexcept {
    return (value >= 0x80 && value <= 0x9F) || value == 0x061C || value == 0x200E ||
           value == 0x200F || (value >= 0x2028 && value <= 0x202E) ||
           (value >= 0x2066 && value <= 0x2069) || value == 0xFEFF;
}

bool is_utf8(std::string_view text) noexcept {
    while (!text.empty()) {
        if (octet_value(text[0]) < 0x80) {
            text.remove_prefix(1);
            continue;
        }
        const auto first = decode_first_code_point(text);
        if (first.size_bytes == 0) {
            return false;
        }
        text.remove_prefix(first.size_bytes);
    }
    return true;
}

}  // namespace ferry::http
