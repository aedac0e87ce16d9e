#include "http/listing_text.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdint>
#include <random>
#include <string>

#include "ferry/base/wall_clock.hpp"

using namespace ferry;
using namespace ferry::http;

TEST_CASE("listing text: sizes are short and rounded down") {
    const auto size = [](std::uint64_t bytes) {
        std::string out;
        append_readable_size(out, bytes);
        return out;
    };
    CHECK(size(0) == "0 B");
    CHECK(size(1'023) == "1023 B");
    CHECK(size(1'024) == "1.0 KiB");
    CHECK(size(1'536) == "1.5 KiB");
    CHECK(size(10'239) == "9.9 KiB");
    CHECK(size(10'240) == "10 KiB");
    CHECK(size(1'048'575) == "1023 KiB");
    CHECK(size(1'048'576) == "1.0 MiB");
    // Rounded down once, not at each thousand: simulated worlds noticed (tests/regress).
    CHECK(size(1'677'734) == "1.6 MiB");
    CHECK(size(1'782'780) == "1.7 MiB");
    CHECK(size(1'677'721) == "1.5 MiB");
    CHECK(size(5'368'709'120) == "5.0 GiB");
    CHECK(size(~std::uint64_t{0}) == "15 EiB");
}

TEST_CASE("listing text: moments are as RFC 3339 has them, in UTC") {
    const utc_text moment(784'111'777);
    CHECK(moment.whole() == "1994-11-06T08:49:37Z");
    CHECK(moment.day() == "1994-11-06");
    CHECK(moment.minute() == "08:49");
    CHECK_FALSE(moment.is_empty());
    CHECK(utc_text(0).whole() == "1970-01-01T00:00:00Z");
    CHECK(utc_text(-1).whole() == "1969-12-31T23:59:59Z");
    CHECK(utc_text(253'402'300'799).whole() == "9999-12-31T23:59:59Z");
    CHECK(utc_text(-62'135'596'800).whole() == "0001-01-01T00:00:00Z");
}

TEST_CASE("listing text: a moment behind any other is what it is by itself") {
    std::mt19937_64 random(7);
    utc_text kept;
    std::int64_t seconds = 0;
    for (int i = 0; i < 20'000; ++i) {
        // Mostly of the same day or the next, at times anywhere, without four digits, too.
        seconds = i % 50 == 0
                      ? static_cast<std::int64_t>(random() % 400'000'000'000) - 80'000'000'000
                      : seconds + static_cast<std::int64_t>(random() % 86'400) - 43'200;
        kept.set(seconds);
        const utc_text fresh(seconds);
        REQUIRE(kept.is_empty() == fresh.is_empty());
        REQUIRE(kept.whole() == fresh.whole());
        if (fresh.is_empty()) {
            continue;
        }
        const auto time = to_calendar(seconds);
        REQUIRE(kept.whole() == fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", time.year,
                                            time.month, time.day, time.hour, time.minute,
                                            time.second));
    }
}

// RFC 3339 section 5.6: date-fullyear has four digits.
TEST_CASE("listing text: a year without four digits is nothing") {
    for (const std::int64_t seconds :
         {std::int64_t{253'402'300'800}, std::int64_t{-62'135'596'801}, INT64_MAX, INT64_MIN}) {
        CHECK(utc_text(seconds).is_empty());
        CHECK(utc_text(seconds).whole().empty());
        CHECK(utc_text(seconds).day().empty());
    }
}
