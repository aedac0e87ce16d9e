#include "ferry/net/rate_floor.hpp"

#include <doctest/doctest.h>

#include <limits>

using namespace ferry;
using namespace ferry::net;
using namespace std::chrono_literals;

namespace {

constexpr minimum_rate least{.octets_per_second = 100, .window = 10s};

/// Lets a peer move `octets` in each of `waits` waits; gives after how many it was below, or 0.
unsigned waits_until_below(rate_floor& floor, runtime::duration each, std::uint64_t octets,
                           unsigned waits) {
    for (unsigned wait = 1; wait <= waits; ++wait) {
        floor.waited(each, octets);
        if (floor.is_below()) {
            return wait;
        }
    }
    return 0;
}

}  // namespace

TEST_CASE("rate_floor: without a rate nobody is too slow") {
    rate_floor floor;
    CHECK_FALSE(floor.is_set());
    CHECK(floor.deadline(runtime::time_point(5s)) == runtime::never);
    floor.waited(24h, 0);
    CHECK_FALSE(floor.is_below());
    CHECK(floor.patience() == runtime::duration::max());
}

TEST_CASE("rate_floor: who moves nothing has the window and no more (threats.md, H3)") {
    rate_floor floor(least);
    CHECK(floor.deadline(runtime::time_point(5s)) == runtime::time_point(15s));
    floor.waited(10s - 1ns, 0);
    CHECK_FALSE(floor.is_below());
    CHECK(floor.patience() == 1ns);
    floor.waited(1ns, 0);
    CHECK(floor.is_below());
    CHECK(floor.patience() == 0ns);
}

TEST_CASE("rate_floor: who keeps to the rate is never below, in whatever pieces it moves") {
    for (const auto each : {1ms, 10ms, 1'000ms, 9'990ms}) {
        CAPTURE(each.count());
        rate_floor floor(least);
        const auto octets = static_cast<std::uint64_t>(each.count()) * 100 / 1'000;
        const auto a_little_more = std::max<std::uint64_t>(octets, 1);
        CHECK(waits_until_below(floor, each, a_little_more, 100'000) == 0);
    }
}

TEST_CASE("rate_floor: who is a little slower is found in bounded time (threats.md, H3)") {
    rate_floor floor(least);
    // A tenth too slow: a tenth of each second comes out of the ten of the window.
    CHECK(waits_until_below(floor, 1s, 90, 1'000) == 100);
}

TEST_CASE("rate_floor: an octet now and then does not hold a connection (slow read)") {
    rate_floor floor(least);
    CHECK(waits_until_below(floor, 1s, 1, 1'000) == 11);
}

TEST_CASE("rate_floor: what was moved fast long ago saves a window and no more") {
    rate_floor floor(least);
    floor.waited(1s, 1'000'000'000);
    CHECK(floor.patience() == 10s);
    CHECK(waits_until_below(floor, 1s, 0, 1'000) == 10);
}

TEST_CASE("rate_floor: who was slow and is quick again has its patience back") {
    rate_floor floor(least);
    floor.waited(9s, 0);
    CHECK(floor.patience() == 1s);
    floor.waited(1s, 500);
    CHECK(floor.patience() == 5s);
    floor.waited(1s, 10'000);
    CHECK(floor.patience() == 10s);
}

TEST_CASE("rate_floor: a pause before a fast piece in one wait is no end") {
    rate_floor floor(least);
    floor.waited(12s, 300);  // Told late, by a core that was busy.
    CHECK(floor.patience() == 1s);
    CHECK_FALSE(floor.is_below());
}

TEST_CASE("rate_floor: numbers at their ends do not run over") {
    rate_floor fast({.octets_per_second = 1_GiB, .window = 1h});
    fast.waited(30min, std::numeric_limits<std::uint64_t>::max());
    CHECK(fast.patience() == 1h);
    fast.waited(1s, 1_GiB - 1);
    CHECK(fast.patience() < 1h);
    CHECK(fast.patience() > 1h - 2ns);
    rate_floor slow({.octets_per_second = 1, .window = 1ms});
    slow.waited(0s, std::numeric_limits<std::uint64_t>::max());
    CHECK(slow.patience() == 1ms);
}
