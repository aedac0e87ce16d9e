#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/units.hpp"

namespace ferry::vfs {

/// The directories that a walk through a tree has seen and not been in, and the path of the one in
/// which it is. No descriptor is open for any of them: a tree may be deeper than a process has
/// descriptors. A directory is followed by those in it, so that names are enough to remember.
class directories_ahead {
  public:
    /// A longer path is never walked: so deep no client of ferry gets (PATH_MAX from its account's
    /// directory, which lies within PATH_MAX of the tree's root).
    static constexpr std::size_t path_bytes_max = 16_KiB;

    /// Begins before the root, ".". Remembers `bytes_max` of names and of its own numbers; the
    /// allocations may be twice as large.
    explicit directories_ahead(std::size_t bytes_max) : bytes_max_(bytes_max) {}

    /// Goes to the next directory; false: there is none left.
    [[nodiscard]] bool advance();

    /// Remembers the directory `name` of the current one. False: there is no room for it.
    [[nodiscard]] bool add(std::string_view name);

    /// The current directory, relative to the root.
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

  private:
    struct one {
        std::uint32_t name_offset = 0;   ///< Into `names_`, up to the next one's.
        std::uint32_t parent_bytes = 0;  ///< So much of the path, then, is its parent's.
    };

    std::size_t bytes_max_;
    std::string path_;
    std::string names_;
    std::vector<one> waiting_;  ///< The last is the next.
};

}  // namespace ferry::vfs
