#pragma once

#include <cstdint>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/offload.hpp"

namespace ferry::vfs {

/// A file this large is freed in about 0.5 ms at worst: a core may do it itself.
inline constexpr std::uint64_t freed_on_core_bytes_max = 1_MiB;

/// Closes `file`: on the calling core, unless it holds more than `freed_on_core_bytes_max` on the
/// disk and has no name any more, so that closing it frees all of that. Then `closing` does it,
/// after what it has to do already; null: there is no pool.
///
/// Cost: an fstat and a close, or an allocation and a wake-up. Never suspends.
void close_file(unique_fd file, runtime::offload_pool* closing) noexcept;

}  // namespace ferry::vfs
