#include "ferry/vfs/replacements.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

using namespace ferry;
using namespace std::chrono_literals;
using vfs::replacement;
using vfs::replacement_table;

namespace {

vfs::entry_key file(std::string name, std::uint64_t directory = 2) {
    return {.device = 1, .directory = directory, .name = std::move(name)};
}

constexpr runtime::time_point first_time{};

void cut_off(replacement_table& table, const vfs::entry_key& name, std::string account,
             runtime::time_point now) {
    table.begin(name, std::move(account), now).was_cut_off(now);
}

}  // namespace

// threats.md, V12: the old beginning is never joined to the new rest.
TEST_CASE("replacements: from the beginning to the end of one") {
    replacement_table table({.memory = 1h});
    CHECK_FALSE(table.has_any());
    CHECK(table.state_of(file("f"), "ann", first_time) == replacement::none);
    auto attempt = table.begin(file("f"), "ann", first_time);
    CHECK(attempt);
    CHECK(table.has_any());
    CHECK(table.state_of(file("f"), "ann", first_time + 2h) == replacement::under_way);
    CHECK(table.state_of(file("f"), "bob", first_time) == replacement::none);
    CHECK(table.state_of(file("f", 3), "ann", first_time) == replacement::none);
    CHECK(table.state_of(file("g"), "ann", first_time) == replacement::none);
    SUBCASE("whole") {
        attempt.is_whole();
        CHECK(table.state_of(file("f"), "ann", first_time) == replacement::none);
    }
    SUBCASE("it never began") {
        { const auto dropped = std::move(attempt); }
        CHECK(table.state_of(file("f"), "ann", first_time) == replacement::none);
    }
    SUBCASE("cut off, and a whole one behind it") {
        attempt.was_cut_off(first_time + 5h);
        CHECK(table.state_of(file("f"), "ann", first_time + 6h - 1s) == replacement::cut_off);
        auto again = table.begin(file("f"), "ann", first_time + 5h);
        CHECK(table.state_of(file("f"), "ann", first_time + 5h) == replacement::cut_off);
        again.is_whole();
        CHECK(table.state_of(file("f"), "ann", first_time + 5h) == replacement::none);
    }
    SUBCASE("cut off, and its time is over") {
        attempt.was_cut_off(first_time + 5h);
        CHECK(table.state_of(file("f"), "ann", first_time + 6h) == replacement::none);
    }
    CHECK_FALSE(table.has_any());
}

TEST_CASE("replacements: two at once, and one of them is cut off") {
    replacement_table table({.memory = 1h});
    auto one = table.begin(file("f"), "ann", first_time);
    auto other = table.begin(file("f"), "ann", first_time);
    one.was_cut_off(first_time);
    CHECK(table.state_of(file("f"), "ann", first_time) == replacement::cut_off);
    CHECK(table.state_of(file("f"), "ann", first_time + 1h) == replacement::under_way);
    SUBCASE("the other is whole: what went before it is over") {
        other.is_whole();
        CHECK_FALSE(table.has_any());
    }
    SUBCASE("so is the other") {
        other.was_cut_off(first_time + 2h);
        CHECK(table.state_of(file("f"), "ann", first_time + 2h) == replacement::cut_off);
        CHECK(table.size() == 1);
    }
    SUBCASE("the other never began") {
        { const auto dropped = std::move(other); }
        CHECK_FALSE(table.has_any());  // It was over, as was looked at above.
    }
}

TEST_CASE("replacements: a name that was removed or renamed is forgotten for all") {
    replacement_table table({.memory = 1h});
    cut_off(table, file("f"), "ann", first_time);
    cut_off(table, file("f"), "bob", first_time);
    cut_off(table, file("e"), "ann", first_time);
    cut_off(table, file("g"), "ann", first_time);
    auto going_on = table.begin(file("f"), "eve", first_time);
    table.forget(file("f"));
    CHECK(table.state_of(file("f"), "ann", first_time) == replacement::none);
    CHECK(table.state_of(file("f"), "bob", first_time) == replacement::none);
    CHECK(table.state_of(file("f"), "eve", first_time) == replacement::under_way);
    CHECK(table.state_of(file("e"), "ann", first_time) == replacement::cut_off);
    CHECK(table.state_of(file("g"), "ann", first_time) == replacement::cut_off);
    going_on.was_cut_off(first_time);
    CHECK(table.state_of(file("f"), "eve", first_time) == replacement::cut_off);
    CHECK(table.size() == 3);
}

// Style rule 8: every table has a limit. Beyond it nothing is believed of who needs the most.
TEST_CASE("replacements: too many are not to be believed") {
    replacement_table table({.memory = 1h, .names_max = 10});
    cut_off(table, file("kept"), "bob", first_time);
    for (int i = 0; i < 9; ++i) {
        cut_off(table, file(fmt::format("{}", i)), "ann", first_time + 10min);
    }
    CHECK(table.size() == 10);
    auto under_way = table.begin(file("held"), "ann", first_time + 20min);
    CHECK(table.size() == 2);
    CHECK(table.state_of(file("kept"), "bob", first_time + 20min) == replacement::cut_off);
    CHECK(table.state_of(file("other"), "bob", first_time + 20min) == replacement::none);
    for (const char* name : {"0", "8", "never seen"}) {
        CHECK(table.state_of(file(name), "ann", first_time + 80min - 1s) == replacement::forgotten);
    }
    CHECK(table.state_of(file("held"), "ann", first_time + 79min) == replacement::under_way);
    under_way.is_whole();
    CHECK(table.state_of(file("0"), "ann", first_time + 80min) == replacement::none);
    CHECK(table.has_any());
}

TEST_CASE("replacements: what is over makes room first") {
    replacement_table table({.memory = 1h, .names_max = 10});
    for (int i = 0; i < 9; ++i) {
        cut_off(table, file(fmt::format("{}", i)), "ann", first_time);
    }
    cut_off(table, file("late"), "ann", first_time + 30min);
    cut_off(table, file("new"), "ann", first_time + 1h);
    CHECK(table.size() == 2);
    CHECK(table.state_of(file("late"), "ann", first_time + 1h) == replacement::cut_off);
    CHECK(table.state_of(file("0"), "ann", first_time + 1h) == replacement::none);
}
