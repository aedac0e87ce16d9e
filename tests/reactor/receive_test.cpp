#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>

#include <array>
#include <cerrno>
#include <span>

#include "ferry/base/random.hpp"
#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

void put(const unique_fd& socket, std::string_view octets) {
    while (!octets.empty()) {
        const auto sent = posix::send(socket.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
        REQUIRE(sent > 0);
        octets.remove_prefix(static_cast<std::size_t>(sent));
    }
}

task<> receive_all(nursery& home, int socket, std::string& into) {
    std::array<std::byte, 100> piece;
    for (;;) {
        const auto got =
            co_await op_wait(home.here().io(), opcode::receive, socket, never, [&](op& fresh) {
                fresh.args.receive = {.data = piece.data(), .size_bytes = piece.size()};
            });
        REQUIRE(got.has_value());
        if (*got == 0) {
            co_return;
        }
        into.append(static_cast<const char*>(static_cast<const void*>(piece.data())),
                    static_cast<std::size_t>(*got));
    }
}

}  // namespace

TEST_CASE("receive: a stream in pieces, then its end, then its end again") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        auto pair = tcp_pair();
        const std::string sent = pattern(10'000);
        put(pair.far, sent);
        pair.far.reset();
        std::string got;
        host.run_task(receive_all, pair.near.get(), std::ref(got));
        CHECK(got == sent);
        std::string nothing;
        host.run_task(receive_all, pair.near.get(), std::ref(nothing));
        CHECK(nothing.empty());
    }
}

TEST_CASE("receive_provided: multishot gives data in many pieces in order, then the end, once") {
    for (const backend& under_test : backends()) {
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(seed);
            ferry::random rng(seed);
            machine host(under_test, {.receive_buffers = 8, .receive_buffer_bytes = 512});
            auto pair = tcp_pair();
            const std::string sent = pattern(30'000, seed);
            probe all(host, opcode::receive_provided, pair.near.get());
            all.args.receive_provided = {.multishot = true};
            host.submit(all);
            for (std::size_t done = 0; done < sent.size();) {
                const auto piece = std::min<std::size_t>(rng.below(2'000) + 1, sent.size() - done);
                put(pair.far, std::string_view(sent).substr(done, piece));
                done += piece;
                host.turn(static_cast<unsigned>(rng.below(3)));
            }
            host.run_until([&] { return all.octets.size() == sent.size(); });
            CHECK(all.octets == sent);
            CHECK(all.ends == 0);
            pair.far.reset();
            host.finish(all);
            host.settle();
            CHECK(all.results.back() == 0);
            CHECK(all.ends == 1);
        }
    }
}

TEST_CASE("receive_provided: single takes at most one buffer and is then over") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.receive_buffers = 8, .receive_buffer_bytes = 512});
        auto pair = tcp_pair();
        const std::string sent = pattern(1'200);
        put(pair.far, sent);
        pair.far.reset();
        probe each(host, opcode::receive_provided, pair.near.get());
        for (const std::int64_t expected : {512, 512, 176, 0}) {
            each.args.receive_provided = {.multishot = false};
            host.submit(each);
            host.finish(each);
            CHECK(each.results.back() == expected);
        }
        host.settle();
        CHECK(each.ends == 4);
        CHECK(each.octets == sent);
    }
}

TEST_CASE("receive_provided: a reset of the peer ends it with ECONNRESET, once") {
    for (const backend& under_test : backends()) {
        for (const bool multishot : {false, true}) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(multishot);
            machine host(under_test);
            auto pair = tcp_pair();
            probe all(host, opcode::receive_provided, pair.near.get());
            all.args.receive_provided = {.multishot = multishot};
            host.submit(all);
            host.turn(2);
            reset_on_close(pair.far.get());
            pair.far.reset();
            host.finish(all);
            host.settle();
            CHECK(all.results == std::vector<std::int64_t>{-ECONNRESET});
        }
    }
}

TEST_CASE("receive_provided: what arrived before a cancel is given, what comes after it is kept") {
    for (const backend& under_test : backends()) {
        for (unsigned turns = 0; turns < 3; ++turns) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(turns);
            machine host(under_test);
            auto pair = tcp_pair();
            probe all(host, opcode::receive_provided, pair.near.get());
            all.args.receive_provided = {.multishot = true};
            host.submit(all);
            put(pair.far, "before ");
            host.turn(turns);
            host.io().cancel(all);
            put(pair.far, "after");
            host.finish(all);
            host.settle();
            CHECK(all.ends == 1);
            CHECK(all.octets + drain(pair.near.get()) == "before after");
        }
    }
}

TEST_CASE("receive_provided: buffers of cancelled and ended receives come back") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.receive_buffers = 2, .receive_buffer_bytes = 64});
        for (unsigned round = 0; round < 50; ++round) {
            auto pair = tcp_pair();
            probe each(host, opcode::receive_provided, pair.near.get());
            each.args.receive_provided = {.multishot = round % 2 == 0};
            host.submit(each);
            put(pair.far, "x");
            host.turn(round % 3);
            host.io().cancel(each);
            host.finish(each);
        }
        // Were one lost a round, none would be left for this.
        auto pair = tcp_pair();
        const std::string sent = pattern(1'000);
        put(pair.far, sent);
        probe all(host, opcode::receive_provided, pair.near.get());
        all.args.receive_provided = {.multishot = true};
        host.submit(all);
        host.run_until([&] { return all.octets.size() == sent.size(); });
        CHECK(all.octets == sent);
        host.io().cancel(all);
        host.finish(all);
    }
}

TEST_CASE("receive_provided: octets and the end that come together are both told") {
    for (const backend& under_test : backends()) {
        for (const bool multishot : {false, true}) {
            for (const bool armed_before : {false, true}) {
                CAPTURE(under_test.name);
                const auto world = under_test.make_world();
                CAPTURE(multishot);
                CAPTURE(armed_before);
                machine host(under_test);
                auto pair = tcp_pair();
                probe all(host, opcode::receive_provided, pair.near.get());
                all.args.receive_provided = {.multishot = multishot};
                if (armed_before) {
                    host.submit(all);
                    host.turn(2);
                }
                put(pair.far, "last words");
                pair.far.reset();
                if (!armed_before) {
                    host.submit(all);
                }
                host.finish(all);
                if (!multishot) {
                    host.submit(all);
                    host.finish(all);
                }
                CHECK(all.results == std::vector<std::int64_t>{10, 0});
                CHECK(all.octets == "last words");
            }
        }
    }
}

// Goal: FTP's Synch (RFC 959 section 4.1.3, RFC 854) comes as urgent data, where a read stops short
// with more behind it. Method: all of it is there before the first look, in line with the rest.
TEST_CASE(
    "receive_provided: what follows urgent data arrives without anything more from the peer") {
    for (const backend& under_test : backends()) {
        for (const bool multishot : {false, true}) {
            for (const bool armed_before : {false, true}) {
                CAPTURE(under_test.name);
                const auto world = under_test.make_world();
                CAPTURE(multishot);
                CAPTURE(armed_before);
                machine host(under_test);
                auto pair = tcp_pair();
                const int on = 1;
                REQUIRE(kernel::setsockopt(pair.near.get(), SOL_SOCKET, SO_OOBINLINE, &on,
                                           sizeof on) == 0);
                probe all(host, opcode::receive_provided, pair.near.get());
                all.args.receive_provided = {.multishot = multishot};
                if (armed_before) {
                    host.submit(all);
                    host.turn(2);
                }
                put(pair.far, "before ");
                REQUIRE(posix::send(pair.far.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL) == 1);
                put(pair.far, " after");
                while (all.octets.size() < 14) {
                    if (!all.in_flight) {
                        host.submit(all);
                    }
                    host.run_until([&] { return !all.in_flight || all.octets.size() == 14; });
                }
                CHECK(all.octets == "before ! after");
                host.io().cancel(all);
                host.finish(all);
            }
        }
    }
}

TEST_CASE("receive_provided: one that waits for a buffer is not forgotten over a long send") {
    for (const backend& under_test : backends()) {
        if (!under_test.has_bounded_buffers) {
            continue;
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.receive_buffers = 1, .receive_buffer_bytes = 64});
        auto holding = tcp_pair();
        auto pair = tcp_pair();
        put(holding.far, "first");
        probe holder(host, opcode::receive_provided, holding.near.get());
        holder.keeps_leases = true;
        host.submit(holder);
        host.finish(holder);
        // Both directions of one socket at once.
        put(pair.far, "second");
        probe waiting(host, opcode::receive_provided, pair.near.get());
        waiting.args.receive_provided = {.multishot = true};
        host.submit(waiting);
        const std::string sent = pattern(8U << 20U);
        probe sends(host, opcode::send, pair.near.get());
        sends.args.send = {.data = std::as_bytes(std::span(sent)).data(),
                           .size_bytes = sent.size()};
        host.submit(sends);
        std::string got;
        while (sends.in_flight || got.size() < sent.size()) {
            host.turn(1);
            got += drain(pair.far.get());
        }
        CHECK((got == sent));
        CHECK(waiting.octets.empty());
        holder.leases.clear();
        host.run_until([&] { return waiting.octets == "second"; });
        put(pair.far, " third");
        host.run_until([&] { return waiting.octets == "second third"; });
        host.io().cancel(waiting);
        host.finish(waiting);
    }
}

// threats.md, R3. Four buffers, eight connections with data, and the leases are held: nobody may
// spin, and once the leases are given back everything must arrive.
TEST_CASE("receive_provided: without a buffer receives wait, without spinning, and lose nothing") {
    for (const backend& under_test : backends()) {
        if (!under_test.has_bounded_buffers) {
            continue;
        }
        for (const bool multishot : {false, true}) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(multishot);
            machine host(under_test, {.receive_buffers = 4, .receive_buffer_bytes = 64});
            constexpr std::size_t connections = 8;
            constexpr std::size_t sent_bytes = 2'000;
            std::vector<socket_pair> pairs;
            std::vector<std::unique_ptr<probe>> probes;
            for (std::size_t i = 0; i < connections; ++i) {
                pairs.push_back(tcp_pair());
                put(pairs.back().far, pattern(sent_bytes, i));
                probes.push_back(std::make_unique<probe>(host, opcode::receive_provided,
                                                         pairs.back().near.get()));
                probes.back()->args.receive_provided = {.multishot = multishot};
                probes.back()->keeps_leases = true;
                host.submit(*probes.back());
            }
            const auto leased = [&] {
                std::size_t count = 0;
                for (const auto& each : probes) {
                    count += each->leases.size();
                }
                return count;
            };
            host.run_until([&] { return leased() == 4; });
            host.settle();
            CHECK(leased() == 4);

            // Asleep until the deadline, but for the turn or two that arming takes.
            const auto turns = host.io().counters().turns;
            host.run_task([](nursery& home) -> task<> {
                const auto slept = co_await sleep_until(
                    home.here(), home.here().now() + std::chrono::milliseconds(50));
                CHECK(slept.has_value());
            });
            CHECK(host.io().counters().turns - turns < 20);
            CHECK(host.io().counters().buffers_exhausted >= 1);

            // One lease at a time goes back; whoever gets it keeps the next.
            std::size_t arrived = 0;
            for (unsigned step = 0; arrived < connections * sent_bytes; ++step) {
                REQUIRE(step < 100'000);
                for (const auto& each : probes) {
                    if (!each->leases.empty()) {
                        each->leases.erase(each->leases.begin());
                        break;
                    }
                }
                for (const auto& each : probes) {
                    if (!each->in_flight && each->octets.size() < sent_bytes) {
                        host.submit(*each);
                    }
                }
                host.turn(1);
                arrived = 0;
                for (const auto& each : probes) {
                    arrived += each->octets.size();
                }
            }
            for (std::size_t i = 0; i < connections; ++i) {
                CHECK(probes[i]->octets == pattern(sent_bytes, i));
                host.io().cancel(*probes[i]);
                host.finish(*probes[i]);
                probes[i]->leases.clear();
            }
        }
    }
}

TEST_CASE("receive_provided: a receive that waits for a buffer can be cancelled") {
    for (const backend& under_test : backends()) {
        if (!under_test.has_bounded_buffers) {
            continue;
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.receive_buffers = 1, .receive_buffer_bytes = 64});
        auto first = tcp_pair();
        auto second = tcp_pair();
        put(first.far, "first");
        put(second.far, "second");
        probe holder(host, opcode::receive_provided, first.near.get());
        holder.keeps_leases = true;
        host.submit(holder);
        host.finish(holder);
        probe waiting(host, opcode::receive_provided, second.near.get());
        host.submit(waiting);
        host.settle();
        REQUIRE(waiting.in_flight);
        host.io().cancel(waiting);
        REQUIRE(waiting.in_flight);
        host.finish(waiting);
        CHECK(waiting.results == std::vector<std::int64_t>{-ECANCELED});
        holder.leases.clear();
        host.submit(waiting);
        host.finish(waiting);
        CHECK(waiting.octets == "second");
    }
}
