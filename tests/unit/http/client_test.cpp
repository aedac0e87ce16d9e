#include "http/client.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;
using namespace std::chrono_literals;

namespace {

constexpr runtime::time_point start{1'000s};

net::endpoint at(std::string_view address) {
    return net::parse_address(address).value();
}

net::address_block block_of(std::string_view text) {
    return net::address_block::parse(text).value();
}

/// What comes of a request that says it is `from` somebody, or does not.
std::optional<turned_away> ask(client& who, std::string_view from = {},
                               runtime::time_point now = start) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    if (!from.empty()) {
        text += "X-Forwarded-For: " + std::string(from) + "\r\n";
    }
    text += "\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(text) == head_progress::complete);
    return who.begin_request(parser.head(), now);
}

client make(const net::access_policy& policy, std::string_view peer) {
    auto place = policy.admit(at(peer), start);
    REQUIRE(place);
    return {policy, forwarded_field::x_forwarded_for, at(peer), std::move(*place)};
}

}  // namespace

TEST_CASE("client: who is no trusted proxy speaks for itself, whatever it says") {
    const net::access_policy policy{.rules = {.allowed = {}, .denied = {block_of("192.0.2.9")}},
                                    .trusted_proxies = {block_of("10.0.0.0/8")}};
    auto own = make(policy, "192.0.2.1");
    CHECK_FALSE(own.is_proxy());
    CHECK_FALSE(ask(own, "192.0.2.9"));
    CHECK(net::format_address(own.address()) == "192.0.2.1");
    CHECK(own.sending_rate().bucket == nullptr);
}

TEST_CASE("client: a trusted proxy speaks for whom each request names") {
    const net::access_policy policy{.rules = {.allowed = {}, .denied = {block_of("192.0.2.9")}},
                                    .trusted_proxies = {block_of("10.0.0.0/8")}};
    auto proxy = make(policy, "10.0.0.1");
    CHECK(proxy.is_proxy());
    CHECK_FALSE(ask(proxy, "192.0.2.1"));
    CHECK(net::format_address(proxy.address()) == "192.0.2.1");
    const auto denied = ask(proxy, "192.0.2.9");
    REQUIRE(denied);
    CHECK(denied->what == status::forbidden);
    CHECK(net::format_address(proxy.address()) == "192.0.2.9");
    proxy.end_request();
    CHECK(net::format_address(proxy.address()) == "10.0.0.1");
    CHECK_FALSE(ask(proxy));
    CHECK(net::format_address(proxy.address()) == "10.0.0.1");
}

TEST_CASE("client: who hides what the proxy says of it is told 400 (threats.md, H11)") {
    const net::access_policy policy{.rules = {.allowed = {}, .denied = {block_of("192.0.2.9")}},
                                    .trusted_proxies = {block_of("10.0.0.0/8")}};
    auto place = policy.admit(at("10.0.0.1"), start);
    REQUIRE(place);
    client proxy(policy, forwarded_field::forwarded, at("10.0.0.1"), std::move(*place));
    const auto ask_by = [&proxy](std::string_view value) {
        head_parser parser({});
        const auto text =
            "GET / HTTP/1.1\r\nHost: a\r\nForwarded: " + std::string(value) + "\r\n\r\n";
        REQUIRE(parser.parse(text) == head_progress::complete);
        const auto away = proxy.begin_request(parser.head(), start);
        return away ? code_of(away->what) : 0;
    };
    CHECK(ask_by("for=192.0.2.9") == 403);
    CHECK(ask_by("for=\"x, for=192.0.2.9") == 400);
    CHECK(ask_by("for=\"x\", for=192.0.2.9") == 403);
    CHECK(ask_by("for=192.0.2.1") == 0);
}

TEST_CASE("client: 429 says when to come back (RFC 6585 section 4)") {
    net::address_table table({.requests_per_second = 2, .requests_saved_max = 3});
    const net::access_policy policy{.table = &table};
    auto first = make(policy, "192.0.2.1");
    auto second = make(policy, "192.0.2.1");
    auto other = make(policy, "192.0.2.2");
    CHECK_FALSE(ask(first));
    CHECK_FALSE(ask(second));
    CHECK_FALSE(ask(first));
    const auto refused = ask(second);
    REQUIRE(refused);
    CHECK(refused->what == status::too_many_requests);
    CHECK(refused->retry_after_seconds == 1);
    CHECK_FALSE(ask(other));
    CHECK_FALSE(ask(second, {}, start + 500ms));
    CHECK(ask(first, {}, start + 500ms));
}

TEST_CASE(
    "client: what an answer under way draws from stays, however many come (threats.md, H12)") {
    constexpr std::size_t idle_max = 16;
    net::address_table table({.sent_octets_per_second = 1'000}, idle_max);
    const net::access_policy policy{.trusted_proxies = {block_of("10.0.0.1")}, .table = &table};
    auto proxy = make(policy, "10.0.0.1");
    CHECK_FALSE(ask(proxy, "192.0.2.1"));
    table.of(at("192.0.2.1"), start)->connections = 7;  // To know it again.
    CHECK_FALSE(ask(proxy, "192.0.2.2"));
    auto others = make(policy, "10.0.0.1");
    for (int i = 1; i < 255; ++i) {
        CHECK_FALSE(ask(others, "198.51.100." + std::to_string(i)));
    }
    CHECK(table.of(at("192.0.2.1"), start)->connections == 7);
}

TEST_CASE("client: limits are of whom a proxy names, not the proxy's") {
    net::address_table table({.connections_max = 1,
                              .requests_per_second = 1,
                              .requests_saved_max = 1,
                              .sent_octets_per_second = 1'000});
    const net::access_policy policy{.trusted_proxies = {block_of("10.0.0.1")}, .table = &table};
    auto proxy = make(policy, "10.0.0.1");
    auto same_proxy = make(policy, "10.0.0.1");
    CHECK_FALSE(ask(proxy, "192.0.2.1"));
    const auto* const bucket = proxy.sending_rate().bucket;
    CHECK(proxy.sending_rate().octets_per_second == 1'000);
    CHECK(ask(proxy, "192.0.2.1"));
    CHECK_FALSE(ask(proxy, "192.0.2.2"));
    CHECK(proxy.sending_rate().bucket != bucket);
    CHECK(ask(same_proxy, "192.0.2.1"));
    CHECK(same_proxy.sending_rate().bucket == bucket);
}
