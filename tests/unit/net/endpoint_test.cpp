#include "ferry/net/endpoint.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <vector>

using namespace ferry;
using net::address_family;
using net::endpoint;

namespace {

/// Hands `from_sockaddr` exactly `length` octets on the heap, so that a sanitizer sees an overread.
result<endpoint> read_back(const sockaddr_storage& storage, std::uint32_t length) {
    const auto* octets = static_cast<const char*>(static_cast<const void*>(&storage));
    const std::vector<char> exact(octets, octets + length);
    return net::from_sockaddr(static_cast<const sockaddr*>(static_cast<const void*>(exact.data())),
                              length);
}

}  // namespace

TEST_CASE("endpoint: numeric addresses with ports read and print (RFC 3986 section 3.2.2)") {
    struct row {
        const char* text;
        address_family family;
        std::uint16_t port;
        const char* printed;
    };
    static constexpr row rows[] = {
        {"127.0.0.1:8080", address_family::v4, 8'080, "127.0.0.1:8080"},
        {"0.0.0.0:0", address_family::v4, 0, "0.0.0.0:0"},
        {"255.255.255.255:65535", address_family::v4, 65'535, "255.255.255.255:65535"},
        {"[::1]:21", address_family::v6, 21, "[::1]:21"},
        {"[2001:DB8:0:0:0:0:0:1]:21", address_family::v6, 21, "[2001:db8::1]:21"},
        {"[::ffff:192.0.2.1]:9", address_family::v6, 9, "192.0.2.1:9"},
        {"*:2121", address_family::v6, 2'121, "[::]:2121"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        const auto parsed = net::parse_endpoint(each.text);
        REQUIRE(parsed);
        CHECK(parsed->family == each.family);
        CHECK(parsed->port == each.port);
        CHECK(net::format_endpoint(*parsed) == each.printed);
    }
}

TEST_CASE("endpoint: what is no numeric address and port is refused") {
    static constexpr const char* rows[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:000080",
        "127.0.0.1:80x",
        "127.0.0.01:80",
        "127.0.1:80",
        "256.0.0.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1:80",
        "::1]:80",
        "[127.0.0.1]:80",
        "[fe80::1%eth0]:80",
        "[]:80",
        "[*]:80",
        "**:80",
        " 127.0.0.1:80",
    };
    for (const auto* each : rows) {
        CAPTURE(each);
        const auto parsed = net::parse_endpoint(each);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == errc::invalid);
    }
    CHECK(net::parse_endpoint("127.0.0.1:99999999999999999999").error() == errc::invalid);
    CHECK(net::parse_address(std::string_view("1.2.3.4\0.5", 10)).error() == errc::invalid);
    CHECK(net::parse_address(std::string(100, '1')).error() == errc::invalid);
    CHECK(net::parse_address("[::1]").error() == errc::invalid);
}

TEST_CASE("endpoint: v4-mapped v6 addresses are their v4 form (RFC 4291 section 2.5.5.2)") {
    const auto plain = net::parse_endpoint("192.0.2.1:21").value();
    const auto mapped = net::parse_endpoint("[::ffff:192.0.2.1]:4000").value();
    CHECK(net::same_address(plain, mapped));
    CHECK(net::same_address(mapped, plain));
    CHECK(net::unmapped(mapped).family == address_family::v4);
    CHECK(net::unmapped(mapped).port == 4'000);
    CHECK(net::unmapped(plain) == plain);
    CHECK(net::format_address(mapped) == "192.0.2.1");
    CHECK_FALSE(net::same_address(plain, net::parse_endpoint("192.0.2.2:21").value()));
    // The v4-compatible form (::192.0.2.1) is another host: section 2.5.5.1 retired it.
    CHECK_FALSE(net::same_address(plain, net::parse_endpoint("[::192.0.2.1]:21").value()));
}

TEST_CASE("endpoint: link-local scopes decide where both are known (RFC 4007)") {
    auto first = net::parse_endpoint("[fe80::1]:21").value();
    auto second = first;
    first.scope_id = 2;
    CHECK(net::same_address(first, second));
    second.scope_id = 3;
    CHECK_FALSE(net::same_address(first, second));
}

TEST_CASE("endpoint: socket addresses convert both ways") {
    for (const auto* text : {"192.0.2.7:21", "[2001:db8::7]:50000", "[fe80::1]:1"}) {
        CAPTURE(text);
        auto from = net::parse_endpoint(text).value();
        from.scope_id = from.family == address_family::v6 ? 5 : 0;
        sockaddr_storage storage{};
        const auto length = net::to_sockaddr(from, storage);
        const auto back = read_back(storage, length);
        REQUIRE(back);
        CHECK(*back == from);
        CHECK(read_back(storage, length - 1).error() == errc::invalid);
        CHECK(read_back(storage, 1).error() == errc::invalid);
    }
    sockaddr_storage other_address{};
    other_address.ss_family = AF_NETLINK;
    CHECK(read_back(other_address, sizeof other_address).error() == errc::unsupported);
}

TEST_CASE("endpoint: a customer has a v4 address, or 64 bits of v6 ones (RFC 6177)") {
    const auto of = [](const char* text) {
        return net::customer_of(net::parse_address(text).value());
    };
    CHECK(of("192.0.2.1") == net::customer{.prefix = 0xC000'0201'0000'0000, .is_v6 = false});
    CHECK(of("::ffff:192.0.2.1") == of("192.0.2.1"));
    CHECK_FALSE(of("192.0.2.1") == of("192.0.2.2"));
    CHECK(of("2001:db8:0:1::1") == of("2001:db8:0:1:ffff::2"));
    CHECK_FALSE(of("2001:db8:0:1::1") == of("2001:db8:0:2::1"));
    CHECK_FALSE(of("c000:201::") == of("192.0.2.1"));
}

TEST_CASE("endpoint: a local one is unix: as nginx's logs have it") {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto* const as_any = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    for (const auto length : {sizeof(sa_family_t), sizeof address}) {
        const auto made = net::from_sockaddr(as_any, static_cast<std::uint32_t>(length));
        REQUIRE(made);
        CHECK(made->family == net::address_family::local);
        CHECK(net::format_address(*made) == "unix:");
        CHECK(net::format_endpoint(*made) == "unix:");
        CHECK(net::same_address(*made, *made));
        CHECK_FALSE(net::same_address(*made, net::endpoint{}));
    }
}

TEST_CASE("endpoint: what only this machine reaches") {
    for (const char* text : {"127.0.0.1:1", "127.255.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"}) {
        CHECK(net::is_loopback(net::parse_endpoint(text).value()));
    }
    for (const char* text : {"0.0.0.0:1", "128.0.0.1:1", "[::]:1", "[::127.0.0.1]:1", "[::2]:1"}) {
        CHECK_FALSE(net::is_loopback(net::parse_endpoint(text).value()));
    }
    CHECK_FALSE(net::is_loopback({.family = net::address_family::local}));
}
