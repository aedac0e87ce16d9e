#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "histogram.hpp"

namespace ferry::load {

inline constexpr double octets_per_mib = 1024.0 * 1024.0;
/// Of a latency, what reports show beside its mean and its maximum.
inline constexpr auto shown_percentiles = std::to_array<double>({50, 75, 90, 99, 99.9});

/// "812ns", "37.5us", "4.21ms", "1.20s": three digits.
[[nodiscard]] std::string show_time(double nanoseconds);

/// A second; 0 of no time.
[[nodiscard]] double rate(double count, double seconds) noexcept;

/// "1 thread", "2 threads".
[[nodiscard]] std::string counted(std::size_t count, std::string_view what);

/// `text` as a JSON string (RFC 8259 section 7), quotes included.
[[nodiscard]] std::string in_json(std::string_view text);

/// A JSON object: "mean", "p50" and so on, "max", in nanoseconds.
[[nodiscard]] std::string latency_json(const histogram& of);

/// A line for each percentile and one for the maximum, for a person.
[[nodiscard]] std::string latency_text(const histogram& of);

}  // namespace ferry::load
