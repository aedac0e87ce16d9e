#pragma once

#include <sys/types.h>

#include <cstdint>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"
#include "ferry/vfs/tree_options.hpp"

namespace ferry::vfs {

/// How openat2(2) is told to resolve names: beneath the directory it is given, unless links are
/// `trusted`.
[[nodiscard]] std::uint64_t resolution_of(link_policy links) noexcept;

/// What openat2(2) is asked for, with no way out of `directory` but trusted links.
struct beneath {
    int directory = -1;          ///< Where `name` begins and what it cannot leave.
    const char* name = nullptr;  ///< Relative; must live until the call has returned.
    int flags = 0;               ///< Of open(2); O_CLOEXEC is added.
    mode_t mode = 0;             ///< For O_CREAT and O_TMPFILE, less the umask.
    link_policy links = link_policy::inside;
    /// As in `runtime::open_at_args`, unless `name` is on another file system than `directory`.
    bool is_local = false;
};

/// A rename anywhere in the system makes the kernel give up on a name that climbs (".." in a link).
/// One such race is rare; this many in a row are an attack or a broken machine.
inline constexpr unsigned resolution_attempts_max = 64;

/// Opens `what` through the ring. Links are followed as `what` says; the magic ones of /proc never
/// are (threats.md, V2).
///
/// Errors: errc::outside_tree (a link that leads out or may not be followed, or in circles),
/// errc::not_regular (a socket), errc::busy (renames raced with the resolution
/// `resolution_attempts_max` times, V3), and whatever the file system says.
///
/// Cost: 2 us when the names are cached (datapath.md, 21).
[[nodiscard]] runtime::task<result<unique_fd>> open_beneath(runtime::core& here, beneath what);

/// Whether the time of birth is wanted, which costs a little more.
enum class status_of : std::uint8_t { basics, all };

/// The status of what was opened under `name`, if it is what ferry serves. Errors:
/// errc::not_regular (neither file nor directory), errc::not_directory (a file, and the name
/// `wants_directory`). Never suspends.
[[nodiscard]] result<metadata> servable_status(int fd, const path& name,
                                               status_of what = status_of::basics);

/// A name in a directory of the host.
struct node_place {
    int root = -1;
    const path& name;
    link_policy links = link_policy::inside;
    runtime::offload_pool* closing = nullptr;  ///< As for `close_file`.
};

/// Opens a regular file or a directory for reading: what `tree::open` promises.
[[nodiscard]] runtime::task<result<node>> open_node(runtime::core& here, node_place where);

}  // namespace ferry::vfs
