#include "ferry/ftp/session_list.hpp"

#include <doctest/doctest.h>

#include <optional>

using ferry::ftp::session_list;

TEST_CASE("session_list: those that are there, the oldest first, each until it ends") {
    session_list list;
    auto first = std::optional(list.add({.account = "ann", .address = "192.0.2.1"}));
    auto second = list.add({.account = "bob", .address = "192.0.2.2", .is_secure = true});
    const auto third = list.add({.account = "cat", .address = "192.0.2.3"});
    auto seen = list.look(2);
    REQUIRE(seen.first.size() == 2);
    CHECK(seen.all == 3);
    CHECK(seen.first.front().account == "ann");
    CHECK(seen.first.back().is_secure);
    first.reset();
    second = {};
    seen = list.look(2);
    REQUIRE(seen.first.size() == 1);
    CHECK(seen.first.front().account == "cat");
    session_list::entry moved = list.add({.account = "dan"});
    const session_list::entry taken(std::move(moved));
    CHECK(list.look(9).all == 2);
}
