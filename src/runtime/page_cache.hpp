#pragma once

#include <cstdint>

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
    /// where the file system cannot say. Cost: 0.5 to 1 us (datapath.md, 3).
    [[nodiscard]] bool holds(int file, file_window window) const noexcept;

  private:
    bool cachestat_works_;
};

}  // namespace ferry::runtime
