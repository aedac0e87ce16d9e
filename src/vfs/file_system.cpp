#include "vfs/file_system.hpp"

#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>

#include "ferry/base/kernel.hpp"

namespace ferry::vfs {

namespace {

constexpr std::uint64_t overlay = 0x794C7630;

// By number, as no system header has them all.
constexpr auto local_types = std::to_array<std::uint64_t>({
    0x0000EF53,  // ext2, ext3, ext4
    0x58465342,  // xfs
    0x9123683E,  // btrfs
    0xF2F52010,  // f2fs
    0x2FC12FC1,  // zfs
    0xCA451A4E,  // bcachefs
    0x01021994,  // tmpfs
    0x858458F6,  // ramfs
    overlay,     // Its locks are its own, whatever it lies on.
    0x3153464A,  // jfs
    0x52654973,  // reiserfs
    0x00003434,  // nilfs2
    0x00004D44,  // vfat
    0x2011BAB0,  // exfat
    0x7366746E,  // ntfs3
});

constexpr auto unsharing_types = std::to_array<std::uint64_t>({
    0x0000EF53,  // ext2, ext3, ext4
    0xF2F52010,  // f2fs
    0x01021994,  // tmpfs
    0x858458F6,  // ramfs
    0x3153464A,  // jfs
    0x52654973,  // reiserfs
    0x00003434,  // nilfs2
    0x00004D44,  // vfat
    0x2011BAB0,  // exfat
    0x7366746E,  // ntfs3
});

}  // namespace

bool may_share_blocks(std::uint64_t type) noexcept {
    return std::ranges::find(unsharing_types, type) == unsharing_types.end();
}

bool is_local_type(std::uint64_t type) noexcept {
    return std::ranges::find(local_types, type) != local_types.end();
}

bool waits_for_nobody(std::uint64_t type) noexcept {
    return is_local_type(type) && type != overlay;
}

file_system file_system_of(int fd) noexcept {
    struct stat status{};
    struct statfs whole{};
    if (kernel::fstat(fd, status) != 0 || kernel::fstatfs(fd, whole) != 0) {
        return {};
    }
    // `f_type` is signed on some machines, and the numbers have 32 bits.
    const auto type = static_cast<std::uint64_t>(whole.f_type) & 0xFFFF'FFFFU;
    return {.device = status.st_dev,
            .is_local = is_local_type(type),
            .waits_for_nobody = waits_for_nobody(type),
            .may_share_blocks = may_share_blocks(type)};
}

}  // namespace ferry::vfs
