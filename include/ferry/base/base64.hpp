#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace ferry {

/// Appends `octets` in base 64 with padding (RFC 4648 section 4). Cost: one pass.
void append_base64(std::string& out, std::span<const std::byte> octets);

}  // namespace ferry
