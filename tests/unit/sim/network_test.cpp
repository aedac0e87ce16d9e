#include "sim/network.hpp"

#include <doctest/doctest.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <string>
#include <vector>

#include "wires.hpp"

using namespace ferry;
using namespace ferry::sim_test;
using namespace std::chrono_literals;
using sim::direction;
using sim::doom;
using sim::socket_ptr;

namespace {

std::string pattern(std::size_t size_bytes, std::uint64_t seed = 1) {
    ferry::random rng(seed);
    std::string octets(size_bytes, '\0');
    for (char& each : octets) {
        each = static_cast<char>(rng.next());
    }
    return octets;
}

}  // namespace

TEST_CASE("network: bind gives ports, and refuses as bind(2) does") {
    wires on;
    const auto first = on.tcp();
    CHECK(on.local(first).text() == "0.0.0.0:0");
    CHECK(on.bind(first, {"192.0.2.1", 0}) == 0);
    const auto port = on.local(first).port();
    CHECK(port >= 32'768);
    CHECK(port <= 60'999);
    CHECK(on.bind(first, {"192.0.2.1", 0}) == -EINVAL);
    const auto second = on.tcp();
    CHECK(on.bind(second, {"192.0.2.1", port}) == -EADDRINUSE);
    CHECK(on.bind(second, {"0.0.0.0", port}) == -EADDRINUSE);
    CHECK(on.bind(second, {"::", port}) == -EAFNOSUPPORT);
    CHECK(on.net.bind(second, where("192.0.2.1", 1).get(), 8) == -EINVAL);
    CHECK(on.bind(second, {"192.0.2.2", port}) == 0);
    CHECK(on.bind(on.tcp(), {"192.0.2.1", 20}) == 0);
    const auto v6 = on.tcp(AF_INET6);
    CHECK(on.local(v6).text() == ":::0");
    CHECK(on.bind(v6, {"192.0.2.1", 1}) == -EINVAL);  // Shorter than a sockaddr_in6.
    CHECK(on.bind(v6, {"fe80::1", 1}) == -EINVAL);    // Without a scope.
    CHECK(on.bind(v6, {"2001:db8::1", 0}) == 0);
}

TEST_CASE("network: who may bind where somebody is already (socket(7))") {
    struct row {
        const char* first;
        bool first_reuses;
        bool first_shares;
        bool first_listens;
        const char* second;
        bool second_reuses;
        bool second_shares;
        int result;
    };
    static constexpr row rows[] = {
        {"192.0.2.1", false, false, false, "192.0.2.1", false, false, -EADDRINUSE},
        {"192.0.2.1", false, false, false, "192.0.2.2", false, false, 0},
        {"192.0.2.1", true, false, false, "192.0.2.1", false, false, -EADDRINUSE},
        {"192.0.2.1", true, false, false, "192.0.2.1", true, false, 0},
        {"192.0.2.1", true, false, true, "192.0.2.1", true, false, -EADDRINUSE},
        {"192.0.2.1", true, true, true, "192.0.2.1", true, true, 0},
        {"192.0.2.1", false, true, true, "192.0.2.1", true, false, -EADDRINUSE},
        {"0.0.0.0", true, false, true, "192.0.2.1", true, false, -EADDRINUSE},
        {"0.0.0.0", false, true, true, "192.0.2.1", false, true, 0},
        {"::", true, false, true, "192.0.2.1", true, false, -EADDRINUSE},
        {"::", false, false, false, "0.0.0.0", false, false, -EADDRINUSE},
        {"2001:db8::1", false, false, true, "0.0.0.0", false, false, 0},
    };
    for (const auto& each : rows) {
        CAPTURE(each.first);
        CAPTURE(each.second);
        wires on;
        const where at(each.first, 2'121);
        const auto first = on.tcp(at.family());
        on.set(first, SOL_SOCKET, SO_REUSEADDR, each.first_reuses);
        on.set(first, SOL_SOCKET, SO_REUSEPORT, each.first_shares);
        REQUIRE(on.bind(first, at) == 0);
        if (each.first_listens) {
            REQUIRE(on.net.listen(first, 1) == 0);
        }
        const where then_at(each.second, 2'121);
        const auto second = on.tcp(then_at.family());
        on.set(second, SOL_SOCKET, SO_REUSEADDR, each.second_reuses);
        on.set(second, SOL_SOCKET, SO_REUSEPORT, each.second_shares);
        CHECK(on.bind(second, then_at) == each.result);
        on.net.close(first);
        const auto third = on.tcp(then_at.family());
        if (each.result != 0) {
            CHECK(on.bind(third, then_at) == 0);  // What was closed is free.
        }
    }
}

TEST_CASE("network: two may be bound with SO_REUSEADDR, one may listen") {
    wires on;
    std::vector<socket_ptr> both;
    for (int i = 0; i < 2; ++i) {
        both.push_back(on.tcp());
        on.set(both.back(), SOL_SOCKET, SO_REUSEADDR, 1);
        REQUIRE(on.bind(both.back(), {"0.0.0.0", 80}) == 0);
    }
    CHECK(on.net.listen(both[0], 1) == 0);
    CHECK(on.net.listen(both[0], 2) == 0);
    CHECK(on.net.listen(both[1], 1) == -EADDRINUSE);
    on.net.close(both[0]);
    CHECK(on.net.listen(both[1], 1) == 0);
}

TEST_CASE("network: IPV6_V6ONLY keeps the families apart, and is decided before bind") {
    wires on;
    const auto v6 = on.tcp(AF_INET6);
    CHECK(on.set(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
    CHECK(on.set(on.tcp(), IPPROTO_IPV6, IPV6_V6ONLY, 1) == -ENOPROTOOPT);
    CHECK(on.bind(v6, {"::ffff:192.0.2.1", 80}) == -EINVAL);
    CHECK(on.bind(v6, {"::", 80}) == 0);
    CHECK(on.set(v6, IPPROTO_IPV6, IPV6_V6ONLY, 0) == -EINVAL);
    const auto v4 = on.bound({"0.0.0.0", 80});
    CHECK(on.net.listen(v6, 1) == 0);
    CHECK(on.net.listen(v4, 1) == 0);
    const auto client = on.client(v4);
    on.run();
    CHECK(on.net.take_error(client) == 0);
    CHECK(on.accept(v4) != nullptr);
    CHECK(on.accept(v6) == nullptr);
}

TEST_CASE("network: ephemeral ports run out, of bind and of connect") {
    wires on;
    std::vector<socket_ptr> all;
    std::set<std::uint16_t> ports;
    for (unsigned i = 0; i < 28'232; ++i) {
        all.push_back(on.bound({"192.0.2.1", 0}));
        ports.insert(on.local(all.back()).port());
    }
    CHECK(ports.size() == 28'232);
    CHECK(on.bind(on.tcp(), {"192.0.2.1", 0}) == -EADDRINUSE);
    CHECK(on.bind(on.tcp(), {"192.0.2.2", 0}) == 0);
    CHECK(on.connect(on.tcp(), {"192.0.2.1", 80}) == -EADDRNOTAVAIL);
    on.net.close(all.back());
    CHECK(on.bind(on.tcp(), {"192.0.2.1", 0}) == 0);
}

TEST_CASE("network: the same seed gives the same ports, another one others") {
    const auto port = [](std::uint64_t seed) {
        wires on(seed);
        return on.local(on.bound({"192.0.2.1", 0})).port();
    };
    CHECK(port(1) == port(1));
    CHECK(port(1) != port(2));
}

TEST_CASE("network: addresses are copied as far as they fit, ENOTCONN without a peer") {
    wires on;
    const auto [client, server] = on.tcp_pair();
    sockaddr_in6 whole{};
    where shown;
    shown.size_bytes = 4;
    CHECK(on.net.local_address(server, shown.get(), &shown.size_bytes) == 0);
    CHECK(shown.size_bytes == sizeof(sockaddr_in));
    CHECK(shown.port() == on.local(server).port());
    CHECK(shown.text() == "0.0.0.0:" + std::to_string(shown.port()));
    socklen_t negative = static_cast<socklen_t>(-1);
    CHECK(on.net.local_address(server, shown.get(), &negative) == -EINVAL);
    CHECK(on.peer(client).text() == on.local(server).text());
    CHECK(on.peer(server).text() == on.local(client).text());
    const auto fresh = on.tcp(AF_INET6);
    socklen_t size_bytes = sizeof whole;
    CHECK(on.net.peer_address(fresh, shown.get(), &size_bytes) == -ENOTCONN);
    const auto [left, right] = on.net.make_pair();
    size_bytes = sizeof whole;
    CHECK(on.net.peer_address(left, shown.get(), &size_bytes) == 0);
    CHECK(size_bytes == sizeof(sa_family_t));
    CHECK(shown.family() == AF_UNIX);
}

TEST_CASE("network: whom a connection reaches") {
    struct row {
        std::vector<const char*> listening;
        const char* to;
        int reached;  ///< Index of the listener, or -1.
        const char* peer;
    };
    static const row rows[] = {
        {{"192.0.2.1"}, "192.0.2.1", 0, "192.0.2.1"},
        {{"192.0.2.1"}, "192.0.2.2", -1, ""},
        {{"0.0.0.0"}, "192.0.2.2", 0, "192.0.2.2"},
        {{"0.0.0.0"}, "127.0.0.9", 0, "127.0.0.1"},
        {{"0.0.0.0"}, "0.0.0.0", 0, "127.0.0.1"},
        {{"127.0.0.1"}, "0.0.0.0", 0, "127.0.0.1"},
        {{"0.0.0.0"}, "2001:db8::1", -1, ""},
        {{"::"}, "2001:db8::1", 0, "2001:db8::1"},
        {{"::"}, "::", 0, "::1"},
        {{"::"}, "192.0.2.1", 0, "::ffff:192.0.2.1"},
        {{"::"}, "::ffff:192.0.2.1", 0, "::ffff:192.0.2.1"},
        {{"192.0.2.1"}, "::ffff:192.0.2.1", 0, "192.0.2.1"},
        {{"::ffff:192.0.2.1"}, "192.0.2.1", 0, "::ffff:192.0.2.1"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.listening.front());
        CAPTURE(each.to);
        wires on;
        std::vector<socket_ptr> listeners;
        for (const char* at : each.listening) {
            listeners.push_back(on.listener({at, 2'121}));
        }
        const where to(each.to, 2'121);
        const auto client = on.tcp(to.family());
        REQUIRE(on.connect(client, to) == -EINPROGRESS);
        on.run();
        if (each.reached < 0) {
            CHECK(on.net.take_error(client) == ECONNREFUSED);
            continue;
        }
        const auto accepted = on.accept(listeners[static_cast<std::size_t>(each.reached)]);
        REQUIRE(accepted != nullptr);
        CHECK(on.peer(accepted).text() ==
              each.peer + (':' + std::to_string(on.local(client).port())));
    }
}

TEST_CASE("network: a listener at the very address comes before one at a wildcard") {
    wires on;
    std::vector<socket_ptr> all;
    for (const char* at : {"::", "0.0.0.0", "192.0.2.1"}) {
        const where there(at, 80);
        all.push_back(on.tcp(there.family()));
        on.set(all.back(), SOL_SOCKET, SO_REUSEPORT, 1);
        REQUIRE(on.bind(all.back(), there) == 0);
        REQUIRE(on.net.listen(all.back(), 10) == 0);
    }
    while (!all.empty()) {  // The best one leaves, then the next best is reached.
        const auto client = on.tcp();
        REQUIRE(on.connect(client, {"192.0.2.1", 80}) == -EINPROGRESS);
        on.run();
        for (const auto& each : all) {
            CHECK((on.accept(each) != nullptr) == (each == all.back()));
        }
        on.net.close(all.back());
        all.pop_back();
    }
}

TEST_CASE("network: listeners with SO_REUSEPORT share connections as the seed wills") {
    std::set<std::vector<int>> splits;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        wires on(seed);
        std::vector<socket_ptr> group;
        for (int i = 0; i < 3; ++i) {
            group.push_back(on.tcp());
            on.set(group.back(), SOL_SOCKET, SO_REUSEPORT, 1);
            REQUIRE(on.bind(group.back(), {"192.0.2.1", 80}) == 0);
            REQUIRE(on.net.listen(group.back(), 1'000) == 0);
        }
        std::vector<socket_ptr> clients;
        for (int i = 0; i < 300; ++i) {
            clients.push_back(on.client(group.front()));
        }
        on.run();
        std::vector<int> split;
        for (const auto& each : group) {
            split.push_back(0);
            while (on.accept(each) != nullptr) {
                ++split.back();
            }
            CHECK(split.back() > 70);
        }
        CHECK(split[0] + split[1] + split[2] == 300);
        splits.insert(split);
    }
    CHECK(splits.size() == 3);
}

TEST_CASE("network: connect, and what it says when it is called again") {
    wires on;
    const auto door = on.listener();
    const auto client = on.client(door);
    const where to = on.local(door);
    CHECK(on.connect(client, to) == -EALREADY);
    CHECK_FALSE(on.net.is_writable(client));
    CHECK(on.send(client, "early") == -EAGAIN);
    CHECK(on.receive_result(client) == -EAGAIN);
    on.run();
    CHECK(on.since_start() < 1ms);
    CHECK(on.net.is_writable(client));
    CHECK(on.net.take_error(client) == 0);
    CHECK(on.connect(client, to) == 0);
    CHECK(on.connect(client, to) == -EISCONN);
    CHECK(on.connect(door, to) == -EISCONN);
    CHECK(on.connect(on.tcp(), {"::1", 80}) == -EAFNOSUPPORT);
    CHECK(on.net.connect(on.tcp(), to.get(), 7) == -EINVAL);
    CHECK(on.connect(on.tcp(), {"255.255.255.255", 80}) == -ENETUNREACH);
}

TEST_CASE("network: a refused connect says so once and may be tried anew") {
    wires on;
    const where to("192.0.2.1", 80);
    for (const bool asks_for_error : {false, true}) {
        const auto client = on.tcp();
        REQUIRE(on.connect(client, to) == -EINPROGRESS);
        CHECK(on.net.poll_events(client) == 0);
        on.run();
        CHECK(on.net.poll_events(client) == (POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
        if (asks_for_error) {
            CHECK(on.net.take_error(client) == ECONNREFUSED);
            CHECK(on.net.take_error(client) == 0);
            CHECK(on.connect(client, to) == -ECONNABORTED);
        } else {
            CHECK(on.connect(client, to) == -ECONNREFUSED);
        }
        const auto door = on.listener(to);
        CHECK(on.connect(client, to) == -EINPROGRESS);
        on.run();
        CHECK(on.connect(client, to) == 0);
        on.net.close(door);
        on.net.close(client);
    }
    on.run();
    CHECK(on.net.count_sockets() == 0);
}

TEST_CASE("network: accept without a listener is EINVAL, with an empty queue EAGAIN") {
    wires on;
    int result = 0;
    CHECK(on.net.accept(on.tcp(), result) == nullptr);
    CHECK(result == -EINVAL);
    const auto door = on.listener();
    CHECK(on.net.accept(door, result) == nullptr);
    CHECK(result == -EAGAIN);
    CHECK(on.net.shutdown(door, SHUT_RD) == 0);
    CHECK(on.net.accept(door, result) == nullptr);
    CHECK(result == -EINVAL);
    CHECK(on.net.listen(door, 1) == 0);
    on.net.close(door);
    CHECK(on.net.accept(door, result) == nullptr);
    CHECK(result == -EINVAL);
}

TEST_CASE("network: accepted sockets have their listener's options") {
    wires on;
    const auto door = on.listener();
    on.set(door, IPPROTO_TCP, TCP_NODELAY, 1);
    on.set(door, SOL_SOCKET, SO_OOBINLINE, 1);
    on.set(door, SOL_SOCKET, SO_RCVBUF, 10'000);
    CHECK(on.net.set_option(door, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
    const auto client = on.client(door);
    on.run();
    const auto accepted = on.accept(door);
    CHECK(on.get(accepted, IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(on.get(accepted, SOL_SOCKET, SO_OOBINLINE) == 1);
    CHECK(on.get(accepted, SOL_SOCKET, SO_RCVBUF) == 20'000);
    CHECK(on.get(accepted, SOL_SOCKET, SO_ACCEPTCONN) == 0);
    std::array<char, 16> name{};
    socklen_t size_bytes = name.size();
    CHECK(on.net.get_option(accepted, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size_bytes) == 0);
    CHECK(std::string(name.data()) == "reno");
}

TEST_CASE("network: options, known and unknown") {
    wires on;
    const auto which = on.tcp();
    CHECK(on.net.set_option(which, IPPROTO_TCP, TCP_CONGESTION, "no-such", 7) == -ENOENT);
    CHECK(on.net.set_option(which, IPPROTO_TCP, TCP_CONGESTION, "bbr\0rest", 8) == 0);
    CHECK(on.set(which, IPPROTO_TCP, 9'999, 1) == -ENOPROTOOPT);
    CHECK(on.set(which, SOL_SOCKET, SO_ERROR, 1) == -ENOPROTOOPT);
    CHECK(on.net.set_option(which, SOL_SOCKET, SO_REUSEADDR, "x", 1) == -EINVAL);
    CHECK(on.set(which, SOL_SOCKET, SO_LINGER, 1) == -EINVAL);
    CHECK(on.set(which, SOL_SOCKET, SO_SNDBUF, 1) == 0);
    CHECK(on.get(which, SOL_SOCKET, SO_SNDBUF) == 4'608);
    CHECK(on.set(which, SOL_SOCKET, SO_RCVBUF, 1) == 0);
    CHECK(on.get(which, SOL_SOCKET, SO_RCVBUF) == 2'304);
    CHECK(on.set(which, IPPROTO_TCP, TCP_USER_TIMEOUT, -1) == -EINVAL);
    const auto pair = on.net.make_pair().first;
    CHECK(on.set(pair, IPPROTO_TCP, TCP_NODELAY, 1) == -EOPNOTSUPP);
    const auto pipe = on.net.make_pipe().first;
    CHECK(on.set(pipe, SOL_SOCKET, SO_SNDBUF, 1) == -ENOTSOCK);
    CHECK(on.net.shutdown(pipe, SHUT_RD) == -ENOTSOCK);
    CHECK(on.net.listen(pipe, 1) == -ENOTSOCK);
}

TEST_CASE("network: a full queue leaves further connects waiting, one second, then three") {
    wires on;
    const auto door = on.listener(1);
    std::vector<socket_ptr> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(on.client(door));
    }
    const auto connected = [&] {
        return std::ranges::count_if(clients,
                                     [&](const auto& each) { return on.net.is_writable(each); });
    };
    on.run_for(900ms);
    CHECK(connected() == 2);  // The backlog and one.
    CHECK(on.accept(door) != nullptr);
    on.run_for(200ms);
    CHECK(connected() == 3);
    on.run_for(1'800ms);
    CHECK(connected() == 3);
    CHECK(on.accept(door) != nullptr);
    on.run_for(200ms);
    CHECK(connected() == 4);
    // With nobody accepting, the next one gives up.
    const auto hopeless = on.client(door);
    const auto began = on.events.now();
    on.run();
    CHECK(on.events.now() - began == 127s);
    CHECK(on.net.take_error(hopeless) == ETIMEDOUT);
}

TEST_CASE("network: a listener that closes resets what is in its queue and on its way") {
    for (const auto& latency : {0us, 40us, 90us, 150us, 400us}) {
        CAPTURE(latency.count());
        wires on;
        on.net.set_weather({.latency_min = 50us, .latency_max = 50us});
        const auto door = on.listener();
        const auto client = on.client(door);
        on.run_for(latency);
        on.net.close(door);
        on.run();
        const int error = on.net.take_error(client);
        CHECK((error == ECONNREFUSED || error == ECONNRESET));
        on.net.close(client);
        CHECK(on.net.count_sockets() == 0);
        CHECK(on.net.count_connections() == 0);
    }
}

TEST_CASE("network: a connection reset before it was accepted is accepted, and then fails") {
    wires on;
    const auto door = on.listener();
    const auto client = on.client(door);
    on.run();
    CHECK(on.send(client, "words") == 5);
    on.reset_on_close(client);
    on.net.close(client);
    on.run();
    const auto accepted = on.accept(door);
    REQUIRE(accepted != nullptr);
    where nobody;
    CHECK(on.net.peer_address(accepted, nobody.get(), &nobody.size_bytes) == -ENOTCONN);
    CHECK(on.receive(accepted) == "words");
    CHECK(on.receive_result(accepted) == -ECONNRESET);
    CHECK(on.receive_result(accepted) == 0);
    CHECK(on.send(accepted, "x") == -EPIPE);
}

TEST_CASE("network: sixteen MiB arrive whole and in order, in few events, through small buffers") {
    struct row {
        std::size_t send_bytes;
        std::size_t receive_bytes;
        std::uint64_t events_max;
    };
    for (const auto& [send_bytes, receive_bytes, events_max] :
         {row{256 * 1024, 128 * 1024, 4'000}, row{4'000, 1'000, 60'000},
          row{1 << 20, 300, 140'000}}) {
        CAPTURE(receive_bytes);
        wires on;
        on.net.set_weather(
            {.send_buffer_bytes = send_bytes, .receive_buffer_bytes = receive_bytes});
        const auto [client, server] = on.tcp_pair();
        const std::string sent = pattern(16 << 20);
        std::string_view rest = sent;
        std::string got;
        std::uint64_t events = 0;
        std::vector<std::byte> piece(100'000);
        const auto feed = [&, from = client] {
            for (;;) {
                const auto went = on.send(from, rest.substr(0, 65'536));
                if (went <= 0) {
                    break;
                }
                rest.remove_prefix(static_cast<std::size_t>(went));
            }
        };
        const auto eat = [&, from = server] {
            for (;;) {
                const auto came = on.net.receive(from, piece);
                if (came <= 0) {
                    break;
                }
                got.append(static_cast<const char*>(static_cast<const void*>(piece.data())),
                           static_cast<std::size_t>(came));
            }
        };
        on.net.watch(client, feed);
        on.net.watch(server, eat);
        feed();
        while (on.events.step()) {
            ++events;
        }
        CHECK(rest.empty());
        CHECK((got == sent));
        CHECK(events < events_max);
    }
}

TEST_CASE("network: a peer that does not read blocks its sender, and no octet too many") {
    wires on;
    on.net.set_weather({.send_buffer_bytes = 10'000, .receive_buffer_bytes = 6'000});
    const auto [client, server] = on.tcp_pair();
    CHECK(on.send(client, pattern(50'000)) == 10'000);
    CHECK(on.send(client, "x") == -EAGAIN);
    CHECK_FALSE(on.net.is_writable(client));
    CHECK(on.net.count_unacknowledged(client) == 10'000);
    on.run();
    CHECK(on.net.count_unread(server) == 6'000);
    CHECK(on.net.count_unacknowledged(client) == 4'000);
    CHECK(on.net.is_writable(client));
    CHECK(on.send(client, pattern(50'000)) == 6'000);
    on.run();
    CHECK(on.net.count_unread(server) == 6'000);
    CHECK(on.send(client, "x") == -EAGAIN);
    CHECK_FALSE(on.net.is_writable(client));
    // A third free is writable: 3,333 octets more than nothing.
    CHECK(on.receive(server, 3'000).size() == 3'000);
    on.run();
    CHECK_FALSE(on.net.is_writable(client));
    CHECK(on.send(client, "x") == 1);
    CHECK(on.receive(server, 3'000).size() == 3'000);
    on.run();
    CHECK(on.net.is_writable(client));
}

TEST_CASE("network: an end of stream comes after the octets, and stays") {
    wires on;
    const auto [client, server] = on.tcp_pair();
    on.send(client, "first ");
    on.send(client, "last");
    CHECK(on.net.shutdown(client, SHUT_WR) == 0);
    CHECK(on.send(client, "x") == -EPIPE);
    on.run();
    CHECK(on.receive(server) == "first last");
    CHECK(on.receive_result(server) == 0);
    CHECK(on.receive_result(server) == 0);
    CHECK(on.send(server, "answer") == 6);
    on.net.close(server);
    on.run();
    CHECK(on.receive(client) == "answer");
    CHECK(on.receive_result(client) == 0);
    CHECK(on.net.shutdown(client, SHUT_WR) == -ENOTCONN);
    on.net.close(client);
    CHECK(on.net.count_sockets() == 0);
    CHECK(on.net.count_connections() == 0);
}

namespace {

constexpr std::string_view request = "GET / HTTP/1.1\r\n\r\n";
constexpr std::string_view response = "HTTP/1.1 204 No Content\r\n\r\n";

/// What one end came to know.
struct fate {
    std::string octets;
    std::vector<std::int64_t> errors;  ///< Other than EAGAIN and EPIPE, in order.
    bool has_end = false;
};

/// A request and its answer, with a doom somewhere. The connector's fate, and the acceptor's.
std::pair<fate, fate> doomed_conversation(wires& on, direction flow, std::size_t octets, doom how) {
    on.net.when_connected([&on, flow, octets, how](const socket_ptr& which) {
        on.net.doom_connection(which, flow, octets, how);
    });
    on.net.set_weather({.segment_bytes_min = 1, .segment_bytes_max = 9});
    const auto door = on.listener();
    const auto client = on.client(door);
    on.run();
    const auto server = on.accept(door);
    REQUIRE(server != nullptr);
    std::pair<fate, fate> ends;
    const auto say = [&](const socket_ptr& from, std::string_view what, fate& of) {
        if (const auto sent = on.send(from, what); sent < 0 && sent != -EPIPE) {
            of.errors.push_back(sent);
        }
        on.run_for(1s);
    };
    const auto hear = [&](const socket_ptr& from, fate& of) {
        for (unsigned i = 0; i < 3; ++i) {
            std::string piece(100, '\0');
            const auto got = on.net.receive(from, std::as_writable_bytes(std::span(piece)));
            of.octets += piece.substr(0, static_cast<std::size_t>(std::max<std::int64_t>(got, 0)));
            of.has_end = got == 0;
            if (got < 0 && got != -EAGAIN) {
                of.errors.push_back(got);
            }
        }
    };
    say(client, request, ends.first);
    hear(server, ends.second);
    say(server, response, ends.second);
    hear(client, ends.first);
    hear(server, ends.second);
    CHECK(on.net.count_connections() == (how == doom::finish ? 1 : 0));
    for (const auto& each : {client, server, door}) {
        on.net.close(each);
    }
    on.run();
    CHECK(on.net.count_sockets() == 0);
    CHECK(on.net.count_connections() == 0);
    return ends;
}

}  // namespace

TEST_CASE("network: a doom strikes at its very octet, wherever that is in the conversation") {
    for (const doom how : {doom::reset, doom::silence, doom::finish}) {
        for (const direction flow : {direction::to_acceptor, direction::to_connector}) {
            const bool to_acceptor = flow == direction::to_acceptor;
            for (std::size_t octets = 0; octets <= (to_acceptor ? request : response).size();
                 ++octets) {
                CAPTURE(static_cast<int>(how));
                CAPTURE(static_cast<int>(flow));
                CAPTURE(octets);
                wires on(octets + 1);
                const auto [client, server] = doomed_conversation(on, flow, octets, how);
                const auto& victim = to_acceptor ? server : client;
                CHECK(victim.octets == (to_acceptor ? request : response).substr(0, octets));
                if (how == doom::reset) {
                    const std::vector<std::int64_t> once{-ECONNRESET};
                    CHECK(client.errors == once);
                    CHECK(server.errors == once);
                } else {
                    CHECK(client.errors.empty());
                    CHECK(server.errors.empty());
                }
                CHECK(victim.has_end == (how != doom::silence));
                if (how == doom::finish) {
                    const auto& sender = to_acceptor ? client : server;
                    CHECK(sender.octets == (to_acceptor ? response : request));
                    CHECK_FALSE(sender.has_end);
                }
            }
        }
    }
}

TEST_CASE("network: a doom that is due strikes at once; without a connection there is none") {
    wires on;
    on.net.doom_connection(on.tcp(), direction::to_acceptor, 0, doom::reset);
    const auto [client, server] = on.tcp_pair();
    on.send(client, "words");
    on.run();
    on.net.doom_connection(server, direction::to_acceptor, 5, doom::finish);
    CHECK(on.net.is_readable(server));
    CHECK(on.receive(server) == "words");
    CHECK(on.receive_result(server) == 0);
    CHECK(on.send(client, "lost") == 4);
    on.run();
    CHECK(on.receive_result(server) == 0);
    CHECK(on.send(server, "still") == 5);
    on.run();
    CHECK(on.receive(client) == "still");
    on.net.doom_connection(server, direction::to_connector, 3, doom::reset);
    CHECK(on.receive_result(client) == -ECONNRESET);
}

TEST_CASE("network: who asks is told that an end was not the sender's, and after how many octets") {
    wires on;
    const auto [client, server] = on.tcp_pair();
    std::uint64_t let_through = 0;
    int told = 0;
    const auto tell = [&](std::uint64_t octets) {
        let_through = octets;
        ++told;
    };
    on.net.when_cut(client, tell);
    on.net.doom_connection(client, direction::to_acceptor, 3, doom::finish);
    CHECK(told == 0);
    CHECK_FALSE(on.net.is_incoming_cut(server));
    on.send(client, "words");
    on.run();
    CHECK(told == 1);
    CHECK(let_through == 3);
    CHECK(on.net.is_incoming_cut(server));
    CHECK_FALSE(on.net.is_incoming_cut(client));
    SUBCASE("at once when it has happened") {
        on.net.when_cut(client, tell);
        CHECK(told == 2);
    }
    SUBCASE("not of the other direction, which ends by itself") {
        on.net.when_cut(server, tell);
        on.net.shutdown(server, SHUT_WR);
        on.run();
        CHECK(on.receive_result(client) == 0);
        CHECK(told == 1);
        CHECK_FALSE(on.net.is_incoming_cut(client));
    }
    SUBCASE("not without a connection") {
        const auto lone = on.tcp();
        on.net.when_cut(lone, tell);
        CHECK(told == 1);
        CHECK_FALSE(on.net.is_incoming_cut(lone));
    }
}

TEST_CASE("network: silence is unnoticed until somebody waits for an acknowledgement too long") {
    struct row {
        int user_timeout_ms;
        runtime::duration after;
    };
    for (const auto& [user_timeout_ms, after] : {row{0, 924'600ms}, row{30'000, 30s}}) {
        wires on;
        const auto [client, server] = on.tcp_pair();
        on.set(client, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
        on.net.doom_connection(client, direction::to_acceptor, 0, doom::silence);
        CHECK(on.net.count_connections() == 0);
        on.run_for(1h);
        CHECK(on.send(client, "anybody?") == 8);
        const auto began = on.events.now();
        on.run();
        CHECK(on.events.now() - began == after);
        CHECK(on.receive_result(client) == -ETIMEDOUT);
        CHECK(on.receive_result(client) == 0);
        CHECK(on.send(client, "x") == -EPIPE);
        CHECK(on.receive_result(server) == -EAGAIN);  // It never hears of it.
        on.net.close(server);
        on.net.close(client);
        CHECK(on.net.count_sockets() == 0);
    }
}

TEST_CASE("network: a machine that loses power says nothing, and its addresses are free") {
    wires on;
    const auto door = on.listener();
    const auto client = on.client(door);
    on.run();
    const auto server = on.accept(door);
    const auto queued = on.client(door);
    on.run();
    const auto halfway = on.client(door);
    on.net.vanish(server);
    on.net.vanish(door);
    on.run_for(1s);
    for (const auto& each : {client, queued}) {
        CHECK(on.receive_result(each) == -EAGAIN);
        CHECK(on.send(each, "anybody?") == 8);
    }
    // Nobody answers there until it is up again.
    const auto patient = on.client(door);
    on.run_for(10s);
    CHECK(on.connect(patient, on.local(door)) == -EALREADY);
    const auto door_again = on.listener();
    on.run_for(10s);
    CHECK(on.connect(patient, on.local(door)) == 0);
    CHECK(on.accept(door_again) != nullptr);
    on.net.close(door_again);
    on.run();
    CHECK(on.net.take_error(client) == ETIMEDOUT);
    CHECK(on.net.take_error(queued) == ETIMEDOUT);
    CHECK(on.net.take_error(halfway) == ECONNRESET);  // Of the second door's queue.
    const auto refused = on.client(door);
    on.run();
    CHECK(on.net.take_error(refused) == ECONNREFUSED);
    for (const auto& each : {client, queued, halfway, patient, refused}) {
        on.net.close(each);
    }
    CHECK(on.net.count_connections() == 0);
}

TEST_CASE("network: a vanished machine's connects end in a timeout of 127 seconds") {
    wires on;
    const auto door = on.listener();
    on.net.vanish(door);
    const auto client = on.client(door);
    on.run();
    CHECK(on.since_start() == 127s);
    CHECK(on.net.take_error(client) == ETIMEDOUT);
}

TEST_CASE("network: a pair of addresses rests after its connection, at the end that closed first") {
    wires on;
    const auto door = on.listener(where("192.0.2.1", 80));
    const where from("198.51.100.7", 20);
    const auto attempt = [&] {
        const auto client = on.tcp();
        on.set(client, SOL_SOCKET, SO_REUSEADDR, 1);
        REQUIRE(on.bind(client, from) == 0);
        const int result = on.connect(client, on.local(door));
        return std::pair(client, result);
    };
    for (const bool client_first : {true, false}) {
        CAPTURE(client_first);
        const auto [client, begun] = attempt();
        REQUIRE(begun == -EINPROGRESS);
        CHECK(attempt().second == -EADDRNOTAVAIL);
        on.run();
        const auto server = on.accept(door);
        on.net.close(client_first ? client : server);
        on.run();
        on.net.close(client_first ? server : client);
        on.run();
        const auto [again, result] = attempt();
        CHECK(result == (client_first ? -EADDRNOTAVAIL : -EINPROGRESS));
        on.run();
        if (!client_first) {
            CHECK(on.accept(door) != nullptr);  // A new SYN ends TIME_WAIT at the server.
        }
        on.net.close(again);
        on.run_for(2s);
    }
}

TEST_CASE("network: a stale connection of the same pair is reset and the new one comes") {
    wires on;
    const auto door = on.listener();
    const where from("198.51.100.7", 1'024);
    const auto before = on.bound(from);
    REQUIRE(on.connect(before, on.local(door)) == -EINPROGRESS);
    on.run();
    const auto stale = on.accept(door);
    on.net.vanish(before);
    const auto after = on.bound(from);
    REQUIRE(on.connect(after, on.local(door)) == -EINPROGRESS);
    on.run();
    CHECK(on.receive_result(stale) == -ECONNRESET);
    CHECK(on.net.take_error(after) == 0);
    CHECK(on.accept(door) != nullptr);
}

TEST_CASE("network: watches are told once a moment, by the agenda, whatever they do") {
    wires on;
    const auto [client, server] = on.tcp_pair();
    unsigned told = 0;
    sim::watch_token self = 0;
    sim::watch_token other = 0;
    on.net.watch(server, [&] { ++told; });
    CHECK(on.events.empty());
    on.send(client, "a");
    CHECK(told == 0);
    on.run();
    CHECK(told == 1);
    on.net.set_weather({.latency_min = 10us, .latency_max = 10us});
    on.send(client, "b");
    on.send(client, "c");
    on.run();
    CHECK(told == 2);  // Both came at one moment.
    // One ends itself, another and the socket, all while it is being told.
    unsigned others = 0;
    self = on.net.watch(server, [&, closing = server] {
        on.net.unwatch(self);
        on.net.unwatch(other);
        on.net.close(closing);
        self = 0;
    });
    other = on.net.watch(server, [&] { ++others; });
    on.send(client, "d");
    on.run();
    CHECK(self == 0);
    CHECK(others == 0);
    CHECK(told == 3);
    on.net.unwatch(other);  // Twice is once.
    on.send(client, "e");
    on.run();
    CHECK(told == 3);
}

TEST_CASE("network: who watches hears of room, of an end, of a reset, of a connection") {
    wires on;
    on.net.set_weather({.send_buffer_bytes = 1'000, .receive_buffer_bytes = 1'000});
    const auto door = on.listener();
    unsigned at_door = 0;
    on.net.watch(door, [&] { ++at_door; });
    const auto client = on.client(door);
    unsigned at_client = 0;
    on.net.watch(client, [&] { ++at_client; });
    on.run();
    CHECK(at_door == 1);
    CHECK(at_client == 1);
    const auto server = on.accept(door);
    on.send(client, std::string(2'000, 'x'));
    on.run();
    CHECK(std::exchange(at_client, 0) > 1);  // Room again.
    on.send(client, std::string(2'000, 'x'));
    on.run();
    CHECK(at_client == 0);
    CHECK(on.receive(server).size() == 1'000);
    on.run();
    CHECK(std::exchange(at_client, 0) == 1);
    on.net.shutdown(server, SHUT_WR);
    on.run();
    CHECK(std::exchange(at_client, 0) == 1);
    on.net.close(server);  // With octets unread.
    on.run();
    CHECK(at_client == 1);
    CHECK(on.net.take_error(client) == EPIPE);
}

TEST_CASE("network: a socketpair's octets are its sender's until they are read") {
    wires on;
    on.net.set_weather({.send_buffer_bytes = 1'000});
    const auto [left, right] = on.net.make_pair();
    unsigned told = 0;
    on.net.watch(left, [&] { ++told; });
    CHECK(on.send(left, std::string(2'000, 'x')) == 1'000);
    CHECK(on.send(left, "x") == -EAGAIN);
    CHECK(on.net.count_unread(right) == 1'000);
    CHECK(on.receive(right, 700).size() == 700);
    on.run();
    CHECK_FALSE(on.net.is_writable(left));
    CHECK(told == 0);
    CHECK(on.receive(right, 100).size() == 100);
    on.run();
    CHECK(on.net.is_writable(left));
    CHECK(told == 1);
    on.net.close(right);  // With octets unread.
    CHECK(on.send(left, "x") == -EPIPE);
    CHECK(on.receive_result(left) == -ECONNRESET);
    CHECK(on.receive_result(left) == 0);
}

TEST_CASE("network: a pipe holds 64 KiB, short lines go whole or not at all (pipe(7))") {
    wires on;
    const auto [reader, writer] = on.net.make_pipe();
    CHECK(on.send(writer, std::string(100'000, 'x')) == 65'536);
    CHECK(on.send(writer, "x") == -EAGAIN);
    CHECK(on.receive(reader, 10).size() == 10);
    CHECK(on.send(writer, "eleven octs") == -EAGAIN);
    CHECK(on.send(writer, "ten octets") == 10);
    CHECK(on.receive_result(writer) == -EBADF);
    CHECK(on.send(reader, "x") == -EBADF);
    on.net.close(writer);
    CHECK(on.receive(reader, 100'000).size() == 65'536);
    CHECK(on.receive_result(reader) == 0);
    CHECK(on.net.is_readable(reader));
    const auto [gone, alone] = on.net.make_pipe();
    on.net.close(gone);
    CHECK(on.net.is_writable(alone));
    CHECK(on.send(alone, "x") == -EPIPE);
    on.net.close(alone);
    on.net.close(reader);
    CHECK(on.net.count_sockets() == 0);
}

TEST_CASE("network: ten thousand connections, closed in every way, leave nothing") {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        wires on(seed);
        ferry::random rng(seed);
        const auto door = on.listener(5'000);
        std::vector<socket_ptr> open;
        for (unsigned i = 0; i < 10'000; ++i) {
            open.push_back(on.client(door));
            on.run_for(std::chrono::microseconds(rng.below(300)));
            if (auto accepted = on.accept(door); accepted != nullptr) {
                open.push_back(std::move(accepted));
            }
            while (open.size() > 20 || (i == 9'999 && !open.empty())) {
                std::swap(open[rng.below(open.size())], open.back());
                const auto leaving = std::move(open.back());
                open.pop_back();
                switch (rng.below(6)) {
                    case 0:
                        on.send(leaving, "bye");
                        break;
                    case 1:
                        on.reset_on_close(leaving);
                        break;
                    case 2:
                        on.net.shutdown(leaving, static_cast<int>(rng.below(3)));
                        break;
                    case 3:
                        on.net.vanish(leaving);
                        break;
                    case 4:
                        on.net.doom_connection(leaving, direction::to_acceptor, rng.below(4),
                                               static_cast<doom>(rng.below(3)));
                        on.send(leaving, "bye");
                        break;
                    default:
                        break;
                }
                if (rng.below(50) != 0) {  // Else it is dropped.
                    on.net.close(leaving);
                }
            }
        }
        on.run();
        on.net.close(door);
        on.run();
        CHECK(on.net.count_sockets() == 0);
        CHECK(on.net.count_connections() == 0);
    }
}

TEST_CASE("network: the same seed gives the same deliveries at the same moments") {
    const auto record = [](std::uint64_t seed) {
        wires on(seed);
        const auto [client, server] = on.tcp_pair();
        std::string told;
        on.net.watch(server, [&, to = server] {
            const auto got = on.receive(to, 100'000);
            told +=
                std::to_string(on.since_start().count()) + ' ' + std::to_string(got.size()) + '\n';
        });
        for (int i = 0; i < 20; ++i) {
            on.send(client, pattern(20'000));
            on.run_for(30us);
        }
        on.net.close(client);
        on.run();
        return told;
    };
    CHECK(record(1) == record(1));
    CHECK(record(2) == record(2));
    CHECK(record(1) != record(2));
}

TEST_CASE("network: sockets may outlive their network") {
    socket_ptr listening;
    socket_ptr connected;
    {
        wires on;
        listening = on.listener();
        connected = on.client(listening);
        on.run();
        on.send(connected, "never read");
    }
    CHECK(listening != nullptr);
}
