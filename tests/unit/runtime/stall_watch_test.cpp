#include "runtime/stall_watch.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

using namespace std::chrono_literals;
using ferry::runtime::describe_stalls;
using ferry::runtime::stall_watch;
using ferry::runtime::time_point;

namespace {

constexpr time_point start = time_point() + 1h;

}  // namespace

TEST_CASE("stall_watch: a turn of ten milliseconds is none") {
    std::uint64_t stalls = 0;
    stall_watch watch(start, stalls);
    watch.note(start, start);
    watch.note(start, start + 10ms);
    CHECK(stalls == 0);
    watch.note(start, start + 11ms);
    CHECK(stalls == 1);
    CHECK(watch.lines() == 0);
}

TEST_CASE("stall_watch: a second is told of at once, less once a minute") {
    std::uint64_t stalls = 0;
    stall_watch watch(start, stalls);
    watch.note(start + 1s, start + 2s);
    CHECK(watch.lines() == 1);
    for (int i = 0; i < 100; ++i) {
        watch.note(start + 3s, start + 3s + 999ms);
    }
    CHECK(watch.lines() == 1);
    watch.note(start + 62s, start + 62s + 11ms);
    CHECK(watch.lines() == 2);
    CHECK(stalls == 102);
    watch.note(start + 63s, start + 63s + 11ms);
    CHECK(watch.lines() == 2);
}

TEST_CASE("stall_watch: one stall and several in words") {
    CHECK(describe_stalls(1, 12ms) == "for 12 ms");
    CHECK(describe_stalls(3, 12ms) == "3 times for more than 10 ms, for 12 ms at most");
}
