#pragma once

#include <array>
#include <cstdint>

#include "ferry/runtime/file_span.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::runtime {

/// A stretch of a file that is sent at once. Never empty.
struct file_window {
    std::uint64_t offset = 0;
    std::uint32_t size_bytes = 0;
};

/// Asks the kernel what of a file is in memory, by cachestat(2) (Linux 6.5) where it is to be had.
class page_cache {
  public:
    /// Finds out whether cachestat(2) works here.
    page_cache() noexcept;

    /// Whether all of `window` is most likely in memory, so that sending it holds no core up; true
    /// where the file system cannot say. What was there a quarter of a second before `now`, of a
    /// file that has an identity, still is: the kernel lets go last of what was used last.
    /// Cost: 0.5 to 1.5 us (datapath.md, 3), or some ns when it is remembered.
    [[nodiscard]] bool holds(const file_span& file, file_window window, time_point now) noexcept;

  private:
    /// A stretch that was in memory. Zero: none.
    struct seen {
        std::uint32_t mark = 0;
        std::uint32_t when = 0;  ///< In ticks of 2^20 ns.
    };
    /// The places of one mark: a line of the processor's cache.
    struct alignas(64) places {
        std::array<seen, 8> all{};
    };
    [[nodiscard]] bool ask(int file, file_window window) const noexcept;
    [[nodiscard]] bool holds_block(int file, file_window window) const noexcept;

    bool cachestat_works_;
    std::array<places, 256> seen_{};
};

}  // namespace ferry::runtime
