#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"

namespace ferry::vfs {

/// Opens the directory `path` beneath `root`, which may be longer than the kernel takes at once. No
/// link is followed.
[[nodiscard]] runtime::task<result<unique_fd>> open_walked(runtime::core& here, int root,
                                                           const std::string& path);

/// Reads the next batch of a directory, in its turn among the listings of clients.
[[nodiscard]] runtime::task<result<void>> read_walked(runtime::core& here, listing_bounds& turns,
                                                      int directory,
                                                      runtime::directory_batch& batch);

/// What a measuring walk remembers of the directories that it has still to read, at most: of a
/// million of them, if need be, since what it does not see is not counted.
inline constexpr std::size_t measure_ahead_bytes_max = 32_MiB;

struct measuring {
    int root = -1;                             ///< An open directory; may be O_PATH.
    listing_bounds* turns = nullptr;           ///< Null: it takes none.
    std::span<const directory_id> apart = {};  ///< As in `tree::measure`.
    std::size_t ahead_bytes_max = measure_ahead_bytes_max;
};

/// Counts what lies beneath a directory, itself not: what `tree::measure` promises. Parts of
/// uploads that were cut off count, other hidden names of ferry's do not: they are of uploads under
/// way.
[[nodiscard]] runtime::task<measured> measure(runtime::core& here, measuring what);

}  // namespace ferry::vfs
