#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

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
/// Results are those of the system calls: 0 or more, or -errno, each as Linux 6.18 has it. Nothing
/// here ever waits. Must outlive the last step of `events`, and needs all of what it notes there:
/// without `agenda::clear`.
///
/// Where it is not Linux: acknowledgements take no time, so send buffers empty on delivery; what
/// was sent stays in pieces as the seed cut it (no Nagle, no MSG_MORE); a handshake under way has
/// its place in the listener's queue; SO_LINGER with a time does not hold up `close`; keepalives
/// are not sent; a machine that comes back after `vanish` does not reset connections of its past
/// life; who connects to the port he bound himself is refused; SO_REUSEADDR and SO_REUSEPORT of a
/// bound socket count as they are, not as they were when it was bound.
class network {
  public:
    network(agenda& events, ferry::random& rng);
    network(const network&) = delete;
    network& operator=(const network&) = delete;
    ~network();

    /// Latencies and segments change for what is sent from now on, buffers for new sockets.
    void set_weather(const network_weather& weather) noexcept;

    /// A TCP socket of AF_INET or AF_INET6. One that is dropped without `close` or `vanish` resets
    /// its connection.
    [[nodiscard]] socket_ptr make_socket(int family);
    /// Two ends of a connection, connected already: socketpair(2). Nothing between them takes time.
    [[nodiscard]] std::pair<socket_ptr, socket_ptr> make_pair();
    /// A pipe: what is written to `second` is read from `first`. Its room is 64 KiB, as pipe(7) has
    /// it; up to PIPE_BUF octets go whole or not at all. `send` and `receive` are its write(2) and
    /// read(2) (-EBADF at the wrong end); all else is -ENOTSOCK.
    [[nodiscard]] std::pair<socket_ptr, socket_ptr> make_pipe();

    /// Every unicast address is this machine's. Port 0: an ephemeral one (32768 to 60999) that the
    /// seed chooses. -EINVAL (bound already, or too short), -EAFNOSUPPORT, -EADDRINUSE.
    int bind(const socket_ptr& which, const sockaddr* address, socklen_t address_bytes);
    /// The queue holds one connection more than `backlog`. -EINVAL, -EADDRINUSE.
    int listen(const socket_ptr& which, int backlog);
    /// -EINPROGRESS; later `is_writable`, with the outcome in `take_error`. Refused where nobody
    /// listens (ECONNREFUSED after the latency), ignored where the backlog is full or a machine has
    /// vanished (tried again after 1, 3, 7... seconds; ETIMEDOUT after 127). Called again:
    /// -EALREADY, then the outcome once (0 or the error), then -EISCONN, or a new attempt after a
    /// failure. -EADDRNOTAVAIL: that pair of addresses and ports is in use, or was a second ago
    /// (TIME_WAIT).
    int connect(const socket_ptr& which, const sockaddr* address, socklen_t address_bytes);
    /// The next connection of a listening socket; null and -EAGAIN, -EINVAL in `result`. One that
    /// was reset meanwhile is given all the same, and then fails.
    [[nodiscard]] socket_ptr accept(const socket_ptr& which, int& result);
    /// How many octets; 0 is the end of the stream; -EAGAIN, -ENOTCONN, or the connection's error,
    /// once (-ECONNRESET, -ETIMEDOUT), after which it is 0. What arrived before an error is given
    /// first. `flags`: MSG_PEEK, MSG_OOB (the urgent octet, or -EINVAL); others change nothing.
    std::int64_t receive(const socket_ptr& which, std::span<std::byte> into, int flags = 0);
    /// How many octets there was room for; -EAGAIN, -EPIPE, or the connection's error, once.
    /// `flags`: MSG_OOB makes the last octet taken urgent; others change nothing.
    std::int64_t send(const socket_ptr& which, std::span<const std::byte> octets, int flags = 0);
    int shutdown(const socket_ptr& which, int how);
    /// The last descriptor is gone: a FIN after what was sent, or a reset where octets were unread
    /// (RFC 9293 section 3.10.4) or SO_LINGER says so. A listener's queue is reset. Watches stay
    /// until `unwatch` and are not told of it. Twice is once.
    void close(const socket_ptr& which);

    /// Options with a meaning here are SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY, SO_OOBINLINE,
    /// SO_LINGER, SO_SNDBUF and SO_RCVBUF (so many octets fit in; shown doubled, as Linux does) and
    /// TCP_USER_TIMEOUT. Others are kept, accepted sockets inherit all. -EINVAL, -ENOPROTOOPT,
    /// -ENOENT (TCP_CONGESTION).
    int set_option(const socket_ptr& which, int level, int name, const void* value, socklen_t size);
    int get_option(const socket_ptr& which, int level, int name, void* value, socklen_t* size);
    int local_address(const socket_ptr& which, sockaddr* address, socklen_t* address_bytes) const;
    int peer_address(const socket_ptr& which, sockaddr* address, socklen_t* address_bytes) const;

    /// What poll(2) gives in `revents`, if asked for everything: POLLIN, POLLOUT, POLLRDHUP,
    /// POLLPRI, POLLHUP, POLLERR. A send buffer has room (POLLOUT) once a third of it is free, a
    /// socketpair's once three quarters are; sending may work before.
    [[nodiscard]] short poll_events(const socket_ptr& which) const;
    /// As select(2) has it: octets, an end, an error or a connection to accept; room, an error or a
    /// connect that is over.
    [[nodiscard]] bool is_readable(const socket_ptr& which) const;
    [[nodiscard]] bool is_writable(const socket_ptr& which) const;
    /// FIONREAD; -EINVAL of a listening socket.
    [[nodiscard]] int count_unread(const socket_ptr& which) const;
    /// SIOCOUTQ of a TCP socket: what was sent and not delivered; -EINVAL of a listening one.
    [[nodiscard]] int count_unacknowledged(const socket_ptr& which) const;
    /// SO_ERROR: the error of a connect or of the connection (positive), 0 if none, and forgets it.
    int take_error(const socket_ptr& which);

    /// Calls `changed` whenever `which` may have become readable or writable (also when it was
    /// already); the callee looks. Never inside a call into the network, not for what is so when
    /// the watch begins, several changes at one moment once: by the agenda, at once. The callee may
    /// do anything, `unwatch` itself included.
    watch_token watch(const socket_ptr& which, std::function<void()> changed);
    /// It is not called any more, even if that was noted already.
    void unwatch(watch_token token);

    /// The number of a socket among all that were made, for traces.
    [[nodiscard]] static std::uint64_t identify(const socket_ptr& which) noexcept;

    // What goes wrong, by the hand of a fault plan.

    /// Dooms the connection of `which` (either end) once `after_bytes` octets have been delivered
    /// in `flow`, counted from its beginning; at once if that many have been, but not before both
    /// ends are there. Several may wait on one connection. Nothing happens without a connection.
    void doom_connection(const socket_ptr& which, direction flow, std::uint64_t after_bytes,
                         doom how);
    /// Called for each TCP connection as its connecting end learns of it, with that end, before any
    /// octet travels.
    void when_connected(std::function<void(const socket_ptr&)> tell);
    /// Calls `tell` with the number of octets let through once `doom::finish` ends what `which`
    /// sends, at once if it has already; the sender itself is never told. For who knows what the
    /// other end must have got. One callee a connection and direction; it must not call into the
    /// network. Nothing happens without a connection.
    void when_cut(const socket_ptr& which, std::function<void(std::uint64_t)> tell);
    /// True when `doom::finish` has ended what `which` receives: its end is not the sender's.
    [[nodiscard]] bool is_incoming_cut(const socket_ptr& which) const noexcept;

    /// A machine at these sockets' end lost power: they go without a word to the others (silence),
    /// and their addresses are free. Used with every socket of a crashed server. Connects to where
    /// one listened stay unanswered until something is bound to that address again (any port).
    void vanish(const socket_ptr& which);

    /// TCP connections with an end that is neither closed nor reset, without silenced ones; sockets
    /// made or accepted, or waiting for that, and not closed. For leaks.
    [[nodiscard]] std::size_t count_connections() const noexcept;
    [[nodiscard]] std::size_t count_sockets() const noexcept;

  private:
    friend class socket;
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::sim
