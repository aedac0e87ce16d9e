#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ferry::auth {

/// Stands for a name and its password in a table of logins that were right, so that the table holds
/// no password: SHA-256 (FIPS 180-4) of them behind a key that only this process has.
struct fingerprint {
    std::array<std::byte, 32> octets{};

    friend auto operator<=>(const fingerprint&, const fingerprint&) = default;
};

/// Random, made anew by each process.
using fingerprint_key = std::array<std::uint64_t, 4>;

/// Nothing: the system's library has no memory for it. Cost: under a microsecond.
[[nodiscard]] std::optional<fingerprint> fingerprint_of(const fingerprint_key& key,
                                                        std::string_view name,
                                                        std::string_view password) noexcept;

}  // namespace ferry::auth
