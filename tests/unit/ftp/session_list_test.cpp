#include "ferry/ftp/session_list.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

using ferry::ftp::session_activity;
using ferry::ftp::session_list;
using ferry::ftp::shared_count;

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

TEST_CASE("session_activity: a transfer, its name and its octets, until it is over") {
    session_activity doing;
    CHECK(doing.look().verb.empty());
    shared_count moved(doing.begin("XSHA256"));
    CHECK(doing.look().verb == "XSHA256");
    CHECK(doing.look().name.empty());
    doing.set_name("/a name/of 24 characters");
    moved += 5;
    moved += 7;
    CHECK(doing.look().name == "/a name/of 24 characters");
    CHECK(doing.look().octets == 12);
    doing.set_name("/b");
    CHECK(doing.look().name == "/b");
    const auto over = ferry::runtime::time_point(std::chrono::seconds(9));
    doing.rest(over);
    CHECK(doing.look().verb.empty());
    CHECK(doing.look().since == over);
    static_cast<void>(doing.begin("RETR"));
    CHECK(doing.look().name.empty());
    CHECK(doing.look().octets == 0);
}

TEST_CASE("session_activity: of a long name the end is kept, in whole characters") {
    session_activity doing;
    static_cast<void>(doing.begin("RETR"));
    std::string name;
    for (int i = 0; i < 100; ++i) {
        name += "\xC3\xBC";
    }
    doing.set_name(name + "x");
    const auto seen = doing.look().name;
    CHECK(seen.size() == 127);
    CHECK(name.ends_with(seen.substr(0, seen.size() - 1)));
    CHECK(seen.starts_with("\xC3"));
}

TEST_CASE("shared_count: counts where nobody looks, too") {
    shared_count moved(nullptr);
    moved += 3;
    moved.of_others() += 4;
    CHECK(moved.value() == 7);
}

// Goal: who looks from another thread never sees half of one name and half of another.
TEST_CASE("session_activity: what is seen was once so") {
    session_activity doing;
    std::atomic<bool> is_over = false;
    std::thread writer([&] {
        const std::string names[] = {std::string(100, 'a'), std::string(90, 'b')};
        for (int i = 0; i < 20'000; ++i) {
            static_cast<void>(doing.begin("RETR"));
            doing.set_name(names[i % 2]);
        }
        is_over = true;
    });
    int torn = 0;
    while (!is_over) {
        const auto seen = doing.look().name;
        const bool is_whole =
            seen.empty() || seen == std::string(100, 'a') || seen == std::string(90, 'b');
        torn += is_whole ? 0 : 1;
    }
    writer.join();
    CHECK(torn == 0);
}
