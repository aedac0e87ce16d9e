#include "http/html.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using ferry::http::append_html;

namespace {

std::string html(std::string_view text) {
    std::string out;
    append_html(out, text);
    return out;
}

const std::string unknown = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

TEST_CASE("html: what has a meaning in markup becomes a reference") {
    CHECK(html("") == "");
    CHECK(html("plain text") == "plain text");
    CHECK(html("<script>alert(\"1\")</script>") ==
          "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
    CHECK(html("a&b'c") == "a&amp;b&#39;c");
}

TEST_CASE("html: control octets never come through (threats.md, V11)") {
    for (int c = 0; c < 0x20; ++c) {
        CAPTURE(c);
        CHECK(html("a" + std::string(1, static_cast<char>(c)) + "b") == "a" + unknown + "b");
    }
    CHECK(html("\x7f") == unknown);
    CHECK(html("\xC2\x9B") == unknown);  // U+009B, the C1 form of ESC [.
}

TEST_CASE("html: valid UTF-8 passes, each octet of the rest becomes U+FFFD (RFC 3629 section 4)") {
    for (const auto* good : {"\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x9A\xA2", "\xED\x9F\xBF",
                             "\xEE\x80\x80", "\xF4\x8F\xBF\xBF", "\xC2\xA0"}) {
        CHECK(html(good) == good);
    }
    CHECK(html("\xC3") == unknown);
    CHECK(html("\xC3(") == unknown + "(");
    CHECK(html("\x80") == unknown);
    CHECK(html("\xFF\xFE") == unknown + unknown);
    CHECK(html("\xC0\xAF") == unknown + unknown);                // Overlong.
    CHECK(html("\xE0\x80\xAF") == unknown + unknown + unknown);  // Overlong.
    CHECK(html("\xF0\x80\x80\xAF") == unknown + unknown + unknown + unknown);
    CHECK(html("\xED\xA0\x80") == unknown + unknown + unknown);  // A surrogate.
    CHECK(html("\xF4\x90\x80\x80") == unknown + unknown + unknown + unknown);
    CHECK(html("\xE2\x82") == unknown + unknown);
    CHECK(html("\xE2\x82<") == unknown + unknown + "&lt;");
}

TEST_CASE("html: what turns the direction of writing is replaced") {
    CHECK(html("\xE2\x80\xAE"
               "gpj.exe") == unknown + "gpj.exe");  // U+202E
    CHECK(html("\xE2\x81\xA6") == unknown);         // U+2066
    CHECK(html("\xE2\x80\xA8") == unknown);         // U+2028
}
