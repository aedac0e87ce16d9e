#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::auth {

/// Where logins come from: as much of an address as one customer of a network has for itself, all
/// of a v4 address, the first 64 bits of a v6 one (RFC 6177).
struct origin {
    std::uint64_t prefix = 0;
    bool is_v6 = false;

    friend auto operator<=>(const origin&, const origin&) = default;
};

/// How long logins from an address wait that has guessed wrong before (threats.md, F10), over all
/// cores. Answers from there, right ones too, are given out a moment each, so that neither
/// connections side by side nor leaving before the answer make guessing faster; who comes from
/// elsewhere does not wait. Remembers a bounded number of addresses. From any thread; a login takes
/// a lock for a look into a map, and now and then for a pass over it.
class failed_logins {
  public:
    struct numbers {
        /// After the n-th failure the next answer waits 2^(n-1) seconds, this at most. 0: nobody
        /// waits.
        runtime::duration delay_max = std::chrono::seconds(30);
        /// After this long without a failure all are forgotten.
        runtime::duration memory = std::chrono::minutes(15);
        /// Addresses; beyond them those with the fewest failures are forgotten, the oldest of
        /// those, a sixteenth at once.
        std::size_t origins_max = 4'096;
    };

    explicit failed_logins(const numbers& settings) noexcept : settings_(settings) {}
    failed_logins(const failed_logins&) = delete;
    failed_logins& operator=(const failed_logins&) = delete;

    /// Whether a password from there is worth comparing. False: so many answers to this address are
    /// put off that another would wait longer than `delay_max`: say so, whatever the password is.
    [[nodiscard]] bool is_heard(const origin& from, runtime::time_point now);

    /// Takes note of a password that was compared, and says when its answer may be given: `now`, or
    /// later. Nothing: as for `is_heard`, say that and nothing of the password. A right one makes
    /// the next failure the first again. Throws std::bad_alloc.
    [[nodiscard]] std::optional<runtime::time_point> judge(const origin& from,
                                                           runtime::time_point now, bool is_right);

    /// Addresses remembered.
    [[nodiscard]] std::size_t size();

  private:
    struct record {
        unsigned failures = 0;
        runtime::time_point last;         ///< Failure.
        runtime::time_point next_answer;  ///< None is given before it.
    };
    using records = std::map<origin, record>;

    [[nodiscard]] bool is_over(const record& what, runtime::time_point now) const noexcept;
    [[nodiscard]] runtime::duration delay_after(unsigned failures) const noexcept;
    void make_room(records& known, runtime::time_point now) const;

    numbers settings_;
    runtime::rarely_shared<records> known_;
};

}  // namespace ferry::auth
