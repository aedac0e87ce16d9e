#include "ferry/net/listener.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "../allocation_faults.hpp"
#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

endpoint loopback_v4(std::uint16_t port = 0) {
    auto where = parse_address("127.0.0.1").value();
    where.port = port;
    return where;
}

/// Begins to connect to where `listener` listens; never waits.
unique_fd client_of(int listener, const endpoint& at) {
    auto where = at;
    where.port = local_endpoint(listener).value().port;
    sockaddr_storage address{};
    const auto address_bytes = to_sockaddr(where, address);
    unique_fd client(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int connected =
        ::connect(client.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                  address_bytes);
    REQUIRE((connected == 0 || errno == EINPROGRESS));
    return client;
}

unique_fd client_of(int listener) {
    return client_of(listener, loopback_v4());
}

int option_of(int socket, int level, int name) {
    int value = -1;
    socklen_t size_bytes = sizeof value;
    REQUIRE(::getsockopt(socket, level, name, &value, &size_bytes) == 0);
    return value;
}

std::string congestion_of(int socket) {
    std::array<char, 16> name{};
    socklen_t size_bytes = name.size();
    REQUIRE(::getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size_bytes) == 0);
    return name.data();
}

/// An acceptor, where it listens, and the core they are on.
struct listener_scene {
    test_core machine;
    core& here = machine.here;
    unique_fd opened = open_listener({.at = loopback_v4(), .backlog = 4'096}).value();
    int listening = opened.get();
    acceptor door{machine.here, std::move(opened)};

    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
    }
    [[nodiscard]] std::vector<unique_fd> clients(std::size_t count) const {
        std::vector<unique_fd> made;
        for (std::size_t i = 0; i < count; ++i) {
            made.push_back(client_of(listening));
        }
        return made;
    }
    [[nodiscard]] time_point in(duration from_now) const { return here.now() + from_now; }
};

task<> close_door(acceptor& door) {
    co_await door.close();
}

/// A low limit on descriptors, for as long as this lives, and a hold on all that it leaves. Check
/// nothing while they are held: sanitizers need descriptors themselves.
class descriptor_shortage {
  public:
    descriptor_shortage() {
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit lowered{.rlim_cur = 256, .rlim_max = before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    }
    descriptor_shortage(const descriptor_shortage&) = delete;
    descriptor_shortage& operator=(const descriptor_shortage&) = delete;
    ~descriptor_shortage() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    void hold_all() {
        for (int taken = ::dup(STDERR_FILENO); taken >= 0; taken = ::dup(STDERR_FILENO)) {
            held_.emplace_back(taken);
        }
    }
    void release() { held_.clear(); }

  private:
    rlimit before_{};
    std::vector<unique_fd> held_;
};

/// An effective user without privileges, for as long as this lives. Only root can become one.
class unprivileged {
  public:
    unprivileged() : was_root_(::geteuid() == 0) {
        if (was_root_) {
            REQUIRE(::seteuid(65'534) == 0);
        }
    }
    unprivileged(const unprivileged&) = delete;
    unprivileged& operator=(const unprivileged&) = delete;
    ~unprivileged() {
        if (was_root_) {
            static_cast<void>(::seteuid(0));
        }
    }

  private:
    bool was_root_;
};

}  // namespace

TEST_CASE("open_listener: gives a listening socket and says where it is") {
    const auto socket = open_listener({.at = loopback_v4()});
    REQUIRE(socket);
    const auto at = local_endpoint(socket->get());
    REQUIRE(at);
    CHECK(same_address(*at, loopback_v4()));
    CHECK(at->port != 0);
    CHECK((::fcntl(socket->get(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(option_of(socket->get(), SOL_SOCKET, SO_ACCEPTCONN) == 1);
}

TEST_CASE("open_listener: each refusal has its own error") {
    const auto first = open_listener({.at = loopback_v4()});
    REQUIRE(first);
    const auto taken = loopback_v4(local_endpoint(first->get()).value().port);
    CHECK(open_listener({.at = taken}).error() == errc::in_use);
    CHECK(open_listener({.at = taken, .share_port = true}).error() == errc::in_use);

    auto elsewhere = parse_address("192.0.2.1").value();  // RFC 5737: nobody's.
    CHECK(open_listener({.at = elsewhere}).error() == errc::unavailable);

    CHECK(open_listener({.at = loopback_v4(), .congestion = "no-such-thing"}).error() ==
          errc::not_found);
    CHECK(local_endpoint(STDIN_FILENO).error() == errc::io);
    CHECK(local_endpoint(-1).error() == errc::io);
}

TEST_CASE("open_listener: a port that takes a privilege is denied") {
    int first_free_port = 1'024;
    std::ifstream("/proc/sys/net/ipv4/ip_unprivileged_port_start") >> first_free_port;
    if (first_free_port <= 1) {
        MESSAGE("skipped: this system has no privileged ports");
        return;
    }
    const unprivileged user;
    CHECK(open_listener({.at = loopback_v4(1)}).error() == errc::denied);
}

TEST_CASE("open_listener: failing leaves no descriptor open") {
    const auto before = count_descriptors();
    for (int i = 0; i < 10; ++i) {
        CHECK_FALSE(open_listener({.at = loopback_v4(), .congestion = "no-such-thing"}));
        CHECK_FALSE(open_listener({.at = parse_address("192.0.2.1").value()}));
    }
    CHECK(count_descriptors() == before);
}

TEST_CASE("open_listener: several sockets share a port when each says so") {
    const auto first = open_listener({.at = loopback_v4(), .share_port = true});
    REQUIRE(first);
    const auto at = loopback_v4(local_endpoint(first->get()).value().port);
    const auto second = open_listener({.at = at, .share_port = true});
    CHECK(second);
    // One that does not share is kept out: that is how a second server is noticed.
    CHECK(open_listener({.at = at}).error() == errc::in_use);
}

TEST_CASE("open_listener: the unspecified v6 address serves both families") {
    const auto both = open_listener({.at = parse_endpoint("*:0").value()});
    REQUIRE(both);
    const auto bound = local_endpoint(both->get()).value();
    const auto from_v4 = client_of(both->get(), loopback_v4());
    CHECK(unique_fd(::accept4(both->get(), nullptr, nullptr, SOCK_CLOEXEC)));
    if (bound.family == address_family::v4) {
        MESSAGE("skipped: this system has no IPv6");
        return;
    }
    const auto from_v6 = client_of(both->get(), parse_address("::1").value());
    CHECK(unique_fd(::accept4(both->get(), nullptr, nullptr, SOCK_CLOEXEC)));
    // A v6 address of its own does not take v4's port; another program may have it by chance.
    bool both_have_it = false;
    for (int tries = 0; tries < 20 && !both_have_it; ++tries) {
        const auto only_v6 = open_listener({.at = parse_address("::1").value()});
        REQUIRE(only_v6);
        const auto port = local_endpoint(only_v6->get()).value().port;
        both_have_it = open_listener({.at = loopback_v4(port)}).has_value();
    }
    CHECK(both_have_it);
}

TEST_CASE(
    "acceptor: connections are non-blocking, closed on exec, without Nagle, on the congestion "
    "control asked for (datapath.md, 10 and 17)") {
    test_core machine;
    machine.run([](nursery& tasks) -> task<> {
        for (const std::string name : {"cubic", "reno"}) {
            CAPTURE(name);
            auto opened = open_listener({.at = loopback_v4(), .congestion = name});
            REQUIRE(opened);
            const int listening = opened->get();
            acceptor door(tasks.here(), std::move(*opened));
            const auto client = client_of(listening);
            const auto accepted = co_await door.accept(tasks.here().now() + 5s);
            REQUIRE(accepted);
            CHECK((::fcntl(accepted->get(), F_GETFL) & O_NONBLOCK) != 0);
            CHECK((::fcntl(accepted->get(), F_GETFD) & FD_CLOEXEC) != 0);
            CHECK(option_of(accepted->get(), IPPROTO_TCP, TCP_NODELAY) == 1);
            CHECK(congestion_of(accepted->get()) == name);
            co_await door.close();
        }
    });
}

TEST_CASE("acceptor: two hundred connections at once and two hundred one by one") {
    listener_scene on;
    const auto before = count_descriptors();
    on.run([](nursery&, listener_scene& my) -> task<> {
        const auto clients = my.clients(200);
        std::vector<unique_fd> accepted;
        while (accepted.size() < clients.size()) {
            auto next = co_await my.door.accept(my.in(5s));
            REQUIRE(next);
            accepted.push_back(std::move(*next));
        }
        CHECK(co_await my.door.accept(my.in(10ms)) == failure(errc::timed_out));
        for (int i = 0; i < 200; ++i) {
            const auto client = client_of(my.listening);
            const auto next = co_await my.door.accept(my.in(5s));
            REQUIRE(next);
        }
        co_await my.door.close();
    });
    CHECK(count_descriptors() == before - 1);
}

TEST_CASE("acceptor: a deadline and a stop end one wait, not the accepting") {
    listener_scene on;
    on.run([](nursery& tasks, listener_scene& my) -> task<> {
        CHECK(co_await my.door.accept(my.in(10ms)) == failure(errc::timed_out));
        stop_scope scope(&co_await current_scope());
        tasks.start(
            [](core& here, stop_scope& stopped) -> task<> {
                co_await pause(here, 10ms);
                stopped.request_stop();
            },
            std::ref(my.here), std::ref(scope));
        CHECK(co_await my.door.accept().in_scope(scope) == failure(errc::cancelled));
        const auto client = client_of(my.listening);
        const auto accepted = co_await my.door.accept(my.in(5s));
        CHECK(accepted);
        co_await my.door.close();
    });
}

// Goal: who had connected before a stop is served (threats.md, H8): the kernel has told them that
// they are welcome, and closing the socket would reset them. Method: as many as the queue holds
// connect in the turn of the stop, before and after the accept was armed.
TEST_CASE("acceptor: after a stop it hands out who had connected by then") {
    for (const bool is_armed : {false, true}) {
        CAPTURE(is_armed);
        listener_scene on;
        on.machine.run(
            [](nursery&, listener_scene& my, bool armed) -> task<> {
                if (armed) {
                    CHECK(co_await my.door.accept(my.in(10ms)) == failure(errc::timed_out));
                }
                stop_scope stopped(&co_await current_scope());
                const auto clients = my.clients(200);
                stopped.request_stop();
                for (std::size_t i = 0; i < clients.size(); ++i) {
                    CHECK(co_await my.door.accept().in_scope(stopped));
                }
                CHECK(co_await my.door.accept().in_scope(stopped) == failure(errc::cancelled));
                // A crowd that never ends does not hold the stop up.
                std::size_t given = 0;
                for (bool is_over = false; !is_over && given < 3'000;) {
                    const auto one_more = client_of(my.listening);
                    const auto accepted = co_await my.door.accept().in_scope(stopped);
                    is_over = !accepted;
                    given += accepted ? 1 : 0;
                }
                CHECK(given < 2'000);
                co_await my.door.close();
            },
            std::ref(on), is_armed);
    }
}

// Goal: a close that wants memory would leave an accept in the ring whose owner dies (R14).
TEST_CASE("acceptor: closing takes no memory" *
          doctest::skip(!test::allocation_fault::is_possible)) {
    listener_scene on;
    on.run([](nursery&, listener_scene& my) -> task<> {
        CHECK(co_await my.door.accept(my.in(10ms)) == failure(errc::timed_out));
        const test::allocation_fault fault(1);
        co_await my.door.close();
        CHECK_FALSE(fault.has_happened());
    });
}

TEST_CASE("acceptor: closing gives back what it holds; its clients see the end") {
    for (const bool is_armed : {false, true}) {
        CAPTURE(is_armed);
        listener_scene on;
        const auto before = count_descriptors();
        on.machine.run(
            [](nursery&, listener_scene& my, bool armed) -> task<> {
                if (armed) {
                    CHECK(co_await my.door.accept(my.in(10ms)) == failure(errc::timed_out));
                }
                const auto clients = my.clients(20);
                co_await pause(my.here, 20ms);
                stop_scope stopped(&co_await current_scope());
                stopped.request_stop();
                co_await close_door(my.door).in_scope(stopped);  // Deaf to it.
                for (const auto& client : clients) {
                    const auto end = co_await hear_all(my.here, client.get());
                    CHECK(end.how != ending::still_open);
                }
            },
            std::ref(on), is_armed);
        CHECK(count_descriptors() == before - 1);
    }
}

TEST_CASE("acceptor: what nobody takes waits in the kernel beyond a bound") {
    listener_scene on;
    on.run([](nursery&, listener_scene& my) -> task<> {
        CHECK(co_await my.door.accept(my.in(10ms)) == failure(errc::timed_out));
        auto clients = my.clients(1'100);
        co_await pause(my.here, 50ms);
        const auto held = count_descriptors();
        auto more = my.clients(500);
        co_await pause(my.here, 50ms);
        CHECK(count_descriptors() == held + more.size());  // None of them was accepted.
        std::vector<unique_fd> accepted;
        while (accepted.size() < clients.size() + more.size()) {
            auto next = co_await my.door.accept(my.in(5s));
            REQUIRE(next);
            accepted.push_back(std::move(*next));
        }
        co_await my.door.close();
    });
}

TEST_CASE("acceptor: without a descriptor left it says so, and goes on later (threats.md, H6)") {
    listener_scene on;
    descriptor_shortage shortage;
    on.machine.run(
        [](nursery&, listener_scene& my, descriptor_shortage& descriptors) -> task<> {
            for (int times = 0; times < 2; ++times) {
                const auto clients = my.clients(3);
                descriptors.hold_all();
                for (int tries = 0; tries < 3; ++tries) {
                    const auto refused = co_await my.door.accept(my.in(5s));
                    descriptors.release();
                    REQUIRE_FALSE(refused);
                    CHECK(refused.error() == errc::exhausted);
                    descriptors.hold_all();
                }
                descriptors.release();
                for (std::size_t i = 0; i < clients.size(); ++i) {
                    const auto accepted = co_await my.door.accept(my.in(5s));
                    CHECK(accepted);
                }
            }
            co_await my.door.close();
        },
        std::ref(on), std::ref(shortage));
}

TEST_CASE("acceptor: without memory for one connection it drops that one (threats.md, R14)" *
          doctest::skip(!test::allocation_fault::is_possible)) {
    listener_scene on;
    const auto before = count_descriptors();
    on.run([](nursery&, listener_scene& my) -> task<> {
        const auto first = client_of(my.listening);
        result<unique_fd> accepted = failure(errc::io);
        keep_frames(false);  // Whatever ran before.
        {
            const test::allocation_fault fault(2);  // The first is the frame of `accept`.
            accepted = co_await my.door.accept(my.in(5s));
            CHECK(fault.has_happened());
        }
        keep_frames(true);
        REQUIRE_FALSE(accepted);
        CHECK(accepted.error() == errc::exhausted);
        CHECK((co_await hear_all(my.here, first.get())).how == ending::end_of_stream);
        const auto second = client_of(my.listening);
        CHECK(co_await my.door.accept(my.in(5s)));
        co_await my.door.close();
    });
    CHECK(count_descriptors() == before - 1);
}

TEST_CASE("accept_at_once: who has connected, and nobody") {
    const auto listener = open_listener({.at = loopback_v4()}).value();
    auto came = accept_at_once(listener.get());
    REQUIRE_FALSE(came);
    CHECK(came.error().os_errno == EAGAIN);
    const auto client = client_of(listener.get());
    came = accept_at_once(listener.get());
    REQUIRE(came);
    CHECK(came->peer == local_endpoint(client.get()).value());
    CHECK((::fcntl(came->socket.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(came->socket.get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("stop_listening: who waits is reset, and the socket can listen again there") {
    auto at = loopback_v4();
    const auto listener = open_listener({.at = at}).value();
    at = local_endpoint(listener.get()).value();
    for (const bool binds : {true, false}) {
        const auto waiting = client_of(listener.get());
        REQUIRE(stop_listening(listener.get()));
        std::array<char, 1> octet{};
        CHECK(::recv(waiting.get(), octet.data(), octet.size(), 0) == -1);
        CHECK(errno == ECONNRESET);
        CHECK(accept_at_once(listener.get()).error() == errc::invalid);
        // The port that the kernel has chosen is given back, one that was asked for is kept.
        REQUIRE(listen_again(listener.get(), {.at = at, .binds = binds}));
        CHECK(local_endpoint(listener.get()).value() == at);
        const auto client = client_of(listener.get());
        CHECK(accept_at_once(listener.get()));
        CHECK(option_of(listener.get(), IPPROTO_TCP, TCP_NODELAY) == 1);
    }
    REQUIRE(stop_listening(listener.get()));
    const auto other = open_listener({.at = at}).value();
    const auto again = listen_again(listener.get(), {.at = at, .binds = false});
    REQUIRE_FALSE(again);
    CHECK(again.error() == errc::in_use);
}

TEST_CASE("refuse: the last words arrive, then the end") {
    test_core machine;
    machine.run([](nursery& tasks) -> task<> {
        auto ends = connect_ends();
        refuse(std::move(ends.near), "421 too many\r\n");
        const auto at_peer = co_await hear_all(tasks.here(), ends.far.get());
        CHECK(at_peer.octets == "421 too many\r\n");
        CHECK(at_peer.how == ending::end_of_stream);

        auto gone = connect_ends();  // A client that is gone is no trouble.
        reset_on_close(gone.far.get());
        gone.far.reset();
        refuse(std::move(gone.near), "421 too many\r\n");
    });
}
