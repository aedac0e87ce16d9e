#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/base/wall_clock.hpp"

/// The time-val of MDTM, MFMT and the MLSx facts (RFC 3659 section 2.3): UTC, "20261123081500.123".
namespace ferry::ftp {

enum class time_precision : std::uint8_t {
    seconds,       ///< What every client reads.
    milliseconds,  ///< With ".sss".
};

/// Appends `when` to `out`, 14 octets or 18. A year that four digits cannot hold becomes the first
/// or the last moment they can (0000 to 9999). Never fails.
void append_time_val(std::string& out, const wall_time& when,
                     time_precision precision = time_precision::seconds);

inline constexpr std::size_t time_val_bytes = 14;

/// Writes the time-val of `seconds` without a fraction into `at`. As `append_time_val` else, for
/// whoever has a buffer of its own.
void write_time_val(std::span<char, time_val_bytes> at, std::int64_t seconds) noexcept;

/// Reads a whole time-val: 14 digits, then optionally a point and at least one digit of the
/// fraction; digits beyond nanoseconds are read and dropped. Second 60 is taken as 59.
///
/// Errors: errc::invalid (other octets, or a date or hour that does not exist): answer 501 and
/// change nothing (threats.md, V14).
[[nodiscard]] result<wall_time> parse_time_val(std::string_view text);

/// `seconds` moved into the years 0000 to 9999, which are all that listings and time-vals can show.
[[nodiscard]] std::int64_t clamp_to_four_digit_years(std::int64_t seconds) noexcept;

}  // namespace ferry::ftp
