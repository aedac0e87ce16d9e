#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/inet_address.hpp"
#include "sim/network.hpp"
#include "sim/octet_queue.hpp"

// What a network is made of. For its own files only: everybody else has `network.hpp`.

namespace ferry::sim {

/// What a pipe holds (pipe(7)).
inline constexpr std::uint64_t pipe_room_bytes = 65'536;

/// Socket options that are numbers; those nothing depends on are kept for who asks.
struct socket_options {
    int reuse_address = 0;
    int reuse_port = 0;
    int v6_only = 0;
    int urgent_inline = 0;
    int no_delay = 0;
    int cork = 0;
    int quick_ack = 1;
    int keep_alive = 0;
    int keep_idle_seconds = 7'200;
    int keep_interval_seconds = 75;
    int keep_count = 9;
    int user_timeout_ms = 0;
    int fin_timeout_seconds = 60;
    int not_sent_low_water = 0;
    int fast_open = 0;
    int defer_accept = 0;
    int syn_count = 6;
    int segment_bytes_max = 536;
    int receive_low_water = 1;
    int priority = 0;
    int broadcast = 0;
    int busy_poll = 0;
    int incoming_cpu = 0;
    int type_of_service = 0;
    int time_to_live = 64;
    int traffic_class = 0;
    int hops = 64;
    int mtu_discovery = 1;
    ::linger linger{};
    timeval receive_timeout{};
    timeval send_timeout{};
    std::string congestion = "cubic";
    std::size_t send_buffer_bytes = 0;
    std::size_t receive_buffer_bytes = 0;
};

/// What has been marked urgent and not been read past (RFC 9293 section 3.8.5).
struct urgent_mark {
    std::uint64_t at = 0;  ///< Which octet of the stream, from 0.
    std::byte octet{};
    bool was_read = false;
};

/// What travels from one end to the other.
enum class packet_kind : std::uint8_t { syn, syn_ack, ack, data, fin, reset };
struct packet {
    packet_kind kind;
    std::size_t size_bytes = 0;  ///< Of data.
};

/// First in, first out; its memory is given back when it is empty.
class packet_queue {
  public:
    void push(packet what) { packets_.push_back(what); }
    [[nodiscard]] packet pop() noexcept {
        const packet next = packets_[first_++];
        if (first_ == packets_.size()) {
            packets_.clear();
            first_ = 0;
        }
        return next;
    }

  private:
    std::vector<packet> packets_;
    std::size_t first_ = 0;
};

/// Where a `doom` waits.
struct doomed_octet {
    std::uint64_t after_bytes = 0;
    doom how = doom::reset;
};

/// One direction of a connection. Octets are counted from its beginning; `octets` holds those that
/// were sent and not yet read: first those delivered, then those on their way, then those for which
/// the receiver has no room. So read <= delivered <= shipped <= accepted.
struct flow {
    octet_queue octets;
    std::uint64_t read = 0;
    std::uint64_t delivered = 0;
    std::uint64_t shipped = 0;
    std::uint64_t accepted = 0;
    packet_queue on_the_way;
    runtime::time_point last_arrival{};
    bool fin_waits = false;  ///< A FIN goes out behind the last octet accepted.
    bool is_cut = false;  ///< By `doom::finish`: nothing more is delivered, the sender knows not.
    std::function<void(std::uint64_t)> tell_cut;  ///< Once it is, with `delivered`.
    std::vector<doomed_octet> dooms;              ///< By `after_bytes`.
    std::vector<std::uint64_t> marks_on_the_way;  ///< Urgent octets, in order.
    std::optional<urgent_mark> urgent;            ///< The receiver's.

    [[nodiscard]] std::uint64_t unread() const noexcept { return delivered - read; }
    [[nodiscard]] std::uint64_t unacknowledged() const noexcept { return accepted - delivered; }
};

/// The ends of a connection by number; a flow has that of its sender.
enum side : std::uint8_t { connector = 0, acceptor = 1 };
[[nodiscard]] constexpr side other(side of) noexcept {
    return of == connector ? acceptor : connector;
}

/// Two ends and what is between them. Lives until both ends are closed.
struct connection {
    std::uint64_t key = 0;
    inet_address addresses[2];  ///< Of TCP.
    socket* ends[2]{};          ///< Null: not there yet, or dropped.
    flow flows[2];
    socket_ptr orphans[2];  ///< Ends that are closed: the network has them, nobody else.
    bool is_silent = false;

    // The handshake.
    bool is_being_made = false;  ///< Until the acceptor has, or refuses, its end.
    unsigned tries = 0;          ///< Of the SYN, after the first.
    runtime::time_point began{};
    std::uint64_t listener = 0;  ///< The socket that keeps a place for it.
    unsigned listener_epoch = 0;
};

/// One end of a TCP connection, a listening socket, or neither yet; an end of a socketpair or pipe.
class socket : public std::enable_shared_from_this<socket> {
  public:
    enum class sort : std::uint8_t { tcp, local, pipe_reader, pipe_writer };
    /// `idle` and `over` are what TCP calls CLOSED, before and after.
    enum class stage : std::uint8_t { idle, listening, connecting, open, over };
    /// What connect(2) thinks, which learns of a connection's fate only when it is called again.
    enum class use : std::uint8_t { unconnected, connecting, connected, disconnecting };

    socket(sort what, int its_family) noexcept : kind(what), family(its_family) {}
    socket(const socket&) = delete;
    socket& operator=(const socket&) = delete;
    ~socket();

    [[nodiscard]] bool is_inet() const noexcept { return kind == sort::tcp; }
    [[nodiscard]] bool is_pipe() const noexcept {
        return kind == sort::pipe_reader || kind == sort::pipe_writer;
    }
    /// What comes in and what goes out; null without a connection.
    [[nodiscard]] flow* incoming() const noexcept {
        return link == nullptr ? nullptr : &link->flows[other(end)];
    }
    [[nodiscard]] flow* outgoing() const noexcept {
        return link == nullptr ? nullptr : &link->flows[end];
    }
    [[nodiscard]] socket* peer() const noexcept {
        return link == nullptr ? nullptr : link->ends[other(end)];
    }
    [[nodiscard]] std::uint64_t unread() const noexcept {
        const flow* from = incoming();
        return from == nullptr ? 0 : from->unread();
    }
    /// Octets that the send buffer holds. A socketpair's are its sender's until they are read.
    [[nodiscard]] std::uint64_t buffered() const noexcept;
    [[nodiscard]] short events() const noexcept;  ///< As `network::poll_events`.
    [[nodiscard]] int take_error() noexcept;      ///< A positive errno or 0.

    network::state* home = nullptr;
    std::uint64_t key = 0;  ///< In the network's table.
    std::uint64_t id = 0;   ///< Its number among all that were ever made.
    sort kind;
    int family;
    stage at = stage::idle;
    use used = use::unconnected;
    bool is_closed = false;
    socket_options options;
    std::vector<watch_token> watches;

    // As a connection's end. The comments name the kernel's variable of the same meaning.
    connection* link = nullptr;
    side end = connector;
    int error = 0;              ///< sk_err.
    bool receive_shut = false;  ///< RCV_SHUTDOWN.
    bool send_shut = false;     ///< SEND_SHUTDOWN.
    bool fin_received = false;  ///< SOCK_DONE.
    bool fin_sent = false;
    bool fin_sent_first = false;  ///< Then TIME_WAIT is its own to keep.
    bool fin_acknowledged = false;
    bool gives_up = false;  ///< It is noted when to call its silent peer lost.

    // As an owner of a port.
    inet_address local;
    inet_address remote;
    bool has_port = false;
    bool chose_port = false;     ///< By bind(2): the port is its own until it is closed.
    bool chose_address = false;  ///< So is the address, if it is no wildcard.
    bool connect_chose_port = false;
    std::size_t port_index = 0;  ///< In the port's list.

    // As a listener.
    std::size_t backlog = 0;
    std::size_t promised = 0;  ///< Places in the queue for handshakes under way.
    unsigned epoch = 0;        ///< How many times it has listened.
    std::deque<socket_ptr> queue;
};

}  // namespace ferry::sim
