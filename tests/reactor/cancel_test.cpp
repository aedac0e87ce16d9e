#include <doctest/doctest.h>

#include <algorithm>

#include <cerrno>

#include "ferry/base/random.hpp"
#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

/// Ended in order: by itself or by the cancel, never by anything else.
bool ended_well(const workshop& shop, const probe& ended) {
    const auto result = workshop::take_result(ended.code, ended.results.back());
    return result == shop.right_result(ended.code) || result == -ECANCELED;
}

/// Awaits one operation of each kind that can wait, below a stop or a deadline that ends it.
task<> await_ending(core& here, workshop& shop, time_point deadline, errc expected) {
    for (const opcode code : all_opcodes) {
        CAPTURE(static_cast<int>(code));
        bool waits = false;
        op unused(code, -1, nullptr);
        waits = shop.fill_waiting(unused, code);
        if (!waits) {
            continue;
        }
        const auto came = co_await op_wait(here.io(), code, -1, deadline, [&](op& fresh) {
            static_cast<void>(shop.fill_waiting(fresh, code));
        });
        REQUIRE_FALSE(came.has_value());
        CHECK(came.error() == expected);
    }
}

task<> stop_after(core& here, stop_scope& scope, unsigned turns) {
    for (unsigned i = 0; i < turns; ++i) {
        const auto done = co_await op_wait(here.io(), opcode::nop, -1, never, [](op&) noexcept {});
        REQUIRE(done.has_value());
    }
    scope.request_stop();
}

task<> await_one_stopped(core& here, workshop& shop, opcode code) {
    const auto came = co_await op_wait(here.io(), code, -1, never, [&](op& fresh) {
        static_cast<void>(shop.fill_waiting(fresh, code));
    });
    REQUIRE_FALSE(came.has_value());
    CHECK(came.error() == errc::cancelled);
}

task<> await_one_racing(core& here, workshop& shop, opcode code) {
    const auto came =
        co_await op_wait(here.io(), code, -1, never, [&](op& fresh) { shop.fill(fresh, code); });
    if (came) {
        // Even when the stop came at the same time the descriptor is ours, to close.
        CHECK(workshop::take_result(code, *came) == shop.right_result(code));
    } else {
        CHECK(came.error() == errc::cancelled);
    }
}

}  // namespace

TEST_CASE("cancel: before the operation has left, it still completes once") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (const opcode code : all_opcodes) {
            CAPTURE(static_cast<int>(code));
            workshop shop;
            probe each(host);
            shop.fill(each, code);
            host.submit(each);
            host.io().cancel(each);
            host.io().cancel(each);  // Asking twice is asking once.
            host.finish(each);
            host.settle();
            CHECK(each.results.size() == 1);
            CHECK(each.ends == 1);
            CHECK(ended_well(shop, each));
        }
    }
}

TEST_CASE("cancel: while the operation is under way, it still completes once") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (unsigned turns = 0; turns <= 3; ++turns) {
            CAPTURE(turns);
            for (const opcode code : all_opcodes) {
                CAPTURE(static_cast<int>(code));
                workshop shop;
                probe each(host);
                shop.fill(each, code);
                host.submit(each);
                host.turn(turns);
                host.io().cancel(each);
                host.finish(each);
                host.settle();
                CHECK(each.results.size() == 1);
                CHECK(ended_well(shop, each));
            }
        }
    }
}

TEST_CASE("cancel: an operation that waits for nobody ends, whenever it is asked to") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (unsigned turns = 0; turns <= 3; ++turns) {
            CAPTURE(turns);
            for (const opcode code : all_opcodes) {
                CAPTURE(static_cast<int>(code));
                workshop shop;
                probe each(host);
                if (!shop.fill_waiting(each, code)) {
                    continue;
                }
                host.submit(each);
                host.turn(turns);
                REQUIRE(each.in_flight);
                host.io().cancel(each);
                REQUIRE(each.in_flight);  // Never completes inside the request.
                host.finish(each);
                host.settle();
                CHECK(each.results == std::vector<std::int64_t>{-ECANCELED});
            }
        }
    }
}

TEST_CASE("cancel: after the completion it does nothing, to the next life either") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (const opcode code : all_opcodes) {
            CAPTURE(static_cast<int>(code));
            workshop shop;
            probe each(host);
            for (std::size_t life = 1; life <= 3; ++life) {
                shop.fill(each, code);
                host.submit(each);
                host.finish(each);
                host.io().cancel(each);
                REQUIRE(each.results.size() == life);
                CHECK(workshop::take_result(code, each.results.back()) == shop.right_result(code));
            }
            host.settle();
            CHECK(each.ends == 3);
        }
    }
}

TEST_CASE("cancel: the descriptor of a cancelled accept or open is never leaked") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (const opcode code : {opcode::accept, opcode::open_at}) {
            CAPTURE(static_cast<int>(code));
            std::size_t came = 0;
            const auto before = count_descriptors();
            for (unsigned round = 0; round < 100; ++round) {
                workshop shop;
                probe each(host);
                shop.fill(each, code);
                host.submit(each);
                host.turn(round % 3);
                host.io().cancel(each);
                host.finish(each);
                came += each.results.back() >= 0 ? 1U : 0U;
                CHECK(ended_well(shop, each));
            }
            host.settle();
            CHECK(count_descriptors() == before);
            CHECK(came > 0);  // Both sides of the race were seen or the case shows nothing.
        }
    }
}

TEST_CASE("op_wait: a stop racing the descriptor leaks none") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const auto before = count_descriptors();
        for (unsigned round = 0; round < 60; ++round) {
            for (const opcode code : {opcode::accept, opcode::open_at, opcode::receive}) {
                workshop shop;
                host.run_task(
                    [](nursery& home, workshop& in, opcode what, unsigned turns) -> task<> {
                        stop_scope scope(&home.scope());
                        home.start(stop_after, std::ref(home.here()), std::ref(scope), turns);
                        co_await await_one_racing(home.here(), in, what).in_scope(scope);
                        co_await home.here().yield();
                        scope.request_stop();
                        // The sibling names `scope`: it must be over before this frame is.
                        while (home.children() > 1) {
                            co_await home.here().yield();
                        }
                    },
                    std::ref(shop), code, round % 4);
            }
        }
        CHECK(count_descriptors() == before);
    }
}

TEST_CASE("op_wait: a stop ends every wait with errc::cancelled") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (const opcode code : all_opcodes) {
            CAPTURE(static_cast<int>(code));
            workshop shop;
            probe unused(host);
            if (!shop.fill_waiting(unused, code)) {
                continue;
            }
            for (unsigned turns = 0; turns < 3; ++turns) {
                host.run_task(
                    [](nursery& home, workshop& in, opcode what, unsigned after) -> task<> {
                        co_await with_nursery(
                            home.here(),
                            [](nursery& inner, workshop& shop_of, opcode each,
                               unsigned wait) -> task<> {
                                inner.start(await_one_stopped, std::ref(inner.here()),
                                            std::ref(shop_of), each);
                                co_await stop_after(inner.here(), inner.scope(), wait);
                            },
                            std::ref(in), what, after);
                    },
                    std::ref(shop), code, turns);
            }
        }
    }
}

TEST_CASE("op_wait: a deadline ends every wait with errc::timed_out") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        workshop shop;
        host.run_task(
            [](nursery& home, workshop& in) -> task<> {
                const auto soon = home.here().now() + std::chrono::milliseconds(5);
                co_await await_ending(home.here(), in, soon, errc::timed_out);
            },
            std::ref(shop));
    }
}

TEST_CASE("op_wait: a deadline already past or a stopped scope submits nothing") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        host.run_task([](nursery& home) -> task<> {
            reactor& io = home.here().io();
            const auto submitted = io.counters().submitted;
            const auto late =
                co_await op_wait(io, opcode::nop, -1, home.here().now(), [](op&) noexcept {});
            REQUIRE_FALSE(late.has_value());
            CHECK(late.error() == errc::timed_out);
            home.request_stop();
            const auto stopped = co_await op_wait(io, opcode::nop, -1, never, [](op&) noexcept {});
            REQUIRE_FALSE(stopped.has_value());
            CHECK(stopped.error() == errc::cancelled);
            CHECK(io.counters().submitted == submitted);
        });
    }
}

// Goal: no request to stop is lost, wherever in its life the operation is. Method: data and cancels
// come in random order; an operation that missed its cancel would wait for ever.
TEST_CASE("cancel: a storm of cancels among arriving data loses neither an end nor an octet") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            CAPTURE(seed);
            ferry::random rng(seed);
            machine host(under_test, {.submission_entries = 32, .receive_buffers = 8});
            const std::string sent = pattern(20'000, seed);
            std::size_t sent_bytes = 0;
            auto pair = local_pair();
            probe receive(host, opcode::receive_provided, pair.near.get());
            unsigned rounds = 0;
            while (receive.octets.size() < sent.size()) {
                REQUIRE(++rounds < 200'000);
                const auto dice = rng.below(4);
                if (!receive.in_flight) {
                    receive.args.receive_provided = {.multishot = rng.below(2) == 0};
                    host.submit(receive);
                } else if (dice == 0) {
                    host.io().cancel(receive);
                } else if (dice == 1) {
                    host.turn(1);
                } else if (sent_bytes < sent.size()) {
                    const auto piece =
                        std::min<std::size_t>(rng.below(200) + 1, sent.size() - sent_bytes);
                    const auto put =
                        posix::send(pair.far.get(), &sent[sent_bytes], piece, MSG_NOSIGNAL);
                    sent_bytes += put > 0 ? static_cast<std::size_t>(put) : 0;
                }
            }
            host.io().cancel(receive);
            host.finish(receive);
            CHECK(receive.octets == sent);
        }
    }
}
