#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/file_system.hpp"
#include "vfs/name_locks.hpp"

namespace ferry::vfs {

/// What the hidden name of an upload begins with, and how many hexadecimal digits (0 to 9, a to f)
/// are the rest of it.
inline constexpr std::string_view upload_prefix = ".ferry-upload-";
inline constexpr std::size_t upload_digits = 16;

/// A name of that kind that nobody has yet.
[[nodiscard]] std::string make_upload_name(runtime::core& here);

/// Marks an upload's file as somebody's, for as long as it is open: `remove_leftovers`, of this
/// process or another, leaves it alone. False: it was taken for a leftover in the moment before and
/// has no name any more, or is about to lose it: drop it and make another. Where the file system
/// has no locks everything is claimed, and nothing is ever removed. May wait for a file server.
[[nodiscard]] bool claim(int file) noexcept;

/// The same: at once for a file in `home`, if that is local, else on the offload pool. Not in a
/// scope that has been asked to stop.
[[nodiscard]] runtime::task<bool> claim(runtime::core& here, int file, file_system home);

/// How long nothing may have happened to a file on a file system that is not local before it is a
/// leftover, although nobody seems to hold it. Twice the longest time that an upload may bring
/// nothing (`--ftp-transfer-stall-timeout`, 1 h at most).
inline constexpr runtime::duration leftover_age_min = std::chrono::hours(2);

/// One walk through the directories beneath `root`.
struct sweep {
    int root = -1;
    file_system home{};     ///< What is known of the file system of `root`, or of another.
    listing_bounds& turns;  ///< It reads in its turn, as every listing of this core.
    /// What it remembers of directories still to be read.
    std::size_t ahead_bytes_max = leftovers_ahead_bytes_max;
    runtime::duration age_min = leftover_age_min;
    runtime::duration parts_kept{};  ///< Parts are leftovers when they are a quarter older.
    leftover_kinds what = leftover_kinds::all;
    home_table* homes = nullptr;  ///< That parts count for; null: for none.
    name_locks* locks = nullptr;  ///< Taken for what counts; not null with `homes`.
};

/// A directory that somebody takes for empty.
struct empty_looking {
    int above = -1;
    const char* name = nullptr;
    home_table* homes = nullptr;  ///< As in `sweep`.
    name_locks* locks = nullptr;
};

/// How many of them `remove_parts_alone` removes at most.
inline constexpr std::size_t parts_alone_max = 1'000'000;

/// Removes the parts of uploads (`upload_part.hpp`) in a directory, if nothing else is in
/// it: whether that was so. For who removes a directory that looks empty. Reads it twice, in
/// batches.
[[nodiscard]] runtime::task<bool> remove_parts_alone(runtime::core& here, empty_looking what);

/// What `tree::remove_leftovers` promises. Has two or three descriptors open, one batch of a
/// directory and `ahead_bytes_max` in memory.
[[nodiscard]] runtime::task<leftovers_found> remove_leftovers(runtime::core& here, sweep how);

}  // namespace ferry::vfs
