#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "sim/network_state.hpp"

// Socketpairs and pipes (unix(7), pipe(7)): octets are with the reader as soon as they are written,
// and the writer's until they are read.

namespace ferry::sim {

std::pair<socket_ptr, socket_ptr> network::state::make_local(socket::sort first,
                                                             socket::sort second) {
    auto link = std::make_unique<connection>();
    connection& made = *link;
    made.key = connections.insert(std::move(link));
    std::pair<socket_ptr, socket_ptr> ends{make(first, AF_UNIX), make(second, AF_UNIX)};
    made.ends[connector] = ends.first.get();
    made.ends[acceptor] = ends.second.get();
    for (const side each : {connector, acceptor}) {
        made.ends[each]->link = &made;
        made.ends[each]->end = each;
        made.ends[each]->at = socket::stage::open;
        made.ends[each]->used = socket::use::connected;
    }
    return ends;
}

std::int64_t network::state::receive_local(socket& which, std::span<std::byte> into, int flags) {
    if (which.kind == socket::sort::pipe_writer) {
        return -EBADF;
    }
    if ((flags & MSG_OOB) != 0) {
        return which.is_pipe() ? -ENOTSOCK : -EOPNOTSUPP;
    }
    flow* const in = which.incoming();
    if (in != nullptr && in->unread() > 0) {
        const std::size_t taken = std::min(into.size(), in->unread());
        in->octets.copy(0, into.first(taken));
        socket* const sender = which.peer();
        const bool was_full = sender != nullptr && (sender->events() & POLLOUT) == 0;
        if ((flags & MSG_PEEK) == 0) {
            in->octets.drop_front(taken);
            in->read += taken;
        }
        if (was_full && (sender->events() & POLLOUT) != 0) {
            notify(*sender);
        }
        return static_cast<std::int64_t>(taken);
    }
    if (into.empty() && which.is_pipe()) {
        return 0;
    }
    if (which.error != 0) {
        return -which.take_error();
    }
    if (which.receive_shut || which.peer() == nullptr) {
        return 0;
    }
    return -EAGAIN;
}

std::int64_t network::state::send_local(socket& which, std::span<const std::byte> octets,
                                        int flags) {
    if (which.kind == socket::sort::pipe_reader) {
        return -EBADF;
    }
    if ((flags & MSG_OOB) != 0) {
        return which.is_pipe() ? -ENOTSOCK : -EOPNOTSUPP;
    }
    socket* const reader = which.peer();
    if (octets.empty() && which.is_pipe()) {
        return 0;
    }
    if (which.send_shut || reader == nullptr) {
        return -EPIPE;
    }
    if (octets.empty()) {
        return 0;
    }
    flow& out = *which.outgoing();
    const std::uint64_t capacity =
        which.is_pipe() ? pipe_room_bytes : which.options.send_buffer_bytes;
    const std::uint64_t room = capacity - std::min(capacity, which.buffered());
    // Lines of up to PIPE_BUF octets go whole or not at all (pipe(7)).
    const bool is_whole = which.is_pipe() && octets.size() <= PIPE_BUF;
    if (room == 0 || (is_whole && room < octets.size())) {
        return -EAGAIN;
    }
    const std::size_t taken = std::min(octets.size(), room);
    out.octets.append(octets.first(taken));
    out.accepted += taken;
    out.shipped = out.delivered = out.accepted;
    notify(*reader);
    return static_cast<std::int64_t>(taken);
}

/// unix_shutdown: what one end gives up doing, the other has nobody to do it with.
int network::state::shutdown_local(socket& which, int how) {
    if (which.is_pipe()) {
        return -ENOTSOCK;
    }
    const bool receiving = how != SHUT_WR;
    const bool sending = how != SHUT_RD;
    which.receive_shut = which.receive_shut || receiving;
    which.send_shut = which.send_shut || sending;
    if (socket* const peer = which.peer(); peer != nullptr) {
        peer->receive_shut = peer->receive_shut || sending;
        peer->send_shut = peer->send_shut || receiving;
        notify(*peer);
    }
    notify(which);
    return 0;
}

/// unix_release_sock.
void network::state::close_local(socket& which) {
    if (socket* const peer = which.peer(); peer != nullptr) {
        peer->receive_shut = true;
        peer->send_shut = true;
        if (!which.is_pipe() && which.unread() > 0) {
            peer->error = ECONNRESET;
        }
        notify(*peer);
    }
    // What is in a pipe stays there while it has an end.
    if (flow* const in = which.incoming(); in != nullptr && !which.is_pipe()) {
        in->octets.drop_front(in->unread());
        in->read = in->delivered;
    }
    which.at = socket::stage::over;
    leave(which);
}

}  // namespace ferry::sim
