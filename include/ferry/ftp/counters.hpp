#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ferry/base/duration_histogram.hpp"
#include "ferry/net/activity.hpp"

namespace ferry::ftp {

/// Transfers of one kind that have ended.
struct transfer_counts {
    std::uint64_t complete = 0;
    std::uint64_t failed = 0;  ///< Announced, and not completed.
};

/// What FTP on one core has done. Written and read on that core alone.
struct counters {
    static constexpr std::size_t classes = 5;  ///< Of replies: 1yz to 5yz (RFC 959 section 4.2.1).

    std::array<std::uint64_t, classes> replies{};  ///< Final ones of commands, by the first digit.
    /// Of commands, from when they are carried out to their final reply, transfers included, by the
    /// clock of the core's turns.
    duration_histogram took;
    std::uint64_t logins = 0;
    std::uint64_t logins_failed = 0;
    transfer_counts downloads;
    transfer_counts uploads;
    transfer_counts listings;
    net::octet_counts octets;  ///< Of control and data connections.
    net::handshake_counts handshakes;
};

}  // namespace ferry::ftp
