#include "ferry/net/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"

namespace ferry::net {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/// As nginx's logs have it.
constexpr std::string_view local_name = "unix:";

result<std::uint16_t> parse_port(std::string_view text) {
    if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, ascii::is_digit)) {
        return failure(errc::invalid);
    }
    unsigned value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    if (value > 65'535) {
        return failure(errc::invalid);
    }
    return static_cast<std::uint16_t>(value);
}

}  // namespace

result<endpoint> parse_address(std::string_view text) {
    // inet_pton takes a C string: a NUL inside would hide what follows it.
    std::array<char, INET6_ADDRSTRLEN> copy{};
    if (text.empty() || text.size() >= copy.size() || text.contains('\0')) {
        return failure(errc::invalid);
    }
    std::ranges::copy(text, copy.begin());
    endpoint made;
    made.family = text.contains(':') ? address_family::v6 : address_family::v4;
    const int family = made.family == address_family::v6 ? AF_INET6 : AF_INET;
    if (::inet_pton(family, copy.data(), made.octets.data()) != 1) {
        return failure(errc::invalid);
    }
    return made;
}

result<endpoint> parse_endpoint(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return failure(errc::invalid);
    }
    auto host = text.substr(0, colon);
    FERRY_TRY(port, parse_port(text.substr(colon + 1)));
    if (host == "*") {
        return endpoint{.family = address_family::v6, .octets = {}, .port = port, .scope_id = 0};
    }
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) {
        host = host.substr(1, host.size() - 2);
    }
    FERRY_TRY(made, parse_address(host));
    // Brackets are what keeps "2001:db8::1:21" from being read two ways (RFC 3986 section 3.2.2).
    if (bracketed != (made.family == address_family::v6)) {
        return failure(errc::invalid);
    }
    made.port = port;
    return made;
}

std::string format_address(const endpoint& where) {
    if (where.family == address_family::local) {
        return std::string(local_name);
    }
    const auto shown = unmapped(where);
    std::array<char, INET6_ADDRSTRLEN> text{};
    const int family = shown.family == address_family::v6 ? AF_INET6 : AF_INET;
    ::inet_ntop(family, shown.octets.data(), text.data(), text.size());
    return text.data();
}

std::string format_endpoint(const endpoint& where) {
    if (where.family == address_family::local) {
        return std::string(local_name);
    }
    const auto port = std::to_string(where.port);
    const auto address = format_address(where);
    if (address.contains(':')) {
        return "[" + address + "]:" + port;
    }
    return address + ":" + port;
}

endpoint unmapped(const endpoint& where) noexcept {
    if (where.family != address_family::v6 ||
        !std::equal(mapped_prefix.begin(), mapped_prefix.end(), where.octets.begin())) {
        return where;
    }
    endpoint plain{.family = address_family::v4, .octets = {}, .port = where.port, .scope_id = 0};
    std::copy_n(where.octets.begin() + mapped_prefix.size(), 4, plain.octets.begin());
    return plain;
}

bool is_loopback(const endpoint& where) noexcept {
    const auto at = unmapped(where);
    constexpr decltype(at.octets) v6_loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return at.family == address_family::v4
               ? at.octets.front() == 127
               : at.family == address_family::v6 && at.octets == v6_loopback;
}

customer customer_of(const endpoint& where) noexcept {
    const auto at = unmapped(where);
    customer made{.prefix = 0, .is_v6 = at.family == address_family::v6};
    for (std::size_t i = 0; i < sizeof made.prefix; ++i) {  // Of a v4 address the rest is 0.
        made.prefix = made.prefix << 8U | at.octets[i];
    }
    return made;
}

bool same_address(const endpoint& a, const endpoint& b) noexcept {
    const auto left = unmapped(a);
    const auto right = unmapped(b);
    const bool scopes_differ =
        left.scope_id != right.scope_id && left.scope_id != 0 && right.scope_id != 0;
    return left.family == right.family && left.octets == right.octets && !scopes_differ;
}

std::uint32_t to_sockaddr(const endpoint& from, sockaddr_storage& out) noexcept {
    FERRY_ASSERT(from.family != address_family::local);
    out = {};
    if (from.family == address_family::v4) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(from.port);
        std::memcpy(&v4.sin_addr, from.octets.data(), sizeof v4.sin_addr);
        std::memcpy(&out, &v4, sizeof v4);
        return sizeof v4;
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(from.port);
    v6.sin6_scope_id = from.scope_id;
    std::memcpy(&v6.sin6_addr, from.octets.data(), sizeof v6.sin6_addr);
    std::memcpy(&out, &v6, sizeof v6);
    return sizeof v6;
}

result<endpoint> from_sockaddr(const sockaddr* from, std::uint32_t length) noexcept {
    if (length < sizeof from->sa_family) {
        return failure(errc::invalid);
    }
    sa_family_t family = AF_UNSPEC;
    std::memcpy(&family, &from->sa_family, sizeof family);
    endpoint made;
    if (family == AF_INET) {
        sockaddr_in v4{};
        if (length < sizeof v4) {
            return failure(errc::invalid);
        }
        std::memcpy(&v4, from, sizeof v4);
        made.port = ntohs(v4.sin_port);
        std::memcpy(made.octets.data(), &v4.sin_addr, sizeof v4.sin_addr);
        return made;
    }
    if (family == AF_UNIX) {
        made.family = address_family::local;
        return made;
    }
    if (family != AF_INET6) {
        return failure(errc::unsupported);
    }
    sockaddr_in6 v6{};
    if (length < sizeof v6) {
        return failure(errc::invalid);
    }
    std::memcpy(&v6, from, sizeof v6);
    made.family = address_family::v6;
    made.port = ntohs(v6.sin6_port);
    made.scope_id = v6.sin6_scope_id;
    std::memcpy(made.octets.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    return made;
}

}  // namespace ferry::net
