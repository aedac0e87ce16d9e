#include "ferry/base/base64.hpp"

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

}  // namespace ferry
