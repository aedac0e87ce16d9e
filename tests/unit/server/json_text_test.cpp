#include "server/json_text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ferry/base/ascii.hpp"
#include "ferry/base/random.hpp"

using namespace ferry;
using namespace std::literals;

namespace {

std::string json_of(std::string_view text) {
    std::string out;
    server::append_json_text(out, text);
    return out;
}

int take_hex(std::string_view& text, std::size_t digits) {
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        const int digit = text.empty() ? -1 : ascii::hex_value(text.front());
        REQUIRE(digit >= 0);
        value = value * 16 + digit;
        text.remove_prefix(1);
    }
    return value;
}

/// What a reader of JSON makes of the inside of a string, as UTF-8 (RFC 8259 section 7). Fails on
/// what is no such inside.
std::string parsed(std::string_view json) {
    std::string out;
    while (!json.empty()) {
        const auto octet = static_cast<unsigned char>(json.front());
        REQUIRE(octet >= 0x20);
        REQUIRE(octet != '"');
        json.remove_prefix(1);
        if (octet != '\\') {
            out += static_cast<char>(octet);
            continue;
        }
        REQUIRE(!json.empty());
        const char what = json.front();
        json.remove_prefix(1);
        if (what != 'u') {
            REQUIRE((what == '"' || what == '\\'));
            out += what;
            continue;
        }
        const int code = take_hex(json, 4);
        REQUIRE(code < 0xA0);
        if (code >= 0x80) {
            out += '\xC2';
        }
        out += static_cast<char>(code);
    }
    return out;
}

/// The octets that were logged: what README.md tells readers of the log to do.
std::string restored(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c == '\\') {
            REQUIRE(text.starts_with('x'));
            text.remove_prefix(1);
            out += static_cast<char>(take_hex(text, 2));
        } else {
            out += c;
        }
    }
    return out;
}

/// RFC 3629 section 4, by decoding.
bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto lead = static_cast<unsigned char>(text.front());
        const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (lead >= 0xF8 || (lead >= 0x80 && lead < 0xC0) || text.size() < bytes) {
            return false;
        }
        unsigned code = bytes == 1 ? lead : lead & (0xFFU >> (bytes + 1));
        for (std::size_t i = 1; i < bytes; ++i) {
            const auto tail = static_cast<unsigned char>(text[i]);
            if ((tail & 0xC0U) != 0x80U) {
                return false;
            }
            code = code << 6U | (tail & 0x3FU);
        }
        static constexpr unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
        if (code < least[bytes] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
            return false;
        }
        text.remove_prefix(bytes);
    }
    return true;
}

}  // namespace

TEST_CASE("json text: what is plain stays, what is not has its one form (RFC 8259 section 7)") {
    struct row {
        std::string_view text;
        std::string_view json;
    };
    static constexpr row rows[] = {
        {"", ""},
        {"GET /a%20b?c=d", "GET /a%20b?c=d"},
        {"say \"hi\"", R"(say \"hi\")"},
        {"\r\n\t\0\x1b\x7f"sv, R"(\u000d\u000a\u0009\u0000\u001b\u007f)"},
        {"C:\\x", R"(C:\\x5cx)"},
        {"\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80", "\xC3\xBC \xE2\x82\xAC \xF0\x9F\x98\x80"},
        {"\xC2\x9B\x31m", R"(\u009b1m)"},  // CSI, for a terminal that takes C1.
        {"\xC2\xA0", "\xC2\xA0"},
        {"\xFF\xFE\x80", R"(\\xff\\xfe\\x80)"},
        {"\xC3", R"(\\xc3)"},  // Cut off.
        {"\xC3\"", R"(\\xc3\")"},
        {"\xE2\x82", R"(\\xe2\\x82)"},
        {"\xC0\xAF", R"(\\xc0\\xaf)"},  // Overlong.
        {"\xE0\x9F\xBF", R"(\\xe0\\x9f\\xbf)"},
        {"\xF0\x8F\xBF\xBF", R"(\\xf0\\x8f\\xbf\\xbf)"},
        {"\xED\xA0\x80", R"(\\xed\\xa0\\x80)"},  // A surrogate.
        {"\xF4\x90\x80\x80", R"(\\xf4\\x90\\x80\\x80)"},
        {"\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.json);
        CHECK(json_of(each.text) == each.json);
    }
}

// threats.md, H7. Goal: valid UTF-8, one line and no loss, whatever the octets. Method: octets with
// a leaning to the edges of UTF-8, read back by the rules of RFC 8259 and of the log.
TEST_CASE("json text: whatever octets come, valid, one line and without loss") {
    static constexpr auto edges =
        "\x00\x1f\"\\x\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xdf\xe0\xed"
        "\xef\xf0\xf4\xf5\xff"sv;
    ferry::random rng(7);
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (auto left = rng.below(12); left > 0; --left) {
            text += rng.below(4) == 0 ? static_cast<char>(rng.below(256))
                                      : edges[rng.below(edges.size())];
        }
        const auto json = json_of(text);
        CAPTURE(json);
        REQUIRE(is_utf8(json));
        REQUIRE(json.size() <= 6 * text.size());
        const auto read = parsed(json);
        REQUIRE(is_utf8(read));
        REQUIRE(restored(read) == text);
    }
}
