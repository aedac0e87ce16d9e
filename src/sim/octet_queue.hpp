#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <span>
#include <vector>

namespace ferry::sim {

/// Octets on their way, first in, first out. Cost: one copy in, one out.
class octet_queue {
  public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    void push(std::span<const std::byte> octets) {
        if (octets.empty()) {
            return;
        }
        if (!chunks_.empty() && chunks_.back().size() + octets.size() <= joined_bytes_max) {
            chunks_.back().insert(chunks_.back().end(), octets.begin(), octets.end());
        } else {
            chunks_.emplace_back(octets.begin(), octets.end());
        }
        size_ += octets.size();
    }

    /// Takes out as many as there are and fit.
    std::size_t pop(std::span<std::byte> into) {
        std::size_t taken = 0;
        while (taken < into.size() && size_ > 0) {
            const auto& front = chunks_.front();
            const std::size_t piece = std::min(into.size() - taken, front.size() - offset_);
            std::memcpy(into.data() + taken, front.data() + offset_, piece);
            taken += piece;
            drop(piece);
        }
        return taken;
    }

    /// Moves the first `count` to the end of `to`.
    void move_to(octet_queue& to, std::size_t count) {
        count = std::min(count, size_);
        while (count > 0) {
            auto& front = chunks_.front();
            const std::size_t piece = std::min(count, front.size() - offset_);
            if (offset_ == 0 && piece == front.size()) {
                to.size_ += piece;
                to.chunks_.push_back(std::move(front));
                chunks_.pop_front();
                size_ -= piece;
            } else {
                to.push(std::span(front).subspan(offset_, piece));
                drop(piece);
            }
            count -= piece;
        }
    }

    void clear() noexcept {
        chunks_.clear();
        size_ = 0;
        offset_ = 0;
    }

  private:
    static constexpr std::size_t joined_bytes_max = 4'096;

    void drop(std::size_t count) noexcept {
        offset_ += count;
        size_ -= count;
        if (offset_ == chunks_.front().size()) {
            chunks_.pop_front();
            offset_ = 0;
        }
    }

    std::deque<std::vector<std::byte>> chunks_;
    std::size_t offset_ = 0;  ///< Into the first chunk.
    std::size_t size_ = 0;
};

}  // namespace ferry::sim
