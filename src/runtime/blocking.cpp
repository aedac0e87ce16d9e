#include "runtime/blocking.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <new>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "runtime/send_file.hpp"

namespace ferry::runtime {
namespace {

constexpr std::size_t raw_bytes_max = 32_KiB;
// One call copies at most this much, so that a cancelled copy ends within tens of milliseconds.
constexpr std::uint64_t copy_bytes_max = 16_MiB;

constexpr unsigned status_wanted = STATX_BASIC_STATS | STATX_BTIME;

/// How far it is looked for what a name stands for.
enum class reach : std::uint8_t {
    everywhere,
    one_file_system,  ///< Beyond it nothing is asked: EXDEV.
};

/// The status of what is opened so, with O_PATH.
int status_of_opened(int directory, const char* path, open_how how, struct statx& status) {
    const unique_fd found(
        static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how)));
    if (!found || ::statx(found.get(), "", AT_EMPTY_PATH, status_wanted, &status) != 0) {
        return errno;
    }
    return 0;
}

/// The status of what a symbolic link leads to, if it may be followed.
int status_of_link(const list_directory_args& where, const char* name, reach how_far,
                   struct statx& status) {
    std::string path(where.directory);
    path += '/';
    path += name;
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = where.resolve | (how_far == reach::everywhere ? 0 : RESOLVE_NO_XDEV);
    return status_of_opened(where.root, path.c_str(), how, status);
}

/// The status of what has that name, a link not followed.
int status_of_name(int directory, const char* name, reach how_far, struct statx& status) {
    if (how_far == reach::everywhere) {
        return ::statx(directory, name, AT_SYMLINK_NOFOLLOW, status_wanted, &status) == 0 ? 0
                                                                                          : errno;
    }
    open_how how{};
    how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV;
    return status_of_opened(directory, name, how, status);
}

/// Appends what a symbolic link says. One that cannot be read any more says nothing.
void append_target(int directory, const char* name, directory_record& record, std::string& names) {
    std::array<char, PATH_MAX> target;
    const auto size_bytes = ::readlinkat(directory, name, target.data(), target.size());
    if (size_bytes > 0) {
        record.target_offset = static_cast<std::uint32_t>(names.size());
        record.target_bytes = static_cast<std::uint32_t>(size_bytes);
        names.append(target.data(), static_cast<std::size_t>(size_bytes));
    }
}

/// Fills in all of `record` but its name, which is `name`.
void take_status(int directory, const list_directory_args& where, const char* name, reach how_far,
                 directory_record& record) {
    record.status_errno = status_of_name(directory, name, how_far, record.status);
    if (record.status_errno == 0 && S_ISLNK(record.status.stx_mode)) {
        record.is_symlink = true;
        record.status_errno = status_of_link(where, name, how_far, record.status);
        append_target(directory, name, record, where.batch->names);
    }
}

void append_record(int directory, const list_directory_args& where, const char* name) {
    directory_batch& batch = *where.batch;
    auto& record = batch.records.emplace_back();
    const std::size_t name_bytes = std::strlen(name);
    record.name_offset = static_cast<std::uint32_t>(batch.names.size());
    record.name_bytes = static_cast<std::uint32_t>(name_bytes);
    batch.names.append(name, name_bytes);
    if (where.names_only) {
        record.status = {};
    } else {
        take_status(directory, where, name, reach::everywhere, record);
    }
}

/// -EXDEV: something is beyond that, and the rest was not looked for.
std::int64_t look_again(int directory, const list_directory_args& where, reach how_far) {
    directory_batch& batch = *where.batch;
    for (auto& record : batch.records) {
        const std::string name = batch.names.substr(record.name_offset, record.name_bytes);
        record = {.name_offset = record.name_offset, .name_bytes = record.name_bytes, .status = {}};
        take_status(directory, where, name.c_str(), how_far, record);
        if (how_far == reach::one_file_system && record.status_errno == EXDEV) {
            return -EXDEV;
        }
    }
    return static_cast<std::int64_t>(batch.records.size());
}

std::int64_t list_batch(int directory, const list_directory_args& where) {
    if (where.again) {
        return look_again(directory, where, reach::everywhere);
    }
    directory_batch& batch = *where.batch;
    batch.records.clear();
    batch.names.clear();
    batch.records.reserve(directory_batch::records_max);
    batch.raw.resize(raw_bytes_max);
    while (batch.records.size() < directory_batch::records_max) {
        if (batch.raw_offset == batch.raw_bytes) {
            const auto got = ::getdents64(directory, batch.raw.data(), batch.raw.size());
            if (got < 0) {
                return -errno;
            }
            if (got == 0) {
                batch.at_end = true;
                break;
            }
            batch.raw_offset = 0;
            batch.raw_bytes = static_cast<std::size_t>(got);
        }
        // The kernel's record: aligned, its length within the buffer (getdents64(2)).
        const auto* entry = static_cast<const dirent64*>(
            static_cast<const void*>(batch.raw.data() + batch.raw_offset));
        batch.raw_offset += entry->d_reclen;
        const char* name = entry->d_name;
        if (std::strcmp(name, ".") != 0 && std::strcmp(name, "..") != 0) {
            append_record(directory, where, name);
        }
    }
    return static_cast<std::int64_t>(batch.records.size());
}

/// A stretch to copy: what it has of a hole at its beginning, and of data behind that.
struct stretch {
    std::uint64_t hole_bytes = 0;
    std::uint64_t data_bytes = 0;
};

/// Where a file system does not tell its holes, all is data.
stretch look_for_holes(int file, std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    struct stat status{};
    if (::fstat(file, &status) < 0 || !S_ISREG(status.st_mode)) {
        return {.data_bytes = size_bytes};
    }
    const auto place = static_cast<off64_t>(offset);
    auto data = ::lseek64(file, place, SEEK_DATA);
    if (data < 0 && errno == ENXIO) {  // A hole up to the end, as it is now, or beyond it.
        data = ::fstat(file, &status) == 0 ? std::max<off64_t>(status.st_size, place) : -1;
    }
    if (data < place) {
        return {.data_bytes = size_bytes};
    }
    if (data > place) {
        return {.hole_bytes = std::min(size_bytes, static_cast<std::uint64_t>(data - place))};
    }
    const auto hole = ::lseek64(file, place, SEEK_HOLE);
    return {.data_bytes = hole > place
                              ? std::min(size_bytes, static_cast<std::uint64_t>(hole - place))
                              : size_bytes};
}

/// Makes the hole of a new file longer by what lies behind its end. False when there it has an end.
bool leave_hole(int file, std::uint64_t offset, std::uint64_t size_bytes) noexcept {
    struct stat status{};
    return ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
           static_cast<std::uint64_t>(status.st_size) <= offset &&
           ::ftruncate64(file, static_cast<off64_t>(offset + size_bytes)) == 0;
}

/// Holes stay holes: of a large file with little in it little is copied.
std::int64_t copy_some(int from, const copy_range_args& what) noexcept {
    const auto next = look_for_holes(from, what.from_offset, what.size_bytes);
    if (next.hole_bytes > 0 && leave_hole(what.to, what.to_offset, next.hole_bytes)) {
        return static_cast<std::int64_t>(next.hole_bytes);
    }
    auto from_offset = static_cast<off64_t>(what.from_offset);
    auto to_offset = static_cast<off64_t>(what.to_offset);
    const auto size_bytes = static_cast<std::size_t>(
        std::min(std::max(next.hole_bytes, next.data_bytes), copy_bytes_max));
    const auto copied = ::copy_file_range(from, &from_offset, what.to, &to_offset, size_bytes, 0);
    return copied < 0 ? -errno : copied;
}

std::int64_t or_errno(std::int64_t result) noexcept {
    return result < 0 ? -errno : result;
}

std::int64_t read_some(int fd, const read_args& what, std::size_t size_bytes_max) noexcept {
    const iovec into{what.data, std::min(what.size_bytes, size_bytes_max)};
    return or_errno(::preadv2(fd, &into, 1, static_cast<off64_t>(what.offset), 0));
}

std::int64_t write_some(int fd, const write_args& what, std::size_t size_bytes_max) noexcept {
    // The kernel only reads what it is given to write.
    const iovec from{const_cast<std::byte*>(what.data), std::min(what.size_bytes, size_bytes_max)};
    return or_errno(::pwritev2(fd, &from, 1, static_cast<off64_t>(what.offset), 0));
}

/// Brings a stretch of a file into memory: reads it to where nobody looks.
std::int64_t read_through(int file, file_window window) noexcept {
    std::array<std::byte, 64_KiB> nowhere;
    while (window.size_bytes > 0) {
        const auto got =
            ::pread(file, nowhere.data(), std::min<std::size_t>(nowhere.size(), window.size_bytes),
                    static_cast<off64_t>(window.offset));
        if (got <= 0) {
            return or_errno(got);
        }
        window.offset += static_cast<std::uint64_t>(got);
        window.size_bytes -= static_cast<std::uint32_t>(got);
    }
    return 0;
}

std::int64_t open_at(int directory, const open_at_args& what) noexcept {
    return or_errno(::syscall(SYS_openat2, directory, what.path, &what.how, sizeof what.how));
}

}  // namespace

std::int64_t perform_blocking(op& what) noexcept {
    try {
        switch (what.code) {
            case opcode::list_directory:
                return list_batch(what.fd, what.args.list_directory);
            case opcode::copy_range:
                return copy_some(what.fd, what.args.copy_range);
            case opcode::compute:
                what.args.compute.function(what.args.compute.context);
                return 0;
            case opcode::read:
                return read_some(what.fd, what.args.read, SIZE_MAX);
            case opcode::write:
                return write_some(what.fd, what.args.write, SIZE_MAX);
            case opcode::send_file:
                return read_through(what.args.send_file.file, send_file_cold_window(what));
            case opcode::sync:
                return or_errno(what.args.sync.data_only ? ::fdatasync(what.fd) : ::fsync(what.fd));
            case opcode::allocate:
                return or_errno(::fallocate(what.fd, FALLOC_FL_KEEP_SIZE,
                                            static_cast<off64_t>(what.args.allocate.offset),
                                            static_cast<off64_t>(what.args.allocate.size_bytes)));
            case opcode::open_at:
                return open_at(what.fd, what.args.open_at);
            case opcode::rename_at: {
                const auto& args = what.args.rename_at;
                return or_errno(
                    ::renameat2(what.fd, args.from, args.to_directory, args.to, args.flags));
            }
            case opcode::link_at: {
                const auto& args = what.args.link_at;
                return or_errno(
                    ::linkat(what.fd, args.from, args.to_directory, args.to, args.flags));
            }
            case opcode::symlink_at: {
                const auto& args = what.args.symlink_at;
                return or_errno(::symlinkat(args.target, what.fd, args.path));
            }
            case opcode::unlink_at:
                return or_errno(
                    ::unlinkat(what.fd, what.args.unlink_at.path, what.args.unlink_at.flags));
            case opcode::make_directory_at:
                return or_errno(::mkdirat(what.fd, what.args.make_directory_at.path,
                                          what.args.make_directory_at.mode));
            case opcode::nop:
            case opcode::accept:
            case opcode::connect:
            case opcode::receive:
            case opcode::receive_provided:
            case opcode::send:
                break;
        }
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
    FERRY_ASSERT(false && "an operation of the pool");
    return -ENOSYS;
}

std::int64_t perform_blocking_little(op& what) noexcept {
    // A pipe with room for anything has room for PIPE_BUF octets (pipe(7)).
    return what.code == opcode::read ? read_some(what.fd, what.args.read, SIZE_MAX)
                                     : write_some(what.fd, what.args.write, PIPE_BUF);
}

bool look_again_nearby(op& what) noexcept {
    try {
        what.result = look_again(what.fd, what.args.list_directory, reach::one_file_system);
    } catch (const std::bad_alloc&) {
        what.result = -ENOMEM;
    }
    return what.result != -EXDEV;
}

}  // namespace ferry::runtime
