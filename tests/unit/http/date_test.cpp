#include "http/date.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>

using namespace ferry;
using http::format_date;
using http::parse_date;

namespace {
constexpr std::int64_t example = 784'111'777;     // Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::int64_t now_2026 = 1'795'437'296;  // Mon, 23 Nov 2026 12:34:56 GMT
}  // namespace

TEST_CASE("date: IMF-fixdate is written (RFC 9110 section 5.6.7)") {
    CHECK(format_date(example).view() == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(format_date(0).view() == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(format_date(-1).view() == "Wed, 31 Dec 1969 23:59:59 GMT");
    CHECK(format_date(951'782'400).view() == "Tue, 29 Feb 2000 00:00:00 GMT");
    CHECK(format_date(4'107'542'400).view() == "Mon, 01 Mar 2100 00:00:00 GMT");
}

TEST_CASE("date: a moment outside four digits of year becomes the nearest inside") {
    CHECK(format_date(std::numeric_limits<std::int64_t>::max()).view() ==
          "Fri, 31 Dec 9999 23:59:59 GMT");
    CHECK(format_date(std::numeric_limits<std::int64_t>::min()).view() ==
          "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST_CASE("date: all three forms are read (RFC 9110 section 5.6.7)") {
    CHECK(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now_2026) == example);
    CHECK(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now_2026) == example);
    CHECK(parse_date("Sun Nov  6 08:49:37 1994", now_2026) == example);
    CHECK(parse_date("Sun Nov 06 08:49:37 1994", now_2026) == example);
    CHECK(parse_date("Wed Nov 16 08:49:37 1994", now_2026) == example + 10 * 86'400);
    // A wrong day of the week says nothing against the date.
    CHECK(parse_date("Mon, 06 Nov 1994 08:49:37 GMT", now_2026) == example);
    // A leap second is legal on input.
    CHECK(parse_date("Sat, 31 Dec 2016 23:59:60 GMT", now_2026) == 1'483'228'799);
}

TEST_CASE("date: writing and reading are inverse") {
    for (std::int64_t at = -62'000'000'000; at < 253'000'000'000; at += 1'234'567'891) {
        CAPTURE(at);
        CHECK(parse_date(format_date(at).view(), now_2026) == at);
    }
}

TEST_CASE("date: two digits of year are at most 50 years ahead (RFC 9110 section 5.6.7)") {
    const auto year_of = [](const char* text, std::int64_t now) {
        const auto at = parse_date(text, now);
        REQUIRE(at);
        return std::string(format_date(*at).view().substr(12, 4));
    };
    CHECK(year_of("Friday, 01-Jan-26 00:00:00 GMT", now_2026) == "2026");
    CHECK(year_of("Friday, 01-Jan-27 00:00:00 GMT", now_2026) == "2027");
    CHECK(year_of("Friday, 23-Nov-76 12:34:56 GMT", now_2026) == "2076");
    CHECK(year_of("Friday, 23-Nov-76 12:34:57 GMT", now_2026) == "1976");
    CHECK(year_of("Friday, 01-Jan-77 00:00:00 GMT", now_2026) == "1977");
    CHECK(year_of("Friday, 01-Jan-99 00:00:00 GMT", now_2026) == "1999");
    CHECK(year_of("Friday, 01-Jan-01 00:00:00 GMT", 4'090'000'000) == "2101");  // Asked in 2099.
}

TEST_CASE("date: what is none is errc::invalid") {
    for (const auto* text : {"",
                             "Sun",
                             "0",
                             "784111777",
                             "sun, 06 nov 1994 08:49:37 gmt",
                             "Sun, 06 Nov 1994 08:49:37",
                             "Sun, 06 Nov 1994 08:49:37 UTC",
                             "Sun, 06 Nov 1994 08:49:37 GMT ",
                             " Sun, 06 Nov 1994 08:49:37 GMT",
                             "Sun, 6 Nov 1994 08:49:37 GMT",
                             "Sun, 06 Nov 94 08:49:37 GMT",
                             "Sun, 06 Nov 1994 8:49:37 GMT",
                             "Sun, 06 Nov 1994 08:49 GMT",
                             "Sun, 06 Nov 1994 24:00:00 GMT",
                             "Sun, 06 Nov 1994 08:60:00 GMT",
                             "Sun, 06 Nov 1994 08:49:61 GMT",
                             "Sun, 00 Nov 1994 08:49:37 GMT",
                             "Sun, 31 Nov 1994 08:49:37 GMT",
                             "Wed, 29 Feb 2100 00:00:00 GMT",
                             "Sun, 06 Foo 1994 08:49:37 GMT",
                             "Xxx, 06 Nov 1994 08:49:37 GMT",
                             "Sun, -6 Nov 1994 08:49:37 GMT",
                             "Sun, 06-Nov-94 08:49:37 GMT",
                             "Sunday, 06-Nov-1994 08:49:37 GMT",
                             "Sunday, 06 Nov 1994 08:49:37 GMT",
                             "Someday, 06-Nov-94 08:49:37 GMT",
                             "Sun Nov  6 08:49:37 1994 GMT",
                             "Sun Nov 6 08:49:37 1994",
                             "Sun, 06 Nov 1994 08:49:37 GMT\n"}) {
        CAPTURE(text);
        CHECK(parse_date(text, now_2026) == failure(errc::invalid));
    }
}

TEST_CASE("date: the cache changes with the second") {
    http::date_cache cache;
    CHECK(cache.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(cache.text(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
    CHECK(cache.text(1) == "Thu, 01 Jan 1970 00:00:01 GMT");
    CHECK(cache.text(-5) == "Wed, 31 Dec 1969 23:59:55 GMT");
}
