#include "ferry/base/random.hpp"

#include <bit>

#include "ferry/base/assert.hpp"
#include "ferry/base/kernel.hpp"

namespace ferry {

random::random(std::uint64_t seed) noexcept {
    // splitmix64 spreads one word over the state, which must not be all zero.
    for (auto& word : state_) {
        seed += 0x9E3779B97F4A7C15U;
        std::uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
        mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
        word = mixed ^ (mixed >> 31U);
    }
}

std::uint64_t random::next() noexcept {
    const std::uint64_t value = std::rotl(state_[1] * 5U, 7) * 9U;
    const std::uint64_t shifted = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return value;
}

std::uint64_t random::below(std::uint64_t bound) noexcept {
    FERRY_ASSERT(bound != 0);
    // Values under the remainder are rejected so that none of the rest is more likely.
    const std::uint64_t reject_below = (0 - bound) % bound;
    for (;;) {
        const std::uint64_t value = next();
        if (value >= reject_below) {
            return value % bound;
        }
    }
}

std::uint64_t seed_from_kernel() noexcept {
    std::uint64_t seed = 0;
    const auto got = kernel::getrandom(&seed, sizeof seed);
    FERRY_ASSERT(got == static_cast<ssize_t>(sizeof seed));
    return seed;
}

}  // namespace ferry
