#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ferry/base/assert.hpp"
#include "sim/network_state.hpp"

// How connections come about (RFC 9293 section 3.5, tcp(7), listen(2), connect(2)).

namespace ferry::sim {

namespace {

constexpr std::size_t backlog_max = 4'096;  // net.core.somaxconn.

// net.ipv4.tcp_syn_retries: SYNs go out after 0, 1, 3, 7, 15, 31 and 63 seconds; at 127 it is over.
constexpr unsigned syn_retries_max = 6;

runtime::duration after_try(unsigned number) {
    return std::chrono::seconds((1U << (number + 1)) - 1);
}

bool is_inside_127(const inet_address& address) noexcept {
    return address.is_v4() && address.octets[12] == 127;
}

}  // namespace

int network::state::bind(socket& which, const sockaddr* address, socklen_t address_bytes) {
    inet_address wanted;
    if (const int failed = read_address(which.family, address, address_bytes, wanted);
        failed != 0) {
        return failed;
    }
    const bool is_mapped = which.family == AF_INET6 && wanted.is_v4();
    const bool is_group = which.family == AF_INET6 && wanted.is_multicast_or_broadcast();
    const bool is_tcp_closed = which.at == socket::stage::idle || which.at == socket::stage::over;
    if (!is_tcp_closed || which.has_port || is_group || (is_mapped && which.options.v6_only != 0)) {
        return -EINVAL;
    }
    const int failed = ports.bind(which, wanted, events.now(), rng);
    if (failed == 0) {
        which.chose_address = which.chose_address || !which.local.is_wildcard();
        light(which.local);
    } else {
        which.local.octets = inet_address::wildcard(which.family).octets;
    }
    return failed;
}

int network::state::listen(socket& which, int backlog) {
    if (which.used != socket::use::unconnected ||
        (which.at != socket::stage::idle && which.at != socket::stage::listening)) {
        return -EINVAL;
    }
    which.backlog = std::min(static_cast<std::size_t>(static_cast<unsigned>(backlog)), backlog_max);
    if (which.at == socket::stage::listening) {
        return 0;
    }
    if (!which.has_port) {
        inet_address wanted = which.local;
        wanted.port = 0;
        if (const int failed = ports.bind(which, wanted, events.now(), rng); failed != 0) {
            return failed;
        }
    }
    if (const int failed = ports.listen(which, events.now()); failed != 0) {
        return failed;
    }
    which.at = socket::stage::listening;
    ++which.epoch;
    which.promised = 0;
    return 0;
}

/// Those in the queue are reset (inet_csk_listen_stop); handshakes under way will find nobody.
void network::state::stop_listening(socket& which, bool tell_clients) {
    ports.stop_listening(which);
    which.at = socket::stage::idle;
    auto queue = std::exchange(which.queue, {});
    for (const socket_ptr& each : queue) {
        each->is_closed = true;
        --sockets_open;
        if (!tell_clients) {
            vanish(*each);
        } else {
            if (each->at == socket::stage::open) {
                abort(*each);
            }
            leave(*each);
        }
    }
}

int network::state::connect(socket& which, const sockaddr* address, socklen_t address_bytes) {
    if (address_bytes < sizeof(sa_family_t)) {
        return -EINVAL;
    }
    switch (which.used) {
        case socket::use::connected:
            return -EISCONN;
        case socket::use::disconnecting:
            return -EINVAL;
        case socket::use::connecting:
            if (which.at == socket::stage::connecting) {
                return -EALREADY;
            }
            if (which.at == socket::stage::over) {
                const int error = which.take_error();
                disconnect(which);
                return error == 0 ? -ECONNABORTED : -error;
            }
            which.used = socket::use::connected;
            return 0;
        case socket::use::unconnected:
            break;
    }
    return which.at == socket::stage::idle ? begin_connect(which, address, address_bytes)
                                           : -EISCONN;
}

int network::state::begin_connect(socket& which, const sockaddr* address, socklen_t address_bytes) {
    inet_address to;
    if (const int failed = read_address(which.family, address, address_bytes, to); failed != 0) {
        return failed;
    }
    if (to.is_wildcard()) {  // BSD took it for this machine (ip(7)).
        const auto port = to.port;
        to = inet_address::loopback(to.is_v4());
        to.port = port;
    }
    const bool is_bound = !which.local.is_wildcard();
    if (to.is_multicast_or_broadcast() || (is_bound && which.local.is_v4() != to.is_v4()) ||
        (which.family == AF_INET6 && to.is_v4() && which.options.v6_only != 0)) {
        return -ENETUNREACH;
    }
    const inet_address local_before = which.local;
    if (!is_bound) {
        // As the routing table has it: every address is this machine's own.
        const auto port = which.local.port;
        which.local = is_inside_127(to) ? inet_address::loopback(true) : to;
        which.local.port = port;
    }
    which.remote = to;
    if (const int failed = ports.claim(which, events.now(), rng); failed != 0) {
        which.local.octets = local_before.octets;
        which.remote = inet_address::wildcard(which.family);
        return failed;
    }
    auto link = std::make_unique<connection>();
    connection& made = *link;
    made.key = connections.insert(std::move(link));
    made.addresses[connector] = which.local;
    made.addresses[acceptor] = to;
    made.ends[connector] = &which;
    made.is_being_made = true;
    made.began = events.now();
    which.link = &made;
    which.end = connector;
    which.at = socket::stage::connecting;
    which.used = socket::use::connecting;
    ship(made, connector, {.kind = packet_kind::syn});
    return -EINPROGRESS;
}

void network::state::disconnect(socket& which) {
    if (which.at == socket::stage::connecting) {
        which.error = ECONNRESET;
        end(which);
    }
    leave(which);
    which.at = socket::stage::idle;
    which.used = socket::use::unconnected;
    which.receive_shut = which.send_shut = which.fin_received = false;
    which.fin_sent = which.fin_sent_first = which.fin_acknowledged = which.gives_up = false;
    if (!which.chose_address) {
        which.local.octets = inet_address::wildcard(which.family).octets;
    }
    which.remote = inet_address::wildcard(which.family);
}

/// A place was promised to the handshake, and the listener is still that one. Else null.
socket* network::state::waiting_listener(const connection& link) noexcept {
    socket** const found = sockets.find(link.listener);
    if (found == nullptr || (*found)->at != socket::stage::listening ||
        (*found)->epoch != link.listener_epoch) {
        return nullptr;
    }
    return *found;
}

void network::state::give_place_back(connection& link) noexcept {
    if (socket* const listener = waiting_listener(link); listener != nullptr) {
        --listener->promised;
    }
    link.listener = 0;
}

/// Its connector has gone before it was a connection.
void network::state::abandon_handshake(connection& link) {
    give_place_back(link);
    link.is_being_made = false;
}

void network::state::on_syn(connection& link) {
    const inet_address& to = link.addresses[acceptor];
    const inet_ends ends{.local = to, .remote = link.addresses[connector]};
    if (socket* const stale = ports.find_end(ends); stale != nullptr) {
        // The connector knows nothing of that one: it answers the acknowledgement it gets with a
        // reset (RFC 9293 section 3.5.1), and the next SYN is welcome.
        on_reset(*stale);
        try_again_later(link);
        return;
    }
    socket* const listener = ports.find_listener(to, rng);
    if (listener == nullptr) {
        if (is_dark(to)) {
            try_again_later(link);
        } else {
            ship(link, acceptor, {.kind = packet_kind::reset});
        }
        return;
    }
    // One more than the backlog (sk_acceptq_is_full). Handshakes under way count: else several at
    // once would be told they are connected and find no place.
    if (listener->queue.size() + listener->promised > listener->backlog) {
        try_again_later(link);
        return;
    }
    ++listener->promised;
    link.listener = listener->key;
    link.listener_epoch = listener->epoch;
    ship(link, acceptor, {.kind = packet_kind::syn_ack});
}

void network::state::try_again_later(connection& link) {
    const auto when = link.began + after_try(link.tries);
    events.at(when, [this, key = link.key] { try_again(key); });
}

void network::state::try_again(std::uint64_t key) {
    auto* const found = connections.find(key);
    if (found == nullptr || !(*found)->is_being_made) {
        return;
    }
    connection& link = **found;
    if (link.tries == syn_retries_max) {
        socket& which = *link.ends[connector];
        fail(which, ETIMEDOUT);
        return;
    }
    ++link.tries;
    ship(link, connector, {.kind = packet_kind::syn});
}

void network::state::on_syn_ack(connection& link) {
    socket* const which = link.ends[connector];
    FERRY_ASSERT(which != nullptr && which->at == socket::stage::connecting);
    which->at = socket::stage::open;
    ship(link, connector, {.kind = packet_kind::ack});
    notify(*which);
    if (tell_connected) {
        tell_connected(which->shared_from_this());
    }
}

void network::state::on_refusal(connection& link) {
    fail(*link.ends[connector], ECONNREFUSED);
}

void network::state::on_ack(connection& link) {
    socket* const listener = waiting_listener(link);
    link.is_being_made = false;
    if (listener == nullptr) {
        if (is_dark(link.addresses[acceptor])) {
            silence(link);
        } else {
            ship(link, acceptor, {.kind = packet_kind::reset});
        }
        forget_if_closed(link);
        return;
    }
    --listener->promised;
    make_child(link, *listener);
    notify(*listener);
    for (const side each : {connector, acceptor}) {
        while (!link.is_silent && strike_doom(link, each)) {}
    }
}

void network::state::make_child(connection& link, socket& listener) {
    socket_ptr child = make(socket::sort::tcp, listener.family);
    child->options = listener.options;
    child->at = socket::stage::open;
    child->used = socket::use::connected;
    child->local = link.addresses[acceptor];
    child->remote = link.addresses[connector];
    child->link = &link;
    child->end = acceptor;
    link.ends[acceptor] = child.get();
    ports.join(*child);
    ports.claim_accepted(*child);
    // What a listener was told to shut down before it listened, its connections shut down at once.
    child->receive_shut = listener.receive_shut;
    if (listener.send_shut) {
        finish_sending(*child);
    }
    listener.queue.push_back(std::move(child));
}

bool network::state::is_dark(const inet_address& address) const noexcept {
    return std::ranges::any_of(dark, [&](const inet_address& each) {
        return each.port == address.port &&
               (each.octets == address.octets ||
                (each.is_wildcard() && (!each.is_v4() || address.is_v4())));
    });
}

/// A machine is up again: what was at its addresses is closed now, not silent.
void network::state::light(const inet_address& address) {
    std::erase_if(dark, [&](const inet_address& each) { return each.octets == address.octets; });
}

}  // namespace ferry::sim
