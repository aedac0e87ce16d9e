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

}  // namespace ferry::runtime
