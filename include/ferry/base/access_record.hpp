#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "ferry/base/wall_clock.hpp"

namespace ferry {

/// One request answered or one transfer ended: what the access log says of it. Protocols fill it
/// in, `server` formats it; nobody keeps it, so the views need only outlive the call that takes it.
///
/// HTTP: method, target and protocol are the pieces of the request line, as received, before any
/// decoding. FTP: the verb, the path seen from the tree's root, and "FTP". An empty view is a field
/// that is missing. Octets are raw: whoever writes them out escapes them (threats.md, H7).
struct access_record {
    std::string_view peer;  ///< Numeric address without the port.
    std::string_view user;  ///< The name that logged in.
    wall_time when;         ///< When the request began.
    std::string_view method;
    std::string_view target;
    std::string_view protocol;  ///< "HTTP/1.1", "FTP".
    std::uint16_t status = 0;   ///< Of the final response or reply; 0: none was sent.
    std::uint64_t body_bytes =
        0;  ///< Octets of content that moved, either way; no head, no framing.
    std::string_view referer;
    std::string_view user_agent;
    std::chrono::microseconds duration{0};  ///< From the first octet of the request to the end.
};

}  // namespace ferry
