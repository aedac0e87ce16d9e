#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>

#include "ferry/base/access_record.hpp"

namespace ferry::server {

/// Writes access records as lines of the combined log format, with the duration in microseconds
/// after it:
///
///     192.0.2.7 - ann [10/Oct/2026:13:55:36 +0000] "GET /a HTTP/1.1" 200 2326 "-" "curl/8.5.0" 87
///
/// A missing field is "-", a missing status too. Control octets, quotes and backslashes, and blanks
/// in the fields outside quotes, are written as `\xHH`: whatever a client sends, a record is one
/// line and its fields are where they should be (threats.md, H7). Octets above 0x7F are written as
/// they are.
///
/// One per core: it remembers the text of the last second.
class access_log_formatter {
  public:
    /// Appends one line with its LF to `out`. Times are UTC.
    ///
    /// Cost: one pass over the fields; no allocation but the growth of `out`. A line is longer than
    /// its fields by 120 octets and by three for each octet escaped. Never fails, never suspends.
    void append(std::string& out, const access_record& record);

  private:
    static constexpr std::size_t stamp_bytes = 28;  // "[10/Oct/2026:13:55:36 +0000]"

    void set_stamp(std::int64_t second) noexcept;

    std::int64_t stamped_second_ = std::numeric_limits<std::int64_t>::min();
    std::array<char, stamp_bytes> stamp_{};
};

}  // namespace ferry::server
