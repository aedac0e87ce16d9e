#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::net {

/// A longer one is refused; senders that describe a TLS client (PP2_TYPE_SSL) take some hundred
/// octets.
inline constexpr std::size_t proxy_header_bytes_max = 4'096;

enum class proxy_progress : std::uint8_t {
    incomplete,  ///< As far as it has come it may be one.
    refused,     ///< It is none, or a damaged one: close, and guess nothing (section 5).
    complete,
};

/// What a load balancer says of the connection that it passes on (haproxy's proxy-protocol.txt).
struct proxy_header {
    proxy_progress progress = proxy_progress::incomplete;
    std::size_t size_bytes = 0;  ///< Of the header; what follows is the client's.
    /// Whose connection it is; nothing when it is the sender's own (LOCAL, section 2.2) or when it
    /// does not say, or not by an address of TCP (UNKNOWN, UNSPEC, sections 2.1 and 2.2).
    std::optional<endpoint> source;
};

/// Reads a header of version 1 (section 2.1) or 2 (section 2.2) at the beginning of `input`. A
/// checksum (PP2_TYPE_CRC32C, section 2.2.3) must be right, other extensions are passed over.
/// Cost: one pass; no allocation.
[[nodiscard]] proxy_header parse_proxy_header(std::string_view input) noexcept;

/// Reads the header that `from` begins with and leaves what follows to the next `fill`. Gives
/// whose connection it is, as `proxy_header::source`.
///
/// Errors: errc::invalid (none, or a damaged one); errc::timed_out, closed, reset, cancelled: none
/// came in time. After any of them nothing can be said to the client: abort.
[[nodiscard]] runtime::task<result<std::optional<endpoint>>> read_proxy_header(
    plain_stream& from, runtime::time_point deadline);

}  // namespace ferry::net
