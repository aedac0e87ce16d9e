#include "ferry/auth/rights.hpp"

#include <doctest/doctest.h>

#include <vector>

#include <string_view>

using namespace ferry::auth;

TEST_CASE("permissions: the longest path that leads to a name decides") {
    const auto some =
        permissions::parse("read-only,/in=list+create,/in/box=write,/private=none,/a%2Cb=all");
    REQUIRE(some);
    CHECK(some->at("/") == rights::read_only());
    CHECK(some->at("/x") == rights::read_only());
    CHECK(some->at("/in") == rights{right::list, right::create});
    CHECK(some->at("/in/x") == rights{right::list, right::create});
    CHECK(some->at("/in/box") == rights{right::create, right::replace});
    CHECK(some->at("/in/box/x/y") == rights{right::create, right::replace});
    CHECK(some->at("/in/boxes") == rights{right::list, right::create});
    CHECK(some->at("/inbox") == rights::read_only());
    CHECK(some->at("/private") == rights{});
    CHECK(some->at("/private/x") == rights{});
    CHECK(some->at("/a,b") == rights::all());
}

TEST_CASE("permissions: a name in a directory is as its path") {
    const auto some = permissions::parse("read-only,/in=list,/in/box=write,/x=none").value();
    const auto same = [&some](const char* directory, const char* name) {
        const std::string whole =
            std::string(directory) + (directory == std::string("/") ? "" : "/") + name;
        CAPTURE(whole);
        CHECK(some.at(directory, name) == some.at(whole));
    };
    for (const char* directory : {"/", "/in", "/in/box", "/x", "/i", "/in/bo"}) {
        for (const char* name : {"in", "box", "x", "n/box", "boxes", ""}) {
            same(directory, name);
        }
    }
}

TEST_CASE("permissions: text and back") {
    for (const char* text : {"none", "all", "read-only", "list", "create", "write", "write+delete",
                             "read-only+write+mkdir", "none,/a=all", "all,/a/b=none,/a=read-only",
                             "all,/a%2C%3A%25%3D=none"}) {
        CAPTURE(text);
        const auto parsed = permissions::parse(text);
        REQUIRE(parsed);
        CHECK(parsed->text() == text);
    }
    CHECK(permissions::parse("/=all,//a//b/=none").value() ==
          permissions::parse("all,/a/b=none").value());
    // Words that others hold already.
    CHECK(permissions::parse("list+read").value().text() == "read-only");
}

TEST_CASE("permissions: what is no text of them") {
    for (const char* wrong :
         {"", "lis", "list+", "+list", "all,", ",all", "all,all", "all,/=none", "in=list",
          "/a=list,/a/=read", "/a", "/a=", "/../a=all", "/a%2=all", "/a%zz=all", "/%00=all"}) {
        CAPTURE(wrong);
        CHECK_FALSE(permissions::parse(wrong));
    }
}

TEST_CASE("permissions: who says twice what holds everywhere is told how to say it once") {
    for (const char* wrong : {"all,admin", "/=admin,all"}) {
        CAPTURE(wrong);
        const auto parsed = permissions::parse(wrong);
        REQUIRE_FALSE(parsed);
        CHECK(parsed.error() ==
              "what holds everywhere is said twice; + joins permissions: all+admin");
    }
}

TEST_CASE("permissions: whether a right is anywhere, and whether rules lie below") {
    const auto some = permissions::parse("read-only,/in/box=create,/x=none").value();
    CHECK(some.has_anywhere({right::create}));
    CHECK(some.has_anywhere({right::list}));
    CHECK_FALSE(some.has_anywhere({right::remove}));
    CHECK(some.has_anywhere({right::remove, right::create}));
    CHECK_FALSE(some.has_anywhere({}));
    CHECK(some.has_rules_below("/"));
    CHECK(some.has_rules_below("/in"));
    CHECK_FALSE(some.has_rules_below("/in/box"));
    CHECK_FALSE(some.has_rules_below("/i"));
    CHECK_FALSE(some.has_rules_below("/x"));
}

TEST_CASE("permissions: the paths that have rules, the longest first") {
    CHECK(permissions(rights::all()).paths().empty());
    const auto some = permissions::parse("all,/a=none,/a/b=list,/incoming=create").value();
    CHECK(some.paths() == std::vector<std::string_view>{"/incoming", "/a/b", "/a"});
}
