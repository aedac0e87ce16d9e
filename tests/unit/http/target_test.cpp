#include "http/target.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ferry/base/ascii.hpp"

using namespace ferry;
using http::append_encoded_path;
using http::decode_target;
using http::directory_location;
using namespace std::string_literals;

namespace {

std::string encoded(std::string_view octets) {
    std::string out;
    append_encoded_path(out, octets);
    return out;
}

}  // namespace

TEST_CASE("target: percent-encoding is decoded once (RFC 3986 section 2.4), rows D01 to D13") {
    struct row {
        std::string id;
        std::string target;
        std::string name;
    };
    for (const auto& each : {
             row{"plain", "/hello.txt", "/hello.txt"},
             row{"root", "/", "/"},
             row{"D01", "/%68ello.txt", "/hello.txt"},
             row{"D02 upper", "/hello%2Etxt", "/hello.txt"},
             row{"D02 lower", "/hello%2etxt", "/hello.txt"},
             row{"D03", "/./hello.txt", "/hello.txt"},
             row{"D04", "/dir/../hello.txt", "/hello.txt"},
             row{"D05", "/dir/%2e%2e/hello.txt", "/hello.txt"},
             row{"D05 mixed", "/dir/.%2E/.%2e/%2e./hello.txt", "/hello.txt"},
             row{"above the root", "/../../%2e%2e/etc/passwd", "/etc/passwd"},
             row{"D12", "/%2568ello.txt", "/%68ello.txt"},
             row{"D13", "/pct%2541.txt", "/pct%41.txt"},
             row{"space and plus", "/a%20b+c", "/a b+c"},
             row{"UTF-8", "/%C3%BCn%c3%af.txt", "/\xc3\xbcn\xc3\xaf.txt"},
             row{"not UTF-8", "/%ff%FE", "/\xff\xfe"},
             row{"D09 overlong slash is no slash", "/dir%c0%afindex.html",
                 "/dir\xc0\xafindex.html"},
             row{"parameters are part of the name", "/a;b=c/d", "/a;b=c/d"},
             row{"doubled slashes", "//etc//passwd", "/etc/passwd"},
             row{"newline in a name (threats.md, V11)", "/a%0d%0aX:%20y", "/a\r\nX: y"},
             row{"query marks encoded", "/a%3Fb%23c", "/a?b#c"},
         }) {
        CAPTURE(each.id);
        const auto name = decode_target(each.target);
        REQUIRE(name);
        CHECK(name->text() == each.name);
    }
    CHECK(decode_target("/dir/")->wants_directory());
    CHECK(decode_target("/dir/%2e")->wants_directory());
    CHECK_FALSE(decode_target("/dir")->wants_directory());
}

TEST_CASE("target: what must not be a name is refused, rows D07 to D10, D19, D20") {
    for (const auto& bad : {"/hello.txt%00.html"s,
                            "/%00"s,
                            "/a\0b"s,
                            "/dir%2Findex.html"s,
                            "/dir%2findex.html"s,
                            "/..%2f..%2fetc"s,
                            "/dir\\index.html"s,
                            "/dir%5Cindex.html"s,
                            "/dir%5cindex.html"s,
                            "/..\\..\\x"s,
                            "/%"s,
                            "/%4"s,
                            "/a%zz"s,
                            "/a%4g"s,
                            "/a% 41"s,
                            "/a%+41"s,
                            "/a\x01"s,
                            "/a\x7f"s,
                            "/a\r\nb"s,
                            ""s,
                            "hello.txt"s,
                            "*"s,
                            "http://a/"s}) {
        CAPTURE(bad);
        const auto name = decode_target(bad);
        REQUIRE_FALSE(name);
        CHECK(name.error() == errc::invalid);
    }
    CHECK(decode_target("/" + std::string(5'000, 'b')).error() == errc::name_too_long);
    std::string deep;
    for (int i = 0; i < 2'100; ++i) {
        deep += "/a";
    }
    CHECK(decode_target(deep).error() == errc::name_too_long);
    CHECK(decode_target("/.ferry-upload").error() == errc::denied);
    CHECK(decode_target("/%2eferry-upload").error() == errc::denied);
}

TEST_CASE("target: encoding is the inverse of decoding for every octet a name may hold") {
    std::string name = "/";
    for (int c = 1; c < 256; ++c) {
        if (c != '/' && c != '\\') {
            name += static_cast<char>(c);
        }
        if (c % 100 == 0) {
            name += '/';
        }
    }
    const auto text = encoded(name);
    CHECK(std::ranges::none_of(text, ascii::is_control));
    CHECK(text.find_first_of("\"'<>& \\?#\x7f") == std::string::npos);
    CHECK(std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 128; }));
    CHECK(decode_target(text)->text() == name);

    CHECK(encoded("/a b/\xc3\xbc%") == "/a%20b/%C3%BC%25");
    CHECK(encoded("a-b._~!$()*,:=@") == "a-b._~!$()*,:=@");
}

TEST_CASE("target: a directory's location keeps the query (rows D23, D24)") {
    const auto location = [](std::string_view path, std::optional<std::string_view> query) {
        return directory_location(vfs::path::parse(path).value(), query);
    };
    CHECK(location("/dir", std::nullopt) == "/dir/");
    CHECK(location("/dir", "a=b&c") == "/dir/?a=b&c");
    CHECK(location("/dir", "") == "/dir/?");
    CHECK(location("/a b/c", "x=%20y") == "/a%20b/c/?x=%20y");
    CHECK(location("/", "q") == "/?q");
}

TEST_CASE(
    "target: a location never leads elsewhere nor splits a head (threats.md, H7; rows D26 to "
    "D28)") {
    // Another server's name would follow two slashes.
    CHECK(directory_location(decode_target("//evil.example/sub").value(), std::nullopt) ==
          "/evil.example/sub/");
    CHECK(directory_location(decode_target("/%2e/%2e%2e//evil.example").value(), std::nullopt) ==
          "/evil.example/");
    CHECK(directory_location(decode_target("/dir%0d%0aX-Injected:%201").value(), std::nullopt) ==
          "/dir%0D%0AX-Injected:%201/");
    CHECK(directory_location(vfs::path::parse("/dir").value(), "%0d%0aX: 1\r\n<\">\x80") ==
          "/dir/?%0d%0aX:%201%0D%0A%3C%22%3E%80");
}
