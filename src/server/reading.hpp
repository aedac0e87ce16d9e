#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/ftp/counters.hpp"
#include "ferry/http/counters.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/listing_cache.hpp"

namespace ferry::server {

// What is told of a process from outside, as plain values that nobody changes any more.

/// A transfer that was under way.
struct transfer_reading {
    std::string protocol;  ///< "http", "ftps".
    std::string peer;      ///< The address alone.
    std::string user;      ///< Empty: a visitor.
    std::string name;      ///< In the tree; raw octets.
    bool is_upload = false;
    std::uint64_t whole_bytes = 0;  ///< 0: nobody knows.
    std::uint64_t moved_bytes = 0;
    std::uint64_t connection = 0;
    std::chrono::milliseconds age{0};
};

/// Connections of one protocol.
struct door_counts {
    std::uint64_t accepted = 0;
    std::uint64_t refused = 0;
};

/// Of one core, all of one moment. `protocol` is the index where there is one value for each.
struct core_reading {
    /// Beyond so many the others are only counted.
    static constexpr std::size_t transfers_max = 100;

    runtime::reactor_counters io;
    http::counters http;
    ftp::counters ftp;
    std::array<door_counts, 2> doors{};
    std::uint64_t accept_pauses = 0;
    vfs::file_cache::counters files;
    std::size_t open_files = 0;
    vfs::listing_cache::counters listings;
    std::size_t kept_listings = 0;
    std::uint64_t log_lines_dropped = 0;
    std::vector<transfer_reading> transfers;
    /// All of them, by protocol: downloads, listings too, and uploads.
    std::array<std::uint64_t, 2> downloads_under_way{};
    std::array<std::uint64_t, 2> uploads_under_way{};
    bool is_there = false;  ///< False: it has never answered, and nothing is known.
    bool is_fresh = false;  ///< It has answered when it was asked last, or has ended.
};

/// Of the process.
struct process_reading {
    std::string_view version;
    std::string_view io;  ///< "io_uring" or "epoll".
    double started = 0;   ///< Seconds since 1970 (UTC), as all times here.
    double now = 0;
    double cpu_seconds = 0;
    std::uint64_t resident_bytes = 0;  ///< 0: the system does not say.
    std::uint64_t open_fds = 0;        ///< 0: the system does not say.
    std::uint64_t max_fds = 0;
    std::size_t connections = 0;
    std::size_t connections_max = 0;
    std::size_t ftp_sessions = 0;  ///< Among the connections.
    std::size_t ftp_sessions_max = 0;
    runtime::offload_pool::load offload;
    bool is_draining = false;
};

struct reading {
    process_reading process;
    std::vector<core_reading> cores;
};

}  // namespace ferry::server
