#include "net/tls_used_tickets.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

#include "../allocation_faults.hpp"
#include "ferry/base/random.hpp"

using namespace ferry;
using namespace ferry::net;

namespace {

constexpr std::int64_t hour = 3'600;
constexpr std::int64_t lifetime = 12 * hour;
constexpr std::int64_t first_second = 1'000'000;

struct id {
    explicit id(ferry::random& from) {
        for (std::size_t at = 0; at < sizeof octets; at += sizeof(std::uint64_t)) {
            const auto next = from.next();
            std::memcpy(octets + at, &next, sizeof next);
        }
    }
    [[nodiscard]] tls_used_tickets::ticket issued(std::int64_t when) const {
        return {.id = octets, .issued = when};
    }
    unsigned char octets[tls_used_tickets::id_bytes]{};
};

}  // namespace

TEST_CASE("tls_used_tickets: each is used once, for as long as one may live") {
    ferry::random from(1);
    tls_used_tickets all;
    const id one(from);
    const id other(from);
    CHECK(all.use(one.issued(first_second), first_second + 1, lifetime));
    CHECK(!all.use(one.issued(first_second), first_second + 1, lifetime));
    CHECK(all.use(other.issued(first_second), first_second + 2, lifetime));
    for (std::int64_t later = hour; later < 10 * lifetime; later += hour) {
        CHECK(!all.use(one.issued(first_second), first_second + later, lifetime));
        const id fresh(from);
        CHECK(all.use(fresh.issued(first_second + later), first_second + later + 1, lifetime));
        CHECK(!all.use(fresh.issued(first_second + later), first_second + later + 1, lifetime));
    }
}

TEST_CASE("tls_used_tickets: one that is old and was not used is good until it is over") {
    ferry::random from(2);
    tls_used_tickets all;
    // Of another machine, or of the process before.
    CHECK(all.use(id(from).issued(first_second - lifetime), first_second, lifetime));
    for (std::int64_t now = first_second; now < first_second + 10 * lifetime; now += 5 * hour) {
        CHECK(all.use(id(from).issued(now - lifetime + 1), now, lifetime));
    }
}

TEST_CASE("tls_used_tickets: what is forgotten is good no more") {
    ferry::random from(3);
    tls_used_tickets all;
    const id one(from);
    REQUIRE(all.use(one.issued(first_second), first_second, lifetime));
    std::size_t refused = 0;
    // Both filters have turned over, and those that were refused are in neither.
    constexpr std::size_t uses = 2 * tls_used_tickets::uses_max + tls_used_tickets::uses_max / 16;
    for (std::size_t i = 0; i < uses; ++i) {
        const auto now = first_second + 1 + static_cast<std::int64_t>(i / 1'000);
        refused += all.use(id(from).issued(now), now, lifetime) ? 0U : 1U;
    }
    CHECK(!all.use(one.issued(first_second), first_second + 2'000, lifetime));
    CHECK(!all.use(id(from).issued(first_second), first_second + 2'000, lifetime));
    // Of two full filters a mark is hit by chance; and of the seconds in which one was begun
    // nothing is taken.
    CHECK(refused < uses / 150);
}

TEST_CASE("tls_used_tickets: a clock that is set back makes nothing good again") {
    ferry::random from(4);
    tls_used_tickets all;
    const id one(from);
    REQUIRE(all.use(one.issued(first_second), first_second, lifetime));
    REQUIRE(all.use(id(from).issued(first_second + lifetime), first_second + lifetime, lifetime));
    auto now = first_second - 10 * lifetime;
    CHECK(!all.use(one.issued(first_second), now, lifetime));
    for (int turns = 0; turns < 5; ++turns) {  // And what is issued meanwhile is good.
        now += lifetime;
        const id fresh(from);
        const auto issued = all.issue_time(now - hour);
        CHECK(issued > first_second);
        CHECK(all.use(fresh.issued(issued), now, lifetime));
        CHECK(!all.use(fresh.issued(issued), now, lifetime));
        CHECK(!all.use(one.issued(first_second), now, lifetime));
    }
    CHECK(all.issue_time(now) == all.issue_time(now - lifetime));
}

TEST_CASE(
    "tls_used_tickets: of another machine whose clock is ahead none is taken before its time") {
    ferry::random from(6);
    tls_used_tickets all;
    const id ahead(from);
    CHECK(!all.use(ahead.issued(first_second + 600), first_second, lifetime));
    CHECK(all.use(ahead.issued(first_second + 600), first_second + 600, lifetime));
    CHECK(!all.use(ahead.issued(first_second + 600), first_second + 601, lifetime));
}

TEST_CASE("tls_used_tickets: without memory none is taken, and later they are") {
    ferry::random from(5);
    for (std::uint64_t nth = 1; nth <= 2; ++nth) {
        tls_used_tickets all;
        const id one(from);
        {
            const ferry::test::allocation_fault out_of_memory(nth);
            CHECK(!all.use(one.issued(first_second), first_second, lifetime));
        }
        CHECK(all.use(one.issued(first_second), first_second, lifetime));
    }
}
