#include "ferry/http/media_types.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include <unistd.h>

using namespace ferry;
using http::media_types;

namespace {

constexpr std::string_view unknown_type = "application/octet-stream";

}  // namespace

TEST_CASE("media types: the extension decides, whatever its case") {
    const auto types = media_types::built_in();
    CHECK(types.of("index.html") == "text/html; charset=utf-8");
    CHECK(types.of("INDEX.HTML") == "text/html; charset=utf-8");
    CHECK(types.of("a.b.js") == "text/javascript; charset=utf-8");
    CHECK(types.of("photo.JPeG") == "image/jpeg");
    CHECK(types.of("x.json") == "application/json");
    CHECK(types.of("x.svg") == "image/svg+xml");
    CHECK(types.of("x.tar.gz") == "application/gzip");
    CHECK(types.of("x.wasm") == "application/wasm");
}

TEST_CASE("media types: without a known extension it is octets (RFC 9110 section 8.3)") {
    const auto types = media_types::built_in();
    for (const auto* name : {"", "README", ".html", "a.", "a.unknown-thing", "html", ".", "..",
                             "a.html ", "a.ht\xc3\xbc"}) {
        CAPTURE(std::string(name));
        CHECK(types.of(name) == unknown_type);
    }
    CHECK(types.of("a." + std::string(10'000, 'x')) == unknown_type);
    CHECK(types.of(std::string("a.htm\0l", 7)) == unknown_type);
}

TEST_CASE("media types: the notation of mime.types") {
    const auto types = media_types::parse(
        "# a comment\n"
        "text/x-test\t\tTst  tst2 # not an extension\n"
        "application/first both\n"
        "application/second both\n"
        "application/no-extension\n"
        "not-a-type ext\n"
        "bad/ty(pe ext2\n"
        "/ ext3\n"
        "bad/type\x01 ext4\n"
        "application/x-crlf crlf\r\n"
        "\n   \n"
        "application/override html\n"
        "application/x-last last");
    CHECK(types.of("a.tst") == "text/x-test; charset=utf-8");
    CHECK(types.of("a.TST2") == "text/x-test; charset=utf-8");
    CHECK(types.of("a.extension") == unknown_type);
    CHECK(types.of("a.both") == "application/first");
    CHECK(types.of("a.ext") == unknown_type);
    CHECK(types.of("a.ext2") == unknown_type);
    CHECK(types.of("a.ext3") == unknown_type);
    CHECK(types.of("a.ext4") == unknown_type);
    CHECK(types.of("a.crlf") == "application/x-crlf");
    CHECK(types.of("a.last") == "application/x-last");
    // The file comes first; the built-in rows fill what it lacks.
    CHECK(types.of("a.html") == "application/override");
    CHECK(types.of("a.css") == "text/css; charset=utf-8");
}

TEST_CASE("media types: a file is read, a missing one is said to be missing") {
    CHECK(media_types::read("/nonexistent/mime.types").error() == errc::not_found);
    CHECK_FALSE(media_types::read("/").has_value());
    CHECK(media_types::load("/nonexistent/mime.types")->of("a.html") == "text/html; charset=utf-8");

    char name[] = "/tmp/ferry-media-types-XXXXXX";
    const int fd = ::mkstemp(name);
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream(name) << "text/x-one one\n";
    const auto types = media_types::read(name);
    std::remove(name);
    REQUIRE(types);
    CHECK(types->of("a.one") == "text/x-one; charset=utf-8");
    CHECK(types->size() > 50);
}

TEST_CASE("media types: the system's file agrees with the web") {
    const auto types = media_types::read(http::media_types_file);
    if (!types) {
        MESSAGE("no ", http::media_types_file, " here");
        return;
    }
    CHECK(types->size() > 500);
    CHECK(types->of("a.html") == "text/html; charset=utf-8");
    CHECK(types->of("a.css") == "text/css; charset=utf-8");
    CHECK(types->of("a.js") == "text/javascript; charset=utf-8");
    CHECK(types->of("a.png") == "image/png");
    CHECK(types->of("a.json") == "application/json");
    CHECK(types->of("a.woff2") == "font/woff2");
    CHECK(types->of("a.map") == "application/json");
}
