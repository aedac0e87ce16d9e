#pragma once

#include <cstdint>
#include <string_view>

namespace ferry {

/// What went wrong, in the terms a caller decides by. One row each in `src/base/error.cpp`; a
/// protocol maps these to its own codes in one table (threats.md, V13), never `errno` values.
enum class errc : std::uint8_t {
    invalid,        ///< Malformed input. Answer with the protocol's syntax error.
    not_found,      ///< No such name, or nothing that satisfies the request.
    denied,         ///< The system or a policy forbids it (EACCES, EPERM).
    outside_tree,   ///< The name leads out of the served tree. Answer as `denied`, never follow.
    not_regular,    ///< A FIFO, socket or device where a file or directory is needed.
    exists,         ///< The name is taken.
    is_directory,   ///< A directory where a file is needed.
    not_directory,  ///< A file where a directory is needed.
    not_empty,      ///< The directory still has entries.
    name_too_long,  ///< A component over 255 octets or a path over its limit.
    read_only,      ///< The tree or the file system takes no changes.
    no_space,       ///< The disk is full (ENOSPC).
    over_quota,     ///< The account's or system's quota is used up (EDQUOT).
    too_large,      ///< Over a limit on one file or message (EFBIG).
    exhausted,      ///< A limit of ferry's own is reached: descriptors, buffers, list length. Try
                    ///< later.
    unsupported,    ///< The kernel, file system or protocol peer lacks it.
    busy,           ///< In use, or raced with another change too often. Trying again may work.
    in_use,         ///< The address or port is taken (EADDRINUSE).
    unavailable,    ///< The address cannot be used or reached (EADDRNOTAVAIL, EHOSTUNREACH,
                    ///< ECONNREFUSED).
    timed_out,      ///< The caller's deadline passed first.
    cancelled,      ///< The enclosing stop scope was asked to stop.
    closed,         ///< The peer ended its side in order (end of stream).
    reset,          ///< The peer or the network broke the connection, or TCP has given the peer up
                    ///< (ETIMEDOUT).
    io,             ///< The device failed (EIO) or an error no other row names.
};

/// One failure: the kind to decide by and, where a system call said it, its `errno` for the log.
struct error {
    errc code = errc::io;
    int os_errno = 0;  ///< 0 when no system call was involved.

    friend bool operator==(const error& a, const error& b) noexcept { return a.code == b.code; }
    friend bool operator==(const error& a, errc b) noexcept { return a.code == b; }
};

/// Names `code` in lower case for logs and messages, such as "no space left". Never fails.
[[nodiscard]] std::string_view describe(errc code) noexcept;

/// Classifies an `errno` value (positive); a value without a row becomes `errc::io`.
/// Cost: a switch; never allocates.
[[nodiscard]] error error_from_errno(int os_errno) noexcept;

}  // namespace ferry
