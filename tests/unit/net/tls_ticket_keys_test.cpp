#include "ferry/net/tls_ticket_keys.hpp"

#include <doctest/doctest.h>

#include <string>

#include "loopback.hpp"

using namespace ferry::net;

namespace {

constexpr std::int64_t hours = 3'600;

}  // namespace

TEST_CASE("tls_ticket_keys: a key of its own seals for twelve hours and opens for twelve more") {
    tls_ticket_keys keys;
    const auto first = keys.sealing(1'000'000);
    REQUIRE(first);
    CHECK(keys.sealing(1'000'000 + 11 * hours)->name == first->name);
    const auto second = keys.sealing(1'000'000 + 12 * hours);
    CHECK(second->name != first->name);
    CHECK(second->cipher != first->cipher);
    CHECK(second->mac != first->mac);
    const auto old = keys.find(first->name.data(), 1'000'000 + 23 * hours);
    REQUIRE(old);
    CHECK(!old->is_sealing);
    CHECK(old->with.cipher == first->cipher);
    CHECK(keys.find(second->name.data(), 1'000'000 + 23 * hours)->is_sealing);
    CHECK(!keys.find(first->name.data(), 1'000'000 + 24 * hours));
    // Nobody came for two days.
    CHECK(!keys.find(second->name.data(), 1'000'000 + 100 * hours));
}

TEST_CASE("tls_ticket_keys: a clock that is set back makes another key, and no old one younger") {
    tls_ticket_keys keys;
    const auto first = keys.sealing(1'000'000);
    CHECK(keys.sealing(900'000)->name != first->name);
    CHECK(keys.find(first->name.data(), 900'000));
}

TEST_CASE("tls_ticket_keys: those of a file stay, and the first seals") {
    const auto octets = ferry::net_test::pattern(160);
    auto parsed = tls_ticket_keys::parse(octets);
    REQUIRE(parsed);
    REQUIRE(parsed->size() == 2);
    const auto first = parsed->front();
    const auto second = parsed->back();
    CHECK(std::string(first.name.begin(), first.name.end()) == octets.substr(0, 16));
    CHECK(std::string(first.mac.begin(), first.mac.end()) == octets.substr(16, 32));
    CHECK(std::string(first.cipher.begin(), first.cipher.end()) == octets.substr(48, 32));
    tls_ticket_keys keys;
    keys.use(std::move(*parsed));
    for (const std::int64_t now : {std::int64_t{0}, 1'000 * hours}) {
        CHECK(keys.sealing(now)->name == first.name);
        CHECK(keys.find(second.name.data(), now));
        CHECK(!keys.find(second.name.data(), now)->is_sealing);
    }
    keys.use({});
    CHECK(keys.sealing(0)->name != first.name);
    CHECK(!keys.find(second.name.data(), 0));
}

TEST_CASE("tls_ticket_keys: what is no key is refused") {
    const auto octets = ferry::net_test::pattern(80 * 17);
    for (const std::size_t size : {0U, 1U, 48U, 79U, 81U, 80U * 17}) {
        CAPTURE(size);
        CHECK(!tls_ticket_keys::parse(octets.substr(0, size)));
    }
    CHECK(tls_ticket_keys::parse(octets.substr(0, 80 * 16)));
    CHECK(!tls_ticket_keys::parse(octets.substr(0, 80) + octets.substr(0, 80)));  // One name twice.
}
