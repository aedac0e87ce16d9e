#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/range.hpp"

namespace ferry::http {

/// Which part of a representation the content of a PUT is (RFC 9110 sections 14.4, 14.5).
struct content_part {
    byte_range octets;
    std::optional<std::uint64_t> whole_size_bytes;  ///< Nothing: "*", the client does not know.
};

/// Reads the value of Content-Range: "bytes 500-999/1000" or "bytes 500-999/*". Nothing: another
/// unit, no range ("bytes */1000"), a last octet before the first or beyond the whole, numbers
/// beyond 2^63, anything else.
[[nodiscard]] std::optional<content_part> parse_content_range(std::string_view value) noexcept;

}  // namespace ferry::http
