#include "sim/agenda.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace ferry;
using namespace std::chrono_literals;

namespace {

constexpr runtime::time_point start{1h};

}  // namespace

TEST_CASE("agenda: moments in their order, equal ones as they were noted") {
    sim::agenda events(start);
    std::string order;
    events.after(2ms, [&] { order += 'c'; });
    events.after(1ms, [&] {
        order += 'a';
        events.after(0ms, [&] { order += 'b'; });
    });
    events.after(2ms, [&] { order += 'd'; });
    while (events.step()) {}
    CHECK(order == "abcd");
    CHECK(events.now() == start + 2ms);
}

TEST_CASE("agenda: time goes no further than it is told, and never back") {
    sim::agenda events(start);
    bool happened = false;
    events.after(5ms, [&] { happened = true; });
    CHECK_FALSE(events.step(start + 3ms));
    CHECK(events.now() == start + 3ms);
    CHECK_FALSE(happened);
    events.at(start, [] {});  // Past: it happens now.
    CHECK(events.step());
    CHECK(events.now() == start + 3ms);
    events.jump(10ms);
    CHECK(events.step());
    CHECK(happened);
    CHECK(events.now() == start + 13ms);  // It was late.
    CHECK_FALSE(events.step());
}
