#include "vfs/directories_ahead.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using ferry::vfs::directories_ahead;

TEST_CASE("directories ahead: each is followed by those in it, the last come first") {
    directories_ahead ahead(4096);
    std::vector<std::string> walked;
    while (ahead.advance()) {
        walked.push_back(ahead.path());
        if (ahead.path() == ".") {
            CHECK(ahead.add("a"));
            CHECK(ahead.add("b"));
            CHECK(ahead.add("c"));
        } else if (ahead.path() == "./b") {
            CHECK(ahead.add("x"));
            CHECK(ahead.add("y"));
        } else if (ahead.path() == "./b/y") {
            CHECK(ahead.add("deep"));
        }
    }
    CHECK(walked ==
          std::vector<std::string>{".", "./c", "./b", "./b/y", "./b/y/deep", "./b/x", "./a"});
    CHECK_FALSE(ahead.advance());
}

TEST_CASE("directories ahead: what is remembered is bounded, and room comes back") {
    directories_ahead ahead(64);
    REQUIRE(ahead.advance());
    CHECK_FALSE(ahead.add(std::string(64, 'n')));
    CHECK(ahead.add(std::string(20, 'n')));
    CHECK(ahead.add(std::string(28, 'm')));
    CHECK_FALSE(ahead.add("o"));
    REQUIRE(ahead.advance());
    CHECK(ahead.path() == "./" + std::string(28, 'm'));
    CHECK(ahead.add("o"));
}

TEST_CASE("directories ahead: a path is bounded") {
    directories_ahead ahead(4096);
    REQUIRE(ahead.advance());
    const std::string name(255, 'n');
    std::size_t deep = 0;
    while (ahead.add(name)) {
        REQUIRE(ahead.advance());
        ++deep;
    }
    CHECK(deep == (directories_ahead::path_bytes_max - 1) / 256);
    CHECK(ahead.path().size() <= directories_ahead::path_bytes_max);
}
