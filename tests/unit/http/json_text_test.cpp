#include "http/json_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using ferry::http::append_json_string;

namespace {

std::string json(std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
}

}  // namespace

TEST_CASE("json: strings are quoted and escaped (RFC 8259 section 7)") {
    CHECK(json("") == "\"\"");
    CHECK(json("plain & <text>") == "\"plain & <text>\"");
    CHECK(json("a\"b\\c") == R"("a\"b\\c")");
    CHECK(json("a\nb\tc\x7f") == R"("a\u000ab\u0009c\u007f")");
    CHECK(json(std::string_view("\0", 1)) == R"("\u0000")");
    CHECK(json("sm\xC3\xB6rg \xF0\x9F\x9A\xA2") == "\"sm\xC3\xB6rg \xF0\x9F\x9A\xA2\"");
}

TEST_CASE("json: what deceives is escaped, what is no UTF-8 replaced (threats.md, V11)") {
    CHECK(json("\xE2\x80\xAEgpj.exe") == R"("\u202egpj.exe")");
    CHECK(json("\xC2\x9B") == R"("\u009b")");
    CHECK(json("a\xff\xfe") == "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
    for (int c = 0; c < 0x20; ++c) {
        for (const char octet : json(std::string(1, static_cast<char>(c)))) {
            CHECK(static_cast<unsigned char>(octet) >= 0x20);
        }
    }
}
