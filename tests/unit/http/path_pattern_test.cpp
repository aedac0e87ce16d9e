#include "http/path_pattern.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using ferry::http::path_pattern;

namespace {

/// What the '*' stands for, or "(no)".
std::string matched(std::string_view pattern, std::string_view path) {
    const auto read = path_pattern::parse(pattern);
    REQUIRE(read.has_value());
    return std::string(read->match(path).value_or("(no)"));
}

}  // namespace

TEST_CASE("path pattern: one without a * fits itself, as a directory too") {
    CHECK(matched("/old", "/old").empty());
    CHECK(matched("/old", "/old/").empty());
    CHECK(matched("/old", "/older") == "(no)");
    CHECK(matched("/old", "/ol") == "(no)");
    CHECK(matched("/old", "/old/x") == "(no)");
    CHECK(matched("/old/", "/old/").empty());
    CHECK(matched("/old/", "/old") == "(no)");
    CHECK(matched("/", "/").empty());
    CHECK(matched("/", "/x") == "(no)");
    CHECK(matched("/Old", "/old") == "(no)");
}

TEST_CASE("path pattern: a * stands for anything, slashes and nothing included") {
    CHECK(matched("/a/*", "/a/b/c") == "b/c");
    CHECK(matched("/a/*", "/a/").empty());
    CHECK(matched("/a/*", "/a") == "(no)");
    CHECK(matched("/a*", "/a/b") == "/b");
    CHECK(matched("*.css", "/x/y.css") == "/x/y");
    CHECK(matched("*.css", "/x/y.cssx") == "(no)");
    CHECK(matched("/img/*.png", "/img/a/b.png") == "a/b");
    CHECK(matched("*", "/anything") == "/anything");
    // What stands before and behind the * may not be the same octets.
    CHECK(matched("/aba*aba", "/aba") == "(no)");
    CHECK(matched("/ab*ba", "/aba") == "(no)");
    CHECK(matched("/ab*ba", "/abba").empty());
}

TEST_CASE("path pattern: what can fit nothing is refused, with what is wrong") {
    for (const auto* const text : {"", "a", "a/*", "/*/*", "**", "/a\n", "/a\\b", "/a?b=1", "/a#b",
                                   "/a//b", "//host", "/a/./b", "/a/..", "/../b", "\x7f/"}) {
        CAPTURE(text);
        CHECK_FALSE(path_pattern::parse(text).has_value());
    }
    CHECK(path_pattern::parse("x").error() == "\"x\" does not begin with / or *");
    CHECK(path_pattern::parse("/a\r\n*").error().find('\n') == std::string::npos);
    CHECK(path_pattern::parse("/" + std::string(path_pattern::bytes_max - 1, 'x')).has_value());
    CHECK_FALSE(path_pattern::parse("/" + std::string(path_pattern::bytes_max, 'x')).has_value());
}
