#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ferry/base/duration_histogram.hpp"
#include "ferry/net/activity.hpp"

namespace ferry::http {

/// The methods that requests are counted by. The last is that of what could not be read.
inline constexpr std::array<std::string_view, 14> counted_methods = {
    "GET",   "HEAD", "OPTIONS", "PUT",   "DELETE",  "POST",  "PATCH",
    "MKCOL", "MOVE", "COPY",    "TRACE", "CONNECT", "other", "none"};

/// What HTTP on one core has done. Written and read on that core alone.
struct counters {
    static constexpr std::size_t classes = 5;  ///< Of status codes: 1xx to 5xx.

    /// Final answers, by the method of the request and the first digit of the status.
    std::array<std::array<std::uint64_t, classes>, counted_methods.size()> answers{};
    std::uint64_t broken_off = 0;  ///< Of them, those that did not arrive whole.
    /// From the first octet of a request to the end of its answer, by the clock of turns.
    duration_histogram took;
    std::uint64_t uploads_stored = 0;
    std::uint64_t uploads_incomplete = 0;  ///< Parted with before they were whole.
    std::uint64_t logins_failed = 0;
    net::octet_counts octets;
    net::handshake_counts handshakes;
};

}  // namespace ferry::http
