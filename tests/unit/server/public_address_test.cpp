#include "server/public_address.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace ferry;
using namespace ferry::server;

TEST_CASE("public address: what is read is shown again (RFC 959 section 4.1.2)") {
    for (const std::string_view text : {"auto", "203.0.113.7", "ftp.example.org", "10.0.0.0/8=auto",
                                        "10.0.0.0/8=auto,192.168.0.0/16=192.168.0.9,203.0.113.7",
                                        "fd00::/8=10.0.0.1,nat.example"}) {
        CAPTURE(text);
        const auto rows = parse_public_addresses(text);
        REQUIRE(rows);
        CHECK(show_public_addresses(*rows) == text);
    }
    CHECK(show_public_addresses({}) == "auto");
}

TEST_CASE("public address: no address of IPv6, none that cannot be one, no clients twice") {
    for (const std::string_view text :
         {"", "::1", "0.0.0.0", "1.2.3", "1.2.3.256", "a b", "10.0.0.0/8",
          "10.0.0.0/8=", "10.0.0.1/8=auto", "auto,auto", "1.2.3.4,auto",
          "10.0.0.0/8=auto,10.0.0.0/8=1.2.3.4", "1.2.3.4,", "example.org:21"}) {
        CAPTURE(text);
        CHECK(!parse_public_addresses(text));
    }
}

TEST_CASE("public address: of the networks that a client is in the smallest decides") {
    const auto rows = parse_public_addresses(
        "10.0.0.0/8=192.0.2.1,10.1.0.0/16=auto,10.1.2.0/24=192.0.2.3,localhost");
    REQUIRE(rows);
    const auto all = resolve_public_addresses(*rows);
    REQUIRE(all);
    const auto shown = [&all](std::string_view client) {
        const auto found = all->shown_to(net::parse_address(client).value());
        return found ? net::format_address(*found) : std::string("auto");
    };
    CHECK(shown("10.2.3.4") == "192.0.2.1");
    CHECK(shown("10.1.3.4") == "auto");
    CHECK(shown("10.1.2.4") == "192.0.2.3");
    CHECK(shown("198.51.100.1") == "127.0.0.1");
    CHECK(shown("::ffff:10.2.3.4") == "192.0.2.1");
}

TEST_CASE("public address: a name that nobody knows is told") {
    const auto rows = parse_public_addresses("nowhere.invalid");  // RFC 6761 section 6.4.
    REQUIRE(rows);
    const auto all = resolve_public_addresses(*rows);
    REQUIRE(!all);
    CHECK(all.error().starts_with("--public-address nowhere.invalid: "));
}
