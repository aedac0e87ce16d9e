#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/random.hpp"
#include "sim/network.hpp"

namespace ferry::sim_test {

/// How many seeds to try: FERRY_SEEDS=10 takes ten times the usual number.
[[nodiscard]] std::uint64_t seeds(std::uint64_t usual);

/// A socket address as an application holds one.
class where {
  public:
    where() = default;
    /// `text` is an IPv4 or an IPv6 address, without brackets.
    where(std::string_view text, std::uint16_t port);

    [[nodiscard]] const sockaddr* get() const noexcept;
    [[nodiscard]] sockaddr* get() noexcept;
    [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
    [[nodiscard]] std::uint16_t port() const noexcept;
    /// "192.0.2.1:80", "::1:80".
    [[nodiscard]] std::string text() const;

    socklen_t size_bytes = sizeof(sockaddr_storage);

  private:
    sockaddr_storage storage_{};
};

/// A network of its own, with what a program would do on it.
struct wires {
    explicit wires(std::uint64_t seed = 1) : rng(seed) {}

    /// Until nothing is left to happen, or nothing in that time.
    void run();
    void run_for(runtime::duration how_long);
    [[nodiscard]] runtime::duration since_start() const;

    [[nodiscard]] sim::socket_ptr tcp(int family = AF_INET);
    [[nodiscard]] sim::socket_ptr bound(const where& at);
    [[nodiscard]] sim::socket_ptr listener(const where& at, int backlog = 128);
    [[nodiscard]] sim::socket_ptr listener(int backlog = 128) {
        return listener(where("192.0.2.1", 80), backlog);
    }
    int bind(const sim::socket_ptr& which, const where& at);
    int connect(const sim::socket_ptr& which, const where& to);
    /// One that has begun to connect to where `to` is.
    [[nodiscard]] sim::socket_ptr client(const sim::socket_ptr& to);
    /// Null: nobody is in the queue.
    [[nodiscard]] sim::socket_ptr accept(const sim::socket_ptr& from);
    /// The connecting end and the accepted one.
    [[nodiscard]] std::pair<sim::socket_ptr, sim::socket_ptr> tcp_pair();

    std::int64_t send(const sim::socket_ptr& from, std::string_view octets, int flags = 0);
    /// As it is read, or "errno N".
    [[nodiscard]] std::string receive(const sim::socket_ptr& from, std::size_t size_bytes = 4'096);
    std::int64_t receive_result(const sim::socket_ptr& from);
    int set(const sim::socket_ptr& which, int level, int name, int value);
    [[nodiscard]] int get(const sim::socket_ptr& which, int level, int name);
    void reset_on_close(const sim::socket_ptr& which);
    [[nodiscard]] where local(const sim::socket_ptr& which);
    [[nodiscard]] where peer(const sim::socket_ptr& which);

    sim::agenda events{runtime::time_point(std::chrono::hours(1))};
    ferry::random rng;
    sim::network net{events, rng};
};

}  // namespace ferry::sim_test
