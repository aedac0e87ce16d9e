#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace ferry::vfs {

/// A name in a directory, whatever path leads there.
struct entry_key {
    std::uint64_t device = 0;
    std::uint64_t directory = 0;  ///< Its inode.
    std::string name;

    friend auto operator<=>(const entry_key&, const entry_key&) = default;
};

}  // namespace ferry::vfs
