#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "ferry/runtime/time.hpp"

namespace ferry::runtime {

/// Notices turns of a loop in which a core did nothing for everybody else for long (threats.md,
/// R11), and tells of them in the log: at once of one of a second and more; of shorter ones, of
/// which a busy machine has some, once a minute how many there were. A loop tells it of times that
/// it has read anyway.
class stall_watch {
  public:
    /// What is no stall.
    static constexpr duration turn_max = std::chrono::milliseconds(10);

    /// `counted`: how many there were, for who asks how the reactor fares.
    stall_watch(time_point start, std::uint64_t& counted) noexcept
        : counted_(counted), told_(start) {}

    /// A turn that began at `began` was over at `ended`. Cost: a comparison.
    void note(time_point began, time_point ended) noexcept {
        if (ended - began > turn_max) [[unlikely]] {
            note_stall(ended - began, ended);
        }
    }

    /// How many lines of the log were written of them.
    [[nodiscard]] std::uint64_t lines() const noexcept { return lines_; }

  private:
    void note_stall(duration lasted, time_point ended) noexcept;

    std::uint64_t& counted_;
    time_point told_;     ///< When a line was written last.
    duration longest_{};  ///< Since then.
    std::uint64_t told_stalls_ = 0;
    std::uint64_t lines_ = 0;
};

/// How long a core stood still, as the log has it: "for 12 ms", or "3 times for more than 10 ms,
/// for 12 ms at most".
[[nodiscard]] std::string describe_stalls(std::uint64_t times, duration longest);

}  // namespace ferry::runtime
