#pragma once

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/metadata.hpp"
#include "ferry/vfs/tree.hpp"
#include "vfs/change_watch.hpp"

namespace ferry::vfs {

/// Goes to `place.name` as the kernel would, one component after the other, links followed, and
/// lets `what` break when any name on the way changes. Gives what is at the end: what is opened
/// under the name afterwards and is the same inode was found by that way.
///
/// Errors: errc::not_found, not_directory; outside_tree (a link that is absolute, climbs out or
/// leads in circles); unsupported (what lies on another file system than `place.device`, is neither
/// file nor directory, or is further away than 32 directories or 64 names); those of
/// `change_watch::watch_entry`. Some of the way may then be watched.
[[nodiscard]] runtime::task<result<metadata>> watch_way(runtime::core& here, change_watch& watch,
                                                        trail& what, const machine_place& place);

}  // namespace ferry::vfs
