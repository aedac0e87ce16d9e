#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "ferry/runtime/buffers.hpp"

namespace ferry::runtime {

/// A bounded set of equal buffers, lent one at a time. The one given back last is lent next: it is
/// in the processor's cache, and buffers that are never needed never cost memory.
class receive_buffers final : public buffer_source {
  public:
    /// `count`: 1 to 65,536. Throws std::bad_alloc.
    receive_buffers(unsigned count, unsigned buffer_bytes);

    [[nodiscard]] std::size_t free() const noexcept { return free_.size(); }

    /// The memory of the buffer that `lend` gives next; empty when none is free.
    [[nodiscard]] std::span<std::byte> next() noexcept;

    /// Lends the buffer of `next`, which holds `size_bytes` octets. One must be free.
    [[nodiscard]] buffer_lease lend(std::size_t size_bytes) noexcept;

    void give_back(std::uint16_t buffer) noexcept override;

  private:
    [[nodiscard]] std::span<std::byte> memory_of(std::uint16_t buffer) noexcept;

    std::size_t buffer_bytes_;
    std::unique_ptr<std::byte[]> memory_;
    std::vector<std::uint16_t> free_;  ///< Never beyond its first capacity.
};

}  // namespace ferry::runtime
