#pragma once

#include <cstdint>

#include "ferry/runtime/op.hpp"

namespace ferry::runtime {

/// What one try of an operation came to.
enum class attempt : std::uint8_t {
    over,         ///< `op::result` is set.
    over_short,   ///< The same, and as little came as means that nothing is left to read.
    would_wait,   ///< Its descriptor is not ready.
    unfinished,   ///< It moved a good deal and may well move more: let others have their turn.
    cannot_tell,  ///< It cannot be tried without a wait: the file has no such way.
    starved,      ///< No receive buffer is free.
    elsewhere,    ///< It is with the offload pool.
};

/// Tries an accept, connect, receive or send, or a read or write at a descriptor's position, by one
/// system call that does not wait; a large send by one for each 256 KiB that fit.
[[nodiscard]] attempt try_once(op& what) noexcept;

/// Opens with what the kernel has in its caches. False: that was not enough, or opening could wait
/// for more than names (a FIFO's other end).
[[nodiscard]] bool open_inline(op& what) noexcept;

}  // namespace ferry::runtime
