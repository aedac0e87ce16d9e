#include "vfs/system_metadata.hpp"

#include <sys/sysmacros.h>

#include <cerrno>
#include <optional>

#include "ferry/base/kernel.hpp"

namespace ferry::vfs {
namespace {

constexpr std::uint32_t mode_bits_mask = 07777;

file_kind kind_of(mode_t mode) noexcept {
    if (S_ISREG(mode)) {
        return file_kind::regular;
    }
    if (S_ISDIR(mode)) {
        return file_kind::directory;
    }
    return S_ISLNK(mode) ? file_kind::symlink : file_kind::other;
}

}  // namespace

metadata metadata_of(const struct statx& status) noexcept {
    return {
        .kind = kind_of(status.stx_mode),
        .size_bytes = status.stx_size,
        .inode = status.stx_ino,
        .device = makedev(status.stx_dev_major, status.stx_dev_minor),
        .mode = status.stx_mode & mode_bits_mask,
        .links = status.stx_nlink,
        .owner_id = status.stx_uid,
        .group_id = status.stx_gid,
        .modified = {.seconds = status.stx_mtime.tv_sec, .nanoseconds = status.stx_mtime.tv_nsec},
        .changed = {.seconds = status.stx_ctime.tv_sec, .nanoseconds = status.stx_ctime.tv_nsec},
        .created = (status.stx_mask & STATX_BTIME) == 0
                       ? std::nullopt
                       : std::optional(wall_time{.seconds = status.stx_btime.tv_sec,
                                                 .nanoseconds = status.stx_btime.tv_nsec}),
    };
}

result<metadata> whole_metadata_of(int fd) noexcept {
    struct statx status{};
    if (kernel::statx(fd, STATX_BASIC_STATS | STATX_BTIME, status) != 0) {
        return failure_from_errno(errno);
    }
    return metadata_of(status);
}

result<metadata> metadata_of(int fd) noexcept {
    struct stat status{};
    if (kernel::fstat(fd, status) != 0) {
        return failure_from_errno(errno);
    }
    const auto moment = [](const timespec& time) {
        return wall_time{.seconds = time.tv_sec,
                         .nanoseconds = static_cast<std::uint32_t>(time.tv_nsec)};
    };
    return metadata{
        .kind = kind_of(status.st_mode),
        .size_bytes = static_cast<std::uint64_t>(status.st_size),
        .inode = status.st_ino,
        .device = status.st_dev,
        .mode = status.st_mode & mode_bits_mask,
        .links = static_cast<std::uint32_t>(status.st_nlink),
        .owner_id = status.st_uid,
        .group_id = status.st_gid,
        .modified = moment(status.st_mtim),
        .changed = moment(status.st_ctim),
    };
}

bool is_still(const metadata& before, const metadata& now) noexcept {
    return before.device == now.device && before.inode == now.inode &&
           before.size_bytes == now.size_bytes && before.changed == now.changed;
}

}  // namespace ferry::vfs
