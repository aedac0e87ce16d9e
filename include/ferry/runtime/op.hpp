#pragma once

#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/buffers.hpp"
#include "ferry/runtime/intrusive_list.hpp"

namespace ferry::runtime {

/// Every operation a reactor does. Adding one: the arm here, its arguments below, and
/// `-Werror=switch` names the backends that lack it; then one conformance case in `tests/reactor/`.
enum class opcode : std::uint8_t {
    nop,      ///< Completes with 0 in a later turn. For yielding and for tests.
    accept,   ///< A new connection on a listening socket; result is its descriptor.
    connect,  ///< Connects a socket to an address.
    receive,  ///< Octets from a socket into the caller's memory; result 0 is end of stream.
    receive_provided,  ///< Octets from a socket into a lent buffer (`op::lease`); 0 is end of
                       ///< stream.
    send,              ///< Octets to a socket; result is how many went.
    send_file,         ///< A head from memory, then a span of a file, to a non-blocking socket,
                       ///< without copying. Moves one quantum of the file at most, so that a core
                       ///< stays fair: go on with the rest, after a yield. 0 is the file's end.
    read,              ///< Octets from a file at an offset; 0 is its end.
    write,             ///< Octets to a file at an offset (or appended, if it was opened so). May be
                       ///< done inline: write in pieces of a few hundred KiB.
    sync,              ///< File content (and metadata) to stable storage.
    allocate,          ///< fallocate(2): room on the disk for a stretch of a file, whose size stays
                       ///< as it is. Lengthy where the file system writes zeros for it.
    open_at,           ///< openat2(2); result is the descriptor.
    rename_at,         ///< renameat2(2).
    link_at,           ///< linkat(2).
    symlink_at,        ///< symlinkat(2).
    unlink_at,         ///< unlinkat(2), files and directories.
    make_directory_at,  ///< mkdirat(2).
    list_directory,     ///< The next batch of names with their status, on the offload pool.
    copy_range,         ///< copy_file_range(2) on the offload pool; result is octets copied.
    compute,            ///< Runs a function that touches no core state on the offload pool.
};

/// True for what may change names, or what files hold.
[[nodiscard]] constexpr bool may_change_files(opcode what) noexcept {
    switch (what) {
        case opcode::write:
        case opcode::allocate:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::copy_range:
        case opcode::compute:
            return true;
        case opcode::nop:
        case opcode::accept:
        case opcode::connect:
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::send:
        case opcode::send_file:
        case opcode::read:
        case opcode::sync:
        case opcode::list_directory:
            break;
    }
    return false;
}

/// One name of a directory, as read by `opcode::list_directory`.
struct directory_record {
    std::uint32_t name_offset = 0;  ///< Into `directory_batch::names`.
    std::uint32_t name_bytes = 0;
    bool is_symlink = false;  ///< The name itself is a symbolic link; `status` is of its target.
    std::uint32_t target_offset = 0;  ///< Of a symbolic link: what it says, into `names`.
    std::uint32_t target_bytes = 0;   ///< 0: it could not be read.
    int status_errno = 0;  ///< Not 0: `status` is void (removed meanwhile, or a link not followed).
    struct statx status;
};

/// Up to `records_max` names at once, without "." and "..". Reused from batch to batch.
struct directory_batch {
    static constexpr std::size_t records_max = 256;

    std::vector<directory_record> records;
    std::string names;
    bool at_end = false;

    // What getdents64 returned and is not yet in a record; the backend's own.
    std::vector<std::byte> raw;
    std::size_t raw_offset = 0;
    std::size_t raw_bytes = 0;
};

struct accept_args {
    bool multishot = false;  ///< Complete once for every connection until cancelled or failed.
};
struct connect_args {
    const sockaddr* address = nullptr;
    socklen_t address_bytes = 0;
};
struct receive_args {
    std::byte* data = nullptr;
    std::size_t size_bytes = 0;
};
struct receive_provided_args {
    bool multishot = false;  ///< Complete once for every arrival until end of stream or failure.
};
struct send_args {
    const std::byte* data = nullptr;
    std::size_t size_bytes = 0;
    bool more_follows = false;  ///< MSG_MORE: only when more is sent at once.
};
struct send_file_args {
    const std::byte* head = nullptr;  ///< Sent before the file; may be empty.
    std::size_t head_bytes = 0;
    int file = -1;
    std::uint32_t identity = 0;  ///< Of the file, as in `file_span`.
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
};
struct read_args {
    std::byte* data = nullptr;
    std::size_t size_bytes = 0;
    std::uint64_t offset = 0;
};
/// The offset that means "where the descriptor stands": the end, if opened with O_APPEND; the only
/// one for what has no offsets, such as a pipe. A terminal, and a pipe on a kernel older than 6.4,
/// may hold up a thread of the pool or the core itself for as long as nobody reads, whatever is
/// cancelled: give those to a `background_writer`.
inline constexpr std::uint64_t at_position = ~std::uint64_t{0};
struct write_args {
    const std::byte* data = nullptr;
    std::size_t size_bytes = 0;
    std::uint64_t offset = 0;  ///< Or `at_position`.
};
struct sync_args {
    bool data_only = false;  ///< fdatasync(2).
};
struct allocate_args {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;  ///< Not 0.
};
struct open_at_args {
    const char* path = nullptr;
    open_how how{};
    bool is_local = false;  ///< On a disk or in the memory of this machine, all of the way there,
                            ///< and no FIFO: may be done inline while such calls are fast.
};
struct rename_at_args {
    const char* from = nullptr;
    int to_directory = -1;
    const char* to = nullptr;
    unsigned flags = 0;     ///< RENAME_NOREPLACE.
    bool is_local = false;  ///< As in `open_at_args`.
};
struct link_at_args {
    const char* from = nullptr;
    int to_directory = -1;
    const char* to = nullptr;
    int flags = 0;          ///< AT_SYMLINK_FOLLOW, AT_EMPTY_PATH.
    bool is_local = false;  ///< As in `open_at_args`.
};
struct symlink_at_args {
    const char* target = nullptr;  ///< What the link says.
    const char* path = nullptr;    ///< Of the link, from `op::fd` on.
};
struct unlink_at_args {
    const char* path = nullptr;
    int flags = 0;  ///< AT_REMOVEDIR.
};
struct make_directory_at_args {
    const char* path = nullptr;
    mode_t mode = 0;
};
struct list_directory_args {
    directory_batch* batch = nullptr;
    int root = -1;                    ///< Of the tree.
    const char* directory = nullptr;  ///< The directory's path beneath `root`.
    /// How links are followed, from `root` on: of openat2(2).
    std::uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    bool names_only = false;  ///< Status and links are of no interest: they need not be there.
    bool can_wait = false;    ///< Nobody waits for it: it keeps the pool from nothing.
    /// The records in `batch` hold names: their status anew, and no other names. One that is gone
    /// has ENOENT.
    bool again = false;
    /// The directory is on a disk or in the memory of this machine: no more than `names_here_max`
    /// names may be looked at again inline while such calls are fast. What lies on another file
    /// system, if only as the target of a link, is never asked for there.
    bool is_local = false;
    static constexpr std::size_t names_here_max = 8;

    /// Whether a core may look at the names by itself.
    [[nodiscard]] bool is_for_core() const noexcept {
        return is_local && again && batch->records.size() <= names_here_max;
    }
};
struct copy_range_args {
    std::uint64_t from_offset = 0;
    int to = -1;
    std::uint64_t to_offset = 0;
    std::uint64_t size_bytes = 0;
};
struct compute_args {
    void (*function)(void* context) noexcept = nullptr;
    void* context = nullptr;
};

/// One operation as plain data: what to do, on which descriptor, and whom to tell. Lives in its
/// awaiter (in the caller's frame) or in a long-lived object such as a stream; never allocated by
/// itself.
///
/// Life: filled in, `reactor::submit`, completes exactly once (or, multishot, many times with
/// `more` set and once without), may then be filled in again. From submit to the last completion it
/// must not move or die, nor may the memory its arguments point at, nor may `fd` be closed.
struct op : list_node {
    using function = void (*)(op&) noexcept;

    op(opcode what, int descriptor, function on_complete) noexcept
        : code(what), fd(descriptor), complete(on_complete) {}
    ~op() { FERRY_ASSERT(!in_flight); }

    opcode code;
    bool in_flight = false;   ///< Set by `submit`, cleared by the last completion.
    bool more = false;        ///< At a completion: another will follow (multishot).
    int fd;                   ///< What it acts on; the directory for the `_at` operations.
    std::int64_t result = 0;  ///< At a completion: what the call returned, or -errno.
    function complete;        ///< Called by the reactor at each completion, in its loop.
    buffer_lease lease;       ///< At a completion of `receive_provided`: the octets.

    union arguments {
        arguments() noexcept : accept() {}
        accept_args accept;
        connect_args connect;
        receive_args receive;
        receive_provided_args receive_provided;
        send_args send;
        send_file_args send_file;
        read_args read;
        write_args write;
        sync_args sync;
        allocate_args allocate;
        open_at_args open_at;
        rename_at_args rename_at;
        link_at_args link_at;
        symlink_at_args symlink_at;
        unlink_at_args unlink_at;
        make_directory_at_args make_directory_at;
        list_directory_args list_directory;
        copy_range_args copy_range;
        compute_args compute;
    } args;

    // The backend's own, void outside it.
    std::uint16_t generation = 0;  ///< Told apart from an earlier life at the same address (R5).
    std::uint8_t stage = 0;        ///< Where a semantic operation stands.
    bool cancel_requested = false;
    std::int64_t progress = 0;  ///< Octets already moved by a semantic operation.
};

}  // namespace ferry::runtime
