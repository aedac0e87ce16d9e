#include "ferry/net/address_table.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

using namespace ferry;
using namespace ferry::net;
using namespace std::chrono_literals;

namespace {

constexpr runtime::time_point table_start{1'000s};
constexpr address_limits limits{.connections_max = 2,
                                .requests_per_second = 10,
                                .requests_saved_max = 5,
                                .sent_octets_per_second = 1'000};

endpoint client_at(std::string_view address) {
    return parse_address(address).value();
}

/// The v4 address of that number.
endpoint numbered(std::uint32_t number) {
    endpoint made;
    for (std::size_t i = 0; i < 4; ++i) {
        made.octets[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
    }
    return made;
}

}  // namespace

TEST_CASE("address_table: an address is a v4 address, or 64 bits of a v6 one (RFC 6177)") {
    address_table table(limits);
    const auto first = table.of(client_at("192.0.2.1"), table_start);
    CHECK(table.of(client_at("192.0.2.1"), table_start) == first);
    CHECK(table.of(client_at("::ffff:192.0.2.1"), table_start) == first);
    CHECK(table.of(client_at("192.0.2.2"), table_start) != first);
    CHECK(table.of(client_at("::192.0.2.1"), table_start) != first);
    const auto v6 = table.of(client_at("2001:db8:1:2::1"), table_start);
    CHECK(table.of(client_at("2001:db8:1:2:ffff::"), table_start) == v6);
    CHECK(table.of(client_at("2001:db8:1:3::1"), table_start) != v6);
    CHECK(table.size() == 5);
}

TEST_CASE("address_table: what was used is remembered while nobody is connected") {
    address_table table(limits);
    for (int i = 0; i < 5; ++i) {
        CHECK(
            table.of(client_at("192.0.2.1"), table_start)->requests.draw_one(table_start, 10, 5) ==
            0ns);
    }
    CHECK(table.of(client_at("192.0.2.1"), table_start)->requests.draw_one(table_start, 10, 5) ==
          100ms);
}

TEST_CASE("address_table: is bounded, and forgets those first who owe nothing") {
    address_table table(limits, 1'600);
    const auto mine = table.of(client_at("192.0.2.1"), table_start);
    std::vector<std::shared_ptr<address_usage>> busy;
    for (std::uint32_t i = 0; i < 400; ++i) {
        // Owes for a request: stays as long as others can go.
        CHECK(table.of(numbered(1 + i), table_start)->requests.draw_one(table_start, 10, 1) == 0ns);
    }
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        static_cast<void>(table.of(numbered(0x0A00'0000 + i), table_start));
        REQUIRE(table.size() <= 1'600 + 1 + 16);
    }
    CHECK(table.of(client_at("192.0.2.1"), table_start) == mine);
    CHECK(table.of(numbered(1), table_start)->requests.draw_one(table_start, 10, 1) == 100ms);
    // Many who all owe: nobody can stay for that.
    for (std::uint32_t i = 0; i < 100'000; ++i) {
        static_cast<void>(table.of(numbered(0x0B00'0000 + i), table_start)
                              ->requests.draw_one(table_start, 10, 1));
        REQUIRE(table.size() <= 1'600 + 1 + 16);
    }
    CHECK(table.of(client_at("192.0.2.1"), table_start) == mine);
    // Those that are connected always stay, however many.
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        busy.push_back(table.of(numbered(0x0C00'0000 + i), table_start));
    }
    CHECK(table.size() >= busy.size());
    CHECK(table.size() <= busy.size() + 1'600 + 1 + 16);
    CHECK(table.of(numbered(0x0C00'0000), table_start) == busy.front());
}

TEST_CASE("address_table: threads that ask for one address get one use") {
    address_table table(limits);
    std::vector<std::shared_ptr<address_usage>> got(4);
    std::vector<std::thread> threads;
    for (auto& each : got) {
        threads.emplace_back([&table, &each] {
            for (int i = 0; i < 1'000; ++i) {
                each = table.of(client_at("192.0.2.1"), table_start);
                each->connections.fetch_add(1);
            }
        });
    }
    for (auto& each : threads) {
        each.join();
    }
    CHECK(got.front()->connections == 4'000);
    CHECK(table.size() == 1);
}
