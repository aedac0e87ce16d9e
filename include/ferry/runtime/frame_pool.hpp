#pragma once

#include <cstddef>

namespace ferry::runtime {

/// Memory for coroutine frames from free lists of the calling thread, in steps of 64 octets up to 2
/// KiB; larger frames and a cold list go to the allocator. A frame must be freed on the thread that
/// made it or on one that runs after it: a free list belongs to no other thread at the same time.
///
/// Throws std::bad_alloc when memory is out. Cost: 2 to 3 ns warm.
[[nodiscard]] void* allocate_frame(std::size_t size_bytes);
void free_frame(void* frame, std::size_t size_bytes) noexcept;

/// Whether the calling thread keeps freed frames, as it does unless told otherwise. Without, every
/// frame is an allocation of its own: a simulation can then make each one fail, whatever ran before
/// on the thread. Frees what is kept.
void keep_frames(bool kept) noexcept;

}  // namespace ferry::runtime
