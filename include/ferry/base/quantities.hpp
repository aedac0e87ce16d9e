#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// How people write numbers, sizes and durations. Readers return nothing for what is malformed or
/// does not fit its type; bounds are the caller's affair.
namespace ferry {

/// Decimal digits and nothing else.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// Octets: a number, alone or with k, KiB, M, MiB, G or GiB, in any case, always powers of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// A number with ms, s, m, h or d; alone it is seconds. At most about 292 million years.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(
    std::string_view text) noexcept;

/// The shortest text that `parse_size` reads as `value`: "16KiB".
[[nodiscard]] std::string show_size(std::uint64_t value);

/// The text with the largest unit that `parse_duration` reads as `value`, up to hours: "5m". Not
/// negative.
[[nodiscard]] std::string show_duration(std::chrono::milliseconds value);

}  // namespace ferry
