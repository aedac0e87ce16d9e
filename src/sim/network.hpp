#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "ferry/base/random.hpp"
#include "ferry/runtime/time.hpp"
#include "sim/agenda.hpp"

namespace ferry::sim {

/// How the network of one run behaves. Drawn from the seed, or set by a test.
struct network_weather {
    runtime::duration latency_min = std::chrono::microseconds(20);
    runtime::duration latency_max = std::chrono::microseconds(200);
    std::size_t segment_bytes_min = 1'460;  ///< What is delivered at once: chosen between these for
    std::size_t segment_bytes_max = 65'536;      ///< each segment, never more than was sent.
    std::size_t send_buffer_bytes = 256 * 1024;  ///< Sent and not yet taken into the peer's buffer.
    std::size_t receive_buffer_bytes = 128 * 1024;  ///< Delivered and not yet read.
};

/// Which way octets flow, seen from the side that connected.
enum class direction : std::uint8_t { to_acceptor, to_connector };

/// What ends a connection before its owners do.
enum class doom : std::uint8_t {
    reset,    ///< Both ends see ECONNRESET: a middlebox, or a peer that crashed and came back.
    silence,  ///< Nothing is delivered any more, either way, and nobody is told.
    finish,   ///< The sender of that direction shuts down there; what it sends later is lost.
};

/// One end of a TCP connection, a listening socket, or neither yet. Made by a `network`, shared by
/// its descriptors and by operations under way.
class socket;
using socket_ptr = std::shared_ptr<socket>;

/// A token for something that watches a socket; 0 is none.
using watch_token = std::uint64_t;

/// A simulated network of TCP over IPv4 and IPv6 as an application sees it (RFC 9293, tcp(7)):
/// every address is on it, listeners are found by address and port, octets travel in segments that
/// take time. Deterministic: all chances come from `rng`, all delays go through `events`.
///
/// Results are those of the system calls: 0 or more, or -errno. Nothing here ever waits.
class network {
  public:
    network(agenda& events, ferry::random& rng);
    network(const network&) = delete;
    network& operator=(const network&) = delete;
    ~network();

    void set_weather(const network_weather& weather) noexcept;

    [[nodiscard]] socket_ptr make_socket(int family);
    /// Two ends of a connection, connected already: socketpair(2).
    [[nodiscard]] std::pair<socket_ptr, socket_ptr> make_pair();
    /// A pipe: what is written to `second` is read from `first`. Its room is 64 KiB, as pipe(7) has
    /// it.
    [[nodiscard]] std::pair<socket_ptr, socket_ptr> make_pipe();

    int bind(const socket_ptr& which, const sockaddr* address, socklen_t address_bytes);
    int listen(const socket_ptr& which, int backlog);
    /// -EINPROGRESS; later `is_writable`, with the outcome in `take_error`. Refused where nobody
    /// listens (ECONNREFUSED after the latency), ignored where the backlog is full (retried).
    int connect(const socket_ptr& which, const sockaddr* address, socklen_t address_bytes);
    /// The next connection of a listening socket; null and -EAGAIN, -EINVAL in `result`.
    [[nodiscard]] socket_ptr accept(const socket_ptr& which, int& result);
    /// How many octets; 0 is the end of the stream; -EAGAIN, -ECONNRESET (once), -ENOTCONN.
    std::int64_t receive(const socket_ptr& which, std::span<std::byte> into);
    /// How many octets there was room for; -EAGAIN, -EPIPE, -ECONNRESET (once). `flags`: MSG_OOB.
    std::int64_t send(const socket_ptr& which, std::span<const std::byte> octets, int flags = 0);
    int shutdown(const socket_ptr& which, int how);
    /// The last descriptor is gone: a FIN after what was sent, or a reset where octets were unread
    /// (RFC 9293 section 3.10.4) or SO_LINGER says so.
    void close(const socket_ptr& which);

    int set_option(const socket_ptr& which, int level, int name, const void* value, socklen_t size);
    int local_address(const socket_ptr& which, sockaddr* address, socklen_t* address_bytes) const;
    int peer_address(const socket_ptr& which, sockaddr* address, socklen_t* address_bytes) const;

    /// What poll(2) would say: POLLIN (octets, an end, an error, a connection to accept) and
    /// POLLOUT (room for at least one octet, an error, a connect that is over).
    [[nodiscard]] bool is_readable(const socket_ptr& which) const;
    [[nodiscard]] bool is_writable(const socket_ptr& which) const;
    [[nodiscard]] int count_unread(const socket_ptr& which) const;
    /// SO_ERROR: the error of a connect or of the connection, 0 if none, and forgets it.
    int take_error(const socket_ptr& which);

    /// Calls `changed` whenever `which` may have become readable or writable from now on; the
    /// callee looks. Never inside a call into the network: by the agenda, at once.
    watch_token watch(const socket_ptr& which, std::function<void()> changed);
    void unwatch(watch_token token);

    // What goes wrong, by the hand of a fault plan.

    /// Dooms the connection of `which` (either end) once `after_bytes` octets have been delivered
    /// in `flow`, counted from its beginning; at once if that many have been.
    void doom_connection(const socket_ptr& which, direction flow, std::uint64_t after_bytes,
                         doom how);
    /// Called for each connection as it comes about, with the connecting end.
    void when_connected(std::function<void(const socket_ptr&)> tell);

    /// A machine at these sockets' end lost power: they go without a word to the others (silence),
    /// and their addresses are free. Used with every socket of a crashed server.
    void vanish(const socket_ptr& which);

    /// Connections with an end that is neither closed nor doomed; sockets alive. For leaks.
    [[nodiscard]] std::size_t count_connections() const noexcept;
    [[nodiscard]] std::size_t count_sockets() const noexcept;

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::sim
