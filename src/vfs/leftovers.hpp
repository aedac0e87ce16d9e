#pragma once

#include <cstddef>
#include <string_view>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"

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

/// What `tree::remove_leftovers` promises, beneath the directory `root`.
[[nodiscard]] runtime::task<std::size_t> remove_leftovers(runtime::core& here, int root);

}  // namespace ferry::vfs
