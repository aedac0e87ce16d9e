#include "ferry/base/base64.hpp"

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <string_view>

using namespace ferry;

namespace {

std::string encoded(std::string_view octets) {
    std::string out;
    append_base64(out, std::as_bytes(std::span(octets)));
    return out;
}

}  // namespace

TEST_CASE("base64: the vectors of RFC 4648 section 10") {
    CHECK(encoded("") == "");
    CHECK(encoded("f") == "Zg==");
    CHECK(encoded("fo") == "Zm8=");
    CHECK(encoded("foo") == "Zm9v");
    CHECK(encoded("foob") == "Zm9vYg==");
    CHECK(encoded("fooba") == "Zm9vYmE=");
    CHECK(encoded("foobar") == "Zm9vYmFy");
    CHECK(encoded("\xff\xef\xbe") == "/+++");
}

TEST_CASE("base64: what was encoded is decoded, and nothing else (RFC 4648 sections 3.2 to 3.5)") {
    for (const std::string_view each :
         {"", "f", "fo", "foo", "foob", "ann:secret", "\xff\xef\xbe"}) {
        CHECK(decode_base64(encoded(each)) == std::string(each));
    }
    CHECK(decode_base64(encoded(std::string(1, '\0'))) == std::string(1, '\0'));
    for (const std::string_view each : {"Zg=", "Zg", "Z===", "====", "=", "Zg==Zg==", "Zm8=Zm8=",
                                        "Zm9v\n", "Zm 9", "Zm-_", "Zh==", "Zm9=", "Zg=a", "Z=g="}) {
        CAPTURE(each);
        CHECK_FALSE(decode_base64(each).has_value());
    }
}
