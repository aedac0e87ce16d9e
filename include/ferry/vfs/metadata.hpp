#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ferry/base/wall_clock.hpp"

namespace ferry::vfs {

enum class file_kind : std::uint8_t {
    regular,
    directory,
    symlink,  ///< Only in listings: a link that leads nowhere or out of the tree. Never opened.
    other,    ///< FIFO, socket, device: listed by no protocol, opened by none.
};

/// What the file system says of one file or directory, taken in one system call.
struct metadata {
    file_kind kind = file_kind::other;
    std::uint64_t size_bytes = 0;
    std::uint64_t inode = 0;
    std::uint64_t device = 0;
    std::uint32_t mode = 0;  ///< Permission bits only (07777).
    std::uint32_t links = 1;
    std::uint32_t owner_id = 0;
    std::uint32_t group_id = 0;
    wall_time modified;  ///< mtime, to the nanosecond.
    wall_time changed;   ///< ctime, to the nanosecond.
    /// btime: only where `tree::status` and listings say it, and the file system knows.
    std::optional<wall_time> created = {};

    friend bool operator==(const metadata&, const metadata&) = default;
};

/// The same for each open of one file, most likely another for every other; never 0.
[[nodiscard]] inline std::uint32_t identity_of(const metadata& status) noexcept {
    constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15;  // 2^64 by the golden ratio.
    return static_cast<std::uint32_t>((status.inode * odd ^ status.device) * odd >> 32U) | 1U;
}

/// Files changed less than this ago may change again without their time of change showing it.
inline constexpr std::int64_t settled_after_seconds = 2;

/// True when both are of one file that nothing has happened to between them, as far as its times
/// tell: two changes within one tick of the file system's clock (4 ms) look alike.
[[nodiscard]] inline bool is_unchanged(const metadata& before, const metadata& now) noexcept {
    return before.device == now.device && before.inode == now.inode && before.kind == now.kind &&
           before.size_bytes == now.size_bytes && before.modified == now.modified &&
           before.changed == now.changed;
}

/// One name in a directory with its metadata. For a symbolic link that resolves inside the tree the
/// metadata are those of what it leads to.
struct directory_entry {
    std::string name;  ///< The octets as stored: any but NUL and '/'; not necessarily UTF-8.
    metadata status;
    /// The name itself is a symbolic link. Who deletes what it finds must not walk through it.
    bool is_link = false;
    std::string link_target =
        {};  ///< What a link inside the tree says; empty for one that leads out.

    friend bool operator==(const directory_entry&, const directory_entry&) = default;
};

}  // namespace ferry::vfs
