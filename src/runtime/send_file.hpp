#pragma once

#include <cstdint>

#include "ferry/base/units.hpp"
#include "ferry/runtime/op.hpp"
#include "runtime/page_cache.hpp"

namespace ferry::runtime {

/// What a `send_file` moves of its file at most: 1 MiB is about 0.1 ms of a core (datapath.md, 4),
/// and as much as the socket of a fast client has room for when it tells that there is some.
inline constexpr std::uint64_t send_file_quantum_bytes = 1_MiB;
/// What is read of a file that is not in memory before it is sent.
inline constexpr std::uint32_t send_file_cold_bytes = 512 * 1'024;

/// What a `send_file` needs to go on.
enum class send_file_need : std::uint8_t {
    nothing,  ///< It is over; `op::result` is set.
    room,     ///< In its socket.
    pages,    ///< Its window must be read into memory, by whom it may hold up.
};

/// What `what`, a `send_file`, sends next of its file: the rest of its quantum.
[[nodiscard]] file_window send_file_window(const op& what) noexcept;

/// What of that is read into memory where it is not there: its beginning.
[[nodiscard]] file_window send_file_cold_window(const op& what) noexcept;

/// Moves a `send_file` on from `op::progress` as far as it goes without waiting. One of nothing at
/// all only waits until its socket is writable as poll(2) has it. `pages_were_read`: its cold
/// window has been read into memory just now, so it is sent whatever `pages` says, or it would go
/// round in circles.
[[nodiscard]] send_file_need advance_send_file(op& what, page_cache& pages, time_point now,
                                               bool pages_were_read) noexcept;

}  // namespace ferry::runtime
