#include "ferry/net/waiting_room.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "ferry/runtime/wait.hpp"
#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// What became of one who waited.
struct fate {
    bool has_left = false;
    bool went_on = false;
    std::string said;
    unique_fd socket;
};

class visitor final : public waiting_room::guest {
  public:
    visitor(fate& of, waiting_room::last_act at_last) noexcept : guest(at_last), fate_(of) {}
    ~visitor() override { fate_.has_left = true; }

  private:
    void go_on(unique_fd socket, std::string octets) override {
        fate_.went_on = true;
        fate_.said = std::move(octets);
        fate_.socket = std::move(socket);
    }

    fate& fate_;
};

struct waiting_scene {
    test_core machine;
    core& here = machine.here;
    stop_scope draining;
    waiting_room room{here, draining, 20ms};
    connection_ends ends = connect_ends();
    fate his;

    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
        CHECK(room.guests() == 0);
    }
    void take(nursery& home, duration how_long,
              waiting_room::last_act at_last = waiting_room::last_act::close) {
        room.take(home, std::make_unique<visitor>(his, at_last), std::move(ends.near),
                  here.now() + how_long);
    }
};

task<> until_left(waiting_scene& on) {
    while (!on.his.has_left) {
        co_await pause(on.here, 1ms);
    }
}

/// Whether the other end has been closed in order.
task<bool> is_closed(waiting_scene& on) {
    const auto end = co_await hear_all(on.here, on.ends.far.get());
    co_return end.how == ending::end_of_stream&& end.octets.empty();
}

}  // namespace

TEST_CASE("waiting_room: who is spoken to goes on with what was said") {
    waiting_scene on;
    on.run([](nursery& home, waiting_scene& my) -> task<> {
        my.take(home, 10s);
        CHECK(my.room.guests() == 1);
        CHECK(co_await say(my.here, my.ends.far.get(), "hello") == 5);
        co_await until_left(my);
        CHECK(my.his.went_on);
        CHECK(my.his.said == "hello");
        CHECK(co_await say(my.here, my.his.socket.get(), "again") == 5);
        const auto heard = co_await hear(my.here, my.ends.far.get(), 5);
        CHECK(heard.octets == "again");
    });
}

TEST_CASE("waiting_room: octets that are there already are said at once") {
    waiting_scene on;
    on.run([](nursery& home, waiting_scene& my) -> task<> {
        CHECK(co_await say(my.here, my.ends.far.get(), "first") == 5);
        my.take(home, 10s);
        co_await until_left(my);
        CHECK(my.his.said == "first");
    });
}

TEST_CASE("waiting_room: who waits too long is closed") {
    waiting_scene on;
    on.run([](nursery& home, waiting_scene& my) -> task<> {
        my.take(home, 10ms);
        co_await until_left(my);
        CHECK(!my.his.went_on);
        const bool closed = co_await is_closed(my);
        CHECK(closed);
    });
}

TEST_CASE("waiting_room: who ends or resets is closed") {
    for (const bool resets : {false, true}) {
        waiting_scene on;
        if (resets) {
            reset_on_close(on.ends.far.get());
        }
        on.run([](nursery& home, waiting_scene& my) -> task<> {
            my.take(home, 10s);
            my.ends.far.reset();
            co_await until_left(my);
            CHECK(!my.his.went_on);
        });
    }
}

TEST_CASE("waiting_room: a drain leaves who waits a moment to say something") {
    waiting_scene on;
    on.run([](nursery& home, waiting_scene& my) -> task<> {
        my.take(home, 1h);
        my.draining.request_stop();
        CHECK(!my.his.has_left);
        co_await until_left(my);
        CHECK(!my.his.went_on);
    });
    waiting_scene later;  // Who comes when it drains already has no longer.
    later.run([](nursery& home, waiting_scene& my) -> task<> {
        my.draining.request_stop();
        my.take(home, 1h);
        co_await until_left(my);
        CHECK(!my.his.went_on);
    });
}

TEST_CASE("waiting_room: who has a last word to hear goes on at his time's end and at a drain") {
    constexpr auto speaks = waiting_room::last_act::go_on;
    const auto goes_on = [](waiting_scene& on, auto body) {
        on.run(body);
        CHECK(on.his.went_on);
        CHECK(on.his.said.empty());
        CHECK(on.his.socket);
    };
    waiting_scene late;
    goes_on(late, [](nursery& home, waiting_scene& my) -> task<> {
        my.take(home, 10ms, speaks);
        co_await until_left(my);
    });
    waiting_scene drained;
    goes_on(drained, [](nursery& home, waiting_scene& my) -> task<> {
        my.take(home, 1h, speaks);
        my.draining.request_stop();
        co_await until_left(my);
    });
    waiting_scene draining;  // When he came.
    goes_on(draining, [](nursery& home, waiting_scene& my) -> task<> {
        my.draining.request_stop();
        my.take(home, 1h, speaks);
        co_await until_left(my);
    });
    waiting_scene ended;  // There is nobody to speak to.
    ended.run([](nursery& home, waiting_scene& my) -> task<> {
        my.take(home, 1h, speaks);
        my.ends.far.reset();
        co_await until_left(my);
        CHECK(!my.his.went_on);
    });
}

TEST_CASE("waiting_room: a nursery that stops has nobody waiting, and is joined behind the last") {
    waiting_scene on;
    on.run([](nursery&, waiting_scene& my) -> task<> {
        co_await with_nursery(
            my.here,
            [](nursery& inner, waiting_scene& within) -> task<> {
                within.take(inner, 1h);
                inner.request_stop();
                co_return;
            },
            std::ref(my));
        CHECK(my.his.has_left);
        CHECK(!my.his.went_on);
    });
}

TEST_CASE("waiting_room: what is said before a stop has its turn is not lost") {
    waiting_scene on;
    on.run([](nursery&, waiting_scene& my) -> task<> {
        co_await with_nursery(
            my.here,
            [](nursery& inner, waiting_scene& within) -> task<> {
                within.take(inner, 1h);
                CHECK(::send(within.ends.far.get(), "x", 1, MSG_NOSIGNAL) == 1);
                inner.request_stop();
                co_return;
            },
            std::ref(my));
        CHECK(my.his.went_on);
    });
}
