#pragma once

#include <cstdint>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/endpoint.hpp"
#include "ftp/reply.hpp"

/// Addresses of data connections in commands and replies. Numeric and strict; nothing is looked up.
namespace ferry::ftp {

/// PORT: "h1,h2,h3,h4,p1,p2", six decimal numbers of one to three digits from 0 to 255 (RFC 959
/// section 5.3.2). Whether ferry may connect there is `may_connect`'s to say.
///
/// Errors: errc::invalid: answer 501.
[[nodiscard]] result<net::endpoint> parse_port(std::string_view argument);

/// EPRT: "|1|192.0.2.1|6275|" or "|2|2001:db8::1|6275|" with any delimiter from 33 to 126 (RFC 2428
/// section 2).
///
/// Errors: errc::invalid (malformed, or an address of another family than it says): answer 501;
/// errc::unsupported (another protocol than 1 and 2): answer `unsupported_protocol`.
[[nodiscard]] result<net::endpoint> parse_eprt(std::string_view argument);

/// What EPSV asks for (RFC 2428 section 3).
enum class epsv_request : std::uint8_t {
    any,  ///< No argument: the family of the control connection.
    v4,
    v6,
    all,  ///< From now on refuse PORT, PASV and EPRT; opens nothing. Answer 200.
};

/// Reads EPSV's argument; "ALL" in any case. Errors as `parse_eprt`.
[[nodiscard]] result<epsv_request> parse_epsv(std::string_view argument);

/// 522 with the protocol there is, in the form clients parse (RFC 2428 section 2). That is the one
/// of the control connection: data connections go between the same two hosts.
[[nodiscard]] reply unsupported_protocol(net::address_family usable);

/// 227 for PASV: "Entering Passive Mode (h1,h2,h3,h4,p1,p2)" (RFC 959 section 4.1.2). Clients look
/// for the first digit or for the brackets (RFC 1123 section 4.1.2.6), so nothing else may hold
/// either.
///
/// Errors: errc::unsupported (`listening` is a v6 address that maps no v4 one): open nothing and
/// answer 425; the client has EPSV.
[[nodiscard]] result<reply> passive_reply(const net::endpoint& listening);

/// 229 for EPSV: "Entering Extended Passive Mode (|||port|)" (RFC 2428 section 3).
[[nodiscard]] reply extended_passive_reply(std::uint16_t port);

/// LPRT: "4,4,h1,h2,h3,h4,2,p1,p2", or 6 and 16 octets for IPv6 (RFC 1639 section 3).
///
/// Errors: errc::unsupported (another address family): answer `unsupported_family`; errc::invalid:
/// answer 501.
[[nodiscard]] result<net::endpoint> parse_lprt(std::string_view argument);

/// 521 with the families there are (RFC 1639 section 4).
[[nodiscard]] reply unsupported_family();

/// 228 for LPSV: "Entering Long Passive Mode (4,4,h1,h2,h3,h4,2,p1,p2)" (RFC 1639 section 4).
[[nodiscard]] reply long_passive_reply(const net::endpoint& listening);

/// A data connection that a client asks ferry to make.
struct active_target {
    const net::endpoint& given;  ///< What PORT or EPRT named.
    const net::endpoint& peer;   ///< The other end of the control connection.
};

/// True when ferry may connect there: to the client's own address and no port below 1024 (RFC 2577
/// section 3; threats.md, F1). Then dial `peer` with the port of `given`, which keeps the scope of
/// a link-local address. False: answer 504 and keep no address, or ferry becomes the means to reach
/// hosts that trust it.
[[nodiscard]] bool may_connect(const active_target& target) noexcept;

}  // namespace ferry::ftp
