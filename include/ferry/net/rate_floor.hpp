#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "ferry/base/assert.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::net {

/// The least that a peer has to move while it is waited for.
struct minimum_rate {
    std::uint64_t octets_per_second = 0;  ///< 1 GiB at most; 0: as slowly as it likes.
    runtime::duration window{};           ///< Over which slow and fast count together; more than 0.

    friend bool operator==(const minimum_rate&, const minimum_rate&) = default;
};

/// Who is slower than a minimum rate (threats.md, H3).
///
/// A peer has patience for one window. Waiting for it uses that up, each octet it moves gives back
/// what an octet may take, and no more is saved than a window's: so it may pause as long, once in a
/// while, and what it was quick with long ago does not count. Who keeps to the rate is never below.
/// Only time spent waiting for the peer is told, not what the disk or a rate of ours takes.
///
/// Arithmetic alone: the clock is the caller's. Cost: a few instructions a wait.
class rate_floor {
  public:
    explicit constexpr rate_floor(minimum_rate least = {}) noexcept
        : least_(least), patience_(least.window) {
        FERRY_ASSERT(least.octets_per_second <= 1_GiB);
        FERRY_ASSERT(!is_set() || least.window > runtime::duration::zero());
    }

    [[nodiscard]] constexpr bool is_set() const noexcept { return least_.octets_per_second != 0; }

    /// How long the peer may now move nothing: a wait ends then at the latest, for its outcome to
    /// be told. Not negative.
    [[nodiscard]] constexpr runtime::duration patience() const noexcept {
        return is_set() ? std::max(patience_, runtime::duration::zero()) : runtime::duration::max();
    }

    /// The same as the deadline of a wait that begins now.
    [[nodiscard]] constexpr runtime::time_point deadline(runtime::time_point now) const noexcept {
        return is_set() ? now + patience() : runtime::never;
    }

    /// Says that the peer was waited for so long and moved `octets` meanwhile.
    constexpr void waited(runtime::duration how_long, std::uint64_t octets) noexcept {
        if (is_set()) {
            patience_ = std::min(patience_ - how_long + time_for(octets), least_.window);
        }
    }

    /// True once it has been too slow: end the connection.
    [[nodiscard]] constexpr bool is_below() const noexcept {
        return is_set() && patience_ <= runtime::duration::zero();
    }

  private:
    /// What `octets` may take at the rate; a day at most, which is longer than any window.
    [[nodiscard]] constexpr runtime::duration time_for(std::uint64_t octets) const noexcept {
        constexpr std::uint64_t day_seconds = 86'400;
        constexpr std::uint64_t second = 1'000'000'000;
        const auto whole = std::min(octets / least_.octets_per_second, day_seconds);
        const auto rest = octets % least_.octets_per_second * second / least_.octets_per_second;
        return runtime::duration(static_cast<std::int64_t>(whole * second + rest));
    }

    minimum_rate least_;
    runtime::duration patience_;
};

}  // namespace ferry::net
