#include "ferry/net/address_rules.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using namespace ferry;
using namespace ferry::net;

namespace {

endpoint peer_at(std::string_view address) {
    return parse_address(address).value();
}

address_rules rules(const std::vector<std::string_view>& allowed,
                    const std::vector<std::string_view>& denied) {
    address_rules made;
    for (const auto each : allowed) {
        made.allowed.push_back(address_block::parse(each).value());
    }
    for (const auto each : denied) {
        made.denied.push_back(address_block::parse(each).value());
    }
    return made;
}

}  // namespace

TEST_CASE("address_block: what it contains (RFC 4632 section 3.1, RFC 4291 section 2.3)") {
    struct row {
        std::string_view block;
        std::vector<std::string_view> within;
        std::vector<std::string_view> without;
    };
    const std::vector<row> rows{
        {"192.0.2.0/24", {"192.0.2.0", "192.0.2.255"}, {"192.0.1.255", "192.0.3.0", "::c000:200"}},
        {"192.0.2.7", {"192.0.2.7"}, {"192.0.2.6", "192.0.2.8"}},
        {"192.0.2.128/25", {"192.0.2.128", "192.0.2.255"}, {"192.0.2.127"}},
        {"0.0.0.0/0", {"0.0.0.0", "255.255.255.255"}, {"::", "2001:db8::1"}},
        {"10.0.0.0/7", {"10.0.0.1", "11.255.255.255"}, {"9.255.255.255", "12.0.0.0"}},
        {"2001:db8::/32", {"2001:db8::", "2001:db8:ffff::1"}, {"2001:db9::", "32.1.13.184"}},
        {"2001:db8::/127", {"2001:db8::1"}, {"2001:db8::2"}},
        {"::1", {"::1"}, {"::", "0.0.0.1"}},
        {"::/0", {"::1", "ffff::"}, {"127.0.0.1"}},
    };
    for (const auto& each : rows) {
        CAPTURE(each.block);
        const auto block = address_block::parse(each.block);
        REQUIRE(block);
        CHECK(block->text() == each.block);
        for (const auto& address : each.within) {
            CAPTURE(address);
            CHECK(block->contains(peer_at(address)));
        }
        for (const auto& address : each.without) {
            CAPTURE(address);
            CHECK_FALSE(block->contains(peer_at(address)));
        }
    }
}

TEST_CASE("address_block: v4-mapped addresses are v4 (RFC 4291 section 2.5.5.2)") {
    const auto plain = address_block::parse("192.0.2.0/24").value();
    CHECK(plain.contains(peer_at("::ffff:192.0.2.9")));
    CHECK_FALSE(plain.contains(peer_at("::ffff:192.0.3.9")));
    CHECK(address_block::parse("::ffff:192.0.2.0/120") == plain);
    CHECK(address_block::parse("::ffff:192.0.2.1").value().text() == "192.0.2.1");
    CHECK_FALSE(address_block::parse("::/0").value().contains(peer_at("::ffff:192.0.2.9")));
}

TEST_CASE("address_block: unix: is who connects by a socket of the file system") {
    const auto every = address_block::parse("unix:").value();
    const endpoint local{.family = address_family::local, .octets = {}, .port = 0, .scope_id = 0};
    CHECK(every.text() == "unix:");
    CHECK(every.contains(local));
    CHECK_FALSE(every.contains(peer_at("0.0.0.0")));
    CHECK_FALSE(address_block::parse("0.0.0.0/0").value().contains(local));
    CHECK_FALSE(address_block::parse("::/0").value().contains(local));
}

TEST_CASE("address_block: neither port nor scope counts") {
    auto peer = peer_at("fe80::1");
    peer.port = 4'711;
    peer.scope_id = 2;
    CHECK(address_block::parse("fe80::/10").value().contains(peer));
    CHECK(address_block::parse("fe80::1").value().contains(peer));
}

TEST_CASE("address_block: what is none") {
    for (const std::string_view text : {"",
                                        "/",
                                        "/8",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/08",
                                        "10.0.0.0/8/8",
                                        "10.0.0.1/8",
                                        "10.0.0.0/7x",
                                        "10/8",
                                        "10.0.0.0/255.0.0.0",
                                        "localhost",
                                        "::/129",
                                        "2001:db8::1/64",
                                        "[::1]",
                                        "fe80::1%lo",
                                        "10.0.0.0 /8",
                                        "::ffff:0.0.0.0/95",
                                        "unix",
                                        "unix:/run/x",
                                        "*"}) {
        CAPTURE(text);
        CHECK(address_block::parse(text) == failure(errc::invalid));
    }
}

TEST_CASE("address_rules: without any everybody is allowed") {
    CHECK(address_rules().empty());
    CHECK(address_rules().allows(peer_at("192.0.2.1")));
}

TEST_CASE("address_rules: who is denied, and everybody but who is allowed") {
    const auto but_some = rules({}, {"192.0.2.0/24", "2001:db8::/32"});
    CHECK_FALSE(but_some.empty());
    CHECK_FALSE(but_some.allows(peer_at("192.0.2.1")));
    CHECK_FALSE(but_some.allows(peer_at("::ffff:192.0.2.1")));
    CHECK_FALSE(but_some.allows(peer_at("2001:db8::7")));
    CHECK(but_some.allows(peer_at("192.0.3.1")));
    CHECK(but_some.allows(peer_at("::1")));
    const auto only_some = rules({"10.0.0.0/8"}, {});
    CHECK(only_some.allows(peer_at("10.1.2.3")));
    CHECK_FALSE(only_some.allows(peer_at("11.1.2.3")));
    CHECK_FALSE(only_some.allows(peer_at("::1")));
}

TEST_CASE("address_rules: the closest block decides, and of two alike the one that denies") {
    const auto nested = rules({"10.0.0.0/8", "10.1.2.3"}, {"10.1.0.0/16"});
    CHECK(nested.allows(peer_at("10.2.0.1")));
    CHECK_FALSE(nested.allows(peer_at("10.1.0.1")));
    CHECK(nested.allows(peer_at("10.1.2.3")));
    CHECK_FALSE(nested.allows(peer_at("192.0.2.1")));
    CHECK_FALSE(rules({"10.0.0.0/8"}, {"10.0.0.0/8"}).allows(peer_at("10.0.0.1")));
    CHECK_FALSE(rules({"10.0.0.0/8"}, {"0.0.0.0/0"}).allows(peer_at("::1")));
    CHECK(rules({"10.0.0.0/8"}, {"0.0.0.0/0"}).allows(peer_at("10.0.0.1")));
}
