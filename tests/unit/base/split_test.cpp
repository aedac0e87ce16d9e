#include "ferry/base/split.hpp"

#include <doctest/doctest.h>

#include <string_view>
#include <vector>

using parts = std::vector<std::string_view>;

TEST_CASE("split: one part more than there are separators, empty ones too") {
    CHECK(ferry::split("", ':') == parts{""});
    CHECK(ferry::split("one", ':') == parts{"one"});
    CHECK(ferry::split("one:two", ':') == parts{"one", "two"});
    CHECK(ferry::split(":one::", ':') == parts{"", "one", "", ""});
    CHECK(ferry::split("one:two,three", ',') == parts{"one:two", "three"});
}
