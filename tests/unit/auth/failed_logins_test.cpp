#include "ferry/auth/failed_logins.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace ferry;
using namespace ferry::auth;
using namespace std::chrono_literals;

namespace {

constexpr runtime::time_point start{1'000s};
constexpr origin here{.prefix = 1};
constexpr origin elsewhere{.prefix = 2};

}  // namespace

// threats.md, F10.
TEST_CASE("failed_logins: the delay doubles up to its limit, for that address only") {
    failed_logins failures({.delay_max = 10s});
    auto now = start;
    for (const auto delay : {1s, 2s, 4s, 8s, 10s, 10s}) {
        CHECK(failures.is_heard(here, now));
        CHECK(failures.judge(here, now, false) == now + delay);
        CHECK(failures.judge(elsewhere, now, true) == now);
        now += delay;
    }
    CHECK(failures.judge({.prefix = 1, .is_v6 = true}, now, false) == now + 1s);
}

TEST_CASE("failed_logins: connections side by side wait for each other, the right ones too") {
    failed_logins failures({.delay_max = 10s});
    CHECK(failures.judge(here, start, false) == start + 1s);
    CHECK(failures.judge(here, start, false) == start + 3s);
    CHECK(failures.judge(here, start, false) == start + 7s);
    CHECK(failures.is_heard(here, start));
    CHECK(failures.judge(here, start, false) == start + 15s);
    CHECK_FALSE(failures.is_heard(here, start));
    CHECK_FALSE(failures.judge(here, start, false));  // Compared before the others were judged.
    CHECK_FALSE(failures.judge(here, start, true));   // Whoever it is.
    CHECK(failures.is_heard(here, start + 5s));
    CHECK(failures.judge(here, start + 5s, true) == start + 15s);
}

TEST_CASE("failed_logins: a right password begins anew, behind what was put off before") {
    failed_logins failures({});
    CHECK(failures.judge(here, start, false) == start + 1s);
    CHECK(failures.judge(here, start + 1s, false) == start + 3s);
    CHECK(failures.judge(here, start + 2s, true) == start + 3s);
    CHECK(failures.judge(here, start + 2s, false) == start + 4s);
    CHECK(failures.judge(here, start + 10s, true) == start + 10s);
    CHECK(failures.judge(here, start + 11s, true) == start + 11s);
    CHECK(failures.size() == 0);
}

TEST_CASE("failed_logins: an address is forgotten in time") {
    failed_logins failures({.delay_max = 30s, .memory = 60s});
    CHECK(failures.judge(here, start, false) == start + 1s);
    CHECK(failures.judge(here, start + 59s, false) == start + 61s);
    CHECK(failures.judge(here, start + 119s, false) == start + 120s);
}

TEST_CASE("failed_logins: with a limit of 0 nobody waits") {
    failed_logins failures({.delay_max = 0s});
    for (int i = 0; i < 10; ++i) {
        CHECK(failures.is_heard(here, start));
        CHECK(failures.judge(here, start, false) == start);
    }
    CHECK(failures.size() == 0);
}

// Whoever has many addresses gets rid of their own first.
TEST_CASE(
    "failed_logins: no more addresses than it may remember, those with failures the longest") {
    failed_logins failures({.origins_max = 4});
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(failures.judge(here, start, false));
    }
    for (std::uint64_t i = 10; i < 1'000; ++i) {
        CHECK(failures.judge({.prefix = i, .is_v6 = true}, start, false) == start + 1s);
        CHECK(failures.size() <= 4);
    }
    CHECK(failures.judge(here, start, false) == start + 15s);
    CHECK(failures.judge({.prefix = 999, .is_v6 = true}, start, false) == start + 3s);
    CHECK(failures.judge({.prefix = 10, .is_v6 = true}, start, false) == start + 1s);
}

// Else each failure of somebody with a large network has all logins wait for a pass over the table.
TEST_CASE("failed_logins: room is made for many at once") {
    failed_logins failures({.origins_max = 160});
    for (std::uint64_t i = 0; i < 160; ++i) {
        static_cast<void>(failures.judge({.prefix = i}, start, false));
        if (i % 2 == 0) {
            static_cast<void>(failures.judge({.prefix = i}, start, false));
        }
    }
    CHECK(failures.size() == 160);
    static_cast<void>(failures.judge({.prefix = 1'000}, start, false));
    CHECK(failures.size() == 151);
    for (std::uint64_t i = 0; i < 160; i += 2) {  // Those with more failures are all there.
        CHECK(failures.judge({.prefix = i}, start, false) == start + 7s);
    }
}

TEST_CASE("failed_logins: from several threads each answer has its own moment") {
    failed_logins failures({.delay_max = 1h});
    std::atomic<int> heard = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&failures, &heard] {
                for (int n = 0; n < 50; ++n) {
                    heard += failures.judge(here, start, false).has_value() ? 1 : 0;
                }
            });
        }
    }
    // 1 + 2 + ... + 2048 seconds is more than an hour: whoever comes behind that is not heard.
    CHECK(heard == 12);
}
