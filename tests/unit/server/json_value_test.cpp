#include "server/json_value.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using ferry::server::json_value;

TEST_CASE("json_value: each kind of value is read as what it is (RFC 8259 section 3)") {
    const auto read = json_value::parse(
        R"( {"a": [1, -2.5e1, true, false, null], "b": {"c": "d"}, "a": 7, "": ""} )");
    REQUIRE(read);
    const auto& items = (*read)["a"].items();
    REQUIRE(items.size() == 5);
    CHECK(items[0].number() == 1);
    CHECK(items[1].number() == -25);
    CHECK(items[2].is_true());
    CHECK_FALSE(items[3].is_true());
    CHECK(items[4].number() == 0);
    CHECK((*read)["b"]["c"].text() == "d");
    CHECK(read->members().size() == 4);
}

TEST_CASE("json_value: what is not there is empty, however far one asks") {
    const auto read = json_value::parse("[]");
    REQUIRE(read);
    CHECK((*read)["a"]["b"].text().empty());
    CHECK((*read)["a"].items().empty());
    CHECK((*read)["a"].number() == 0);
    CHECK_FALSE((*read)["a"].is_true());
}

TEST_CASE("json_value: escapes are the characters that they stand for (RFC 8259 section 7)") {
    struct row {
        std::string_view written;
        std::string_view meant;
    };
    static const row rows[] = {
        {R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
        {R"("\u0041\u00e4\u20ac")", "A\u00e4\u20ac"},
        {R"("\ud83d\ude00")", "\U0001f600"},
        {"\"\xc3\xa4\"", "\u00e4"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.written);
        const auto read = json_value::parse(each.written);
        REQUIRE(read);
        CHECK(read->text() == each.meant);
    }
}

TEST_CASE("json_value: what is no JSON is refused") {
    for (const std::string_view bad :
         {"",       " ",       "{",         "[",           "[1",          "[1,]",
          "[,1]",   "{\"a\"}", "{\"a\":}",  "{\"a\":1,}",  "{a:1}",       "\"",
          "\"\\",   "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
          "\"\n\"", "01",      "1.",        ".5",          "+1",          "1e",
          "-",      "0x1",     "nul",       "truely",      "1 2",         "NaN"}) {
        CAPTURE(bad);
        CHECK_FALSE(json_value::parse(bad));
    }
}

TEST_CASE("json_value: nesting has a limit") {
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    CHECK(json_value::parse(nested(json_value::depth_max)));
    CHECK_FALSE(json_value::parse(nested(json_value::depth_max + 1)));
    CHECK_FALSE(json_value::parse(nested(100'000)));
}
