#include "ferry/base/ascii.hpp"

#include <doctest/doctest.h>

using namespace ferry;

TEST_CASE("ascii: escaping keeps one record on one line") {
    std::string out;
    ascii::append_escaped(out, std::string_view("a\r\n\x1b[31m\"b\\\x7f", 12));
    CHECK(out == "a\\x0d\\x0a\\x1b[31m\\x22b\\x5c\\x7f");
}

TEST_CASE("ascii: comparison ignores the case of letters only") {
    CHECK(ascii::equal_ignoring_case("Content-LENGTH", "content-length"));
    CHECK_FALSE(ascii::equal_ignoring_case("a", "ab"));
    CHECK_FALSE(ascii::equal_ignoring_case("[", "{"));
}

TEST_CASE("ascii: trim strips SP and HTAB, not other space (RFC 9110 section 5.6.3)") {
    CHECK(ascii::trim(" \t x y\t ") == "x y");
    CHECK(ascii::trim("\r\n") == "\r\n");
    CHECK(ascii::trim("  ").empty());
}

TEST_CASE("ascii: token characters are those of RFC 9110 section 5.6.2") {
    for (const char c : std::string_view("!#$%&'*+-.^_`|~09azAZ")) {
        CHECK(ascii::is_token_char(c));
    }
    for (const char c : std::string_view("\"(),/:;<=>?@[\\]{} \t\x7f")) {
        CHECK_FALSE(ascii::is_token_char(c));
    }
    CHECK_FALSE(ascii::is_token_char('\0'));
}
