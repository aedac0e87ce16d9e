#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ferry/base/assert.hpp"
#include "sim/network_state.hpp"

// How octets travel and connections end (RFC 9293 sections 3.6 to 3.10; Linux's tcp.c and
// tcp_input.c where that leaves a choice).

namespace ferry::sim {

namespace {

// Less room than this is not worth a segment (RFC 9293 section 3.8.6.2).
constexpr std::uint64_t small_segment_bytes = 1'460;

// net.ipv4.tcp_retries2: fifteen retransmissions, after which the peer is taken for dead.
constexpr auto patience_with_silence = std::chrono::milliseconds(924'600);

bool may_send(const socket& which) noexcept {
    return which.at == socket::stage::open && !which.fin_sent;
}

bool has_unacknowledged(const socket& which) noexcept {
    const flow* const out = which.outgoing();
    return out != nullptr &&
           (out->unacknowledged() > 0 || (which.fin_sent && !which.fin_acknowledged));
}

}  // namespace

std::int64_t network::state::receive(socket& which, std::span<std::byte> into, int flags) {
    if (which.at == socket::stage::listening) {
        return -ENOTCONN;
    }
    const bool peeks = (flags & MSG_PEEK) != 0;
    flow* const in = which.incoming();
    std::size_t copied = 0;
    if (in != nullptr) {
        std::uint64_t from = in->read;
        while (copied < into.size() && from < in->delivered) {
            std::uint64_t piece = std::min(into.size() - copied, in->delivered - from);
            if (in->urgent && in->urgent->at >= from && in->urgent->at - from < piece) {
                // A read ends before an urgent octet; the next begins with or behind it.
                if (in->urgent->at > from) {
                    piece = in->urgent->at - from;
                } else if (copied > 0) {
                    break;
                } else if (which.options.urgent_inline == 0) {
                    ++from;
                    continue;
                }
            }
            in->octets.copy(from - in->read, into.subspan(copied, piece));
            copied += piece;
            from += piece;
        }
        if (!peeks && from > in->read) {
            in->octets.drop_front(from - in->read);
            in->read = from;
            if (in->urgent && in->urgent->at < from) {
                in->urgent.reset();
            }
            pump(*which.link, other(which.end));
        }
    }
    if (copied > 0 || (into.empty() && which.unread() > 0)) {
        return static_cast<std::int64_t>(copied);
    }
    if (which.fin_received) {
        return 0;
    }
    if (which.error != 0) {
        return -which.take_error();
    }
    if (which.receive_shut) {
        return 0;
    }
    return which.at == socket::stage::idle || which.at == socket::stage::over ? -ENOTCONN : -EAGAIN;
}

/// tcp_recv_urg.
std::int64_t network::state::receive_urgent(socket& which, std::span<std::byte> into, int flags) {
    flow* const in = which.incoming();
    if (which.at == socket::stage::listening) {
        return -ENOTCONN;
    }
    if (which.options.urgent_inline != 0 || in == nullptr || !in->urgent || in->urgent->was_read) {
        return -EINVAL;
    }
    if (which.at == socket::stage::over && !which.fin_received) {
        return -ENOTCONN;
    }
    in->urgent->was_read = (flags & MSG_PEEK) == 0;
    if (into.empty()) {
        return 0;
    }
    into.front() = in->urgent->octet;
    return 1;
}

std::int64_t network::state::send(socket& which, std::span<const std::byte> octets, int flags) {
    if (!may_send(which) || which.send_shut || which.error != 0) {
        if (which.error != 0) {
            return -which.take_error();
        }
        return which.at == socket::stage::connecting ? -EAGAIN : -EPIPE;
    }
    flow& out = *which.outgoing();
    const std::uint64_t capacity = which.options.send_buffer_bytes;
    const std::uint64_t room = capacity - std::min(capacity, which.buffered());
    const std::size_t taken = std::min(octets.size(), room);
    if (taken == 0) {
        return octets.empty() ? 0 : -EAGAIN;
    }
    if (out.is_cut) {
        return static_cast<std::int64_t>(taken);
    }
    out.octets.append(octets.first(taken));
    out.accepted += taken;
    if ((flags & MSG_OOB) != 0) {
        out.marks_on_the_way.push_back(out.accepted - 1);
    }
    pump(*which.link, which.end);
    if (which.link->is_silent) {
        give_up_later(which);
    }
    return static_cast<std::int64_t>(taken);
}

/// Sends what the receiver has room for.
void network::state::pump(connection& link, side from) {
    flow& out = link.flows[from];
    if (link.is_silent) {
        return;
    }
    const socket* const to = link.ends[other(from)];
    const std::uint64_t capacity =
        to == nullptr ? weather.receive_buffer_bytes : to->options.receive_buffer_bytes;
    while (out.shipped < out.accepted) {
        const std::uint64_t occupied = out.shipped - out.read;
        const std::uint64_t window = capacity - std::min(capacity, occupied);
        const std::uint64_t waiting = out.accepted - out.shipped;
        if (window == 0 ||
            (window < waiting && window < std::min(small_segment_bytes, capacity / 2))) {
            return;
        }
        const std::size_t piece = std::min({waiting, window, std::uint64_t{draw_segment_bytes()}});
        out.shipped += piece;
        ship(link, from, {.kind = packet_kind::data, .size_bytes = piece});
    }
    if (out.fin_waits) {
        out.fin_waits = false;
        ship(link, from, {.kind = packet_kind::fin});
    }
}

void network::state::ship(connection& link, side from, packet what) {
    flow& out = link.flows[from];
    out.last_arrival = std::max(out.last_arrival, events.now() + draw_latency());
    out.on_the_way.push(what);
    // Captures that fit into a std::function without an allocation: there are millions of these.
    if (from == connector) {
        events.at(out.last_arrival, [this, key = link.key] { arrive(key, connector); });
    } else {
        events.at(out.last_arrival, [this, key = link.key] { arrive(key, acceptor); });
    }
}

/// What `from` sent longest ago has come to the other end.
void network::state::arrive(std::uint64_t key, side from) {
    auto* const found = connections.find(key);
    if (found == nullptr) {
        return;
    }
    connection& link = **found;
    const packet what = link.flows[from].on_the_way.pop();
    if (link.is_silent) {
        return;
    }
    switch (what.kind) {
        case packet_kind::syn:
            on_syn(link);
            return;
        case packet_kind::syn_ack:
            on_syn_ack(link);
            return;
        case packet_kind::ack:
            on_ack(link);
            return;
        case packet_kind::data:
            on_data(link, from, what.size_bytes);
            return;
        case packet_kind::fin:
            on_fin(link, from);
            return;
        case packet_kind::reset:
            socket* const to = link.ends[other(from)];
            if (link.is_being_made) {
                on_refusal(link);
            } else if (to != nullptr) {
                on_reset(*to);
            }
            return;
    }
}

void network::state::on_data(connection& link, side from, std::size_t size_bytes) {
    flow& in = link.flows[from];
    if (in.is_cut) {
        return;
    }
    socket* const to = link.ends[other(from)];
    if (to != nullptr && to->at == socket::stage::open && to->receive_shut && to->fin_sent &&
        !to->fin_received) {
        // Nobody will ever read it (tcp_rcv_state_process in FIN_WAIT; RFC 1122 section 4.2.2.13).
        note_urgent(link, from, in.delivered + size_bytes);
        abort(*to);
        if (!to->is_closed) {
            to->error = ECONNRESET;
            notify(*to);
        }
        drop_undelivered(in);
        return;
    }
    if (to == nullptr || to->at != socket::stage::open) {
        drop_undelivered(in);
        answer_with_reset(link, from);
        return;
    }
    deliver(link, from, size_bytes);
}

void network::state::deliver(connection& link, side from, std::size_t size_bytes) {
    flow& in = link.flows[from];
    socket* const sender = link.ends[from];
    const bool was_full = sender != nullptr && (sender->events() & POLLOUT) == 0;
    const std::uint64_t goal = in.delivered + size_bytes;
    const std::uint64_t before = in.delivered;
    bool goes_on = true;
    while (goes_on && in.delivered < goal) {
        in.delivered = in.dooms.empty() ? goal : std::min(goal, in.dooms.front().after_bytes);
        note_urgent(link, from, in.delivered);
        while (goes_on && strike_doom(link, from)) {
            goes_on = !link.is_silent && !in.is_cut && link.ends[other(from)] != nullptr &&
                      link.ends[other(from)]->at == socket::stage::open;
        }
    }
    if (in.delivered > before && link.ends[other(from)] != nullptr) {
        notify(*link.ends[other(from)]);
    }
    if (was_full && (sender->events() & POLLOUT) != 0) {
        notify(*sender);
    }
}

/// Urgent octets among those that have come, whatever becomes of them. The kernel's tcp_check_urg.
void network::state::note_urgent(connection& link, side from, std::uint64_t arrived) {
    flow& in = link.flows[from];
    while (!in.marks_on_the_way.empty() && in.marks_on_the_way.front() < arrived) {
        const socket* const to = link.ends[other(from)];
        const bool is_inline = to != nullptr && to->options.urgent_inline != 0;
        if (in.urgent && in.urgent->at == in.read && !is_inline) {
            // One that was never read past goes when the next one comes.
            in.octets.drop_front(1);
            ++in.read;
        }
        std::byte octet{};
        in.octets.copy(in.marks_on_the_way.front() - in.read, {&octet, 1});
        in.urgent = {.at = in.marks_on_the_way.front(), .octet = octet};
        in.marks_on_the_way.erase(in.marks_on_the_way.begin());
    }
}

void network::state::on_fin(connection& link, side from) {
    socket* const to = link.ends[other(from)];
    socket* const sender = link.ends[from];
    const bool is_cut = link.flows[from].is_cut;
    if (!is_cut && (to == nullptr || to->at != socket::stage::open)) {
        answer_with_reset(link, from);
        return;
    }
    if (!is_cut && !to->fin_received) {
        to->fin_received = true;
        to->receive_shut = true;
        notify(*to);
    }
    if (sender != nullptr) {
        sender->fin_acknowledged = true;
        notify(*sender);
    }
    for (socket* const each : {to, sender}) {
        if (each != nullptr) {
            end_if_both_finished(*each);
        }
    }
}

void network::state::end_if_both_finished(socket& which) {
    if (which.at == socket::stage::open && which.fin_sent && which.fin_acknowledged &&
        which.fin_received) {
        if (which.fin_sent_first) {
            ports.keep_waiting(which, events.now());
        }
        end(which);
    }
}

bool network::state::strike_doom(connection& link, side from) {
    flow& in = link.flows[from];
    if (link.is_being_made || in.dooms.empty() || in.dooms.front().after_bytes > in.delivered) {
        return false;
    }
    const doom how = in.dooms.front().how;
    in.dooms.erase(in.dooms.begin());
    strike(link, from, how);
    return true;
}

void network::state::strike(connection& link, side from, doom how) {
    switch (how) {
        case doom::reset:
            for (socket* const each : link.ends) {
                if (each != nullptr) {
                    on_reset(*each);
                }
            }
            return;
        case doom::silence:
            silence(link);
            return;
        case doom::finish:
            if (!link.flows[from].is_cut) {
                socket* const to = link.ends[other(from)];
                drop_undelivered(link.flows[from]);
                link.flows[from].is_cut = true;
                if (const auto tell = std::exchange(link.flows[from].tell_cut, nullptr)) {
                    tell(link.flows[from].delivered);
                }
                if (to != nullptr && to->at == socket::stage::open && !to->fin_received) {
                    to->fin_received = true;
                    to->receive_shut = true;
                    notify(*to);
                    end_if_both_finished(*to);
                }
                pump(link, from);  // A FIN that waited for room waits no longer.
                if (socket* const sender = link.ends[from]; sender != nullptr) {
                    notify(*sender);
                }
            }
            return;
    }
}

int network::state::shutdown(socket& which, int how) {
    const bool receiving = how != SHUT_WR;
    const bool sending = how != SHUT_RD;
    const auto before = which.at;
    if (which.used == socket::use::connecting) {
        which.used = before == socket::stage::connecting || before == socket::stage::over
                         ? socket::use::disconnecting
                         : socket::use::connected;
    }
    notify(which);
    if (before == socket::stage::listening) {
        if (receiving) {
            stop_listening(which, true);
            if (!which.chose_port) {
                ports.release(which);
            }
            disconnect(which);
        }
        return 0;
    }
    if (before == socket::stage::connecting) {
        disconnect(which);
        return 0;
    }
    which.receive_shut = which.receive_shut || receiving;
    which.send_shut = which.send_shut || sending;
    if (before != socket::stage::open) {
        return -ENOTCONN;
    }
    if (sending) {
        finish_sending(which);
    }
    return 0;
}

void network::state::finish_sending(socket& which) {
    if (which.fin_sent) {
        return;
    }
    which.send_shut = true;
    which.fin_sent = true;
    which.fin_sent_first = !which.fin_received;
    which.outgoing()->fin_waits = true;
    pump(*which.link, which.end);
    if (which.link->is_silent) {
        give_up_later(which);
    }
}

/// __tcp_close.
void network::state::close(socket& which) {
    if (which.at == socket::stage::listening) {
        stop_listening(which, true);
    }
    if (which.at == socket::stage::open) {
        const bool loses_octets = which.unread() > 0;
        const bool at_once =
            which.options.linger.l_onoff != 0 && which.options.linger.l_linger == 0;
        const bool was_closing = which.fin_sent && which.fin_received;
        which.receive_shut = true;
        if (loses_octets || (at_once && (!was_closing || which.outgoing()->fin_waits))) {
            abort(which);
        } else if (at_once) {
            end(which);
        } else {
            finish_sending(which);
        }
    }
    if (which.at == socket::stage::open) {
        // The network goes on with what is still to be sent, and to answer what still comes.
        connection& link = *which.link;
        link.orphans[which.end] = which.shared_from_this();
        which.send_shut = true;
        forget_if_closed(link);
        return;
    }
    if (which.at == socket::stage::connecting) {
        end(which);
    }
    leave(which);
    ports.release(which);
}

void network::state::vanish(socket& which) {
    if (which.at == socket::stage::listening) {
        dark.push_back(which.local);
        stop_listening(which, false);
    }
    if (which.link != nullptr && which.is_inet() && which.at == socket::stage::open) {
        if (which.link->is_being_made) {
            abandon_handshake(*which.link);
        }
        silence(*which.link);
    }
    if (!which.is_inet()) {
        close_local(which);
    } else if (which.at == socket::stage::connecting || which.at == socket::stage::open) {
        end(which);
    }
    leave(which);
    ports.release(which);
}

void network::state::abort(socket& which) {
    connection& link = *which.link;
    end(which);
    if (!link.is_silent) {
        ship(link, which.end, {.kind = packet_kind::reset});
    }
}

/// `to` sent something to an end that is no more.
void network::state::answer_with_reset(connection& link, side to) {
    const socket* const sender = link.ends[to];
    if (sender != nullptr && sender->at == socket::stage::open) {
        ship(link, other(to), {.kind = packet_kind::reset});
    }
}

/// tcp_reset.
void network::state::on_reset(socket& which) {
    if (which.at == socket::stage::open) {
        fail(which, which.fin_received && !which.fin_sent ? EPIPE : ECONNRESET);
    }
}

void network::state::fail(socket& which, int error) {
    which.error = error;
    notify(which);
    end(which);
}

void network::state::end(socket& which) {
    connection& link = *which.link;
    if (which.at == socket::stage::connecting) {
        abandon_handshake(link);
    }
    which.at = socket::stage::over;
    which.receive_shut = true;
    which.send_shut = true;
    ports.give_up_claim(which);
    if (!which.chose_port) {
        ports.release(which);
    }
    // What is on its way still arrives; what waited for room does not go out any more.
    flow& out = link.flows[which.end];
    out.octets.drop_back(out.accepted - out.shipped);
    out.accepted = out.shipped;
    out.fin_waits = false;
    std::erase_if(out.marks_on_the_way,
                  [&out](std::uint64_t mark) { return mark >= out.accepted; });
}

/// What has not come to the receiver never will; its sender is not told and takes it for delivered.
void network::state::drop_undelivered(flow& of) noexcept {
    of.octets.drop_back(of.accepted - of.delivered);
    of.accepted = of.shipped = of.delivered;
    of.marks_on_the_way.clear();
}

void network::state::silence(connection& link) {
    link.is_silent = true;
    for (socket* const each : link.ends) {
        if (each != nullptr) {
            give_up_later(*each);
        }
    }
}

/// Notes when `which` will call its peer lost, if it waits for an acknowledgement.
void network::state::give_up_later(socket& which) {
    if (which.gives_up || which.at != socket::stage::open || which.is_closed ||
        !has_unacknowledged(which)) {
        return;
    }
    which.gives_up = true;
    const int user_timeout_ms = which.options.user_timeout_ms;
    const runtime::duration patience =
        user_timeout_ms > 0 ? std::chrono::milliseconds(user_timeout_ms) : patience_with_silence;
    if (which.end == connector) {
        events.after(patience, [this, key = which.link->key] { give_up(key, connector); });
    } else {
        events.after(patience, [this, key = which.link->key] { give_up(key, acceptor); });
    }
}

void network::state::give_up(std::uint64_t key, side of) {
    auto* const found = connections.find(key);
    if (found == nullptr) {
        return;
    }
    socket* const which = (*found)->ends[of];
    if (which != nullptr && which->at == socket::stage::open) {
        fail(*which, ETIMEDOUT);
    }
}

void network::state::leave(socket& which) {
    connection* const link = std::exchange(which.link, nullptr);
    if (link == nullptr) {
        return;
    }
    link->ends[which.end] = nullptr;
    forget_if_closed(*link);
}

void network::state::forget_if_closed(connection& link) {
    const auto is_closed = [](const socket* end) { return end == nullptr || end->is_closed; };
    if (link.is_being_made || !is_closed(link.ends[connector]) || !is_closed(link.ends[acceptor])) {
        return;
    }
    // Nobody is left to see how it goes on. What TCP keeps of it is the pair of addresses.
    for (socket* const each : link.ends) {
        if (each == nullptr) {
            continue;
        }
        if (each->at == socket::stage::open) {
            const socket* const peer = each->peer();
            if (each->fin_sent_first && peer != nullptr && peer->fin_sent && !link.is_silent) {
                ports.keep_waiting(*each, events.now());
            }
            ports.give_up_claim(*each);
        }
        ports.release(*each);
        each->at = socket::stage::over;
        each->link = nullptr;
    }
    const auto gone = connections.erase(link.key);
}

}  // namespace ferry::sim
