#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::net {

// What protocols count and show of their connections. Plain numbers of one core, written and read
// on it alone.

/// Octets that connections have moved, TLS and all, but no headers of TCP.
struct octet_counts {
    std::uint64_t received = 0;
    std::uint64_t sent = 0;
};

/// Handshakes of TLS that have ended.
struct handshake_counts {
    std::uint64_t full = 0;
    std::uint64_t resumed = 0;
    std::uint64_t failed = 0;  ///< No TLS came about, for whatever reason.
};

/// A transfer under way, in the list of its core from when it begins until it dies. The views and
/// the count belong to whoever has it and outlive it.
struct shown_transfer : runtime::list_node {
    std::string_view protocol;  ///< "http", "ftps".
    endpoint peer;
    std::string_view user;  ///< Empty: a visitor.
    std::string_view name;  ///< In the tree, as the access log has it.
    bool is_upload = false;
    std::uint64_t whole_bytes = 0;  ///< 0: nobody knows.
    const std::uint64_t* moved_bytes = nullptr;
    std::uint64_t connection = 0;  ///< `runtime::core::number_connection`.
    runtime::time_point began{};
};
using transfer_list = runtime::intrusive_list<shown_transfer>;

}  // namespace ferry::net
