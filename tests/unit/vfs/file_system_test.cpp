#include "vfs/file_system.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include "ferry/base/unique_fd.hpp"
#include "scratch.hpp"

using namespace ferry;
using namespace ferry::vfs;

TEST_CASE("file system: what other machines may share, or nobody knows, is not local") {
    constexpr std::uint64_t local[] = {EXT4_SUPER_MAGIC,  XFS_SUPER_MAGIC,       BTRFS_SUPER_MAGIC,
                                       F2FS_SUPER_MAGIC,  OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
                                       MSDOS_SUPER_MAGIC, NILFS_SUPER_MAGIC,     RAMFS_MAGIC};
    for (const auto type : local) {
        CAPTURE(type);
        CHECK(is_local_type(type));
    }
    constexpr std::uint64_t fuse = 0x65735546;
    constexpr std::uint64_t cifs = 0xFF534D42;
    constexpr std::uint64_t smb2 = 0xFE534D42;
    constexpr std::uint64_t ceph = 0x00C36400;
    constexpr std::uint64_t gfs2 = 0x01161970;
    constexpr std::uint64_t ocfs2 = 0x7461636F;
    constexpr std::uint64_t shared[] = {
        NFS_SUPER_MAGIC, V9FS_MAGIC, AFS_SUPER_MAGIC, fuse, cifs, smb2, ceph, gfs2, ocfs2, 0};
    for (const auto type : shared) {
        CAPTURE(type);
        CHECK_FALSE(is_local_type(type));
    }
}

TEST_CASE("file system: overlay may lie on one in the network, though its locks are its own") {
    CHECK(is_local_type(0x794C7630));
    CHECK_FALSE(waits_for_nobody(0x794C7630));
    CHECK(waits_for_nobody(0x0000EF53));
    CHECK_FALSE(waits_for_nobody(0x00006969));
}

TEST_CASE("file system: of a descriptor, O_PATH or not") {
    const vfs_test::scratch host;
    struct stat status{};
    REQUIRE(::stat(host.root().c_str(), &status) == 0);
    for (const int flags : {O_RDONLY, O_PATH}) {
        const unique_fd root(::open(host.root().c_str(), flags | O_DIRECTORY | O_CLOEXEC));
        CHECK(file_system_of(root.get()).device == status.st_dev);
    }
    const unique_fd kernels_own(::open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
    CHECK_FALSE(file_system_of(kernels_own.get()).is_local);
    CHECK_FALSE(file_system_of(-1).is_local);
}

TEST_CASE("file system: what is known of one is not said of another") {
    const file_system home{.device = 1, .is_local = true};
    CHECK(home.has_local(1));
    CHECK_FALSE(home.has_local(2));
    CHECK_FALSE(file_system{}.has_local(0));
    const file_system remote{.device = 1, .is_local = false};
    CHECK_FALSE(remote.has_local(1));
}
