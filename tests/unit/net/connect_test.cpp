#include "ferry/net/connect.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "ferry/net/listener.hpp"
#include "ferry/net/plain_stream.hpp"
#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

endpoint address(std::string_view text) {
    return parse_address(text).value();
}

/// A listening socket on 127.0.0.1 and a core to connect from.
struct connect_scene {
    explicit connect_scene(int backlog = 128)
        : listening(open_listener({.at = address("127.0.0.1"), .backlog = backlog}).value()),
          at(local_endpoint(listening.get()).value()) {}

    test_core machine;
    core& here = machine.here;
    unique_fd listening;
    endpoint at;

    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
    }
    [[nodiscard]] time_point in(duration from_now) const { return here.now() + from_now; }
    /// The next connection in the queue.
    [[nodiscard]] unique_fd accept() const {
        return unique_fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    }
};

/// Fills the queue of a listener with a backlog of 0, so that further connections wait.
task<std::vector<unique_fd>> fill_queue(connect_scene& on) {
    std::vector<unique_fd> held;
    for (int i = 0; i < 4; ++i) {
        auto made = co_await connect(on.here, {.to = on.at}, on.in(50ms));
        if (made) {
            held.push_back(std::move(*made));
        }
    }
    co_return held;
}

}  // namespace

TEST_CASE("connect: gives a non-blocking socket without Nagle, as a stream uses it") {
    connect_scene on;
    on.run([](nursery&, connect_scene& my) -> task<> {
        auto connected =
            co_await connect(my.here, {.to = my.at, .from = {}, .congestion = "reno"}, my.in(5s));
        REQUIRE(connected);
        const auto other_end = my.accept();
        REQUIRE(other_end);
        CHECK((::fcntl(connected->get(), F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(connected->get(), F_GETFD) & FD_CLOEXEC) != 0);
        int no_delay = 0;
        socklen_t size_bytes = sizeof no_delay;
        ::getsockopt(connected->get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size_bytes);
        CHECK(no_delay == 1);
        plain_stream stream(my.here, std::move(*connected));
        CHECK(stream.peer() == my.at);
        CHECK(co_await say(my.here, other_end.get(), "hello") == 5);
        REQUIRE(co_await stream.fill(my.in(5s)));
        CHECK(stream.input() == "hello");
        co_await stream.close(farewell::orderly);
    });
}

TEST_CASE("connect: comes from the address asked for (RFC 959 section 3.2, active mode)") {
    connect_scene on;
    on.run([](nursery&, connect_scene& my) -> task<> {
        const auto connected =
            co_await connect(my.here, {.to = my.at, .from = address("127.0.0.9")}, my.in(5s));
        REQUIRE(connected);
        const auto from = local_endpoint(connected->get()).value();
        CHECK(same_address(from, address("127.0.0.9")));
        CHECK(from.port != 0);
        // A port by number, and again while its first connection is there.
        auto port_too = from;
        port_too.port =
            from.port == 65'535 ? std::uint16_t{65'534} : static_cast<std::uint16_t>(from.port + 1);
        const auto by_port = co_await connect(my.here, {.to = my.at, .from = port_too}, my.in(5s));
        REQUIRE(by_port);
        CHECK(local_endpoint(by_port->get()).value() == port_too);
        const auto again = co_await connect(my.here, {.to = my.at, .from = port_too}, my.in(5s));
        CHECK_FALSE(again);
    });
}

TEST_CASE("connect: each refusal has its own error, and leaves no descriptor") {
    connect_scene on;
    on.run([](nursery&, connect_scene& my) -> task<> {
        const auto before = count_descriptors();
        auto nobody = my.at;
        {
            const connect_scene closed_again;
            nobody = closed_again.at;
        }
        CHECK(co_await connect(my.here, {.to = nobody}, my.in(5s)) == failure(errc::unavailable));
        CHECK(co_await connect(my.here, {.to = my.at, .from = address("192.0.2.1")}, my.in(5s)) ==
              failure(errc::unavailable));
        CHECK(co_await connect(my.here, {.to = my.at, .from = {}, .congestion = "no-such-thing"},
                               my.in(5s)) == failure(errc::not_found));
        CHECK(co_await connect(my.here, {.to = my.at, .from = my.at}, my.in(5s)) ==
              failure(errc::in_use));
        CHECK(co_await connect(my.here, {.to = my.at}, my.here.now()) == failure(errc::timed_out));
        CHECK(count_descriptors() == before);
    });
}

TEST_CASE("connect: a deadline and a stop end the wait for a server that does not answer") {
    connect_scene on(0);
    on.run([](nursery& tasks, connect_scene& my) -> task<> {
        const auto held = co_await fill_queue(my);
        const auto before = count_descriptors();
        const auto began = my.here.now();
        CHECK(co_await connect(my.here, {.to = my.at}, my.in(50ms)) == failure(errc::timed_out));
        CHECK(my.here.now() - began < 1s);
        stop_scope scope(&co_await current_scope());
        tasks.start(
            [](core& here, stop_scope& stopped) -> task<> {
                co_await pause(here, 20ms);
                stopped.request_stop();
            },
            std::ref(my.here), std::ref(scope));
        CHECK(co_await connect(my.here, {.to = my.at}, never).in_scope(scope) ==
              failure(errc::cancelled));
        CHECK(my.here.now() - began < 1s);
        CHECK(count_descriptors() == before);
    });
}
