#include "http/structured_fields.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace ferry::http;

namespace {

std::string read_items(std::string_view value) {
    const auto item = read_item(value);
    return item ? std::to_string(static_cast<int>(item->kind)) + " " + std::string(item->text)
                : "malformed";
}

std::vector<std::string> members(std::string_view value) {
    std::vector<std::string> all;
    dictionary_reader from(value);
    while (const auto each = from.next()) {
        all.push_back(std::string(each->key) + "=" + std::string(each->value.text));
    }
    if (from.is_malformed()) {
        all.emplace_back("malformed");
    }
    return all;
}

}  // namespace

TEST_CASE("structured fields: items of every kind (RFC 9651 section 4.2.3)") {
    CHECK(read_items("1") == "0 1");
    CHECK(read_items("  -15  ") == "0 -15");
    CHECK(read_items("999999999999999") == "0 999999999999999");
    CHECK(read_items("1.25") == "1 1.25");
    CHECK(read_items(R"("a \"b\" \\")") == R"(2 a \"b\" \\)");
    CHECK(read_items("a/b:c*") == "3 a/b:c*");
    CHECK(read_items(":YQ==:") == "4 YQ==");
    CHECK(read_items("?0") == "5 ?0");
    CHECK(read_items("@1659578233") == "6 1659578233");
    CHECK(read_items(R"(%"a%c3%bc")") == "7 a%c3%bc");
    CHECK(read_items(R"(?1;a;b=2; c="x";*d=?0)") == "5 ?1");
}

TEST_CASE("structured fields: what is malformed is nothing (section 4.2)") {
    for (const char* value : {"",
                              " ",
                              "1000000000000000",
                              "1.",
                              ".5",
                              "1.2345",
                              "1000000000000.1",
                              "-",
                              "--1",
                              "1 2",
                              "1,2",
                              "?2",
                              "?",
                              "true?",
                              R"("a)",
                              R"("\a")",
                              "\"\x7f\"",
                              ":a",
                              ":a b:",
                              "?1;",
                              "?1;A=1",
                              "?1;a=",
                              "?1 ;a",
                              "@1.5",
                              "@",
                              R"(%a%)",
                              R"(%"%C3")",
                              R"(%"%c")",
                              "(1)",
                              "=1",
                              "{}"}) {
        CAPTURE(value);
        CHECK(read_items(value) == "malformed");
    }
}

TEST_CASE("structured fields: dictionaries (section 4.2.2)") {
    using strings = std::vector<std::string>;
    CHECK(members("") == strings{});
    CHECK(members("a=1, b;x=2,\tc=(1 \"2\";q=3);y , *d.e-f_1=:YQ==:") ==
          strings{"a=1", "b=?1", "c=(1 \"2\";q=3);y", "*d.e-f_1=YQ=="});
    CHECK(members("a=1,a=2") == strings{"a=1", "a=2"});
    CHECK(members("a=()") == strings{"a=()"});
    for (const char* value :
         {"A=1", "a=1,", "a=1 b=2", ",a", "a=", "a=(1", "a=(1,2)", "a==1", "a=1;", "a b", "1=a"}) {
        CAPTURE(value);
        CHECK(members(value).back() == "malformed");
    }
}
