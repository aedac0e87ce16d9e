#include "vfs/crc32c.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace ferry::vfs {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78U;  // 0x1EDC6F41 with its bits reversed.
constexpr std::size_t step_bytes = 8;

using crc_table = std::array<std::uint32_t, 256>;

/// `tables[n][octet]`: what an octet does to the remainder with n octets behind it.
constexpr std::array<crc_table, step_bytes> tables = [] {
    std::array<crc_table, step_bytes> made{};
    for (std::uint32_t octet = 0; octet < 256; ++octet) {
        std::uint32_t rest = octet;
        for (int bit = 0; bit < 8; ++bit) {
            rest = (rest >> 1U) ^ ((rest & 1U) != 0 ? polynomial : 0);
        }
        made[0][octet] = rest;
    }
    for (std::size_t behind = 1; behind < step_bytes; ++behind) {
        for (std::size_t octet = 0; octet < 256; ++octet) {
            const std::uint32_t rest = made[behind - 1][octet];
            made[behind][octet] = (rest >> 8U) ^ made[0][rest & 255U];
        }
    }
    return made;
}();

/// The next eight octets as a number, the first one lowest.
std::uint64_t take_step(std::span<const std::byte>& octets) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, octets.data(), sizeof word);
    octets = octets.subspan(sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
        return __builtin_bswap64(word);
    }
    return word;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc32c_by_instruction(
    std::uint32_t before, std::span<const std::byte> octets) noexcept {
    std::uint64_t rest = ~before;
    while (octets.size() >= step_bytes) {
        rest = __builtin_ia32_crc32di(rest, take_step(octets));
    }
    auto last = static_cast<std::uint32_t>(rest);
    for (const std::byte each : octets) {
        last = __builtin_ia32_crc32qi(last, static_cast<unsigned char>(each));
    }
    return ~last;
}

bool has_instruction() noexcept {
    return __builtin_cpu_supports("sse4.2") != 0;
}
#else
std::uint32_t crc32c_by_instruction(std::uint32_t before,
                                    std::span<const std::byte> octets) noexcept {
    return crc32c_by_tables(before, octets);
}

bool has_instruction() noexcept {
    return false;
}
#endif

}  // namespace

std::uint32_t crc32c_by_tables(std::uint32_t before, std::span<const std::byte> octets) noexcept {
    std::uint32_t rest = ~before;
    while (octets.size() >= step_bytes) {
        std::uint64_t word = take_step(octets) ^ rest;
        rest = 0;
        for (std::size_t behind = step_bytes; behind-- > 0; word >>= 8U) {
            rest ^= tables[behind][word & 255U];
        }
    }
    for (const std::byte each : octets) {
        rest = (rest >> 8U) ^ tables[0][(rest ^ static_cast<std::uint32_t>(each)) & 255U];
    }
    return ~rest;
}

std::uint32_t crc32c(std::uint32_t before, std::span<const std::byte> octets) noexcept {
    return has_instruction() ? crc32c_by_instruction(before, octets)
                             : crc32c_by_tables(before, octets);
}

}  // namespace ferry::vfs
