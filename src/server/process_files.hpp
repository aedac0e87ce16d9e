#pragma once

#include "ferry/base/unique_fd.hpp"
#include "server/reading.hpp"

namespace ferry::server {

/// What the system says of this process, for who cannot open anything any more: open it before
/// `confine`.
class process_files {
  public:
    /// Opens what there is of /proc.
    [[nodiscard]] static process_files open() noexcept;

    /// Fills in what the system says: descriptors, memory and time of CPUs. What it does not say
    /// stays 0. Never waits.
    void read(process_reading& into) const noexcept;

  private:
    unique_fd descriptors_;
    unique_fd memory_;
};

}  // namespace ferry::server
