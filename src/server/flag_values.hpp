#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// How values of flags are written: numbers, sizes, durations, lists of CPUs. Readers return
/// nothing for what is malformed or does not fit its type; bounds are the flag's affair.
namespace ferry::server {

/// Decimal digits and nothing else.
[[nodiscard]] std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

/// Octets: a number, alone or with k, KiB, M, MiB, G or GiB, in any case, always powers of 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// A number with ms, s, m, h or d; alone it is seconds. At most about 292 million years.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(
    std::string_view text) noexcept;

inline constexpr std::size_t cpus_max = 1'024;  ///< CPU_SETSIZE.

/// CPU numbers below `cpus_max` and ranges of them, none named twice, in the order given:
/// "0,2,4-7".
[[nodiscard]] std::optional<std::vector<std::size_t>> parse_cpus(std::string_view text);

/// The shortest text that `parse_size` reads as `value`: "16KiB".
[[nodiscard]] std::string show_size(std::uint64_t value);

/// The text with the largest unit that `parse_duration` reads as `value`, up to hours: "5m". Not
/// negative.
[[nodiscard]] std::string show_duration(std::chrono::milliseconds value);

/// `text` as a message shows it: in quotes, control octets escaped, cut after 100 octets.
[[nodiscard]] std::string in_quotes(std::string_view text);

}  // namespace ferry::server
