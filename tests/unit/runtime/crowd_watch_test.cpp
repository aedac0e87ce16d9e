#include "ferry/runtime/crowd_watch.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <deque>
#include <functional>

#include "../net/virtual_clock.hpp"
#include "ferry/runtime/wait.hpp"

using namespace ferry;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// What the allocator has been told so often.
struct advised {
    int that_much_is_freed = 0;
    int that_much_was_freed = 0;
};
advised told;

constexpr memory_advice listening_allocator{
    .much_is_freed = []() noexcept { ++told.that_much_is_freed; },
    .much_was_freed = []() noexcept { ++told.that_much_was_freed; }};

/// Where three fewer within a second are a crowd that ends.
struct watched_core {
    net_test::virtual_core machine;
    crowd_watch watch{machine.here, listening_allocator, {.crowd = 3}};
    std::deque<crowd_watch::member> all;

    watched_core() { told = {}; }

    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
    }
    void begin(int members) {
        for (int member = 0; member < members; ++member) {
            all.emplace_back(watch);
        }
    }
    void end(int members) {
        for (int member = 0; member < members; ++member) {
            all.pop_front();
        }
    }
    task<> pass(duration how_long) {
        static_cast<void>(co_await sleep_until(machine.here, machine.here.now() + how_long));
    }
};

}  // namespace

TEST_CASE("crowd_watch: the allocator hears when a crowd begins to end and when it has ended") {
    watched_core on;
    on.run([](nursery&, watched_core& my) -> task<> {
        my.begin(20);
        CHECK(my.watch.members() == 20);
        co_await my.pass(5s);
        my.end(2);
        CHECK(told.that_much_is_freed == 0);
        my.end(1);
        CHECK(told.that_much_is_freed == 1);
        co_await my.pass(900ms);
        my.end(3);  // It goes on.
        co_await my.pass(900ms);
        CHECK(told.that_much_was_freed == 0);
        co_await my.pass(300ms);
        CHECK(told.that_much_was_freed == 1);
        my.end(3);
        CHECK(told.that_much_is_freed == 2);
    });
    CHECK(told.that_much_is_freed == 2);
}

TEST_CASE("crowd_watch: what ends one by one is no crowd") {
    watched_core on;
    on.run([](nursery&, watched_core& my) -> task<> {
        my.begin(20);
        for (int turn = 0; turn < 15; ++turn) {
            my.end(1);
            co_await my.pass(600ms);
        }
    });
    CHECK(told.that_much_is_freed == 0);
}

TEST_CASE("crowd_watch: one crowd after another") {
    watched_core on;
    on.run([](nursery&, watched_core& my) -> task<> {
        for (int turn = 1; turn < 5; ++turn) {
            my.begin(10);
            co_await my.pass(2s);
            my.end(10);
            CHECK(told.that_much_is_freed == turn);
            co_await my.pass(2s);
            CHECK(told.that_much_was_freed == turn);
        }
    });
}

TEST_CASE("crowd_watch: a crowd ends with the watch") {
    {
        watched_core on;
        on.run([](nursery&, watched_core& my) -> task<> {
            my.begin(4);
            my.end(4);
            co_return;
        });
        CHECK(told.that_much_was_freed == 0);
    }
    CHECK(told.that_much_is_freed == 1);
    CHECK(told.that_much_was_freed == 1);
}
