#pragma once

#include <cstdint>

namespace ferry {

/// A random source that is a value: seeded once, one per core, replayable from its seed. For names
/// of temporary files and the order of passive ports, where the seed comes from the kernel; not for
/// keys.
class random {
  public:
    using result_type = std::uint64_t;

    explicit random(std::uint64_t seed) noexcept;

    /// The next 64 random bits (xoshiro256**). Cost: a few instructions.
    [[nodiscard]] std::uint64_t next() noexcept;

    /// A value below `bound`, every one equally likely. `bound` must not be 0.
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept;

    static constexpr result_type min() noexcept { return 0; }
    static constexpr result_type max() noexcept { return ~result_type{0}; }
    result_type operator()() noexcept { return next(); }

  private:
    std::uint64_t state_[4];
};

/// Sixty-four bits from the kernel, to seed a `random` with. The only entropy the product takes.
[[nodiscard]] std::uint64_t seed_from_kernel() noexcept;

}  // namespace ferry
