#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ferry::load {

/// Where a URL says that the server is (RFC 3986 section 3.2), without a login.
struct authority {
    std::string host;  ///< A name or an address, without brackets.
    std::uint16_t port = 0;

    /// "host:port", an address of IPv6 in brackets.
    [[nodiscard]] std::string show() const;
};

/// Reads "host", "host:port" or "[address]:port". Nothing where there is no host, or where the port
/// is none from 1 to 65535.
[[nodiscard]] std::optional<authority> parse_authority(std::string_view text,
                                                       std::uint16_t default_port);

}  // namespace ferry::load
