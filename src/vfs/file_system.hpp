#pragma once

#include <sys/types.h>

#include <cstdint>

namespace ferry::vfs {

/// Who can reach the files of a file system. As default nothing is known of it.
struct file_system {
    dev_t device = 0;  ///< Of stat(2), of what lies in it.
    /// Only programs of this machine, by this kernel: a flock(2) that one of them holds is seen by
    /// all. On NFS, SMB, 9p, FUSE, cluster file systems it may be seen by this machine alone, or
    /// not at all.
    bool is_local = false;
    /// What is done to names in it waits for no network: local, and on nothing that need not be.
    bool waits_for_nobody = false;
    /// A copy of a file may cost no room, because it shares the blocks of the first.
    bool may_share_blocks = true;

    /// Whether what `other` is the device of is known as local.
    [[nodiscard]] bool has_local(dev_t other) const noexcept { return is_local && device == other; }
};

/// True for local types that lie on no other file system, as overlay does.
[[nodiscard]] bool waits_for_nobody(std::uint64_t type) noexcept;

/// True for those types of file systems (`f_type` of statfs(2)) that are on disks or in the memory
/// of this machine; false for all others, unknown ones too.
[[nodiscard]] bool is_local_type(std::uint64_t type) noexcept;

/// False for those types that have no way to let two files share blocks.
[[nodiscard]] bool may_share_blocks(std::uint64_t type) noexcept;

/// The file system of an open descriptor, O_PATH or not; one that does not answer is not local. May
/// wait for a server in the network: for start-up and the offload pool.
[[nodiscard]] file_system file_system_of(int fd) noexcept;

}  // namespace ferry::vfs
