#pragma once

#include <cstddef>
#include <string_view>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

/// What the hidden name of an upload begins with, and how many hexadecimal digits (0 to 9, a to f)
/// are the rest of it.
inline constexpr std::string_view upload_prefix = ".ferry-upload-";
inline constexpr std::size_t upload_digits = 16;

/// Marks an upload's file as somebody's, for as long as it is open: `remove_leftovers`, of this
/// process or another, leaves it alone. False: it was taken for a leftover in the moment before and
/// has no name any more, or is about to lose it: drop it and make another. Where the file system
/// has no locks everything is claimed and nothing is ever removed. Never suspends.
[[nodiscard]] bool claim(int file) noexcept;

/// One walk through the directories beneath `root`.
struct sweep {
    int root = -1;
    listing_bounds& turns;  ///< It reads in its turn, as every listing of this core.
    /// What it remembers of directories still to be read.
    std::size_t ahead_bytes_max = leftovers_ahead_bytes_max;
};

/// What `tree::remove_leftovers` promises. Has two or three descriptors open, one batch of a
/// directory and `ahead_bytes_max` in memory.
[[nodiscard]] runtime::task<leftovers_found> remove_leftovers(runtime::core& here, sweep how);

}  // namespace ferry::vfs
