#include "ftp/digest_names.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "ferry/base/ascii.hpp"

namespace ferry::ftp {
namespace {

struct named_algorithm {
    std::string_view name;
    vfs::digest_algorithm which;
};

/// What a client should take comes first.
constexpr auto algorithms = std::to_array<named_algorithm>({
    {"SHA-256", vfs::digest_algorithm::sha256},
    {"SHA-512", vfs::digest_algorithm::sha512},
    {"BLAKE2b-512", vfs::digest_algorithm::blake2b},
    {"SHA-1", vfs::digest_algorithm::sha1},
    {"MD5", vfs::digest_algorithm::md5},
    {"CRC32", vfs::digest_algorithm::crc32},
    {"CRC32C", vfs::digest_algorithm::crc32c},
});

std::string to_hex(const vfs::digest& value, std::string_view digits) {
    std::string text;
    for (const std::byte each : value.octets()) {
        const auto octet = static_cast<std::uint8_t>(each);
        text += digits[octet >> 4U];
        text += digits[octet & 15U];
    }
    return text;
}

}  // namespace

std::string_view name_of(vfs::digest_algorithm which) noexcept {
    return std::ranges::find(algorithms, which, &named_algorithm::which)->name;
}

std::optional<vfs::digest_algorithm> find_algorithm(std::string_view name) noexcept {
    const auto found = std::ranges::find_if(algorithms, [name](const named_algorithm& each) {
        return ascii::equal_ignoring_case(each.name, name);
    });
    return found == algorithms.end() ? std::nullopt : std::optional(found->which);
}

std::string hash_feature(vfs::digest_algorithm in_use) {
    std::string line = "HASH";
    for (const named_algorithm& each : algorithms) {
        line += line.size() == 4 ? ' ' : ';';
        line += each.name;
        if (each.which == in_use) {
            line += '*';
        }
    }
    return line;
}

std::string lower_hex(const vfs::digest& value) {
    return to_hex(value, "0123456789abcdef");
}

std::string upper_hex(const vfs::digest& value) {
    return to_hex(value, "0123456789ABCDEF");
}

}  // namespace ferry::ftp
