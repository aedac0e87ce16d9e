#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "ferry/base/wall_clock.hpp"

namespace ferry {

/// The fields of a request, for formats of the access log that name some.
class request_fields {
  public:
    virtual ~request_fields() = default;

    /// The value of the first field line called `name`, in any case; empty where there is none.
    [[nodiscard]] virtual std::string_view value_of(std::string_view name) const noexcept = 0;
};

/// One request answered, one transfer ended or one command of note carried out: what the access log
/// says of it. Protocols fill it in, `server` formats it; nobody keeps it, so the views need only
/// outlive the call that takes it.
///
/// HTTP: method, target and protocol are the pieces of the request line, as received, before any
/// decoding. FTP: the verb, the path seen from the tree's root, and "FTP". An empty view is a field
/// that is missing. Octets are raw: whoever writes them out escapes them (threats.md, H7).
struct access_record {
    std::string_view peer;  ///< Numeric address without the port.
    std::string_view user;  ///< The name that logged in, or tried to.
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
    std::string_view host = {};             ///< Who was asked, with the port where one was named.
    std::uint64_t received_bytes = 0;       ///< HTTP: the head; FTP: the content of an upload.
    std::uint64_t sent_bytes = 0;  ///< HTTP: head and content; FTP: the content of a download.
    std::uint64_t connection = 0;  ///< `runtime::core::number_connection`.
    std::uint16_t peer_port = 0;
    std::uint16_t local_port = 0;
    /// Octets were to move that did not: the client or the disk broke the answer off.
    bool is_broken_off = false;
    std::string_view scheme = {};       ///< "https"; of FTP "ftp", "ftps".
    std::string_view tls_version = {};  ///< "TLSv1.3"; empty: in clear.
    std::string_view tls_cipher = {};
    const request_fields* fields = nullptr;  ///< Null: there are none.
};

}  // namespace ferry
