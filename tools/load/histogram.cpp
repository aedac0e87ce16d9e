#include "histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ferry::load {

void histogram::record(std::uint64_t value) noexcept {
    // Up to 255 each value has a bucket; above, the first eight bits of it and its magnitude.
    const auto width = static_cast<unsigned>(std::bit_width(value));
    const unsigned shift = width > sub_bits + 1 ? width - (sub_bits + 1) : 0;
    ++counts_[sub_buckets * shift + (value >> shift)];
    ++count_;
    max_ = std::max(max_, value);
    sum_ += static_cast<double>(value);
}

void histogram::add(const histogram& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i) {
        counts_[i] += other.counts_[i];
    }
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
    sum_ += other.sum_;
}

double histogram::mean() const noexcept {
    return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

std::uint64_t histogram::percentile(double percent) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(
        std::max(1.0, std::ceil(static_cast<double>(count_) * percent / 100)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
        seen += counts_[i];
        if (seen >= wanted) {
            const std::size_t shift = i < 2 * sub_buckets ? 0 : i / sub_buckets - 1;
            const std::uint64_t first = i - sub_buckets * shift;
            return std::min(max_, ((first + 1) << shift) - 1);
        }
    }
    return max_;
}

}  // namespace ferry::load
