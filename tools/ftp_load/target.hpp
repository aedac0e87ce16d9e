#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace ferry::ftp_load {

/// What an ftp:// URL names (RFC 1738 section 3.2, RFC 3986), or an ftps:// one, where TLS begins
/// with the connection.
struct target {
    bool is_ftps = false;
    std::string user = "anonymous";
    std::string password = "ferry-ftp-load@";
    std::string host;         ///< A name or an address, without brackets.
    std::uint16_t port = 21;  ///< Of ftps: 990.
    std::string path;  ///< Relative to where a login begins; "%2F" at its front makes it absolute.

    /// The URL again, without the login.
    [[nodiscard]] std::string show() const;
};

/// Reads "ftp://user:password@host:port/path" or "ftps://...", all but the host optional,
/// percent-encoded.
///
/// Errors: what is wrong with it, for a person.
[[nodiscard]] std::expected<target, std::string> parse_url(std::string_view url);

}  // namespace ferry::ftp_load
