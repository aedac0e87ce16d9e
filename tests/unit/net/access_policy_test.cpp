#include "ferry/net/access_policy.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>

#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{1'000s};

endpoint at(std::string_view address) {
    return parse_address(address).value();
}

address_block block(std::string_view text) {
    return address_block::parse(text).value();
}

}  // namespace

TEST_CASE("access_policy: without anything everybody comes in, and nothing is counted") {
    const access_policy policy;
    CHECK(policy.empty());
    const auto place = policy.admit(at("192.0.2.1"), start);
    REQUIRE(place);
    CHECK(place->use() == nullptr);
}

TEST_CASE("access_policy: an address has so many connections at a time, and the rest is refused") {
    address_table table({.connections_max = 2});
    const access_policy policy{.rules = {.allowed = {}, .denied = {block("192.0.2.9")}},
                               .table = &table};
    CHECK_FALSE(policy.empty());
    CHECK(policy.admit(at("192.0.2.9"), start).error() == errc::denied);
    CHECK(table.size() == 0);  // Who is denied takes no memory.
    auto first = policy.admit(at("192.0.2.1"), start);
    auto second = policy.admit(at("::ffff:192.0.2.1"), start);
    REQUIRE(first);
    REQUIRE(second);
    CHECK(policy.admit(at("192.0.2.1"), start).error() == errc::exhausted);
    CHECK(first->use()->connections == 2);
    CHECK(policy.admit(at("192.0.2.2"), start));
    // Moving a place moves it, and counts it once.
    const auto use = first->use();
    *first = std::move(*second);
    CHECK(use->connections == 1);
    const address_place moved(std::move(*first));
    CHECK(use->connections == 1);
    auto again = policy.admit(at("192.0.2.1"), start);
    CHECK(again);
    CHECK(policy.admit(at("192.0.2.1"), start).error() == errc::exhausted);
    *again = address_place();
    CHECK(policy.admit(at("192.0.2.1"), start));
}

TEST_CASE("access_policy: a trusted proxy is not counted, but the rules hold for it") {
    address_table table({.connections_max = 1});
    const access_policy policy{.rules = {.allowed = {}, .denied = {block("10.0.0.2")}},
                               .trusted_proxies = {block("10.0.0.0/8")},
                               .table = &table};
    for (int i = 0; i < 3; ++i) {
        const auto place = policy.admit(at("10.0.0.1"), start);
        REQUIRE(place);
        CHECK(place->use() == nullptr);
    }
    CHECK(policy.admit(at("10.0.0.2"), start).error() == errc::denied);
}

// Goal: what counts is who a PROXY header names, not who connected.
TEST_CASE("admit_proxied: rules and limits hold for whom the header names") {
    address_table table({.connections_max = 1});
    const access_policy policy{.rules = {.allowed = {}, .denied = {block("192.0.2.9")}},
                               .proxy_senders = {block("127.0.0.0/8")},
                               .table = &table};
    const auto held = policy.admit(at("192.0.2.8"), start);
    struct row {
        std::string_view header;
        errc why;  ///< `closed`: none.
        std::string_view peer;
    };
    const row rows[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.2 4660 80\r\n", errc::closed, "192.0.2.1"},
        {"PROXY TCP4 192.0.2.9 198.51.100.2 4660 80\r\n", errc::denied, "192.0.2.9"},
        {"PROXY TCP4 192.0.2.8 198.51.100.2 4660 80\r\n", errc::exhausted, "192.0.2.8"},
        {"PROXY UNKNOWN\r\n", errc::closed, "127.0.0.1"},
        {"GET / HTTP/1.1\r\n", errc::invalid, "127.0.0.1"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.header);
        test_core machine;
        auto ends = connect_ends();
        plain_stream stream(machine.here, std::move(ends.near));
        machine.run(
            [](nursery&, plain_stream& my, int far, const access_policy& with,
               const row& it) -> task<> {
                CHECK(co_await say(my.here(), far, it.header) == it.header.size());
                const auto admitted = co_await admit_proxied(my, with);
                CHECK(admitted.has_value() == (it.why == errc::closed));
                if (admitted) {
                    REQUIRE(admitted->use() != nullptr);
                    CHECK(admitted->use()->connections == 1);
                } else {
                    CHECK(admitted.error() == it.why);
                }
                CHECK(format_address(my.peer()) == it.peer);
                co_await my.close(farewell::abort);
            },
            std::ref(stream), ends.far.get(), std::cref(policy), std::cref(each));
    }
}
