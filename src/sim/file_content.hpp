#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

namespace ferry::sim {

/// Octets of a simulated file: blocks of 4 KiB, those never written are holes. A copy shares the
/// blocks until one of the two is written.
class file_content {
  public:
    static constexpr std::size_t block_bytes = 4'096;

    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    [[nodiscard]] std::size_t blocks() const noexcept { return blocks_.size(); }

    /// As many as there are from `offset` on.
    std::size_t read(std::span<std::byte> into, std::uint64_t offset) const;
    void write(std::span<const std::byte> octets, std::uint64_t offset);
    void resize(std::uint64_t size_bytes);
    /// How many blocks `write` would add.
    [[nodiscard]] std::size_t new_blocks(std::uint64_t size_bytes, std::uint64_t offset) const;

  private:
    using block = std::array<std::byte, block_bytes>;
    block& writable(std::uint64_t index);

    std::map<std::uint64_t, std::shared_ptr<block>> blocks_;
    std::uint64_t size_bytes_ = 0;
};

}  // namespace ferry::sim
