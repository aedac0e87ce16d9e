#include "http/index_json.hpp"

#include <doctest/doctest.h>

#include <string>

#include "listed_entry.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::listed_entry;

TEST_CASE("index json: an array of objects, a line each (RFC 8259)") {
    std::string out;
    utc_text time;
    append_json_begin(out);
    append_json_row(out, listed_entry("sub", vfs::file_kind::directory, 4'096), time, true);
    append_json_row(out, listed_entry("a \"b\".txt", vfs::file_kind::regular, 5'000'000'000), time,
                    false);
    append_json_end(out);
    CHECK(out ==
          "[\n"
          R"({"name":"sub","type":"directory","modified":"1994-11-06T08:49:37Z","href":"./sub/"})"
          ",\n"
          R"({"name":"a \"b\".txt","type":"file","size":5000000000,)"
          R"("modified":"1994-11-06T08:49:37Z","href":"./a%20%22b%22.txt"})"
          "\n]\n");
    std::string empty;
    append_json_begin(empty);
    append_json_end(empty);
    CHECK(empty == "[\n\n]\n");
}

TEST_CASE("index json: a name that is not UTF-8 is whole in its reference (threats.md, V11)") {
    std::string out;
    utc_text time;
    append_json_row(out, listed_entry("a\xff\n", vfs::file_kind::regular), time, true);
    CHECK(out.find("\"name\":\"a\xEF\xBF\xBD\\u000a\"") != std::string::npos);
    CHECK(out.find("\"href\":\"./a%FF%0A\"") != std::string::npos);
}

TEST_CASE("index json: a year that RFC 3339 cannot say is left out") {
    std::string out;
    utc_text time;
    append_json_row(out, listed_entry("a", vfs::file_kind::regular, 1, 253'402'300'800), time,
                    true);
    CHECK(out == R"({"name":"a","type":"file","size":1,"href":"./a"})");
}
