#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ferry/base/result.hpp"

namespace ferry::http {

/// The octets of an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
class date_text {
  public:
    static constexpr std::size_t size_bytes = 29;

    [[nodiscard]] std::string_view view() const noexcept {
        return {octets_.data(), octets_.size()};
    }

  private:
    friend date_text format_date(std::int64_t seconds) noexcept;
    std::array<char, size_bytes> octets_{};
};

/// Writes `seconds` since 1970-01-01T00:00:00Z as an IMF-fixdate, the only form a sender may use.
/// The form has four digits for the year, so a moment outside 0000..9999 becomes the nearest one
/// inside: file systems do hold such times. Never fails. Cost: arithmetic only, no allocation.
[[nodiscard]] date_text format_date(std::int64_t seconds) noexcept;

/// Reads any of the three HTTP-date forms: IMF-fixdate, RFC 850, asctime (RFC 9110 section 5.6.7),
/// all case-sensitive and in GMT. The two-digit year of RFC 850 is the latest year with those
/// digits that is not more than 50 years after `now_seconds`. The name of the day is checked for
/// spelling only.
///
/// Returns seconds since 1970, or errc::invalid: treat the field as absent (RFC 9110
/// section 13.1.3). Cost: one pass, no allocation.
[[nodiscard]] result<std::int64_t> parse_date(std::string_view text, std::int64_t now_seconds);

/// Keeps the text of the current second, so that a busy core formats Date once a second. One per
/// core.
class date_cache {
  public:
    /// The text for `now_seconds`. Valid until the next call. Cost: a comparison, mostly.
    [[nodiscard]] std::string_view text(std::int64_t now_seconds) noexcept {
        if (now_seconds != seconds_ || !filled_) {
            seconds_ = now_seconds;
            text_ = format_date(now_seconds);
            filled_ = true;
        }
        return text_.view();
    }

  private:
    std::int64_t seconds_ = 0;
    bool filled_ = false;
    date_text text_;
};

}  // namespace ferry::http
