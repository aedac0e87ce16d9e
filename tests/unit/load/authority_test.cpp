#include "load/authority.hpp"

#include <doctest/doctest.h>

using namespace ferry::load;

TEST_CASE("authority: names and addresses, with a port or without one") {
    for (const auto* text : {"h", "h:80", "127.0.0.1:80", "[::1]:80", "[::1]"}) {
        CAPTURE(text);
        const auto read = parse_authority(text, 80);
        REQUIRE(read);
        CHECK(read->port == 80);
        CHECK(!read->host.contains('['));
    }
    CHECK(parse_authority("[::1]:8080", 80)->show() == "[::1]:8080");
    CHECK(parse_authority("h", 80)->show() == "h:80");
}

TEST_CASE("authority: no host and no port that could be one") {
    for (const auto* text : {"", ":80", "[]:80", "[::1", "h:", "h:0", "h:65536", "h:x", "h\n:80"}) {
        CAPTURE(text);
        CHECK(!parse_authority(text, 80));
    }
}
