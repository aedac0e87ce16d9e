#pragma once

#include <cstdint>
#include <string_view>

namespace ferry::http {

/// What an archive says of a file or a directory. Owners and other permissions are nobody's
/// business.
struct archive_entry {
    std::string_view name;  ///< Its way in the archive; of a directory with a '/' at its end.
    bool is_directory = false;
    bool is_executable = false;
    std::int64_t modified_seconds = 0;  ///< Since 1970, UTC.

    /// Permission bits for who unpacks it.
    [[nodiscard]] constexpr std::uint32_t mode() const noexcept {
        return is_directory || is_executable ? 0755 : 0644;
    }
};

}  // namespace ferry::http
