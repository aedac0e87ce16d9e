#include "http/content_range.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace ferry::http;

TEST_CASE("Content-Range: a part of a whole, known or not (RFC 9110 section 14.4)") {
    const auto known = parse_content_range("bytes 500-999/1234");
    REQUIRE(known.has_value());
    CHECK(known->octets.offset == 500);
    CHECK(known->octets.size_bytes == 500);
    CHECK(known->whole_size_bytes == 1'234);
    const auto unknown = parse_content_range("Bytes 0-0/*");
    REQUIRE(unknown.has_value());
    CHECK(unknown->octets.size_bytes == 1);
    CHECK_FALSE(unknown->whole_size_bytes.has_value());
    CHECK(parse_content_range("bytes 0-9223372036854775806/9223372036854775807").has_value());
}

TEST_CASE("Content-Range: anything else is none (section 14.4: such a PUT is 400)") {
    for (const std::string_view each : {"",
                                        "bytes",
                                        "bytes ",
                                        "bytes */1234",
                                        "bytes 5-4/10",
                                        "bytes 0-10/10",
                                        "bytes 0-9/9",
                                        "bytes -5/10",
                                        "bytes 5-/10",
                                        "bytes 0-4",
                                        "bytes 0-4/",
                                        "bytes 0-4/x",
                                        "bytes 0-4/5 ",
                                        "bytes=0-4/5",
                                        "bytes  0-4/5",
                                        "octets 0-4/5",
                                        "bytes 0 - 4/5",
                                        "bytes +0-4/5",
                                        "bytes 0-9223372036854775808/*",
                                        "bytes 0-18446744073709551615/*",
                                        "bytes 0-4/**"}) {
        CAPTURE(each);
        CHECK_FALSE(parse_content_range(each).has_value());
    }
}
