#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace ferry::sim {

/// Octets in the order they were put in, kept in chunks: each is copied once on its way in and once
/// on its way out. An empty queue holds next to no memory. Bounded by its user.
class octet_queue {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    void append(std::span<const std::byte> octets);
    /// Copies the first octets behind `offset`; as many as `into` holds must be there.
    void copy(std::size_t offset, std::span<std::byte> into) const noexcept;
    /// Forgets that many of the oldest, or of the newest, octets.
    void drop_front(std::size_t count) noexcept;
    void drop_back(std::size_t count) noexcept;

  private:
    struct chunk {
        std::unique_ptr<std::byte[]> memory;
        std::size_t capacity = 0;
        std::size_t begin = 0;
        std::size_t end = 0;
        [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
    };
    void forget_if_empty() noexcept;

    std::vector<chunk> chunks_;
    std::size_t first_ = 0;  ///< Chunks before this one are used up.
    std::size_t size_ = 0;
};

}  // namespace ferry::sim
