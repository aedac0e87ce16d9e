#include "ferry/vfs/path.hpp"

#include <doctest/doctest.h>

#include <string>

#include "scratch.hpp"

using namespace ferry;
using vfs::path;
using vfs_test::at;

TEST_CASE("path: dot segments, doubled and trailing slashes normalise (RFC 3986 section 5.2.4)") {
    struct row {
        const char* text;
        const char* normal;
        bool wants_directory;
    };
    static constexpr row rows[] = {
        {"", "/", true},           {"/", "/", true},
        {"a", "/a", false},        {"/a/b", "/a/b", false},
        {"/a/b/", "/a/b", true},   {"//a///b", "/a/b", false},
        {"/a/./b", "/a/b", false}, {"/a/../b", "/b", false},
        {"/a/b/..", "/a", true},   {"/..", "/", true},
        {"/../../x", "/x", false}, {"/a/.", "/a", true},
        {"...", "/...", false},    {"/a/..b", "/a/..b", false},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        const auto parsed = path::parse(each.text);
        REQUIRE(parsed);
        CHECK(parsed->text() == each.normal);
        CHECK(parsed->wants_directory() == each.wants_directory);
    }
}

TEST_CASE("path: relative names resolve against the working directory") {
    const auto here = path::parse("/home/ann").value();
    CHECK(here.resolve("x")->text() == "/home/ann/x");
    CHECK(here.resolve("../bob")->text() == "/home/bob");
    CHECK(here.resolve("/x")->text() == "/x");
    CHECK(here.resolve("")->text() == "/home/ann");
    CHECK(here.resolve("../../../..")->is_root());
}

TEST_CASE("path: what may not be a name is refused") {
    CHECK(path::parse(std::string_view("/a\0b", 4)).error() == errc::invalid);
    CHECK(path::parse("/" + std::string(255, 'x')));
    CHECK(path::parse("/" + std::string(256, 'x')).error() == errc::name_too_long);
    std::string deep;
    for (int i = 0; i < 2'100; ++i) {
        deep += "/a";
    }
    CHECK(path::parse(deep).error() == errc::name_too_long);
    CHECK(path::parse("/dir/.ferry-upload-1").error() == errc::denied);
    CHECK(path::parse("/dir/.FERRY-Part-3-ann-x").error() == errc::denied);  // VFAT: the same name.
    CHECK(path::parse("/dir/.ferry"));
}

TEST_CASE("path: octets are kept exactly") {
    const std::string hostile = "/\xff\xfe \r\n\x1b%2e%2e\\..\\";
    CHECK(path::parse(hostile)->text() == hostile);
}

TEST_CASE("path: parent, name and containment") {
    const auto file = path::parse("/a/b/c").value();
    CHECK(file.name() == "c");
    CHECK(file.parent().text() == "/a/b");
    CHECK(path{}.parent().is_root());
    CHECK(path{}.name().empty());
    CHECK(file.is_within(path::parse("/a/b").value()));
    CHECK(file.is_within(path{}));
    CHECK_FALSE(file.is_within(path::parse("/a/bb").value()));
    CHECK_FALSE(path::parse("/a/bc")->is_within(path::parse("/a/b").value()));
    CHECK(std::string(file.relative()) == "a/b/c");
    CHECK(std::string(path{}.relative()) == ".");
}

TEST_CASE("path: as seen from a directory above it") {
    CHECK(at("/a/b/c/").seen_from(at("/a")).text() == "/b/c");
    CHECK(at("/a/b/c/").seen_from(at("/a")).wants_directory());
    CHECK_FALSE(at("/a/b/c").seen_from(at("/a/b")).wants_directory());
    CHECK(at("/a/b").seen_from(at("/a/b")).is_root());
    CHECK(at("/a/b").seen_from(at("/a/b")).wants_directory());
    CHECK(at("/a/b").seen_from(at("/")).text() == "/a/b");
    CHECK_FALSE(at("/a/b").seen_from(at("/")).wants_directory());
}

TEST_CASE("path: names that begin with a dot") {
    for (const auto* text : {"/.a", "/a/.b/c", "/a/.b", "/..."}) {
        CHECK(at(text).has_dot_name());
    }
    for (const auto* text : {"/", "/a.b/c.", "/a/./b", "/a/../b"}) {
        CHECK_FALSE(at(text).has_dot_name());
    }
}

TEST_CASE("path: what a symbolic link says to lead to another name") {
    const auto text = [](std::string_view link, std::string_view target) {
        return path::parse(link).value().link_text_to(path::parse(target).value());
    };
    CHECK(text("/link", "/file") == "file");
    CHECK(text("/link", "/d/file") == "d/file");
    CHECK(text("/d/link", "/d/file") == "file");
    CHECK(text("/d/link", "/file") == "../file");
    CHECK(text("/d/e/link", "/d/f/file") == "../f/file");
    CHECK(text("/d/e/link", "/de/file") == "../../de/file");
    CHECK(text("/de/link", "/d") == "../d");
    CHECK(text("/d/link", "/de") == "../de");
    CHECK(text("/d/e/link", "/d") == "..");
    CHECK(text("/d/e/link", "/d/e") == ".");
    CHECK(text("/d/e/link", "/") == "../..");
    CHECK(text("/link", "/") == ".");
    CHECK(text("/d/x", "/d/x/y") == "x/y");
}
