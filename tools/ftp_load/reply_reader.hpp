#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/endpoint.hpp"

/// What a client reads and writes on a control connection. As lenient as clients are, for servers
/// differ: the strict reader of ferry's own replies is in tests/sim.
namespace ferry::ftp_load {

/// One reply (RFC 959 section 4.2): its code, and the text of its last line.
struct reply {
    int code = 0;
    std::string text;
};

enum class reply_reading : std::uint8_t {
    complete,
    incomplete,  ///< Read more, then ask again with all of it.
    malformed,   ///< No reply begins like this, or one does not end: close.
};

inline constexpr std::size_t reply_bytes_max = 64 * 1024;

/// Takes one reply off the front of `input`: a line "226 text", or "226-text" up to the line that
/// begins with the same code and a space (RFC 959 section 4.2). A bare LF ends a line, too.
[[nodiscard]] reply_reading take_reply(std::string& input, reply& into);

/// The port in the text of 227 (RFC 959 section 4.1.2): six numbers, wherever they stand (RFC 1123
/// section 4.1.2.6). The address beside it is for who trusts it.
///
/// Errors: errc::invalid.
[[nodiscard]] result<std::uint16_t> passive_port(std::string_view text);

/// The port in the text of 229, "(|||6446|)" with any delimiter (RFC 2428 section 3).
///
/// Errors: errc::invalid.
[[nodiscard]] result<std::uint16_t> extended_passive_port(std::string_view text);

/// The argument of PORT (RFC 959 section 5.3.2). `where` is a v4 address, or stands for one.
[[nodiscard]] std::string port_argument(const net::endpoint& where);

/// The argument of EPRT (RFC 2428 section 2).
[[nodiscard]] std::string eprt_argument(const net::endpoint& where);

}  // namespace ferry::ftp_load
