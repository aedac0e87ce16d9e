#pragma once

#include <cstdint>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/path.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::vfs {

struct copy_names {
    const path& from;
    const path& to;
    bool replace = true;                 ///< False: errc::exists when `to` is taken.
    const metadata* expected = nullptr;  ///< Of `from`, as for `tree::remove_file`.
};

/// Copies a file of `files` to another name there, in another mount or not, without its octets
/// leaving the machine; returns how many there are. It goes by `tree::open` and an `upload`, so
/// readers and a crash see the old file under `to` or the new one (threats.md, V12), a link that
/// has the name is replaced itself, and the options of both mounts hold.
///
/// As with cp(1), a new file has the permission bits of `from`, less the umask: what only its owner
/// may read is not opened to others by copying it. A replaced file keeps its own. The time of
/// modification is that of the copy, so whoever compares times sees that the name has something
/// new; owner, group and extended attributes are those of any new file. A file written in place
/// meanwhile is copied as it is read.
///
/// Errors: those of `tree::open` and of `upload`; errc::is_directory (either is one), errc::invalid
/// (both are the same file, by whatever names, or two mounts: nothing is done), errc::busy (`from`
/// was cut shorter meanwhile, or is not as expected: begin anew), errc::cancelled. Nothing is left
/// of a copy that fails, and its space is free again when this returns.
///
/// Cost: where blocks are shared, some system calls; else that of reading and writing, on the
/// offload pool but across file systems of different kinds, where the core does it in turns of 256
/// KiB. Room is not set aside first: a copy that shares its blocks needs none.
[[nodiscard]] runtime::task<result<std::uint64_t>> copy_file(runtime::core& here, const tree& files,
                                                             copy_names names, durability level);

}  // namespace ferry::vfs
