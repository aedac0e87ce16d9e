#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"

struct sockaddr;
struct sockaddr_storage;

namespace ferry::net {

/// `local`: of this machine, by a socket of the file system (unix(7)); such an end has no address.
enum class address_family : std::uint8_t { v4, v6, local };

/// One end of a TCP connection: a numeric address and a port. A plain value; names are never looked
/// up. Or of a connection within this machine.
struct endpoint {
    address_family family = address_family::v4;
    /// In network order. A v4 address fills the first four and leaves the rest 0.
    std::array<std::uint8_t, 16> octets{};
    std::uint16_t port = 0;  ///< In host order.
    /// The interface a link-local v6 address belongs to (RFC 4007), else 0. Known only to addresses
    /// that came from a socket: a client cannot name it, so dial its own `peer` endpoint with
    /// another port.
    std::uint32_t scope_id = 0;

    friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// Reads a numeric address without a port: "192.0.2.1" or "2001:db8::1", without brackets (RFC 4291
/// section 2.2). The port of the result is 0.
///
/// Errors: errc::invalid (a host name, a v6 zone, leading zeros in a v4 part, anything else).
[[nodiscard]] result<endpoint> parse_address(std::string_view text);

/// Reads "ADDR:PORT", "[V6]:PORT" or "*:PORT", numeric only (RFC 3986 section 3.2.2). `*` is every
/// address of both families and becomes the unspecified v6 address: whoever listens on that opens a
/// socket for both, or the unspecified v4 address where the system has no IPv6. PORT is decimal, 0
/// to 65535; 0 lets the system choose.
///
/// Errors: errc::invalid: show the text and this syntax, look up nothing.
[[nodiscard]] result<endpoint> parse_endpoint(std::string_view text);

/// The address alone, "192.0.2.1" or "2001:db8::1" (RFC 5952); a v4-mapped v6 address as its v4
/// form; "unix:" of a local one.
[[nodiscard]] std::string format_address(const endpoint& where);

/// The inverse of `parse_endpoint`: "192.0.2.1:21" or "[2001:db8::1]:21". For logs and messages.
[[nodiscard]] std::string format_endpoint(const endpoint& where);

/// `where` with a v4-mapped v6 address (::ffff:192.0.2.1, RFC 4291 section 2.5.5.2) turned into the
/// v4 address it stands for, as a socket for both families reports its v4 peers. Others unchanged.
[[nodiscard]] endpoint unmapped(const endpoint& where) noexcept;

/// True when nobody but this machine reaches it (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3);
/// a v4-mapped v6 address counts as its v4 form, one of the file system never.
[[nodiscard]] bool is_loopback(const endpoint& where) noexcept;

/// True when both name the same host, whatever the ports; a v4-mapped v6 address equals its v4
/// form. The scope decides only where both have one.
[[nodiscard]] bool same_address(const endpoint& a, const endpoint& b) noexcept;

/// As much of an address as one customer of a network has for itself: all of a v4 address, the
/// first 64 bits of a v6 one (RFC 6177).
struct customer {
    std::uint64_t prefix = 0;
    bool is_v6 = false;

    friend bool operator==(const customer&, const customer&) = default;
};

/// Whose `where` is; a v4-mapped v6 address counts as its v4 form.
[[nodiscard]] customer customer_of(const endpoint& where) noexcept;

/// Fills `out` for `bind` or `connect` and returns how many octets of it count. Not of a local one.
[[nodiscard]] std::uint32_t to_sockaddr(const endpoint& from, sockaddr_storage& out) noexcept;

/// Reads what `accept`, `getsockname` or `getpeername` filled in: `length` octets at `from`.
///
/// Errors: errc::unsupported (another family than AF_INET, AF_INET6 and AF_UNIX), errc::invalid
/// (too short).
[[nodiscard]] result<endpoint> from_sockaddr(const sockaddr* from, std::uint32_t length) noexcept;

}  // namespace ferry::net
