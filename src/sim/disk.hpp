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
/// A name by which an inode is open.
struct dentry;
using dentry_ptr = std::shared_ptr<dentry>;

/// What open(2) makes: an inode, how it was opened, where reading stands. Shared by descriptors.
struct open_file {
    inode_ptr what;
    dentry_ptr by;               ///< The name it was opened by.
    int flags = 0;               ///< Of open(2), without those that act at the open only.
    std::uint64_t position = 0;  ///< Of a file; of a directory the next name to be listed.
    std::uint64_t life = 0;      ///< Of the disk, between two crashes, in which it was opened.
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
/// Follows POSIX and Linux's manual pages, and ext4 where those leave it open; runs as root, so
/// permission bits forbid nothing (what may be denied is a fault plan's affair), with the umask
/// 022. Times are those of the last tick of 4 ms, as the kernel's coarse clock has it: two changes
/// within one have equal times. Reading leaves no trace (noatime). Inode numbers are never used
/// again.
///
/// A null directory is "/". What has been open since before a crash gives -EIO, null -EBADF.
///
/// Nothing is remembered for a crash without end: when more than 16,384 changes of names, or as
/// many writes or blocks of 4 KiB, are not synced, all of it becomes durable (the write-back of
/// a real system, after 5 or 30 seconds).
///
/// Whoever watches (`inotify_instance`) hears of every change before the operation that made it
/// returns, in the order of the changes. A crash ends all watches.
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
    /// RESOLVE_NO_SYMLINKS, RESOLVE_IN_ROOT, RESOLVE_CACHED (-EAGAIN by chance, if `set_cold`). 40
    /// links at most (-ELOOP). As strict as openat2(2) with flags, modes and what does not go
    /// together (-EINVAL). There is no /proc: with RESOLVE_NO_MAGICLINKS what leads to
    /// "/proc/self/fd/" is -ELOOP, without it is -ENOENT; the caller resolves that.
    /// A FIFO nobody reads is -ENXIO for O_WRONLY | O_NONBLOCK, as Linux has it.
    [[nodiscard]] int open(const open_file_ptr& directory, const char* path, const open_how& how,
                           open_file_ptr& opened);

    /// What statfs(2) says of it (`f_type`): ext4, unless set. It behaves the same.
    [[nodiscard]] std::uint64_t type() const noexcept;
    void set_type(std::uint64_t type) noexcept;

    /// From then on openat2(2) with RESOLVE_CACHED fails every other time: names are not in memory.
    void set_cold(bool is_cold) noexcept;

    /// From then on stat(2) tells this size of the file, whatever is in it: as FUSE, /proc and /sys
    /// do. Reading, writing and what is durable know nothing of it.
    void tell_size(const open_file_ptr& file, std::uint64_t size_bytes) noexcept;

    /// `offset` may be `runtime::at_position` here and in `write`: then the position moves on.
    std::int64_t read(const open_file_ptr& file, std::span<std::byte> into, std::uint64_t offset);
    /// With O_APPEND always at the end, whatever `offset` says (pwrite(2), BUGS). -ENOSPC after
    /// what still fitted, -EINVAL where it would end past 2^63-1, -EFBIG where nothing fits before,
    /// -EBADF.
    std::int64_t write(const open_file_ptr& file, std::span<const std::byte> octets,
                       std::uint64_t offset);
    /// fsync(2), fdatasync(2). Of a file: its content is durable, its name is not. Of a directory:
    /// all changes of its names are, and every change of names before them.
    int sync(const open_file_ptr& file, bool data_only);
    int truncate(const open_file_ptr& file, std::uint64_t size_bytes);
    /// fallocate(2) with FALLOC_FL_KEEP_SIZE, but that it only looks whether there is room now
    /// (-ENOSPC) and keeps none for later: no more than a program may rely on, since the disk of a
    /// host can fill up under reserved blocks too (delayed allocation, snapshots, thin volumes).
    int allocate(const open_file_ptr& file, std::uint64_t offset, std::uint64_t size_bytes);
    /// copy_file_range(2). Holes stay holes.
    std::int64_t copy_range(const open_file_ptr& from, std::uint64_t from_offset,
                            const open_file_ptr& to, std::uint64_t to_offset,
                            std::uint64_t size_bytes);

    /// renameat2(2) with RENAME_NOREPLACE; -EINVAL with other flags.
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

    /// readlinkat(2), with "" for what `directory` is itself (O_PATH | O_NOFOLLOW); how many
    /// octets, without a NUL. -EINVAL: no link, or no room at all.
    std::int64_t read_link(const open_file_ptr& directory, const char* path, std::span<char> into);

    /// The next batch as `runtime::opcode::list_directory` fills it (blocking.cpp is the original:
    /// status of a link's target as `resolve` finds it from `root` on, its text in `names`, batches
    /// of records_max). As there names are read ahead of their status: one that has been removed
    /// since has ENOENT.
    std::int64_t list(const open_file_ptr& directory, runtime::directory_batch& batch,
                      const open_file_ptr& root, const char* directory_path,
                      std::uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    /// The same for the names that `batch` holds.
    std::int64_t list_again(const open_file_ptr& directory, runtime::directory_batch& batch,
                            const open_file_ptr& root, const char* directory_path,
                            std::uint64_t resolve);

    int status(const open_file_ptr& file, struct stat& status) const;
    int whole_status(const open_file_ptr& file, struct statx& status) const;
    int change_mode(const open_file_ptr& file, mode_t mode);
    int change_mode_opened(const open_file_ptr& file, mode_t mode);  ///< Of O_PATH, too.
    int set_times(const open_file_ptr& file, const timespec times[2]);

    /// flock(2) with LOCK_NB: LOCK_EX, LOCK_SH, LOCK_UN. -EWOULDBLOCK: another holds it, and a
    /// lock of the other kind that the file had is gone.
    int lock(const open_file_ptr& file, int operation);

    /// Loses power: what programs see becomes what the durable half holds, open files are dead
    /// (-EIO, for who still has one), unnamed ones are gone. Returns how many changes were lost, of
    /// names, sizes, attributes and content.
    ///
    /// A change of size or attributes has its place in the journal, among the changes of names, but
    /// is durable already when its file was synced. Of writes after a change of size that is lost
    /// nothing survives: their blocks came later.
    std::size_t crash(const crash_weather& weather);

    /// What is left of `capacity_bytes` (all content, in blocks of 4 KiB, of files with a name or
    /// open).
    void set_capacity(std::uint64_t capacity_bytes) noexcept;
    [[nodiscard]] std::uint64_t used_bytes() const noexcept;

    // For models and invariants.

    /// A fault has kept the file at `path` from being removed: it is spared until it is gone or
    /// forgotten. A link is spared itself, a directory or nothing at all is not.
    void spare(const open_file_ptr& directory, const char* path);
    /// A fault has kept somebody from looking at `what`, a file, or a directory and all beneath it:
    /// files there that nobody has locked are spared.
    void spare_unlocked(const open_file_ptr& what);
    void forget_spared() noexcept;
    /// Every name of a file that is spared, as `names` has it, sorted.
    [[nodiscard]] std::vector<std::string> spared() const;

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
