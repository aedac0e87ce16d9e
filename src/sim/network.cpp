#include "sim/network.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "ferry/base/assert.hpp"
#include "sim/network_state.hpp"

namespace ferry::sim {

namespace {

// What select(2) takes for readable and writable.
constexpr short select_readable = POLLIN | POLLRDHUP | POLLHUP | POLLERR;
constexpr short select_writable = POLLOUT | POLLERR;

}  // namespace

network::network(agenda& events, random& rng) : state_(std::make_unique<state>(events, rng)) {}

network::~network() = default;

network::state::~state() {
    // Sockets may outlive it, as far as to be destroyed.
    std::vector<std::deque<socket_ptr>> queues;
    sockets.for_each([&queues](socket* each) {
        each->home = nullptr;
        each->link = nullptr;
        queues.push_back(std::move(each->queue));
    });
}

socket::~socket() {
    if (home != nullptr) {
        home->end_of(*this);
    }
}

/// The last owner of a socket is gone.
void network::state::end_of(socket& which) noexcept {
    if (!which.is_closed) {  // Nobody owns it as an orphan: it goes without ceremony.
        which.is_closed = true;
        --sockets_open;
        if (which.at == socket::stage::listening) {
            stop_listening(which, true);
        } else if (!which.is_inet()) {
            close_local(which);
        } else if (which.at == socket::stage::open) {
            abort(which);
        } else if (which.at == socket::stage::connecting) {
            end(which);
        }
    }
    leave(which);
    ports.release(which);
    while (!which.watches.empty()) {
        watchers.erase(which.watches.back());
        which.watches.pop_back();
    }
    sockets.erase(which.key);
}

socket_ptr network::state::make(socket::sort what, int family) {
    auto made = std::make_shared<socket>(what, family);
    made->key = sockets.insert(made.get());
    made->home = this;
    made->id = next_id++;
    made->local = inet_address::wildcard(family);
    made->remote = inet_address::wildcard(family);
    made->options.send_buffer_bytes = weather.send_buffer_bytes;
    made->options.receive_buffer_bytes = weather.receive_buffer_bytes;
    ++sockets_open;
    return made;
}

void network::state::notify(socket& which) {
    for (const watch_token token : which.watches) {
        watcher* const found = watchers.find(token);
        if (found != nullptr && !found->is_noted) {
            found->is_noted = true;
            events.after(runtime::duration::zero(), [this, token] { call_watcher(token); });
        }
    }
}

void network::state::call_watcher(watch_token token) {
    watcher* found = watchers.find(token);
    if (found == nullptr) {
        return;
    }
    found->is_noted = false;
    // It may unwatch itself, which must not destroy what is being called.
    auto call = std::move(found->changed);
    call();
    found = watchers.find(token);
    if (found != nullptr) {
        found->changed = std::move(call);
    }
}

runtime::duration network::state::draw_latency() noexcept {
    const auto spread =
        static_cast<std::uint64_t>((weather.latency_max - weather.latency_min).count());
    return weather.latency_min +
           runtime::duration(static_cast<std::int64_t>(rng.below(spread + 1)));
}

std::size_t network::state::draw_segment_bytes() noexcept {
    return weather.segment_bytes_min +
           rng.below(weather.segment_bytes_max - weather.segment_bytes_min + 1);
}

std::uint64_t socket::buffered() const noexcept {
    const flow* out = outgoing();
    if (out == nullptr) {
        return 0;
    }
    return is_inet() ? out->unacknowledged() : out->accepted - out->read;
}

short socket::events() const noexcept {
    const flow* in = incoming();
    const flow* out = outgoing();
    short events = error != 0 ? POLLERR : 0;
    if (kind == sort::pipe_reader) {
        const bool is_left = peer() == nullptr;
        return static_cast<short>((unread() > 0 ? POLLIN : 0) | (is_left ? POLLHUP : 0));
    }
    if (kind == sort::pipe_writer) {
        const bool has_room = pipe_room_bytes - buffered() >= PIPE_BUF;
        return static_cast<short>((has_room ? POLLOUT : 0) | (peer() == nullptr ? POLLERR : 0));
    }
    if (at == stage::listening) {
        return queue.empty() ? short{0} : short{POLLIN};
    }
    if ((receive_shut && send_shut) || at == stage::idle || at == stage::over) {
        events |= POLLHUP;
    }
    if (receive_shut) {
        events |= POLLIN | POLLRDHUP;
    }
    if (at == stage::connecting) {
        return events;
    }
    // An urgent octet that a read would step over is nothing to read.
    const bool steps_over = in != nullptr && in->urgent && in->urgent->at == in->read &&
                            is_inet() && options.urgent_inline == 0;
    if (unread() > (steps_over ? 1U : 0U)) {
        events |= POLLIN;
    }
    if (in != nullptr && in->urgent && !in->urgent->was_read) {
        events |= POLLPRI;
    }
    const std::uint64_t used_bytes = buffered();
    const std::uint64_t capacity = options.send_buffer_bytes;
    const std::uint64_t free_bytes = capacity - std::min(used_bytes, capacity);
    const bool has_room =
        is_inet() ? free_bytes > 0 && free_bytes >= used_bytes / 2 : used_bytes * 4 <= capacity;
    if ((is_inet() && send_shut) || out == nullptr || has_room) {
        events |= POLLOUT;
    }
    return events;
}

int socket::take_error() noexcept {
    return std::exchange(error, 0);
}

void network::set_weather(const network_weather& weather) noexcept {
    FERRY_ASSERT(weather.latency_min <= weather.latency_max);
    FERRY_ASSERT(weather.segment_bytes_min > 0);
    FERRY_ASSERT(weather.segment_bytes_min <= weather.segment_bytes_max);
    FERRY_ASSERT(weather.send_buffer_bytes > 0 && weather.receive_buffer_bytes > 0);
    state_->weather = weather;
}

socket_ptr network::make_socket(int family) {
    FERRY_ASSERT(family == AF_INET || family == AF_INET6);
    return state_->make(socket::sort::tcp, family);
}

std::pair<socket_ptr, socket_ptr> network::make_pair() {
    return state_->make_local(socket::sort::local, socket::sort::local);
}

std::pair<socket_ptr, socket_ptr> network::make_pipe() {
    return state_->make_local(socket::sort::pipe_reader, socket::sort::pipe_writer);
}

int network::bind(const socket_ptr& which, const sockaddr* address, socklen_t address_bytes) {
    if (!which->is_inet()) {
        return which->is_pipe() ? -ENOTSOCK : -EINVAL;
    }
    return state_->bind(*which, address, address_bytes);
}

int network::listen(const socket_ptr& which, int backlog) {
    if (!which->is_inet()) {
        return which->is_pipe() ? -ENOTSOCK : -EINVAL;
    }
    return state_->listen(*which, backlog);
}

int network::connect(const socket_ptr& which, const sockaddr* address, socklen_t address_bytes) {
    if (!which->is_inet()) {
        return which->is_pipe() ? -ENOTSOCK : -EISCONN;
    }
    return state_->connect(*which, address, address_bytes);
}

socket_ptr network::accept(const socket_ptr& which, int& result) {
    if (which->at != socket::stage::listening) {
        result = which->is_pipe() ? -ENOTSOCK : -EINVAL;
        return nullptr;
    }
    if (which->queue.empty()) {
        result = -EAGAIN;
        return nullptr;
    }
    result = 0;
    socket_ptr next = std::move(which->queue.front());
    which->queue.pop_front();
    return next;
}

std::int64_t network::receive(const socket_ptr& which, std::span<std::byte> into, int flags) {
    if (!which->is_inet()) {
        return state_->receive_local(*which, into, flags);
    }
    return (flags & MSG_OOB) != 0 ? state_->receive_urgent(*which, into, flags)
                                  : state_->receive(*which, into, flags);
}

std::int64_t network::send(const socket_ptr& which, std::span<const std::byte> octets, int flags) {
    return which->is_inet() ? state_->send(*which, octets, flags)
                            : state_->send_local(*which, octets, flags);
}

int network::shutdown(const socket_ptr& which, int how) {
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return which->is_pipe() ? -ENOTSOCK : -EINVAL;
    }
    return which->is_inet() ? state_->shutdown(*which, how) : state_->shutdown_local(*which, how);
}

void network::close(const socket_ptr& which) {
    const socket_ptr alive = which;
    if (which->is_closed) {
        return;
    }
    which->is_closed = true;
    --state_->sockets_open;
    if (which->is_inet()) {
        state_->close(*which);
    } else {
        state_->close_local(*which);
    }
}

int network::set_option(const socket_ptr& which, int level, int name, const void* value,
                        socklen_t size) {
    return state_->set_option(*which, level, name, value, size);
}

int network::get_option(const socket_ptr& which, int level, int name, void* value,
                        socklen_t* size) {
    return state_->get_option(*which, level, name, value, size);
}

int network::local_address(const socket_ptr& which, sockaddr* address,
                           socklen_t* address_bytes) const {
    if (which->is_pipe()) {
        return -ENOTSOCK;
    }
    if (*address_bytes > INT_MAX) {
        return -EINVAL;
    }
    return write_address(which->family, which->local, address, address_bytes);
}

int network::peer_address(const socket_ptr& which, sockaddr* address,
                          socklen_t* address_bytes) const {
    if (which->is_pipe()) {
        return -ENOTSOCK;
    }
    if (*address_bytes > INT_MAX) {
        return -EINVAL;
    }
    if (which->is_inet() && which->at != socket::stage::open) {
        return -ENOTCONN;
    }
    if (!which->is_inet() && which->link == nullptr) {
        return -ENOTCONN;
    }
    return write_address(which->family, which->remote, address, address_bytes);
}

short network::poll_events(const socket_ptr& which) const {
    return which->events();
}

bool network::is_readable(const socket_ptr& which) const {
    return (which->events() & select_readable) != 0;
}

bool network::is_writable(const socket_ptr& which) const {
    return (which->events() & select_writable) != 0;
}

int network::count_unread(const socket_ptr& which) const {
    if (which->at == socket::stage::listening) {
        return -EINVAL;
    }
    // Both ends of a pipe say it.
    std::uint64_t count =
        which->kind == socket::sort::pipe_writer ? which->buffered() : which->unread();
    const flow* in = which->incoming();
    if (in != nullptr && in->urgent && which->options.urgent_inline == 0 &&
        in->urgent->at >= in->read && in->urgent->at < in->delivered) {
        count = in->urgent->at - in->read;  // A read stops there (tcp_inq).
    }
    return static_cast<int>(std::min<std::uint64_t>(count, INT_MAX));
}

int network::count_unacknowledged(const socket_ptr& which) const {
    if (which->at == socket::stage::listening) {
        return -EINVAL;
    }
    const flow* out = which->outgoing();
    const std::uint64_t count = out == nullptr ? 0 : out->unacknowledged();
    return static_cast<int>(std::min<std::uint64_t>(count, INT_MAX));
}

int network::take_error(const socket_ptr& which) {
    return which->take_error();
}

watch_token network::watch(const socket_ptr& which, std::function<void()> changed) {
    const watch_token token =
        state_->watchers.insert({.on = which.get(), .changed = std::move(changed)});
    which->watches.push_back(token);
    return token;
}

void network::unwatch(watch_token token) {
    const auto was = state_->watchers.erase(token);
    if (was.on != nullptr) {
        std::erase(was.on->watches, token);
    }
}

void network::doom_connection(const socket_ptr& which, direction flow, std::uint64_t after_bytes,
                              doom how) {
    connection* const link = which->link;
    if (link == nullptr || !which->is_inet()) {
        return;
    }
    const side from = flow == direction::to_acceptor ? connector : acceptor;
    auto& dooms = link->flows[from].dooms;
    const doomed_octet fresh{.after_bytes = after_bytes, .how = how};
    dooms.insert(std::ranges::upper_bound(dooms, after_bytes, {}, &doomed_octet::after_bytes),
                 fresh);
    while (state_->strike_doom(*link, from)) {}
}

void network::when_connected(std::function<void(const socket_ptr&)> tell) {
    state_->tell_connected = std::move(tell);
}

void network::when_cut(const socket_ptr& which, std::function<void(std::uint64_t)> tell) {
    flow* const out = which->outgoing();
    if (out == nullptr) {
        return;
    }
    if (out->is_cut) {
        tell(out->delivered);
    } else {
        out->tell_cut = std::move(tell);
    }
}

bool network::is_incoming_cut(const socket_ptr& which) const noexcept {
    const flow* const in = which->incoming();
    return in != nullptr && in->is_cut;
}

void network::vanish(const socket_ptr& which) {
    const socket_ptr alive = which;
    if (!which->is_closed) {
        which->is_closed = true;
        --state_->sockets_open;
        state_->vanish(*which);
    }
}

std::size_t network::count_connections() const noexcept {
    std::size_t count = 0;
    state_->connections.for_each([&count](const std::unique_ptr<connection>& link) {
        const auto lives = [](const socket* end) {
            return end != nullptr && end->is_inet() && !end->is_closed &&
                   end->at == socket::stage::open;
        };
        count += !link->is_silent && std::ranges::any_of(link->ends, lives) ? 1U : 0U;
    });
    return count;
}

std::size_t network::count_sockets() const noexcept {
    return state_->sockets_open;
}

std::uint64_t network::identify(const socket_ptr& which) noexcept {
    return which->id;
}

}  // namespace ferry::sim
