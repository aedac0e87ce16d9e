#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace ferry::net {

/// Which tickets were used, so that none opens a second session: who listens could tell by it that
/// both are of one client (RFC 8446 appendix C.4; decision 0038).
///
/// Remembers in two filters (Bloom) of 1 MiB, which are there from the first ticket on: when one is
/// full, or as old as a ticket may become, the older is forgotten, and what was issued before all
/// that is remembered is good no more. So a ticket is never taken twice, and of those that could be
/// taken one in 200 is not, at worst. Not for several threads.
class tls_used_tickets {
  public:
    static constexpr std::size_t id_bytes = 16;
    static constexpr std::size_t uses_max = std::size_t{1} << 19U;  ///< Of each filter.

    /// What a ticket that is made when the wall clock says `now`, in seconds, is to say: that
    /// moment, but never an earlier one than before. A clock that is set back makes nothing good
    /// again.
    [[nodiscard]] std::int64_t issue_time(std::int64_t now) noexcept;

    struct ticket {
        std::span<const unsigned char, id_bytes> id;  ///< Random, and no choice of the client's.
        std::int64_t issued = 0;                      ///< By `issue_time`, here or elsewhere.
    };
    /// Uses one at `now` of the wall clock; `lifetime_seconds`: how old one may be. False: it was
    /// used, or may have been, or memory is out. Cost: four memory accesses.
    [[nodiscard]] bool use(const ticket& which, std::int64_t now,
                           std::int64_t lifetime_seconds) noexcept;

  private:
    struct filter {
        std::vector<std::uint64_t> words;
        std::size_t uses = 0;
        /// Every use of what was issued after that second is remembered: in this or a younger one.
        std::int64_t begun = std::numeric_limits<std::int64_t>::min();
    };
    [[nodiscard]] bool open(std::int64_t now) noexcept;
    void turn_over(std::int64_t now) noexcept;

    std::array<filter, 2> filters_;  ///< The first takes what is used now,
    std::int64_t opened_ = 0;        ///< since then.
    std::int64_t latest_ = std::numeric_limits<std::int64_t>::min();
    std::int64_t set_back_ = 0;  ///< By how much, in all.
};

}  // namespace ferry::net
