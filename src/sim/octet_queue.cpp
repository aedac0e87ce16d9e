#include "sim/octet_queue.hpp"

#include <algorithm>
#include <cstring>

#include "ferry/base/assert.hpp"

namespace ferry::sim {

namespace {

// A command line fits into the smallest; a transfer takes a few of the largest.
constexpr std::size_t chunk_bytes_min = 512;
constexpr std::size_t chunk_bytes_max = 65'536;
constexpr std::size_t used_up_max = 32;  // Chunks: then their places are given back.

}  // namespace

void octet_queue::append(std::span<const std::byte> octets) {
    size_ += octets.size();
    while (!octets.empty()) {
        if (first_ == chunks_.size() || chunks_.back().end == chunks_.back().capacity) {
            const auto capacity = std::clamp(octets.size(), chunk_bytes_min, chunk_bytes_max);
            chunks_.push_back({.memory = std::make_unique_for_overwrite<std::byte[]>(capacity),
                               .capacity = capacity});
        }
        chunk& last = chunks_.back();
        const auto piece = std::min(octets.size(), last.capacity - last.end);
        std::memcpy(&last.memory[last.end], octets.data(), piece);
        last.end += piece;
        octets = octets.subspan(piece);
    }
}

void octet_queue::copy(std::size_t offset, std::span<std::byte> into) const noexcept {
    FERRY_ASSERT(offset + into.size() <= size_);
    for (std::size_t index = first_; !into.empty(); ++index) {
        const chunk& from = chunks_[index];
        if (offset >= from.size()) {
            offset -= from.size();
            continue;
        }
        const auto piece = std::min(into.size(), from.size() - offset);
        std::memcpy(into.data(), &from.memory[from.begin + offset], piece);
        into = into.subspan(piece);
        offset = 0;
    }
}

void octet_queue::drop_front(std::size_t count) noexcept {
    FERRY_ASSERT(count <= size_);
    size_ -= count;
    while (count > 0) {
        chunk& from = chunks_[first_];
        const auto piece = std::min(count, from.size());
        from.begin += piece;
        count -= piece;
        if (from.begin == from.end && first_ + 1 < chunks_.size()) {
            from.memory.reset();
            ++first_;
        }
    }
    if (first_ > used_up_max && first_ > chunks_.size() / 2) {
        chunks_.erase(chunks_.begin(), chunks_.begin() + static_cast<std::ptrdiff_t>(first_));
        first_ = 0;
    }
    forget_if_empty();
}

void octet_queue::drop_back(std::size_t count) noexcept {
    FERRY_ASSERT(count <= size_);
    size_ -= count;
    while (count > 0) {
        chunk& from = chunks_.back();
        const auto piece = std::min(count, from.size());
        from.end -= piece;
        count -= piece;
        if (from.size() == 0 && chunks_.size() > first_ + 1) {
            chunks_.pop_back();
        }
    }
    forget_if_empty();
}

void octet_queue::forget_if_empty() noexcept {
    if (size_ > 0 || chunks_.empty()) {
        return;
    }
    if (chunks_.size() == 1 && chunks_.front().capacity == chunk_bytes_min) {
        chunks_.front().begin = 0;  // A conversation in short lines needs no allocation for each.
        chunks_.front().end = 0;
        return;
    }
    chunks_.clear();
    first_ = 0;
}

}  // namespace ferry::sim
