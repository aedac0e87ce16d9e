#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "sim/disk.hpp"
#include "sim/disk_state.hpp"
#include "sim/inotify.hpp"
#include "sim/path_walk.hpp"

namespace ferry::sim {

namespace {

constexpr std::uint64_t size_bytes_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t transfer_bytes_max = 0x7FFFF000;  // MAX_RW_COUNT.
constexpr unsigned device_major = 8;
constexpr unsigned device_minor = 1;
constexpr std::size_t sector_bytes = 512;
constexpr std::size_t raw_bytes_max = 32'768;  // As much as blocking.cpp asks getdents64 for.
constexpr long nanoseconds_max = 999'999'999;

bool is_readable(const open_file& file) noexcept {
    return (file.flags & O_ACCMODE) == O_RDONLY || (file.flags & O_ACCMODE) == O_RDWR;
}

bool is_writable(const open_file& file) noexcept {
    return (file.flags & O_ACCMODE) == O_WRONLY || (file.flags & O_ACCMODE) == O_RDWR;
}

/// Whether offsets can hold where this begins and ends (rw_verify_area in fs/read_write.c).
bool is_span(std::uint64_t offset, std::size_t size_bytes) noexcept {
    return offset <= size_bytes_max && size_bytes <= size_bytes_max - offset;
}

}  // namespace

// -------------------------------------------------------------------------------------- content

void disk::state::written(const open_file& file, content_piece piece) {
    inode& what = *file.what;
    const timespec when = now();
    what.is.modified = what.is.changed = when;
    what.note_unsynced(unsynced_write{.piece = std::move(piece), .when = when});
    log.write_back_if_much(*ledger);
    notify_entry(*file.by, IN_MODIFY, true);
}

void disk::state::resize(const open_file& file, std::uint64_t size_bytes) {
    inode& what = *file.what;
    const timespec when = now();
    const std::uint64_t before = what.content.count_blocks();
    what.content.resize(size_bytes);
    what.count_blocks_since(before);
    what.is.modified = what.is.changed = when;
    log.note_resize(what, size_bytes, when);
    log.write_back_if_much(*ledger);
    notify_entry(*file.by, IN_MODIFY, false);  // notify_change: a call about attributes.
}

std::int64_t disk::read(const open_file_ptr& file, std::span<std::byte> into,
                        std::uint64_t offset) {
    if (const int failed = state_->check_open(file)) {
        return failed;
    }
    const inode& what = *file->what;
    const bool is_at_position = offset == runtime::at_position;
    if (what.is_fifo() && !is_at_position) {
        return -ESPIPE;
    }
    if (!is_readable(*file)) {
        return -EBADF;
    }
    const std::uint64_t at = is_at_position ? file->position : offset;
    if (!is_span(at, into.size())) {
        return -EINVAL;
    }
    if (what.is_directory()) {
        return -EISDIR;
    }
    if (what.is_fifo()) {
        return 0;  // Nobody writes to it.
    }
    const std::size_t got =
        what.content.read(into.first(std::min<std::size_t>(into.size(), transfer_bytes_max)), at);
    if (is_at_position) {
        file->position += got;
    }
    if (got > 0) {
        notify_entry(*file->by, IN_ACCESS, true);
    }
    return static_cast<std::int64_t>(got);
}

std::int64_t disk::write(const open_file_ptr& file, std::span<const std::byte> octets,
                         std::uint64_t offset) {
    if (const int failed = state_->check_open(file)) {
        return failed;
    }
    inode& what = *file->what;
    const bool is_at_position = offset == runtime::at_position;
    if (what.is_fifo() && !is_at_position) {
        return -ESPIPE;
    }
    if (!is_writable(*file)) {
        return -EBADF;
    }
    if (what.is_fifo()) {
        return -EPIPE;  // Nobody takes what is written to it.
    }
    std::uint64_t at = is_at_position ? file->position : offset;
    if (!is_span(at, octets.size())) {
        return -EINVAL;
    }
    if (octets.empty()) {
        return 0;
    }
    if ((file->flags & O_APPEND) != 0) {
        at = what.content.size_bytes();
    }
    if (at >= size_bytes_max) {
        return -EFBIG;
    }
    const auto count = static_cast<std::size_t>(
        std::min<std::uint64_t>({octets.size(), transfer_bytes_max, size_bytes_max - at}));
    content_piece piece;
    const std::uint64_t before = what.content.count_blocks();
    const std::size_t put =
        what.content.write(octets.first(count), at, state_->ledger->free_blocks(), piece);
    if (put == 0) {
        return -ENOSPC;
    }
    what.count_blocks_since(before);
    if (is_at_position) {
        file->position = at + put;
    }
    state_->written(*file, std::move(piece));
    if ((file->flags & O_DSYNC) != 0) {
        state_->log.sync_file(what, (file->flags & O_SYNC) != O_SYNC);
    }
    return static_cast<std::int64_t>(put);
}

int disk::sync(const open_file_ptr& file, bool data_only) {
    if (const int failed = state_->check_open(file)) {
        return failed;
    }
    inode& what = *file->what;
    if (what.is_fifo()) {
        return -EINVAL;
    }
    if (what.is_directory()) {
        state_->log.sync_directory(what);
    } else {
        state_->log.sync_file(what, data_only);
    }
    return 0;
}

int disk::truncate(const open_file_ptr& file, std::uint64_t size_bytes) {
    if (const int failed = state_->check_open(file)) {
        return failed;
    }
    inode& what = *file->what;
    if (!what.is_regular() || !is_writable(*file) || size_bytes > size_bytes_max) {
        return -EINVAL;
    }
    state_->resize(*file, size_bytes);
    return 0;
}

int disk::allocate(const open_file_ptr& file, std::uint64_t offset, std::uint64_t size_bytes) {
    if (const int failed = state_->check_open(file)) {
        return failed;
    }
    const inode& what = *file->what;
    if (offset > size_bytes_max || size_bytes > size_bytes_max || size_bytes == 0) {
        return -EINVAL;
    }
    if (!is_writable(*file)) {
        return -EBADF;
    }
    if (what.is_fifo()) {
        return -ESPIPE;
    }
    if (size_bytes > size_bytes_max - offset) {
        return -EFBIG;
    }
    const bool is_room =
        what.content.count_holes(offset, size_bytes) <= state_->ledger->free_blocks();
    return is_room ? 0 : -ENOSPC;
}

std::int64_t disk::copy_range(const open_file_ptr& from, std::uint64_t from_offset,
                              const open_file_ptr& to, std::uint64_t to_offset,
                              std::uint64_t size_bytes) {
    for (const open_file_ptr* each : {&from, &to}) {
        if (const int failed = state_->check_open(*each)) {
            return failed;
        }
    }
    inode& source = *from->what;
    inode& target = *to->what;
    if (source.is_directory() || target.is_directory()) {
        return -EISDIR;
    }
    if (!source.is_regular() || !target.is_regular()) {
        return -EINVAL;
    }
    if (!is_readable(*from) || !is_writable(*to) || (to->flags & O_APPEND) != 0) {
        return -EBADF;
    }
    if (from_offset + size_bytes < from_offset || to_offset + size_bytes < to_offset) {
        return -EOVERFLOW;
    }
    if (from_offset > size_bytes_max || to_offset > size_bytes_max) {
        return -EINVAL;
    }
    const std::uint64_t there = source.content.size_bytes();
    std::uint64_t count = from_offset >= there ? 0 : std::min(size_bytes, there - from_offset);
    if (count > 0 && to_offset >= size_bytes_max) {
        return -EFBIG;
    }
    count = std::min({count, size_bytes_max - to_offset, transfer_bytes_max});
    if (&source == &target && to_offset + count > from_offset && to_offset < from_offset + count) {
        return -EINVAL;
    }
    if (count == 0) {
        return 0;
    }
    content_piece piece;
    const std::uint64_t before = target.content.count_blocks();
    const std::uint64_t put = target.content.copy(source.content, from_offset, to_offset, count,
                                                  state_->ledger->free_blocks(), piece);
    if (put == 0) {
        return -ENOSPC;
    }
    target.count_blocks_since(before);
    notify_entry(*from->by, IN_ACCESS, true);
    state_->written(*to, std::move(piece));
    return static_cast<std::int64_t>(put);
}

// --------------------------------------------------------------------------------------- status

namespace {

statx_timestamp stamp(const timespec& when) noexcept {
    statx_timestamp made{};
    made.tv_sec = when.tv_sec;
    made.tv_nsec = static_cast<std::uint32_t>(when.tv_nsec);
    return made;
}

/// Blocks as stat(2) counts them. A short link has its text in the inode.
std::uint64_t sectors_of(const inode& what) noexcept {
    constexpr std::size_t text_in_inode_max = 59;
    const bool has_block =
        what.is_directory() || (what.is_symlink() && what.target.size() > text_in_inode_max);
    return (what.content.count_blocks() + (has_block ? 1U : 0U)) * (block_bytes / sector_bytes);
}

void fill(struct statx& into, const inode& what) noexcept {
    into = {};
    into.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    into.stx_blksize = block_bytes;
    into.stx_nlink = what.links;
    into.stx_mode = static_cast<std::uint16_t>(what.is.mode);
    into.stx_ino = what.number;
    into.stx_size = what.size_bytes();
    into.stx_blocks = sectors_of(what);
    into.stx_atime = stamp(what.accessed);
    into.stx_mtime = stamp(what.is.modified);
    into.stx_ctime = stamp(what.is.changed);
    into.stx_btime = stamp(what.born);
    into.stx_dev_major = device_major;
    into.stx_dev_minor = device_minor;
}

}  // namespace

int disk::status(const open_file_ptr& file, struct stat& status) const {
    if (const int failed = state_->check(file)) {
        return failed;
    }
    const inode& what = *file->what;
    status = {};
    status.st_dev = makedev(device_major, device_minor);
    status.st_ino = what.number;
    status.st_mode = what.is.mode;
    status.st_nlink = what.links;
    status.st_size = static_cast<off_t>(what.size_bytes());
    status.st_blksize = block_bytes;
    status.st_blocks = static_cast<blkcnt_t>(sectors_of(what));
    status.st_atim = what.accessed;
    status.st_mtim = what.is.modified;
    status.st_ctim = what.is.changed;
    return 0;
}

int disk::whole_status(const open_file_ptr& file, struct statx& status) const {
    if (const int failed = state_->check(file)) {
        return failed;
    }
    fill(status, *file->what);
    return 0;
}

int disk::change_mode(const open_file_ptr& file, mode_t mode) {
    const int failed = state_->check_open(file);
    return failed != 0 ? failed : change_mode_opened(file, mode);
}

int disk::change_mode_opened(const open_file_ptr& file, mode_t mode) {
    if (const int failed = state_->check(file)) {
        return failed;
    }
    inode& what = *file->what;
    const timespec when = state_->now();
    what.is.mode = (what.is.mode & S_IFMT) | (mode & 07777U);
    what.is.changed = when;
    state_->log.note({.what = file->what, .now = what.is}, when);
    state_->log.write_back_if_much(*state_->ledger);
    notify_entry(*file->by, IN_ATTRIB, false);
    return 0;
}

int disk::set_times(const open_file_ptr& file, const timespec times[2]) {
    if (const int failed = state_->check(file)) {
        return failed;
    }
    static constexpr timespec both_now[2] = {{.tv_sec = 0, .tv_nsec = UTIME_NOW},
                                             {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
    const auto wanted = std::span(times == nullptr ? both_now : times, 2);
    if (std::ranges::any_of(wanted, [](const timespec& each) {
            return each.tv_nsec != UTIME_NOW && each.tv_nsec != UTIME_OMIT &&
                   (each.tv_nsec < 0 || each.tv_nsec > nanoseconds_max);
        })) {
        return -EINVAL;
    }
    if (wanted[0].tv_nsec == UTIME_OMIT && wanted[1].tv_nsec == UTIME_OMIT) {
        return 0;
    }
    inode& what = *file->what;
    const timespec when = state_->now();
    const auto set = [&when](timespec& into, const timespec& to) {
        if (to.tv_nsec != UTIME_OMIT) {
            into = to.tv_nsec == UTIME_NOW ? when : to;
        }
    };
    set(what.accessed, wanted[0]);
    set(what.is.modified, wanted[1]);
    what.is.changed = when;
    state_->log.note({.what = file->what, .now = what.is}, when);
    state_->log.write_back_if_much(*state_->ledger);
    // One time alone tells of what it stands for (fsnotify_change).
    notify_entry(*file->by,
                 wanted[0].tv_nsec == UTIME_OMIT   ? IN_MODIFY
                 : wanted[1].tv_nsec == UTIME_OMIT ? IN_ACCESS
                                                   : IN_ATTRIB,
                 false);
    return 0;
}

int disk::lock(const open_file_ptr& file, int operation) {
    const int wanted = operation & ~LOCK_NB;
    if (wanted != LOCK_SH && wanted != LOCK_EX && wanted != LOCK_UN) {
        return -EINVAL;
    }
    if (const int failed = state_->check_open(file)) {
        return failed;
    }
    advisory_lock& lock = file->what->lock;
    const bool is_exclusive = wanted == LOCK_EX;
    if (wanted != LOCK_UN && lock.is_exclusive == is_exclusive && lock.is_held_by(file.get())) {
        return 0;
    }
    // One that becomes the other kind is let go first, whatever comes of it (flock(2)).
    lock.release(file.get());
    if (wanted == LOCK_UN) {
        return 0;
    }
    if (!lock.holders.empty() && (is_exclusive || lock.is_exclusive)) {
        return -EWOULDBLOCK;
    }
    lock.is_exclusive = is_exclusive;
    lock.holders.push_back(file.get());
    return 0;
}

std::int64_t disk::read_link(const open_file_ptr& directory, const char* path,
                             std::span<char> into) {
    if (into.empty()) {
        return -EINVAL;
    }
    if (const int failed = state_->check_base(directory)) {
        return failed;
    }
    const bool is_itself = *path == '\0';
    inode* found = directory == nullptr ? state_->root.get() : directory->what.get();
    if (!is_itself) {
        path_walk walk(*state_->root, 0);
        if (const int failed = walk.begin(found, path)) {
            return failed;
        }
        if (const int failed = walk.to_end({.follows_link = false}, found)) {
            return failed;
        }
    }
    if (!found->is_symlink()) {
        return is_itself ? -ENOENT : -EINVAL;
    }
    const std::size_t count = std::min(into.size(), found->target.size());
    std::copy_n(found->target.begin(), count, into.begin());
    return static_cast<std::int64_t>(count);
}

// -------------------------------------------------------------------------------------- listing

namespace {

/// Reads names into `batch.raw`, each with a NUL after it, as many as there is room for. 0 with
/// none: the end.
int read_names(open_file& directory, runtime::directory_batch& batch) {
    const inode& what = *directory.what;
    if (what.is_dead()) {
        return -ENOENT;
    }
    batch.raw.resize(raw_bytes_max);
    batch.raw_offset = 0;
    batch.raw_bytes = 0;
    const auto& all = what.names.all();
    auto next = all.lower_bound(directory.position);
    for (; next != all.end(); ++next) {
        const std::string& name = next->second.name;
        if (batch.raw_bytes + name.size() + 1 > batch.raw.size()) {
            break;
        }
        std::memcpy(batch.raw.data() + batch.raw_bytes, name.c_str(), name.size() + 1);
        batch.raw_bytes += name.size() + 1;
    }
    directory.position = next == all.end() ? directory_names::end_place : next->first;
    notify_entry(*directory.by, IN_ACCESS, true);
    return 0;
}

std::uint32_t append(std::string& all, std::string_view text) {
    const auto offset = static_cast<std::uint32_t>(all.size());
    all += text;
    return offset;
}

/// The status of what the link at the end of `path` leads to, as `walk` finds it; 0 or an errno.
int status_of_link(path_walk walk, inode& root, const char* path, struct statx& status) {
    inode* found = nullptr;
    if (const int failed = walk.begin(&root, path)) {
        return -failed;
    }
    if (const int failed = walk.to_end({}, found)) {
        return -failed;
    }
    fill(status, *found);
    return 0;
}

}  // namespace

void disk::state::fill_record(const inode& from, const std::string& name, const link_place& links,
                              std::string& names, runtime::directory_record& record) const {
    const inode* const what = from.find(name);
    if (what == nullptr) {
        record.status_errno = ENOENT;
        return;
    }
    if (what->is_symlink()) {
        record.is_symlink = true;
        record.target_offset = append(names, what->target);
        record.target_bytes = static_cast<std::uint32_t>(what->target.size());
        const int unusable = check(links.root);
        const std::string path = std::string(links.path) + '/' + name;
        record.status_errno = unusable != 0
                                  ? -unusable
                                  : status_of_link({*root, links.resolve}, *links.root->what,
                                                   path.c_str(), record.status);
        if (record.status_errno == 0) {
            return;
        }
    }
    fill(record.status, *what);
}

std::int64_t disk::list(const open_file_ptr& directory, runtime::directory_batch& batch,
                        const open_file_ptr& root, const char* directory_path,
                        std::uint64_t resolve) {
    if (const int failed = state_->check_open(directory)) {
        return failed;
    }
    const inode& from = *directory->what;
    if (!from.is_directory()) {
        return -ENOTDIR;
    }
    batch.records.clear();
    batch.names.clear();
    while (batch.records.size() < runtime::directory_batch::records_max) {
        if (batch.raw_offset == batch.raw_bytes) {
            if (const int failed = read_names(*directory, batch)) {
                return failed;
            }
            if (batch.raw_bytes == 0) {
                batch.at_end = true;
                break;
            }
        }
        // Ours, with the NUL that ends it.
        const std::string name =
            static_cast<const char*>(static_cast<const void*>(batch.raw.data() + batch.raw_offset));
        batch.raw_offset += name.size() + 1;
        runtime::directory_record record{};
        record.name_offset = append(batch.names, name);
        record.name_bytes = static_cast<std::uint32_t>(name.size());
        state_->fill_record(from, name, {.root = root, .path = directory_path, .resolve = resolve},
                            batch.names, record);
        batch.records.push_back(record);
    }
    return static_cast<std::int64_t>(batch.records.size());
}

std::int64_t disk::list_again(const open_file_ptr& directory, runtime::directory_batch& batch,
                              const open_file_ptr& root, const char* directory_path,
                              std::uint64_t resolve) {
    if (const int failed = state_->check_open(directory)) {
        return failed;
    }
    for (auto& record : batch.records) {
        const std::string name = batch.names.substr(record.name_offset, record.name_bytes);
        runtime::directory_record fresh{};
        fresh.name_offset = record.name_offset;
        fresh.name_bytes = record.name_bytes;
        state_->fill_record(*directory->what, name,
                            {.root = root, .path = directory_path, .resolve = resolve}, batch.names,
                            fresh);
        record = fresh;
    }
    return static_cast<std::int64_t>(batch.records.size());
}

}  // namespace ferry::sim
