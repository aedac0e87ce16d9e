#pragma once

#include <cstddef>
#include <expected>
#include <string>

namespace ferry::server {

/// Reads `file`, a descriptor, from where it stands to its end. Blocking. Errors: an errno; EFBIG:
/// there are more than `bytes_max` octets. No other copy of the text is left in memory, for a key
/// may be in it.
[[nodiscard]] std::expected<std::string, int> read_whole(int file, std::size_t bytes_max);

}  // namespace ferry::server
