#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace ferry::vfs {

/// Remembers names of a short while ago, in a fixed room: the four latest of those that share one
/// of `places`.
template <std::size_t places>
class recent_names {
  public:
    /// Whether `hash` is among them.
    [[nodiscard]] bool has(std::size_t hash) const noexcept {
        const auto& latest = places_[hash % places];
        return std::ranges::find(latest, mark_of(hash)) != latest.end();
    }

    /// The same; it is from now on.
    bool again(std::size_t hash) noexcept {
        auto& latest = places_[hash % places];
        const auto mark = mark_of(hash);
        const auto known = std::ranges::find(latest, mark);
        const bool found = known != latest.end();
        std::rotate(latest.begin(), found ? known : latest.end() - 1,
                    found ? known + 1 : latest.end());
        latest.front() = mark;
        return found;
    }

    void clear() noexcept { places_ = {}; }

  private:
    static std::uint32_t mark_of(std::size_t hash) noexcept {
        return static_cast<std::uint32_t>(hash >> 32U) | 1U;
    }

    std::array<std::array<std::uint32_t, 4>, places> places_{};
};

}  // namespace ferry::vfs
