#include <doctest/doctest.h>
#include <time.h>

#include <algorithm>
#include <thread>

#include "ferry/base/random.hpp"
#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

struct woken {
    time_point due;
    time_point at;
    bool in_order = false;
};

task<> sleep_and_note(core& here, time_point when, std::vector<woken>& log) {
    const auto slept = co_await sleep_until(here, when);
    REQUIRE(slept.has_value());
    log.push_back({.due = when, .at = here.now()});
}

/// Announces an event when its moment has come.
struct ringer : timer {
    explicit ringer(event& rung) noexcept
        : timer([](timer& self) noexcept { static_cast<ringer&>(self).bell.announce(); }),
          bell(rung) {}
    event& bell;
};

/// Announces an event from another thread.
struct knock : posted {
    explicit knock(event& heard) noexcept
        : posted([](posted& self) noexcept { static_cast<knock&>(self).door.announce(); }),
          door(heard) {}
    event& door;
};

task<> sleep_until_stopped(core& here, std::size_t& stopped) {
    const auto slept = co_await sleep_until(here, never);
    REQUIRE_FALSE(slept.has_value());
    CHECK(slept.error() == errc::cancelled);
    ++stopped;
    const auto again = co_await sleep_until(here, never);  // Every further wait fails at once.
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error() == errc::cancelled);
}

time_point read_machine_clock() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return time_point(std::chrono::seconds(now.tv_sec) + duration(now.tv_nsec));
}

}  // namespace

TEST_CASE("time: deadlines pass in their order, none early") {
    for (const backend& under_test : backends()) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(seed);
            machine host(under_test);
            std::vector<woken> log;
            host.run_task(
                [](nursery& home, std::uint64_t seeded, std::vector<woken>& into) -> task<> {
                    ferry::random rng(seeded);
                    const auto start = home.here().now();
                    for (unsigned i = 0; i < 500; ++i) {
                        const auto when =
                            start + duration(static_cast<std::int64_t>(rng.below(40'000'000)));
                        home.start(sleep_and_note, std::ref(home.here()), when, std::ref(into));
                    }
                    co_return;
                },
                seed, std::ref(log));
            CHECK(log.size() == 500);
            CHECK(std::ranges::is_sorted(log, {}, &woken::due));
            CHECK(std::ranges::all_of(log, [](const woken& each) { return each.at >= each.due; }));
        }
    }
}

TEST_CASE("time: a moment already past is waited for no longer than a tick, and is no failure") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        std::vector<woken> log;
        host.run_task(
            [](nursery& home, std::vector<woken>& into) -> task<> {
                for (const auto ago : {duration(0), duration(1), duration(1s), duration(24h)}) {
                    co_await sleep_and_note(home.here(), home.here().now() - ago, into);
                }
                co_await sleep_and_note(home.here(), time_point(), into);
            },
            std::ref(log));
        CHECK(log.size() == 5);
    }
}

TEST_CASE("time: a long turn is counted though no time is waited for behind it (R11)") {
    for (const backend& under_test : backends()) {
        if (!under_test.is_on_real_files) {
            continue;  // Of a simulated one no turn takes any time.
        }
        CAPTURE(under_test.name);
        machine host(under_test);
        host.run_task([](nursery& home) -> task<> {
            event knocked(home.here().io());
            knock message(knocked);
            std::thread other([&] {
                std::this_thread::sleep_for(40ms);
                home.here().io().post(message);
            });
            std::this_thread::sleep_for(15ms);
            const auto came = co_await knocked.wait();
            other.join();
            REQUIRE(came.has_value());
        });
        CHECK(host.io().counters().stalls > 0);
    }
}

TEST_CASE("time: deadlines hold while the core is busy with operations") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        std::vector<woken> log;
        host.run_task(
            [](nursery& home, std::vector<woken>& into) -> task<> {
                core& here = home.here();
                const auto start = here.now();
                for (const auto ahead : {3ms, 1ms, 2ms}) {
                    home.start(sleep_and_note, std::ref(here), start + ahead, std::ref(into));
                }
                while (into.size() < 3) {
                    const auto done =
                        co_await op_wait(here.io(), opcode::nop, -1, never, [](op&) noexcept {});
                    REQUIRE(done.has_value());
                }
            },
            std::ref(log));
        CHECK(std::ranges::is_sorted(log, {}, &woken::due));
    }
}

TEST_CASE("time: a deadline works among coroutines that never wait, only yield") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        std::vector<woken> log;
        host.run_task(
            [](nursery& home, std::vector<woken>& into) -> task<> {
                home.start(sleep_and_note, std::ref(home.here()), home.here().now() + 2ms,
                           std::ref(into));
                while (into.empty()) {
                    co_await home.here().yield();
                }
            },
            std::ref(log));
        CHECK(log.size() == 1);
    }
}

// Goal: a coroutine that works for long and yields after each piece holds nobody up: completions
// are looked for between two pieces, not after a thousand (datapath.md, 4).
TEST_CASE("time: an operation completes among coroutines that only yield") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        unsigned yields = 0;
        bool is_over = false;
        host.run_task(
            [](nursery& home, unsigned& count, bool& over) -> task<> {
                home.start(
                    [](core& here, bool& done) -> task<> {
                        const auto ended = co_await op_wait(here.io(), opcode::nop, -1, never,
                                                            [](op&) noexcept {});
                        CHECK(ended.has_value());
                        done = true;
                    },
                    std::ref(home.here()), std::ref(over));
                while (!over) {
                    ++count;
                    co_await home.here().yield();
                }
            },
            std::ref(yields), std::ref(is_over));
        CHECK(yields <= 4);
    }
}

// Goal: whoever never has to wait does not keep a core for itself. Method: more octets than anybody
// reads in 2 ms one by one wait in a socket; a deadline must pass all the same.
TEST_CASE("time: a deadline works beside a coroutine whose operations are all over at once") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const auto pair = local_pair();
        const auto held = fill_up(pair.far.get());
        std::vector<woken> log;
        std::size_t received = 0;
        host.run_task(
            [](nursery& home, int socket, std::vector<woken>& into, std::size_t& count) -> task<> {
                core& here = home.here();
                home.start(sleep_and_note, std::ref(here), here.now() + 2ms, std::ref(into));
                std::byte octet{};
                while (into.empty()) {
                    const auto got = co_await op_wait(
                        here.io(), opcode::receive, socket, never,
                        [&](op& fresh) { fresh.args.receive = {.data = &octet, .size_bytes = 1}; });
                    REQUIRE(got == 1);
                    ++count;
                }
            },
            pair.near.get(), std::ref(log), std::ref(received));
        CHECK(log.size() == 1);
        CHECK(received < held);
    }
}

// Goal: a core that was made long ago and starts to run now tells the time of now: a deadline
// counted from an old turn would have passed before anything was tried.
TEST_CASE("time: a core starts to run at the present") {
    for (const backend& under_test : backends()) {
        if (!under_test.is_on_real_files) {
            continue;
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (unsigned run = 0; run < 2; ++run) {
            const auto asleep_until = read_machine_clock() + 5ms;
            while (read_machine_clock() < asleep_until) {}
            host.run_task(
                [](nursery& home, time_point not_before) -> task<> {
                    CHECK(home.here().now() >= not_before);
                    co_return;
                },
                asleep_until);
        }
    }
}

TEST_CASE("time: a stop wakes every sleeper of the scope and of those below, once") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        std::size_t stopped = 0;
        host.run_task(
            [](nursery& home, std::size_t& count) -> task<> {
                co_await with_nursery(
                    home.here(),
                    [](nursery& outer, std::size_t& counted) -> task<> {
                        for (unsigned i = 0; i < 100; ++i) {
                            outer.start(sleep_until_stopped, std::ref(outer.here()),
                                        std::ref(counted));
                        }
                        outer.start(
                            [](core& here, std::size_t& inner_count) -> task<> {
                                co_await with_nursery(
                                    here,
                                    [](nursery& inner, std::size_t& innermost) -> task<> {
                                        for (unsigned i = 0; i < 100; ++i) {
                                            inner.start(sleep_until_stopped, std::ref(inner.here()),
                                                        std::ref(innermost));
                                        }
                                        co_return;
                                    },
                                    std::ref(inner_count));
                            },
                            std::ref(outer.here()), std::ref(counted));
                        const auto slept =
                            co_await sleep_until(outer.here(), outer.here().now() + 1ms);
                        CHECK(slept.has_value());
                        outer.request_stop();
                    },
                    std::ref(count));
                CHECK(count == 200);
            },
            std::ref(stopped));
        CHECK(stopped == 200);
    }
}

TEST_CASE("time: a stop from outside ends all that runs on a core") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        std::size_t stopped = 0;
        host.run_task(
            [](nursery& home, stop_scope& all, std::size_t& count) -> task<> {
                for (unsigned i = 0; i < 10; ++i) {
                    home.start(sleep_until_stopped, std::ref(home.here()), std::ref(count));
                }
                co_await home.here().yield();
                all.request_stop();
            },
            std::ref(host.stop()), std::ref(stopped));
        CHECK(stopped == 10);
    }
}

TEST_CASE("time: an event announced before, at and after its deadline ends one wait each") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        host.run_task([](nursery& home) -> task<> {
            core& here = home.here();
            event bell(here.io());
            bell.announce();
            bell.announce();  // Kept once.
            const auto kept = co_await bell.wait(here.now());
            CHECK(kept.has_value());
            const auto late = co_await bell.wait(here.now() + 1ms);
            REQUIRE_FALSE(late.has_value());
            CHECK(late.error() == errc::timed_out);
            home.start(
                [](core& on, event& ring) -> task<> {
                    co_await on.yield();
                    ring.announce();
                    ring.announce();  // For the next wait.
                },
                std::ref(here), std::ref(bell));
            const auto rung = co_await bell.wait();
            CHECK(rung.has_value());
            const auto again = co_await bell.wait(here.now());
            CHECK(again.has_value());
        });
    }
}

TEST_CASE("time: a wait that an announcement has ended is not ended again by its deadline") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        host.run_task([](nursery& home) -> task<> {
            core& here = home.here();
            event bell(here.io());
            // In the same sweep of the wheel, the announcement a nanosecond before the deadline.
            ringer before(bell);
            const auto when = here.now() + 3ms;
            here.io().timers().arm(before, when);
            const auto rung = co_await bell.wait(when + 1ns);
            CHECK(rung.has_value());
            const auto nothing = co_await bell.wait(here.now() + 3ms);
            CHECK_FALSE(nothing.has_value());
            // And a nanosecond behind it: for the next wait.
            ringer behind(bell);
            const auto later = here.now() + 3ms;
            here.io().timers().arm(behind, later + 1ns);
            const auto late = co_await bell.wait(later);
            REQUIRE_FALSE(late.has_value());
            CHECK(late.error() == errc::timed_out);
            const auto kept = co_await bell.wait();
            CHECK(kept.has_value());
        });
    }
}
