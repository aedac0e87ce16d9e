#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace ferry::sim {

/// An address and a port as simulated packets carry them: IPv6, in which IPv4 is v4-mapped
/// (RFC 4291 section 2.5.5.2) and its wildcard ::ffff:0.0.0.0. Sorts by port.
struct inet_address {
    std::uint16_t port = 0;
    std::array<std::uint8_t, 16> octets{};

    friend auto operator<=>(const inet_address&, const inet_address&) = default;

    [[nodiscard]] bool is_v4() const noexcept;
    [[nodiscard]] bool is_wildcard() const noexcept;  ///< Of either family.
    [[nodiscard]] bool is_multicast_or_broadcast() const noexcept;
    [[nodiscard]] bool is_link_local() const noexcept;

    [[nodiscard]] static inet_address wildcard(int family) noexcept;
    [[nodiscard]] static inet_address loopback(bool v4) noexcept;
};

/// The two ends of a connection, seen from one of them.
struct inet_ends {
    inet_address local;
    inet_address remote;

    friend auto operator<=>(const inet_ends&, const inet_ends&) = default;
};

struct inet_ends_hash {
    [[nodiscard]] std::size_t operator()(const inet_ends& ends) const noexcept;
};

/// Reads what an application hands to bind(2) or connect(2) of a socket of `family`. 0, or -EINVAL
/// (too short, or a link-local address without its scope), -EAFNOSUPPORT (of another family).
[[nodiscard]] int read_address(int family, const sockaddr* from, socklen_t size_bytes,
                               inet_address& into) noexcept;

/// Writes the address as a socket of `family` shows it: what fits into `*size_bytes`, which is then
/// the size it has in full (getsockname(2)).
int write_address(int family, const inet_address& from, sockaddr* into,
                  socklen_t* size_bytes) noexcept;

}  // namespace ferry::sim
