#pragma once

#include <sys/stat.h>

#include "ferry/base/result.hpp"
#include "ferry/vfs/metadata.hpp"

namespace ferry::vfs {

/// Of a mode: who may read, write and execute. Set-id and sticky bits never survive (threats.md,
/// V14).
inline constexpr mode_t permission_bits = 0777;

/// Translates what statx(2) filled in (STATX_BASIC_STATS, and STATX_BTIME if it is there). Never
/// suspends.
[[nodiscard]] metadata metadata_of(const struct statx& status) noexcept;

/// The status of an open descriptor, O_PATH or not, by an inline fstat(2): 0.24 us, since the inode
/// is in memory by then (datapath.md, 21). Errors: errc::io.
[[nodiscard]] result<metadata> metadata_of(int fd) noexcept;

/// The same with the time of its birth, where the file system knows it, by an inline statx(2).
[[nodiscard]] result<metadata> whole_metadata_of(int fd) noexcept;

/// True when a name that was `before` has been neither given to another file nor written to since.
[[nodiscard]] bool is_still(const metadata& before, const metadata& now) noexcept;

}  // namespace ferry::vfs
