#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ferry::http {

/// How much a client wants something, in thousandths (RFC 9110 section 12.4.2).
using weight = std::uint16_t;
inline constexpr weight full_weight = 1'000;

/// Reads a qvalue: "0", "0.5", "1.000". Nothing for anything else.
[[nodiscard]] std::optional<weight> parse_weight(std::string_view text) noexcept;

}  // namespace ferry::http
