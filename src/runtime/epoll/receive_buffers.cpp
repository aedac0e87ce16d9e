#include "runtime/epoll/receive_buffers.hpp"

#include "ferry/base/assert.hpp"

namespace ferry::runtime {

receive_buffers::receive_buffers(unsigned count, unsigned buffer_bytes)
    : buffer_bytes_(buffer_bytes) {
    FERRY_ASSERT(count >= 1 && count <= 65'536);
    memory_ = std::make_unique_for_overwrite<std::byte[]>(std::size_t{count} * buffer_bytes);
    free_.reserve(count);
    for (unsigned buffer = count; buffer > 0; --buffer) {
        free_.push_back(static_cast<std::uint16_t>(buffer - 1));
    }
}

std::span<std::byte> receive_buffers::next() noexcept {
    return free_.empty() ? std::span<std::byte>() : memory_of(free_.back());
}

buffer_lease receive_buffers::lend(std::size_t size_bytes) noexcept {
    FERRY_ASSERT(!free_.empty());
    const std::uint16_t buffer = free_.back();
    free_.pop_back();
    return buffer_lease(*this, buffer, memory_of(buffer).first(size_bytes));
}

void receive_buffers::give_back(std::uint16_t buffer) noexcept {
    FERRY_ASSERT(free_.size() < free_.capacity());
    free_.push_back(buffer);
}

std::span<std::byte> receive_buffers::memory_of(std::uint16_t buffer) noexcept {
    return {&memory_[buffer * buffer_bytes_], buffer_bytes_};
}

}  // namespace ferry::runtime
