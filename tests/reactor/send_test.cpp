#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <span>

#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

constexpr std::size_t big_bytes = 8U << 20U;

send_args all_of(std::string_view octets) {
    return {.data = std::as_bytes(std::span(octets)).data(), .size_bytes = octets.size()};
}

task<> send_whole(core& here, int socket, std::string_view octets, std::size_t& calls) {
    while (!octets.empty()) {
        const auto sent = co_await op_wait(here.io(), opcode::send, socket, never,
                                           [&](op& fresh) { fresh.args.send = all_of(octets); });
        REQUIRE(sent.has_value());
        REQUIRE(*sent > 0);
        octets.remove_prefix(static_cast<std::size_t>(*sent));
        ++calls;
    }
    posix::shutdown(socket, SHUT_WR);
}

/// Takes a little now and then, with turns of the loop in between.
task<> read_slowly(core& here, int socket, std::string& into) {
    std::array<std::byte, 100'000> piece;
    for (;;) {
        for (unsigned i = 0; i < 3; ++i) {
            co_await here.yield();
        }
        const auto got =
            co_await op_wait(here.io(), opcode::receive, socket, never, [&](op& fresh) {
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

/// Has SIGPIPE do what it does in a program that never thought of it: end the process.
struct deadly_sigpipe {
    deadly_sigpipe() { before = std::signal(SIGPIPE, SIG_DFL); }
    ~deadly_sigpipe() { std::signal(SIGPIPE, before); }
    void (*before)(int);
};

}  // namespace

TEST_CASE("send: eight MiB to a slow reader arrive whole, in order") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        auto pair = tcp_pair();
        const std::string sent = pattern(big_bytes);
        std::string got;
        std::size_t calls = 0;
        host.run_task(
            [](nursery& home, const socket_pair& ends, const std::string& from, std::string& into,
               std::size_t& counted) -> task<> {
                home.start(send_whole, std::ref(home.here()), ends.near.get(),
                           std::string_view(from), std::ref(counted));
                co_await read_slowly(home.here(), ends.far.get(), into);
            },
            std::cref(pair), std::cref(sent), std::ref(got), std::ref(calls));
        CHECK(got.size() == sent.size());
        CHECK((got == sent));
        // The backend goes on after a short send by itself: the caller waits once.
        CHECK(calls == 1);
    }
}

TEST_CASE("send: a cancel half way reports exactly what went (threats.md, R6)") {
    for (const backend& under_test : backends()) {
        for (unsigned turns = 1; turns < 4; ++turns) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(turns);
            machine host(under_test);
            auto pair = tcp_pair();
            // Small, whatever the system's tuning: a few turns must not move all of it.
            const int buffer_bytes = 64 * 1024;
            REQUIRE(kernel::setsockopt(pair.near.get(), SOL_SOCKET, SO_SNDBUF, &buffer_bytes,
                                       sizeof buffer_bytes) == 0);
            REQUIRE(kernel::setsockopt(pair.far.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes,
                                       sizeof buffer_bytes) == 0);
            const std::string sent = pattern(big_bytes);
            probe all(host, opcode::send, pair.near.get());
            all.args.send = all_of(sent);
            host.submit(all);
            host.turn(turns);
            std::string got = drain(pair.far.get());
            host.turn(turns);
            REQUIRE(all.in_flight);
            host.io().cancel(all);
            host.finish(all);
            host.settle();
            REQUIRE(all.results.size() == 1);
            REQUIRE(all.results.front() > 0);
            const auto went = static_cast<std::size_t>(all.results.front());
            // What the socket took is still to come.
            while (got.size() < went) {
                const auto more = drain(pair.far.get());
                got += more;
                host.turn(1);
            }
            pair.near.reset();
            host.settle();
            got += drain(pair.far.get());
            CHECK(got.size() == went);
            CHECK((got == sent.substr(0, went)));
        }
    }
}

TEST_CASE("send: more_follows changes nothing about the octets") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        auto pair = tcp_pair();
        probe each(host, opcode::send, pair.near.get());
        each.args.send = all_of("head ");
        each.args.send.more_follows = true;
        host.submit(each);
        host.finish(each);
        each.args.send = all_of("body");
        host.submit(each);
        host.finish(each);
        std::string got;
        while (got.size() < 9) {
            got += drain(pair.far.get());
        }
        CHECK(got == "head body");
    }
}

TEST_CASE("send: to a peer that has reset it fails, and no SIGPIPE ends the process") {
    const deadly_sigpipe at_default;
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", pattern(big_bytes));
        for (const opcode code : {opcode::send, opcode::send_file}) {
            for (const bool while_waiting : {false, true}) {
                for (const bool with_head : {false, true}) {
                    CAPTURE(static_cast<int>(code));
                    CAPTURE(while_waiting);
                    CAPTURE(with_head);
                    auto pair = tcp_pair();
                    const std::string octets = pattern(big_bytes);
                    probe each(host, code, pair.near.get());
                    const auto part_with_peer = [&] {
                        reset_on_close(pair.far.get());
                        pair.far.reset();
                    };
                    if (!while_waiting) {
                        part_with_peer();
                    }
                    std::int64_t result = 0;
                    // What is under way when the reset comes may report its progress first.
                    for (unsigned attempt = 0; attempt < 100 && result >= 0; ++attempt) {
                        if (code == opcode::send) {
                            each.args.send = all_of(octets);
                        } else {
                            const auto head = all_of(with_head ? "head" : "");
                            each.args.send_file = {.head = head.data,
                                                   .head_bytes = head.size_bytes,
                                                   .file = file.get(),
                                                   .offset = 0,
                                                   .size_bytes = big_bytes};
                        }
                        host.submit(each);
                        host.turn(3);
                        if (pair.far && !each.in_flight) {
                            result = each.results.back();
                            continue;  // The socket's buffer is not full yet.
                        }
                        if (pair.far) {
                            part_with_peer();
                        }
                        host.finish(each);
                        result = each.results.back();
                    }
                    CHECK((result == -EPIPE || result == -ECONNRESET));
                }
            }
        }
    }
}

TEST_CASE("write: to a pipe nobody reads any more it fails, and no SIGPIPE ends the process") {
    const deadly_sigpipe at_default;
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        int ends[2];
        REQUIRE(posix::pipe2(ends, 0) == 0);
        unique_fd reader(ends[0]);
        const unique_fd writer(ends[1]);
        reader.reset();
        probe each(host, opcode::write, writer.get());
        each.args.write = {.data = std::as_bytes(std::span("log line")).data(),
                           .size_bytes = 8,
                           .offset = at_position};
        host.submit(each);
        host.finish(each);
        CHECK(each.results == std::vector<std::int64_t>{-EPIPE});
    }
}
