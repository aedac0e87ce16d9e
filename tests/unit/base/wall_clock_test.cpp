#include "ferry/base/wall_clock.hpp"

#include <doctest/doctest.h>

using namespace ferry;

TEST_CASE("wall clock: known moments both ways") {
    const auto known =
        to_calendar(784111777);  // RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT
    CHECK(known.year == 1994);
    CHECK(known.month == 11);
    CHECK(known.day == 6);
    CHECK(known.hour == 8);
    CHECK(known.minute == 49);
    CHECK(known.second == 37);
    CHECK(known.weekday == 0);
    CHECK(to_seconds(known) == 784111777);
}

TEST_CASE("wall clock: every day of 400 years survives the round trip") {
    for (std::int64_t day = -100'000; day <= 100'000; day += 1) {
        const std::int64_t moment = day * 86'400 + (day & 0xFFFF);
        REQUIRE(to_seconds(to_calendar(moment)) == moment);
    }
}

TEST_CASE("wall clock: validity knows months and leap years") {
    CHECK(is_valid({.year = 2024, .month = 2, .day = 29}));
    CHECK_FALSE(is_valid({.year = 2023, .month = 2, .day = 29}));
    CHECK_FALSE(is_valid({.year = 1900, .month = 2, .day = 29}));
    CHECK_FALSE(is_valid({.year = 2024, .month = 13, .day = 1}));
    CHECK_FALSE(is_valid({.year = 2024, .month = 1, .day = 0}));
    CHECK_FALSE(is_valid({.year = 2024, .month = 1, .day = 1, .hour = 24}));
    CHECK(is_valid({.year = 2016, .month = 12, .day = 31, .hour = 23, .minute = 59, .second = 60}));
}
