#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ferry {

/// How long things took, counted in buckets: powers of two of microseconds, from 16 us to 34 s, and
/// one for all that is longer. Belongs to one core; to add up those of several, add their counts.
class duration_histogram {
  public:
    static constexpr std::size_t bounds = 22;  ///< Buckets that have an upper bound.

    /// The upper bound of bucket `index` (less than `bounds`), which counts in it itself.
    [[nodiscard]] static constexpr std::chrono::microseconds bound(std::size_t index) noexcept {
        return std::chrono::microseconds(std::int64_t{1} << (first_shift + index));
    }

    /// Negative durations are none. Cost: a multiplication and a few shifts.
    constexpr void add(std::chrono::nanoseconds took) noexcept {
        const auto whole = std::max(took.count(), std::chrono::nanoseconds::rep{0});
        const auto microseconds = (static_cast<std::uint64_t>(whole) + 999) / 1'000;
        const auto above = microseconds == 0 ? 0 : microseconds - 1;
        const auto index = static_cast<std::size_t>(std::bit_width(above >> first_shift));
        ++counts_[std::min(index, bounds)];
        sum_ns_ += static_cast<std::uint64_t>(whole);
    }

    constexpr void add(const duration_histogram& other) noexcept {
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            counts_[i] += other.counts_[i];
        }
        sum_ns_ += other.sum_ns_;
    }

    /// How many fell into bucket `index` alone; `bounds` is that of all that took longer.
    [[nodiscard]] constexpr std::uint64_t count(std::size_t index) const noexcept {
        return counts_[index];
    }
    [[nodiscard]] constexpr std::chrono::nanoseconds sum() const noexcept {
        return std::chrono::nanoseconds(static_cast<std::int64_t>(sum_ns_));
    }

  private:
    static constexpr unsigned first_shift = 4;

    std::array<std::uint64_t, bounds + 1> counts_{};
    std::uint64_t sum_ns_ = 0;
};

}  // namespace ferry
