#include "ftp/time.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "ferry/base/random.hpp"

using namespace ferry;
using ftp::time_precision;

namespace {

std::string time_val(const wall_time& when, time_precision precision = time_precision::seconds) {
    std::string out = "=";
    ftp::append_time_val(out, when, precision);
    return out.substr(1);
}

}  // namespace

TEST_CASE("time: a time-val is YYYYMMDDHHMMSS with an optional fraction (RFC 3659 section 2.3)") {
    struct row {
        const char* text;
        wall_time when;
    };
    static constexpr row rows[] = {
        {"19700101000000", {0, 0}},
        {"19691231235959", {-1, 0}},
        {"20000229120000", {951'825'600, 0}},
        {"20380119031408", {2'147'483'648, 0}},
        {"00000101000000", {-62'167'219'200, 0}},
        {"99991231235959", {253'402'300'799, 0}},
        {"19980705132316.000", {899'644'996, 0}},
        {"19980705132316.123", {899'644'996, 123'000'000}},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        const auto parsed = ftp::parse_time_val(each.text);
        REQUIRE(parsed);
        CHECK(*parsed == each.when);
        const bool exact = std::string_view(each.text).contains('.');
        CHECK(time_val(each.when, exact ? time_precision::milliseconds : time_precision::seconds) ==
              each.text);
    }
}

TEST_CASE("time: any number of digits may make the fraction (RFC 3659 section 2.3)") {
    CHECK(ftp::parse_time_val("19980705132316.5")->nanoseconds == 500'000'000);
    CHECK(ftp::parse_time_val("19980705132316.000000001")->nanoseconds == 1);
    CHECK(ftp::parse_time_val("19980705132316.9999999999999")->nanoseconds == 999'999'999);
    CHECK(time_val({899'644'996, 999'999'999}, time_precision::milliseconds) ==
          "19980705132316.999");
}

TEST_CASE("time: a leap second is taken as second 59") {
    CHECK(ftp::parse_time_val("20161231235960")->seconds ==
          ftp::parse_time_val("20161231235959")->seconds);
}

TEST_CASE("time: what is no moment is refused (RFC 3659 section 2.3, threats.md V14)") {
    static constexpr const char* rows[] = {
        "",
        "9999",
        "2026112308150",
        "202611230815001",
        "20261323081500",
        "20260023081500",
        "20260230081500",
        "20250229081500",
        "20261100081500",
        "20261123241500",
        "20261123086000",
        "20261123081561",
        "2026112308150a",
        "-0261123081500",
        "+2026112308150",
        " 20261123081500",
        "20261123081500 ",
        "20261123081500.",
        "20261123081500.1x",
        "20261123081500.-1",
        "20261123081500.1.1",
        "20261123081500,1",
    };
    for (const auto* each : rows) {
        CAPTURE(each);
        const auto parsed = ftp::parse_time_val(each);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() == errc::invalid);
    }
}

TEST_CASE("time: moments that four digits cannot hold print as the nearest that they can") {
    CHECK(time_val({std::numeric_limits<std::int64_t>::max(), 0}) == "99991231235959");
    CHECK(time_val({std::numeric_limits<std::int64_t>::min(), 0}) == "00000101000000");
}

TEST_CASE("time: what is printed reads back") {
    for (std::uint64_t seed = 1; seed <= 5'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const wall_time when{
            .seconds = static_cast<std::int64_t>(chance.below(315'569'520'000)) - 62'167'219'200,
            .nanoseconds = static_cast<std::uint32_t>(chance.below(1'000)) * 1'000'000};
        REQUIRE(ftp::parse_time_val(time_val(when, time_precision::milliseconds)) == when);
    }
}
