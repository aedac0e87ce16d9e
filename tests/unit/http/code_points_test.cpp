#include "http/code_points.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace ferry::http;

TEST_CASE("code points: UTF-8 in its shortest form only (RFC 3629 section 4)") {
    CHECK(decode_first_code_point("\xC3\xBCx").value == 0xFC);
    CHECK(decode_first_code_point("\xC3\xBCx").size_bytes == 2);
    CHECK(decode_first_code_point("\xE2\x82\xAC").value == 0x20AC);
    CHECK(decode_first_code_point("\xF0\x9F\x9A\xA2").value == 0x1F6A2);
    for (const std::string_view bad : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80",
                                       "\xF4\x90\x80\x80", "\xFF", "\xC3("}) {
        CHECK(decode_first_code_point(bad).size_bytes == 0);
        CHECK_FALSE(is_utf8(bad));
    }
}

TEST_CASE("code points: a text is UTF-8 or not") {
    CHECK(is_utf8(""));
    CHECK(is_utf8("plain\x01"));
    CHECK(is_utf8("sm\xC3\xB6rg\xC3\xA5s"));
    CHECK_FALSE(is_utf8("latin-\xe9\xe8"));
    CHECK_FALSE(is_utf8("good \xC3\xB6 and then \xC3"));
}

TEST_CASE("code points: what deceives (threats.md, V11)") {
    CHECK(is_deceptive(0x9B));
    CHECK(is_deceptive(0x202E));
    CHECK(is_deceptive(0x2066));
    CHECK(is_deceptive(0xFEFF));
    CHECK_FALSE(is_deceptive(0x20AC));
    CHECK_FALSE(is_deceptive(0xA0));
}
