#include "sim/inet_address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace ferry::sim {

namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr std::size_t v4_offset = mapped_prefix.size();

// What the kernel takes for a sockaddr_in6: that of RFC 2133 had no scope yet.
constexpr socklen_t sockaddr_in6_bytes_min = 24;

}  // namespace

bool inet_address::is_v4() const noexcept {
    return std::equal(mapped_prefix.begin(), mapped_prefix.end(), octets.begin());
}

bool inet_address::is_wildcard() const noexcept {
    const auto from = octets.begin() + (is_v4() ? v4_offset : 0);
    return std::all_of(from, octets.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool inet_address::is_multicast_or_broadcast() const noexcept {
    if (!is_v4()) {
        return octets[0] == 0xFF;
    }
    return (octets[v4_offset] & 0xF0U) == 0xE0U ||
           std::all_of(octets.begin() + v4_offset, octets.end(),
                       [](std::uint8_t octet) { return octet == 0xFF; });
}

bool inet_address::is_link_local() const noexcept {
    return octets[0] == 0xFE && (octets[1] & 0xC0U) == 0x80U;
}

inet_address inet_address::wildcard(int family) noexcept {
    inet_address made;
    if (family == AF_INET) {
        std::ranges::copy(mapped_prefix, made.octets.begin());
    }
    return made;
}

inet_address inet_address::loopback(bool v4) noexcept {
    inet_address made = wildcard(v4 ? AF_INET : AF_INET6);
    made.octets.back() = 1;
    if (v4) {
        made.octets[v4_offset] = 127;
    }
    return made;
}

std::size_t inet_ends_hash::operator()(const inet_ends& ends) const noexcept {
    std::uint64_t hash = 0xCBF29CE484222325U;
    for (const inet_address* each : {&ends.local, &ends.remote}) {
        std::uint64_t words[2];
        std::memcpy(words, each->octets.data(), sizeof words);
        for (const std::uint64_t word : {words[0], words[1], std::uint64_t{each->port}}) {
            hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
            hash ^= hash >> 32U;
        }
    }
    return hash;
}

int read_address(int family, const sockaddr* from, socklen_t size_bytes,
                 inet_address& into) noexcept {
    const socklen_t size_min = family == AF_INET ? sizeof(sockaddr_in) : sockaddr_in6_bytes_min;
    if (from == nullptr || size_bytes < size_min) {
        return -EINVAL;
    }
    sockaddr_in6 v6{};
    std::memcpy(&v6, from, std::min<std::size_t>(size_bytes, sizeof v6));
    if (v6.sin6_family != family) {
        return -EAFNOSUPPORT;
    }
    if (family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, from, sizeof v4);
        into = inet_address::wildcard(AF_INET);
        std::memcpy(&into.octets[v4_offset], &v4.sin_addr, sizeof v4.sin_addr);
        into.port = ntohs(v4.sin_port);
        return 0;
    }
    std::memcpy(into.octets.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    into.port = ntohs(v6.sin6_port);
    return into.is_link_local() && v6.sin6_scope_id == 0 ? -EINVAL : 0;
}

int write_address(int family, const inet_address& from, sockaddr* into,
                  socklen_t* size_bytes) noexcept {
    sockaddr_storage storage{};
    socklen_t full_bytes = sizeof(sa_family_t);
    if (family == AF_INET) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(from.port);
        std::memcpy(&v4.sin_addr, &from.octets[v4_offset], sizeof v4.sin_addr);
        std::memcpy(&storage, &v4, sizeof v4);
        full_bytes = sizeof v4;
    } else if (family == AF_INET6) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(from.port);
        // There is one link, and its number is 1.
        v6.sin6_scope_id = from.is_link_local() ? 1 : 0;
        std::memcpy(&v6.sin6_addr, from.octets.data(), sizeof v6.sin6_addr);
        std::memcpy(&storage, &v6, sizeof v6);
        full_bytes = sizeof v6;
    } else {
        storage.ss_family = AF_UNIX;  // Unnamed: the family is all there is (unix(7)).
    }
    const socklen_t copied = std::min(*size_bytes, full_bytes);
    if (copied > 0) {
        std::memcpy(into, &storage, copied);
    }
    *size_bytes = full_bytes;
    return 0;
}

}  // namespace ferry::sim
