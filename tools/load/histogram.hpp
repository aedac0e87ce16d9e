#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ferry::load {

/// How often which latency was seen, from 0 to the largest 64-bit number of nanoseconds: buckets as
/// HdrHistogram has them, 128 to each doubling, so that what is read back is above what was
/// recorded by less than one part in 128. Exact below 256. Cost: 58 KiB; a record is an increment.
class histogram {
  public:
    /// What `percentile` may be off by, as a part of the value.
    static constexpr double relative_error = 1.0 / 128;

    void record(std::uint64_t value) noexcept;
    void add(const histogram& other) noexcept;

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    /// 0 of an empty one.
    [[nodiscard]] double mean() const noexcept;
    /// The value that `percent` (0 to 100) of all that was recorded does not exceed: the upper edge
    /// of its bucket, and never above `max`. 0 of an empty one.
    [[nodiscard]] std::uint64_t percentile(double percent) const noexcept;

  private:
    static constexpr unsigned sub_bits = 7;
    static constexpr std::size_t sub_buckets = std::size_t{1} << sub_bits;
    static constexpr std::size_t buckets = sub_buckets * (64 - sub_bits + 1);

    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
    double sum_ = 0;
};

}  // namespace ferry::load
