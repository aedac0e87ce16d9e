#include "http/crc32.hpp"

#include <array>

namespace ferry::http {
namespace {

/// `tables[k][x]`: what the octet `x` makes of the sum when `k` octets of zero follow it.
constexpr auto tables = [] {
    std::array<std::array<std::uint32_t, 256>, 8> made{};
    for (std::uint32_t x = 0; x < 256; ++x) {
        std::uint32_t sum = x;
        for (int bit = 0; bit < 8; ++bit) {
            sum = sum >> 1U ^ ((sum & 1U) != 0 ? 0xEDB8'8320U : 0U);
        }
        made[0][x] = sum;
    }
    for (std::size_t k = 1; k < made.size(); ++k) {
        for (std::size_t x = 0; x < 256; ++x) {
            made[k][x] = made[k - 1][x] >> 8U ^ made[0][made[k - 1][x] & 0xFFU];
        }
    }
    return made;
}();

std::uint32_t octet(std::span<const std::byte> from, std::size_t at) noexcept {
    return std::to_integer<std::uint32_t>(from[at]);
}

}  // namespace

void crc32::add(std::span<const std::byte> octets) noexcept {
    auto sum = state_;
    while (octets.size() >= 8) {
        const auto first = sum ^ (octet(octets, 0) | octet(octets, 1) << 8U |
                                  octet(octets, 2) << 16U | octet(octets, 3) << 24U);
        sum = tables[7][first & 0xFFU] ^ tables[6][first >> 8U & 0xFFU] ^
              tables[5][first >> 16U & 0xFFU] ^ tables[4][first >> 24U] ^
              tables[3][octet(octets, 4)] ^ tables[2][octet(octets, 5)] ^
              tables[1][octet(octets, 6)] ^ tables[0][octet(octets, 7)];
        octets = octets.subspan(8);
    }
    for (const auto each : octets) {
        sum = sum >> 8U ^ tables[0][(sum ^ std::to_integer<std::uint32_t>(each)) & 0xFFU];
    }
    state_ = sum;
}

}  // namespace ferry::http
