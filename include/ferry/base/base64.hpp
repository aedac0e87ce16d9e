#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ferry {

/// Appends `octets` in base 64 with padding (RFC 4648 section 4). Cost: one pass.
void append_base64(std::string& out, std::span<const std::byte> octets);

/// The octets that `text` is in base 64 (RFC 4648 section 4). Nothing: it is not exactly that, with
/// its padding, nothing else in it and the bits that stand for no octet zero. Cost: one pass.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace ferry
