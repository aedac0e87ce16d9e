#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/base/unique_fd.hpp"
#include "sim/network.hpp"
#include "wires.hpp"

using namespace ferry;
using sim_test::seeds;
using namespace std::chrono_literals;

// Goal: what the simulated network answers is what Linux answers. Method: seeded sequences of calls
// go to a connection of the kernel's and to a simulated one; after each call the results must be
// equal, and what can be seen of both ends must become equal.

namespace {

constexpr short all_events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI;

enum class medium : std::uint8_t { tcp, socketpair, pipe };

struct answer {
    std::int64_t result = 0;
    std::string octets;
};

/// What can be seen of an end without changing it.
struct view {
    short events = 0;
    int unread = 0;
    int peer_name = 0;
    friend bool operator==(const view&, const view&) = default;
};

sockaddr* as_sockaddr(sockaddr_in& address) {
    return static_cast<sockaddr*>(static_cast<void*>(&address));
}

std::span<std::byte> octets_of(std::string& text) {
    return std::as_writable_bytes(std::span(text));
}

std::int64_t outcome(std::int64_t returned) {
    return returned < 0 ? -errno : returned;
}

/// Two ends of a connection, somewhere.
class two_ends {
  public:
    virtual ~two_ends() = default;
    virtual answer send(unsigned end, const std::string& octets, int flags) = 0;
    virtual answer receive(unsigned end, std::size_t size_bytes, int flags) = 0;
    virtual answer shutdown(unsigned end, int how) = 0;
    virtual answer close(unsigned end) = 0;
    virtual answer linger_not(unsigned end) = 0;
    virtual answer urgent_inline(unsigned end, int on) = 0;
    virtual answer take_error(unsigned end) = 0;
    virtual answer connect_again(unsigned end) = 0;
    virtual view look(unsigned end) = 0;
    /// Lets a little time pass. False: nothing will change any more.
    virtual bool settle() = 0;
};

class kernels_ends final : public two_ends {
  public:
    explicit kernels_ends(medium what) : medium_(what) {
        std::signal(SIGPIPE, SIG_IGN);  // write(2) has no MSG_NOSIGNAL.
        if (what != medium::tcp) {
            int both[2];
            REQUIRE((what == medium::pipe
                         ? ::pipe2(both, O_NONBLOCK | O_CLOEXEC)
                         : ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both)) == 0);
            ends_[0].reset(both[0]);
            ends_[1].reset(both[1]);
            return;
        }
        const unique_fd listener(::socket(AF_INET, SOCK_STREAM, 0));
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        REQUIRE(::bind(listener.get(), as_sockaddr(address_), size) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        REQUIRE(::getsockname(listener.get(), as_sockaddr(address_), &size) == 0);
        ends_[0].reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        const int begun = ::connect(ends_[0].get(), as_sockaddr(address_), size);
        REQUIRE((begun == 0 || errno == EINPROGRESS));
        ends_[1].reset(::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
        REQUIRE(ends_[1]);
        pollfd connected{.fd = ends_[0].get(), .events = POLLOUT, .revents = 0};
        REQUIRE(::poll(&connected, 1, 5'000) == 1);
        for (const auto& each : ends_) {
            const int on = 1;
            ::setsockopt(each.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            ::setsockopt(each.get(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
        }
    }

    answer send(unsigned end, const std::string& octets, int flags) override {
        if (medium_ == medium::pipe) {
            return {outcome(::write(ends_[end].get(), octets.data(), octets.size())), {}};
        }
        return {
            outcome(::send(ends_[end].get(), octets.data(), octets.size(), flags | MSG_NOSIGNAL)),
            {}};
    }
    answer receive(unsigned end, std::size_t size_bytes, int flags) override {
        answer got{0, std::string(size_bytes, '\0')};
        got.result = outcome(medium_ == medium::pipe
                                 ? ::read(ends_[end].get(), got.octets.data(), size_bytes)
                                 : ::recv(ends_[end].get(), got.octets.data(), size_bytes, flags));
        got.octets.resize(static_cast<std::size_t>(std::max<std::int64_t>(got.result, 0)));
        return got;
    }
    answer shutdown(unsigned end, int how) override {
        return {outcome(::shutdown(ends_[end].get(), how)), {}};
    }
    answer close(unsigned end) override {
        ends_[end].reset();
        return {};
    }
    answer linger_not(unsigned end) override {
        const ::linger how{.l_onoff = 1, .l_linger = 0};
        return {outcome(::setsockopt(ends_[end].get(), SOL_SOCKET, SO_LINGER, &how, sizeof how)),
                {}};
    }
    answer urgent_inline(unsigned end, int on) override {
        return {outcome(::setsockopt(ends_[end].get(), SOL_SOCKET, SO_OOBINLINE, &on, sizeof on)),
                {}};
    }
    answer take_error(unsigned end) override {
        int error = -1;
        socklen_t size = sizeof error;
        ::getsockopt(ends_[end].get(), SOL_SOCKET, SO_ERROR, &error, &size);
        return {error, {}};
    }
    answer connect_again(unsigned end) override {
        return {outcome(::connect(ends_[end].get(), as_sockaddr(address_), sizeof address_)), {}};
    }
    view look(unsigned end) override {
        view seen;
        pollfd asked{.fd = ends_[end].get(), .events = all_events, .revents = 0};
        ::poll(&asked, 1, 0);
        seen.events = asked.revents;
        ::ioctl(ends_[end].get(), FIONREAD, &seen.unread);
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        seen.peer_name = ::getpeername(ends_[end].get(), as_sockaddr(peer), &size) == 0 ? 0 : errno;
        return seen;
    }
    bool settle() override {
        std::this_thread::sleep_for(1ms);
        return ++settled_ % 500 != 0;
    }

  private:
    medium medium_;
    sockaddr_in address_{};
    std::array<unique_fd, 2> ends_;
    unsigned settled_ = 0;
};

class simulated_ends final : public two_ends {
  public:
    simulated_ends(medium what, std::uint64_t seed) : rng_(seed) {
        if (what != medium::tcp) {
            auto both = what == medium::pipe ? wires_.make_pipe() : wires_.make_pair();
            ends_ = {both.first, both.second};
            return;
        }
        const auto listener = wires_.make_socket(AF_INET);
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        REQUIRE(wires_.bind(listener, as_sockaddr(address_), size) == 0);
        REQUIRE(wires_.listen(listener, 1) == 0);
        REQUIRE(wires_.local_address(listener, as_sockaddr(address_), &size) == 0);
        ends_[0] = wires_.make_socket(AF_INET);
        REQUIRE(wires_.connect(ends_[0], as_sockaddr(address_), size) == -EINPROGRESS);
        run();
        int result = -1;
        ends_[1] = wires_.accept(listener, result);
        REQUIRE(result == 0);
        wires_.close(listener);
    }

    answer send(unsigned end, const std::string& octets, int flags) override {
        return after({wires_.send(ends_[end], std::as_bytes(std::span(octets)), flags), {}});
    }
    answer receive(unsigned end, std::size_t size_bytes, int flags) override {
        answer got{0, std::string(size_bytes, '\0')};
        got.result = wires_.receive(ends_[end], octets_of(got.octets), flags);
        got.octets.resize(static_cast<std::size_t>(std::max<std::int64_t>(got.result, 0)));
        return after(got);
    }
    answer shutdown(unsigned end, int how) override {
        return after({wires_.shutdown(ends_[end], how), {}});
    }
    answer close(unsigned end) override {
        wires_.close(ends_[end]);
        ends_[end] = nullptr;
        return after({});
    }
    answer linger_not(unsigned end) override {
        const ::linger how{.l_onoff = 1, .l_linger = 0};
        return after({wires_.set_option(ends_[end], SOL_SOCKET, SO_LINGER, &how, sizeof how), {}});
    }
    answer urgent_inline(unsigned end, int on) override {
        return after({wires_.set_option(ends_[end], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), {}});
    }
    answer take_error(unsigned end) override { return {wires_.take_error(ends_[end]), {}}; }
    answer connect_again(unsigned end) override {
        return after({wires_.connect(ends_[end], as_sockaddr(address_), sizeof address_), {}});
    }
    view look(unsigned end) override {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        return {.events = wires_.poll_events(ends_[end]),
                .unread = wires_.count_unread(ends_[end]),
                .peer_name = -wires_.peer_address(ends_[end], as_sockaddr(peer), &size)};
    }
    bool settle() override { return false; }

    [[nodiscard]] std::size_t count_left() {
        for (auto& each : ends_) {
            if (each != nullptr) {
                wires_.close(each);
                each = nullptr;
            }
        }
        return wires_.count_sockets() + wires_.count_connections();
    }

  private:
    void run() {
        while (events_.step()) {}
    }
    answer after(answer called) {
        run();
        return called;
    }

    sim::agenda events_{runtime::time_point(1h)};
    ferry::random rng_;
    sim::network wires_{events_, rng_};
    sockaddr_in address_{};
    std::array<sim::socket_ptr, 2> ends_;
};

/// One call, chosen by chance, told in words for who reads a failure.
struct call {
    unsigned end;
    std::uint64_t dice;
    std::uint64_t size;
    int flags;
};

struct mix {
    medium what;
    bool with_urgent;
};

answer apply(two_ends& to, const call& what, const mix& of, std::string& told) {
    const auto tell = [&](const char* name) {
        told += "\n  end " + std::to_string(what.end) + ' ' + name + ' ' +
                std::to_string(what.size) + " flags " + std::to_string(what.flags);
    };
    const bool is_pipe = of.what == medium::pipe;
    if (what.dice < 35) {
        tell("send");
        std::string octets(what.size, '\0');
        for (std::size_t i = 0; i < octets.size(); ++i) {
            octets[i] = static_cast<char>('a' + (what.dice + i) % 26);
        }
        return to.send(what.end, octets, what.flags);
    }
    if (what.dice < 70 || is_pipe) {
        tell("receive");
        return to.receive(what.end, what.size, what.flags);
    }
    if (what.dice < 82) {
        const int how = static_cast<int>(what.size % 3);
        tell(how == SHUT_RD ? "shutdown RD" : how == SHUT_WR ? "shutdown WR" : "shutdown RDWR");
        return to.shutdown(what.end, how);
    }
    if (what.dice < 86) {
        tell("linger 0");
        return to.linger_not(what.end);
    }
    if (what.dice < 91) {
        tell("take_error");
        return to.take_error(what.end);
    }
    if (of.with_urgent && what.dice < 97) {
        tell("urgent inline");
        return to.urgent_inline(what.end, static_cast<int>(what.size % 2));
    }
    if (of.what == medium::tcp) {
        tell("connect");
        return to.connect_again(what.end);
    }
    return {};
}

int draw_flags(ferry::random& rng, const mix& of) {
    if (of.what == medium::pipe) {
        return 0;
    }
    if (of.with_urgent && rng.below(3) == 0) {
        return MSG_OOB;
    }
    return 0;
}

/// Runs one sequence against both. The story of what was called comes with a failure.
void compare(std::uint64_t seed, const mix& of) {
    ferry::random rng(seed);
    kernels_ends real(of.what);
    simulated_ends simulated(of.what, seed);
    std::array<bool, 2> is_open{true, true};
    std::string told;
    for (unsigned step = 0; step < 40 && (is_open[0] || is_open[1]); ++step) {
        unsigned end = static_cast<unsigned>(rng.below(2));
        end = is_open[end] ? end : 1 - end;
        if (rng.below(25) == 0) {
            told += "\n  end " + std::to_string(end) + " close";
            is_open[end] = false;
            real.close(end);
            simulated.close(end);
        } else {
            const call what{.end = end,
                            .dice = rng.below(100),
                            .size = rng.below(4) == 0 ? rng.below(2) : rng.below(300),
                            .flags = draw_flags(rng, of)};
            std::string ignored;
            const answer wanted = apply(real, what, of, told);
            const answer got = apply(simulated, what, of, ignored);
            told += " -> " + std::to_string(wanted.result);
            CAPTURE(seed);
            CAPTURE(told);
            REQUIRE(got.result == wanted.result);
            REQUIRE(got.octets == wanted.octets);
        }
        for (unsigned each = 0; each < 2; ++each) {
            if (!is_open[each]) {
                continue;
            }
            const view seen = simulated.look(each);
            view wanted = real.look(each);
            while (!(wanted == seen) && real.settle()) {
                wanted = real.look(each);
            }
            CAPTURE(seed);
            CAPTURE(each);
            CAPTURE(told);
            REQUIRE(seen.events == wanted.events);
            REQUIRE(seen.unread == wanted.unread);
            if (of.what != medium::pipe) {
                REQUIRE(seen.peer_name == wanted.peer_name);
            }
        }
    }
    CHECK(simulated.count_left() == 0);
}

}  // namespace

TEST_CASE("network: TCP answers as Linux's loopback does") {
    for (std::uint64_t seed = 1; seed <= seeds(150); ++seed) {
        compare(seed, {.what = medium::tcp, .with_urgent = false});
    }
}

TEST_CASE("network: urgent octets are where Linux's loopback has them (RFC 6093)") {
    for (std::uint64_t seed = 1; seed <= seeds(100); ++seed) {
        compare(seed, {.what = medium::tcp, .with_urgent = true});
    }
}

TEST_CASE("network: socketpairs answer as Linux's do") {
    for (std::uint64_t seed = 1; seed <= seeds(100); ++seed) {
        compare(seed, {.what = medium::socketpair, .with_urgent = false});
    }
}

TEST_CASE("network: pipes answer as Linux's do") {
    for (std::uint64_t seed = 1; seed <= seeds(60); ++seed) {
        compare(seed, {.what = medium::pipe, .with_urgent = false});
    }
}
