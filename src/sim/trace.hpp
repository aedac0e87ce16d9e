#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/runtime/time.hpp"

namespace ferry::sim {

/// One thing that happened: what, on what, with which numbers. No addresses: they differ from run
/// to run.
struct event {
    runtime::time_point when;
    const char* what = "";     ///< A literal: "submit receive", "fault send ECONNRESET".
    std::int64_t subject = 0;  ///< A descriptor, a reactor, a connection.
    std::int64_t value = 0;
};

/// All events of a run as one number, and the last of them to read.
class trace {
  public:
    static constexpr std::size_t kept_max = 50;

    void note(const event& happened) noexcept;

    /// Who gets every event from now on, as the line that `last` gives of it.
    void tell(std::function<void(std::string_view)> follower) { follower_ = std::move(follower); }

    /// Equal for two runs when the same events happened in the same order at the same moments.
    [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

    /// The last `kept_max` events, oldest first, a line each.
    [[nodiscard]] std::vector<std::string> last() const;

  private:
    std::function<void(std::string_view)> follower_;
    std::uint64_t hash_ = 0xCBF29CE484222325U;
    std::uint64_t count_ = 0;
    std::array<event, kept_max> kept_{};
};

}  // namespace ferry::sim
