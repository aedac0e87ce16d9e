#include "ferry/http/upload_turns.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/runtime/wait.hpp"

using namespace ferry;
using namespace ferry::http;
using namespace std::chrono_literals;
using runtime::task;

namespace {

/// A core of its own, messages and deadlines included.
struct real_core {
    runtime::offload_pool pool{1};
    std::unique_ptr<runtime::reactor> io =
        runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    runtime::core here{0, *io, ferry::random(seed_from_kernel())};
    runtime::stop_scope stop;

    /// Runs `body(here, of)`.
    template <class Value>
    void run(task<> (*body)(runtime::core&, Value&), Value& of) {
        runtime::run_core(
            here, stop,
            [](runtime::nursery& bottom, task<> (*inner)(runtime::core&, Value&),
               Value& with) -> task<> { co_await inner(bottom.here(), with); },
            body, std::ref(of));
    }
};

/// What happened, in order.
struct scene {
    runtime::core& here;
    upload_turns& all;
    std::vector<std::string> told = {};
};

task<result<void>> sleep_long(runtime::core& here) {
    const auto slept = co_await runtime::sleep_until(here, here.now() + 1h);
    co_return slept;
}

/// Holds a resource until it is asked to end.
task<> hold(scene& on, const char* who, runtime::duration wait_max) {
    auto turn = co_await on.all.take(on.here, "resource", on.here.now() + wait_max);
    if (!turn) {
        on.told.push_back(std::string(who) + " gives up");
        co_return;
    }
    on.told.push_back(std::string(who) + " begins");
    const auto slept = co_await sleep_long(on.here).in_scope(turn->scope());
    on.told.push_back(std::string(who) + (turn->is_over() ? " is ended" : " ends"));
    CHECK_FALSE(slept);
}

task<> three(runtime::nursery& some, scene& on) {
    for (const char* who : {"first", "second", "third"}) {
        some.start([](scene& in, const char* name) -> task<> { co_await hold(in, name, 1h); },
                   std::ref(on), who);
    }
    while (on.told.size() < 5) {  // Until the third has it.
        co_await on.here.yield();
    }
    some.request_stop();
}

}  // namespace

TEST_CASE("upload turns: a later request ends the one before it (resumable-upload section 4.6)") {
    real_core machine;
    upload_turns all({});
    scene on{.here = machine.here, .all = all};
    machine.run<scene>(
        [](runtime::core& here, scene& in) -> task<> {
            co_await runtime::with_nursery(here, &three, std::ref(in));
        },
        on);
    CHECK(on.told == std::vector<std::string>{"first begins", "first is ended", "second begins",
                                              "second is ended", "third begins", "third ends"});
    CHECK(all.size().first == 0);
}

TEST_CASE("upload turns: who waits gives up in time, and others have theirs") {
    real_core machine;
    upload_turns all({});
    machine.run<upload_turns>(
        [](runtime::core& here, upload_turns& in) -> task<> {
            auto mine = co_await in.take(here, "resource", runtime::never);
            CHECK(mine);
            const auto late = co_await in.take(here, "resource", here.now() + 1ms);
            CHECK(late.error() == errc::timed_out);
            CHECK(mine->is_over());  // It has been asked to.
            const auto other = co_await in.take(here, "another", runtime::never);
            CHECK(other);
            CHECK(in.size().first == 2);
        },
        all);
    CHECK(all.size().first == 0);
}

TEST_CASE("upload turns: notes are as many as there may be, and no older") {
    upload_turns all({.memory = 10s, .notes_max = 2});
    const runtime::time_point now = runtime::time_point() + 1h;
    CHECK_FALSE(all.find("a", now));
    all.keep("a", {.length = 1}, now);
    all.keep("b", {.is_complete = true, .size_bytes = 2}, now);
    all.keep("a", {.length = 3}, now);
    CHECK(all.find("a", now)->length == 3);
    CHECK(all.find("b", now)->is_complete);
    CHECK_FALSE(all.find("a", now + 10s));
    all.keep("c", {}, now);
    CHECK(all.size().second == 2);
    CHECK(all.find("c", now));
    all.forget("c");
    all.forget("c");
    CHECK_FALSE(all.find("c", now));
}
