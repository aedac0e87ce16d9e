#include "http/field_name.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ferry/base/ascii.hpp"

using namespace ferry;
using namespace ferry::http;

TEST_CASE("field names: every row is found in any case (RFC 9110 section 5.1)") {
    for (std::size_t i = 0; i < known_fields; ++i) {
        const auto which = static_cast<field>(i);
        std::string lower;
        std::string upper;
        for (const char c : name_of(which)) {
            lower += ascii::to_lower(c);
            upper += ascii::to_upper(c);
        }
        CAPTURE(lower);
        CHECK(classify_field(name_of(which)) == which);
        CHECK(classify_field(lower) == which);
        CHECK(classify_field(upper) == which);
        CHECK(classify_field(lower + "x") == field::other);
        CHECK(classify_field(lower.substr(1)) == field::other);
    }
}

TEST_CASE("field names: a name without a row is other") {
    CHECK(classify_field("") == field::other);
    CHECK(classify_field("X") == field::other);
    CHECK(classify_field("Hosf") == field::other);
    CHECK(classify_field(std::string(70'000, 'a')) == field::other);
}
