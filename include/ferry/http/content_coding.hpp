#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ferry::http {

/// How a representation is packed for the way (RFC 9110 section 8.4.1).
enum class content_coding : std::uint8_t {
    identity,  ///< Not at all.
    gzip,      ///< RFC 1952.
    brotli,    ///< RFC 7932.
    zstd,      ///< RFC 8878, with windows of 8 MiB at most (RFC 9659).
};

inline constexpr std::size_t content_codings = 4;

/// As in Content-Encoding: "gzip", "br", "zstd", "identity".
[[nodiscard]] std::string_view name_of(content_coding which) noexcept;

/// What `name` means, whatever its case; "x-gzip" is gzip. Nothing for any other.
[[nodiscard]] std::optional<content_coding> find_content_coding(std::string_view name) noexcept;

}  // namespace ferry::http
