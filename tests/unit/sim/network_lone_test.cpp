#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "ferry/base/random.hpp"
#include "ferry/base/unique_fd.hpp"
#include "wires.hpp"

using namespace ferry;
using namespace ferry::sim_test;
using namespace std::chrono_literals;

// Goal: bind, listen, connect and accept, in whatever order and on whatever socket, end as they do
// on Linux. Method: four sockets at 127.0.0.1 here and four simulated ones, seeded sequences of
// calls to both, compared as in network_differential_test.cpp. Ports differ, so they are named by
// the socket that has them.

namespace {

constexpr unsigned socket_count = 4;
/// What this network does not do as Linux does. Who connects to his own port meets himself
/// (RFC 9293 section 3.5); a bound socket's SO_REUSEADDR and SO_REUSEPORT count as they were at the
/// bind, mostly.
constexpr int left_out = 1'000;
constexpr short lone_events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI;

/// Addresses that calls are made with; then those of the sockets themselves.
enum target : unsigned { any_port, any_port_everywhere, listener, nobody, first_socket };

struct lone_view {
    short events = 0;
    int unread = 0;
    int peer_name = 0;
    std::string address;  ///< Of its own; the port is told as there or not.
    friend bool operator==(const lone_view&, const lone_view&) = default;
};

/// An address of 127.0.0.0/8 of this run's own, so that no TIME_WAIT of an earlier one is met.
std::string home_of(std::uint64_t seed) {
    return "127." + std::to_string(1 + ::getpid() % 250) + '.' + std::to_string(seed / 250 % 250) +
           '.' + std::to_string(1 + seed % 250);
}

std::string told(const where& at) {
    const std::string text = at.text();
    return text.substr(0, text.rfind(':')) + (at.port() != 0 ? ":P" : ":0");
}

/// Four sockets, somewhere. Results are 0 or more, or -errno.
class four_sockets {
  public:
    virtual ~four_sockets() = default;
    virtual int bind(unsigned which, unsigned to) = 0;
    virtual int connect(unsigned which, unsigned to) = 0;
    virtual int listen(unsigned which) = 0;
    virtual int accept(unsigned which, unsigned into) = 0;
    virtual int send(unsigned which) = 0;
    virtual int receive(unsigned which) = 0;
    virtual int shutdown(unsigned which, int how) = 0;
    virtual int set(unsigned which, int name, int value) = 0;
    virtual int take_error(unsigned which) = 0;
    virtual void renew(unsigned which) = 0;
    virtual lone_view look(unsigned which) = 0;
};

int lone_outcome(ssize_t returned) {
    return static_cast<int>(returned < 0 ? -errno : returned);
}

class kernels final : public four_sockets {
  public:
    explicit kernels(const std::string& home) : home_(home) {
        for (unsigned i = 0; i < socket_count; ++i) {
            renew(i);
        }
        for (auto* each : {&listener_, &nobody_}) {
            *each = unique_fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
            const where at(home_, 0);
            REQUIRE(::bind(each->get(), at.get(), at.size_bytes) == 0);
        }
        REQUIRE(::listen(listener_.get(), 1'000) == 0);
    }

    int bind(unsigned which, unsigned to) override {
        const where at = address(to);
        return lone_outcome(::bind(sockets_[which].get(), at.get(), at.size_bytes));
    }
    int connect(unsigned which, unsigned to) override {
        const where at = address(to);
        if (port_of(which) == at.port()) {
            return left_out;
        }
        return lone_outcome(::connect(sockets_[which].get(), at.get(), at.size_bytes));
    }
    int listen(unsigned which) override {
        return lone_outcome(::listen(sockets_[which].get(), 100));
    }
    int accept(unsigned which, unsigned into) override {
        const int made = ::accept4(sockets_[which].get(), nullptr, nullptr, SOCK_NONBLOCK);
        const int result = made < 0 ? -errno : 0;
        if (made >= 0) {
            sockets_[into].reset(made);
        }
        return result;
    }
    int send(unsigned which) override {
        return lone_outcome(::send(sockets_[which].get(), "words", 5, MSG_NOSIGNAL));
    }
    int receive(unsigned which) override {
        std::array<char, 3> piece{};
        return lone_outcome(::recv(sockets_[which].get(), piece.data(), piece.size(), 0));
    }
    int shutdown(unsigned which, int how) override {
        return lone_outcome(::shutdown(sockets_[which].get(), how));
    }
    int set(unsigned which, int name, int value) override {
        if (port_of(which) != 0) {
            return left_out;
        }
        return lone_outcome(
            ::setsockopt(sockets_[which].get(), SOL_SOCKET, name, &value, sizeof value));
    }
    int take_error(unsigned which) override {
        int error = -1;
        socklen_t size = sizeof error;
        ::getsockopt(sockets_[which].get(), SOL_SOCKET, SO_ERROR, &error, &size);
        return error;
    }
    void renew(unsigned which) override {
        sockets_[which].reset();
        sockets_[which].reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        ::setsockopt(sockets_[which].get(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    }
    lone_view look(unsigned which) override {
        const int fd = sockets_[which].get();
        lone_view seen;
        pollfd asked{.fd = fd, .events = lone_events, .revents = 0};
        ::poll(&asked, 1, 0);
        seen.events = asked.revents;
        if (::ioctl(fd, FIONREAD, &seen.unread) != 0) {
            seen.unread = -errno;
        }
        where peer;
        seen.peer_name = lone_outcome(::getpeername(fd, peer.get(), &peer.size_bytes));
        where local;
        ::getsockname(fd, local.get(), &local.size_bytes);
        seen.address = told(local);
        return seen;
    }

  private:
    [[nodiscard]] std::uint16_t port_of(unsigned which) const {
        where own;
        ::getsockname(sockets_[which].get(), own.get(), &own.size_bytes);
        return own.port();
    }
    [[nodiscard]] where address(unsigned to) const {
        if (to == any_port || to == any_port_everywhere) {
            return where(to == any_port ? home_ : "0.0.0.0", 0);
        }
        const int fd = to == listener ? listener_.get()
                       : to == nobody ? nobody_.get()
                                      : sockets_[to - first_socket].get();
        where found;
        ::getsockname(fd, found.get(), &found.size_bytes);
        return where(home_, found.port());
    }

    std::string home_;
    std::array<unique_fd, socket_count> sockets_;
    unique_fd listener_;
    unique_fd nobody_;
};

class simulated final : public four_sockets {
  public:
    simulated(const std::string& home, std::uint64_t seed) : home_(home), on_(seed) {
        for (auto& each : sockets_) {
            each = on_.tcp();
        }
        listener_ = on_.bound({home_, 0});
        REQUIRE(on_.net.listen(listener_, 1'000) == 0);
        nobody_ = on_.bound({home_, 0});
    }

    int bind(unsigned which, unsigned to) override {
        return on_.bind(sockets_[which], address(to));
    }
    int connect(unsigned which, unsigned to) override {
        const where at = address(to);
        return on_.local(sockets_[which]).port() == at.port()
                   ? left_out
                   : after(on_.connect(sockets_[which], at));
    }
    int listen(unsigned which) override { return on_.net.listen(sockets_[which], 100); }
    int accept(unsigned which, unsigned into) override {
        int result = 1;
        auto made = on_.net.accept(sockets_[which], result);
        if (made != nullptr) {
            on_.net.close(sockets_[into]);
            sockets_[into] = std::move(made);
        }
        return after(result);
    }
    int send(unsigned which) override {
        return after(static_cast<int>(on_.send(sockets_[which], "words")));
    }
    int receive(unsigned which) override {
        std::array<std::byte, 3> piece;
        return after(static_cast<int>(on_.net.receive(sockets_[which], piece)));
    }
    int shutdown(unsigned which, int how) override {
        return after(on_.net.shutdown(sockets_[which], how));
    }
    int set(unsigned which, int name, int value) override {
        return on_.local(sockets_[which]).port() != 0
                   ? left_out
                   : on_.set(sockets_[which], SOL_SOCKET, name, value);
    }
    int take_error(unsigned which) override { return on_.net.take_error(sockets_[which]); }
    void renew(unsigned which) override {
        on_.net.close(sockets_[which]);
        sockets_[which] = on_.tcp();
        after(0);
    }
    lone_view look(unsigned which) override {
        const auto& seen = sockets_[which];
        where peer;
        return {.events = on_.net.poll_events(seen),
                .unread = on_.net.count_unread(seen),
                .peer_name = on_.net.peer_address(seen, peer.get(), &peer.size_bytes),
                .address = told(on_.local(seen))};
    }

  private:
    int after(int result) {
        on_.run();
        return result;
    }
    [[nodiscard]] where address(unsigned to) {
        if (to == any_port || to == any_port_everywhere) {
            return where(to == any_port ? home_ : "0.0.0.0", 0);
        }
        const auto& of = to == listener ? listener_
                         : to == nobody ? nobody_
                                        : sockets_[to - first_socket];
        return where(home_, on_.local(of).port());
    }

    std::string home_;
    wires on_;
    std::array<sim::socket_ptr, socket_count> sockets_;
    sim::socket_ptr listener_;
    sim::socket_ptr nobody_;
};

struct lone_call {
    unsigned which;
    std::uint64_t dice;
    unsigned to;
    int number;
};

int apply(four_sockets& of, const lone_call& what, std::string& story) {
    const auto tell = [&](const char* name) {
        story += "\n  " + std::to_string(what.which) + ' ' + name + " to " +
                 std::to_string(what.to) + " number " + std::to_string(what.number);
    };
    const unsigned another = (what.which + 1 + what.to % (socket_count - 1)) % socket_count;
    const unsigned to = what.to >= first_socket ? first_socket + another : what.to;
    if (what.dice < 14) {
        tell("bind");
        return of.bind(what.which, to);
    }
    if (what.dice < 26) {
        tell("listen");
        return of.listen(what.which);
    }
    if (what.dice < 48) {
        tell("connect");
        return of.connect(what.which, to < listener ? static_cast<unsigned>(listener) : to);
    }
    if (what.dice < 60) {
        tell("accept");
        return of.accept(what.which, another);
    }
    if (what.dice < 68) {
        tell("send");
        return of.send(what.which);
    }
    if (what.dice < 76) {
        tell("receive");
        return of.receive(what.which);
    }
    if (what.dice < 82) {
        tell("shutdown");
        return of.shutdown(what.which, what.number % 3);
    }
    if (what.dice < 92) {
        tell("set");
        return of.set(what.which, what.number % 3 == 0 ? SO_REUSEPORT : SO_REUSEADDR,
                      what.number % 4 == 0 ? 0 : 1);
    }
    if (what.dice < 95) {
        tell("take_error");
        return of.take_error(what.which);
    }
    tell("renew");
    of.renew(what.which);
    return 0;
}

void compare(std::uint64_t seed) {
    ferry::random rng(seed);
    kernels real(home_of(seed));
    simulated here(home_of(seed), seed);
    std::string story;
    for (unsigned step = 0; step < 60; ++step) {
        const lone_call what{.which = static_cast<unsigned>(rng.below(socket_count)),
                             .dice = rng.below(100),
                             .to = static_cast<unsigned>(rng.below(first_socket + 3)),
                             .number = static_cast<int>(rng.below(12))};
        std::string ignored;
        const int wanted = apply(real, what, story);
        const int got = apply(here, what, ignored);
        story += " -> " + std::to_string(wanted);
        CAPTURE(seed);
        CAPTURE(story);
        REQUIRE(got == wanted);
        for (unsigned each = 0; each < socket_count; ++each) {
            const lone_view seen = here.look(each);
            lone_view real_one = real.look(each);
            for (unsigned i = 0; i < 300 && !(real_one == seen); ++i) {
                std::this_thread::sleep_for(1ms);
                real_one = real.look(each);
            }
            CAPTURE(each);
            REQUIRE(seen.events == real_one.events);
            REQUIRE(seen.unread == real_one.unread);
            REQUIRE(seen.peer_name == real_one.peer_name);
            REQUIRE(seen.address == real_one.address);
        }
    }
}

}  // namespace

TEST_CASE("network: bind, listen, connect and accept end as on Linux") {
    for (std::uint64_t seed = 1; seed <= seeds(100); ++seed) {
        compare(seed);
    }
}
