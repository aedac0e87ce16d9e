#include "ferry/runtime/permits.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"

using namespace ferry;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// A core on the real ring, with permits to share.
struct scene {
    offload_pool pool{1};
    std::unique_ptr<reactor> io = make_uring_reactor({.receive_buffers = 16}, pool).value();
    core here{0, *io, ferry::random(1)};
    stop_scope stop;
    permits places{here, 2};
    std::size_t at_once = 0;
    std::size_t most_at_once = 0;
    std::vector<int> order;

    template <class Body>
    void run(Body body) {
        run_core(here, stop, body, std::ref(*this));
    }
};

task<> work(scene& on, int number, duration how_long) {
    auto place = co_await on.places.take(never);
    REQUIRE(place);
    on.order.push_back(number);
    on.most_at_once = std::max(on.most_at_once, ++on.at_once);
    static_cast<void>(co_await sleep_until(on.here, on.here.now() + how_long));
    --on.at_once;
}

task<> note_end(scene& on, stop_scope& scope, time_point deadline, result<void>& end) {
    end = {};
    auto place = co_await on.places.take(deadline).in_scope(scope);
    if (!place) {
        end = failure(place.error());
    }
}

}  // namespace

TEST_CASE("permits: no more at once than there are, in the order they came") {
    scene on;
    on.run([](nursery& tasks, scene& my) -> task<> {
        for (int number = 0; number < 20; ++number) {
            tasks.start(work, std::ref(my), number, duration(number % 3 * 1ms));
        }
        co_return;
    });
    CHECK(on.most_at_once == 2);
    CHECK(on.order.size() == 20);
    CHECK(std::ranges::is_sorted(on.order));
}

TEST_CASE("permits: a deadline or a stop ends the wait, and nobody's permit is lost") {
    scene on;
    on.run([](nursery& tasks, scene& my) -> task<> {
        auto first = my.places.try_take();
        auto second = my.places.try_take();
        REQUIRE(first);
        REQUIRE(second);
        CHECK_FALSE(my.places.try_take());
        stop_scope never_stopped(&co_await current_scope());
        stop_scope stopped(&co_await current_scope());
        result<void> late;
        result<void> ended;
        result<void> served = failure(errc::io);
        tasks.start(note_end, std::ref(my), std::ref(never_stopped), my.here.now() + 5ms,
                    std::ref(late));
        tasks.start(note_end, std::ref(my), std::ref(stopped), never, std::ref(ended));
        tasks.start(note_end, std::ref(my), std::ref(never_stopped), never, std::ref(served));
        static_cast<void>(co_await sleep_until(my.here, my.here.now() + 10ms));
        stopped.request_stop();
        co_await my.here.yield();
        co_await my.here.yield();
        CHECK(late == failure(errc::timed_out));
        CHECK(ended == failure(errc::cancelled));
        first->give_back();
        co_await my.here.yield();
        co_await my.here.yield();
        CHECK(served);
        second->give_back();
        // Both are there again.
        auto third = my.places.try_take();
        auto fourth = my.places.try_take();
        CHECK(third);
        CHECK(fourth);
    });
}

TEST_CASE("permits: a deadline that has passed is not waited for, but a free permit is taken") {
    scene on;
    on.run([](nursery&, scene& my) -> task<> {
        auto first = co_await my.places.take(my.here.now());
        CHECK(first);
        auto second = co_await my.places.take(my.here.now() - 1s);
        CHECK(second);
        const auto third = co_await my.places.take(my.here.now());
        CHECK(third.error() == errc::timed_out);
        // Moving one moves the duty, giving back twice gives back once.
        auto moved = std::move(*first);
        first->give_back();
        CHECK_FALSE(my.places.try_take());
        moved = std::move(*second);  // The first goes back.
        CHECK(my.places.try_take());
        moved.give_back();
        moved.give_back();
        auto one = my.places.try_take();
        auto two = my.places.try_take();
        CHECK(one);
        CHECK(two);
        CHECK_FALSE(my.places.try_take());
    });
}

TEST_CASE("permits: of none nobody gets one") {
    scene on;
    on.run([](nursery&, scene& my) -> task<> {
        permits none(my.here, 0);
        CHECK_FALSE(none.try_take());
        const auto late = co_await none.take(my.here.now() + 2ms);
        CHECK(late.error() == errc::timed_out);
    });
}

namespace {

task<> give_back_at(scene& on, time_point when, permits::permit& held) {
    static_cast<void>(co_await sleep_until(on.here, when));
    held.give_back();
}

}  // namespace

// Goal: the same of a deadline. Method: a timer of the same moment gives a permit back, once before
// and once after the one that waits has been told that it is too late.
TEST_CASE("permits: given and too late in one turn") {
    for (const bool gives_first : {false, true}) {
        CAPTURE(gives_first);
        scene on;
        run_core(
            on.here, on.stop,
            [](nursery& tasks, scene& my, bool gives) -> task<> {
                auto first = my.places.try_take();
                auto second = my.places.try_take();
                stop_scope unstopped(&co_await current_scope());
                const auto when = my.here.now() + 5ms;
                result<void> end;
                if (gives) {
                    tasks.start(give_back_at, std::ref(my), when, std::ref(*first));
                }
                tasks.start(note_end, std::ref(my), std::ref(unstopped), when, std::ref(end));
                if (!gives) {
                    tasks.start(give_back_at, std::ref(my), when, std::ref(*first));
                }
                static_cast<void>(co_await sleep_until(my.here, when + 5ms));
                CHECK(end.has_value() == gives);
                second->give_back();
                auto third = my.places.try_take();
                auto fourth = my.places.try_take();
                CHECK(third);
                CHECK(fourth);
            },
            std::ref(on), gives_first);
    }
}

// Goal: a permit handed over in the turn of a stop belongs to whoever waited, who gives it back.
TEST_CASE("permits: given and stopped in one turn") {
    for (const bool stop_first : {false, true}) {
        CAPTURE(stop_first);
        scene on;
        run_core(
            on.here, on.stop,
            [](nursery& tasks, scene& my, bool stops_first) -> task<> {
                auto first = my.places.try_take();
                auto second = my.places.try_take();
                stop_scope stopped(&co_await current_scope());
                result<void> end;
                tasks.start(note_end, std::ref(my), std::ref(stopped), never, std::ref(end));
                if (stops_first) {
                    stopped.request_stop();
                    first->give_back();
                } else {
                    first->give_back();
                    stopped.request_stop();
                }
                co_await my.here.yield();
                co_await my.here.yield();
                CHECK(end);
                second->give_back();
                auto third = my.places.try_take();
                auto fourth = my.places.try_take();
                CHECK(third);
                CHECK(fourth);
            },
            std::ref(on), stop_first);
    }
}
