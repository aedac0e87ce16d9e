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
