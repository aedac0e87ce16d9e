#pragma once

#include <linux/openat2.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/runtime/op.hpp"

namespace ferry::sim {

/// A file, directory, symbolic link or FIFO of a simulated disk.
struct inode;
using inode_ptr = std::shared_ptr<inode>;

/// What open(2) makes: an inode, how it was opened, where reading stands. Shared by descriptors.
struct open_file {
    inode_ptr what;
    int flags = 0;               ///< Of open(2), without those that act at the open only.
    std::uint64_t position = 0;  ///< Of a file; of a directory the next name to be listed.
};
using open_file_ptr = std::shared_ptr<open_file>;

/// What a crash does with what was not synced. Drawn from the seed.
struct crash_weather {
    /// Names: of the changes since the last sync, in the order they were made, a prefix survives
    /// (a journal), of a length the seed chooses. Synced directories' own changes always do.
    bool file_sync_commits_names = false;  ///< fsync(2) of a file commits the journal too (ext4).
    /// Content that was written and not synced: each write survives whole, in part (its first
    /// octets, the rest is what was there before, or zeros past the old end) or not at all.
    bool writes_may_survive = true;
};

/// A simulated disk: a tree of inodes kept twice, as programs see it and as it would be found after
/// a loss of power. Operations are those of the system calls and succeed or fail at once: results
/// are 0 or more, or -errno. Deterministic: times come from `wall_clock`, chances from `rng`.
///
/// Follows POSIX and Linux's manual pages; runs as root, so permission bits forbid nothing (what
/// may be denied is a fault plan's affair).
class disk {
  public:
    disk(std::function<timespec()> wall_clock, ferry::random& rng);
    disk(const disk&) = delete;
    disk& operator=(const disk&) = delete;
    ~disk();

    /// The directory "/" as an O_PATH descriptor's file.
    [[nodiscard]] open_file_ptr root() const;

    /// openat2(2): O_CREAT, O_EXCL, O_TRUNC, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_TMPFILE, O_APPEND,
    /// access modes, O_NONBLOCK (a FIFO never blocks here); RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS,
    /// RESOLVE_NO_SYMLINKS, RESOLVE_CACHED (-EAGAIN by chance, if `cold` was set). 40 links at most
    /// (-ELOOP).
    [[nodiscard]] int open(const open_file_ptr& directory, const char* path, const open_how& how,
                           open_file_ptr& opened);

    std::int64_t read(const open_file_ptr& file, std::span<std::byte> into, std::uint64_t offset);
    /// `offset` may be `runtime::at_position`: the end with O_APPEND, else the position. -ENOSPC
    /// after what still fitted, -EFBIG, -EBADF.
    std::int64_t write(const open_file_ptr& file, std::span<const std::byte> octets,
                       std::uint64_t offset);
    int sync(const open_file_ptr& file, bool data_only);
    int truncate(const open_file_ptr& file, std::uint64_t size_bytes);
    std::int64_t copy_range(const open_file_ptr& from, std::uint64_t from_offset,
                            const open_file_ptr& to, std::uint64_t to_offset,
                            std::uint64_t size_bytes);

    int rename(const open_file_ptr& from_directory, const char* from,
               const open_file_ptr& to_directory, const char* to, unsigned flags);
    /// linkat(2). `source` is the file of an unnamed or any other descriptor when the caller has
    /// resolved "/proc/self/fd/N" or AT_EMPTY_PATH itself; else null and `from` is a path.
    int link(const open_file_ptr& from_directory, const char* from, const open_file_ptr& source,
             const open_file_ptr& to_directory, const char* to, int flags);
    int unlink(const open_file_ptr& directory, const char* path, int flags);
    int make_directory(const open_file_ptr& directory, const char* path, mode_t mode);
    int make_symlink(const open_file_ptr& directory, const char* path, const char* target);
    int make_fifo(const open_file_ptr& directory, const char* path, mode_t mode);

    /// The next batch as `runtime::opcode::list_directory` fills it (blocking.cpp is the original:
    /// status of a link's target beneath `root`, its text in `names`, batches of records_max).
    std::int64_t list(const open_file_ptr& directory, runtime::directory_batch& batch,
                      const open_file_ptr& root, const char* directory_path);

    int status(const open_file_ptr& file, struct stat& status) const;
    int change_mode(const open_file_ptr& file, mode_t mode);
    int set_times(const open_file_ptr& file, const timespec times[2]);

    /// flock(2) with LOCK_NB: LOCK_EX, LOCK_SH (the same here), LOCK_UN. -EWOULDBLOCK: another
    /// holds it.
    int lock(const open_file_ptr& file, int operation);

    /// Loses power: what programs see becomes what the durable half holds, open files are dead
    /// (-EIO, for who still has one), unnamed ones are gone. Returns how many changes were lost.
    std::size_t crash(const crash_weather& weather);

    /// What is left of `capacity_bytes` (all content, in blocks of 4 KiB, of files with a name or
    /// open).
    void set_capacity(std::uint64_t capacity_bytes) noexcept;
    [[nodiscard]] std::uint64_t used_bytes() const noexcept;

    // For models and invariants.

    /// Content of the regular file at `path` as programs see it, or as a crash with no luck would
    /// leave it (`durable`). False: there is none.
    [[nodiscard]] bool content(std::string_view path, std::string& into,
                               bool durable = false) const;
    /// Every name beneath the root, "/a/b", sorted; directories end with '/'.
    [[nodiscard]] std::vector<std::string> names() const;
    [[nodiscard]] std::size_t count_inodes() const noexcept;  ///< With a name or open.

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::sim
