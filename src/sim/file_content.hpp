#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

namespace ferry::sim {

/// One block of a file's octets: those up to its size, zeros after them. Never changed while two
/// share it.
using block = std::vector<std::byte>;
using block_ptr = std::shared_ptr<block>;

inline constexpr std::size_t block_bytes = 4'096;

/// Some of a file's blocks as they were at one moment: shared, so that it costs nothing to keep.
struct content_piece {
    std::uint64_t offset = 0;
    std::uint64_t size_bytes = 0;
    std::vector<block_ptr> blocks;  ///< From the one of `offset` on; null is a hole.
};

/// Octets of a simulated file: blocks of 4 KiB, those never written are holes and cost nothing. A
/// copy shares all blocks; whoever is written gets its own.
class file_content {
  public:
    [[nodiscard]] std::uint64_t size_bytes() const noexcept { return size_bytes_; }
    /// Those that are no holes.
    [[nodiscard]] std::uint64_t count_blocks() const noexcept { return blocks_.size(); }

    /// Blocks without content that `size_bytes` octets from `offset` on, at least one, lie in.
    [[nodiscard]] std::uint64_t count_holes(std::uint64_t offset,
                                            std::uint64_t size_bytes) const noexcept;

    /// As many octets as there are from `offset` on. Cost: a look-up, then a copy.
    std::size_t read(std::span<std::byte> into, std::uint64_t offset) const;

    /// Writes at `offset` until no more than `free_blocks` holes are filled. Returns how many
    /// octets that were, and in `written` the blocks as they are after it.
    std::size_t write(std::span<const std::byte> octets, std::uint64_t offset,
                      std::uint64_t free_blocks, content_piece& written);

    /// The same from another content, or another place of this one: holes stay holes, whole blocks
    /// are shared. `from` must have `size_bytes` octets there, and the two must not overlap.
    std::uint64_t copy(const file_content& from, std::uint64_t from_offset, std::uint64_t offset,
                       std::uint64_t size_bytes, std::uint64_t free_blocks, content_piece& written);

    /// Puts the first `size_bytes` octets of `piece` where they belong.
    void put(const content_piece& piece, std::uint64_t size_bytes);

    /// Shares the blocks of `piece` that `from` has there by now.
    void take_over(const file_content& from, const content_piece& piece);
    /// The same for the block that a change of size to `size_bytes` cuts.
    void take_over_cut(const file_content& from, std::uint64_t size_bytes);

    /// Cuts, or adds a hole.
    void resize(std::uint64_t size_bytes);
    /// Says that there are `size_bytes` octets, where nothing lies behind them.
    void set_size(std::uint64_t size_bytes) noexcept { size_bytes_ = size_bytes; }

    friend bool operator==(const file_content& a, const file_content& b);

  private:
    [[nodiscard]] const block* find(std::uint64_t index) const noexcept;
    void set(std::uint64_t index, const block_ptr& what);
    /// Writes into one block, or makes a hole of it or of a part where `octets` is null.
    void fill(std::uint64_t index, std::size_t begin, const std::byte* octets, std::size_t count);

    std::map<std::uint64_t, block_ptr> blocks_;
    std::uint64_t size_bytes_ = 0;
};

}  // namespace ferry::sim
