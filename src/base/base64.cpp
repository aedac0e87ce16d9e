#include "ferry/base/base64.hpp"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace ferry {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t group_octets = 3;
constexpr std::size_t group_letters = 4;

}  // namespace

void append_base64(std::string& out, std::span<const std::byte> octets) {
    out.reserve(out.size() + (octets.size() + group_octets - 1) / group_octets * group_letters);
    while (!octets.empty()) {
        const auto group =
            octets.first(octets.size() < group_octets ? octets.size() : group_octets);
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < group_octets; ++i) {
            bits = bits << 8U | (i < group.size() ? std::to_integer<std::uint32_t>(group[i]) : 0U);
        }
        for (std::size_t i = 0; i < group_letters; ++i) {
            // A letter holds six bits; n octets fill n + 1 of them.
            out += i <= group.size() ? alphabet[bits >> (18U - 6U * i) & 63U] : '=';
        }
        octets = octets.subspan(group.size());
    }
}

std::optional<std::string> decode_base64(std::string_view text) {
    if (text.size() % group_letters != 0) {
        return std::nullopt;
    }
    std::string octets;
    octets.reserve(text.size() / group_letters * group_octets);
    while (!text.empty()) {
        const auto group = text.substr(0, group_letters);
        text.remove_prefix(group_letters);
        const auto letters = std::min(group.find('='), group.size());
        const bool is_padded_right =
            text.empty() && letters >= 2 && group.find_first_not_of('=', letters) == group.npos;
        if (letters < group_letters && !is_padded_right) {
            return std::nullopt;
        }
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i < group_letters; ++i) {
            const auto value = i < letters ? alphabet.find(group[i]) : 0;
            if (value == alphabet.npos) {
                return std::nullopt;
            }
            bits = bits << 6U | static_cast<std::uint32_t>(value);
        }
        for (std::size_t i = 0; i + 1 < letters; ++i) {
            octets += static_cast<char>(bits >> (16U - 8U * i) & 255U);
        }
        if ((bits & ((std::uint32_t{1} << (8U * (group_letters - letters))) - 1)) != 0) {
            return std::nullopt;  // Two texts would be the same octets.
        }
    }
    return octets;
}

}  // namespace ferry
