#pragma once

#include <cstdint>
#include <optional>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "ferry/vfs/tree_options.hpp"

namespace ferry::vfs {

/// Where a listed directory lies, so that links in it can be followed beneath the root.
struct listing_place {
    int root = -1;  ///< Borrowed: must stay open as long as the listing lives.
    path name;
    link_policy links = link_policy::inside;
    bool hides_dot_names = false;
    /// The file system's, if nobody but this machine can change what is there.
    std::optional<std::uint64_t> local_device = {};
    bool waits_for_nobody = false;  ///< As of its `file_system`.
};

/// Begins the listing of `directory`, reading ahead as `listing_options` says. One without a
/// descriptor has those entries only that lie over it. Errors:
/// errc::not_directory, errc::denied (no permission to read it), errc::busy (its turn did not come
/// in time), errc::io.
[[nodiscard]] runtime::task<result<listing>> begin_listing(runtime::core& here, node directory,
                                                           listing_place place,
                                                           listing_options options);

}  // namespace ferry::vfs
