#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/ftp/server.hpp"
#include "ferry/net/address_rules.hpp"
#include "ferry/net/endpoint.hpp"

namespace ferry::server {

/// Which address some clients are told to connect to, or all that no other row is for.
struct public_address {
    std::optional<net::address_block> clients;  ///< None: all others.
    /// v4; none, and no name: the one that the client has reached.
    std::optional<net::endpoint> address;
    std::string name;  ///< Of the machine that has it, not looked up yet; empty: none.

    friend bool operator==(const public_address&, const public_address&) = default;
};

/// Reads "203.0.113.7", "ftp.example.org", "auto", or several with the networks they are for:
/// "10.0.0.0/8=auto,192.168.0.0/16=192.168.0.9,203.0.113.7".
///
/// Errors: what is wrong, for a person.
[[nodiscard]] std::expected<std::vector<public_address>, std::string> parse_public_addresses(
    std::string_view text);

/// The same as text, for `parse_public_addresses`.
[[nodiscard]] std::string show_public_addresses(const std::vector<public_address>& rows);

/// Looks the names up, each for its first IPv4 address. Blocks: at start only.
///
/// Errors: which name has none and why, for a person.
[[nodiscard]] std::expected<ftp::public_addresses, std::string> resolve_public_addresses(
    const std::vector<public_address>& rows);

}  // namespace ferry::server
