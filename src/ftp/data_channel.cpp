#include "ftp/data_channel.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "ferry/net/connect.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// Strangers who connect at the same time must not keep the owner out.
constexpr int data_backlog = 16;

/// Ports of the range that one PASV looks at: a few microseconds each, so that a range that is full
/// does not hold up the core.
constexpr std::uint32_t port_tries_max = 1'024;

/// FTP's data port (RFC 959 section 8), which firewalls of clients may insist on.
constexpr std::uint16_t data_port = 20;

}  // namespace

result<net::endpoint> data_channel::listen_at(const net::endpoint& where) {
    auto opened = net::open_listener(
        {.at = where, .backlog = data_backlog, .congestion = settings_.congestion});
    if (!opened) {
        return failure(opened.error());
    }
    auto bound = net::local_endpoint(opened->get());
    if (bound) {
        listening_ = {.socket = std::move(*opened), .at = *bound, .has_number = where.port != 0};
    }
    return bound;
}

/// By the socket of the transfer before. False: there is none, or it is of no use any more.
bool data_channel::listen_again(int backlog) noexcept {
    passive_socket used = std::exchange(spare_, {});
    const bool listens =
        used.socket &&
        net::listen_again(used.socket.get(),
                          {.at = used.at, .binds = !used.has_number, .backlog = backlog});
    if (listens) {
        used.has_number = true;
        listening_ = std::move(used);
    }
    return listens;
}

/// Unless it has served enough, or somebody else has found it.
void data_channel::keep_for_next(passive_socket used) noexcept {
    ++used.transfers;
    if (used.transfers >= transfers_of_a_port) {
        return;
    }
    auto other = net::accept_at_once(used.socket.get());
    if (other) {
        net::reset(std::move(other->socket));
    } else if (other.error().os_errno == EAGAIN && net::stop_listening(used.socket.get())) {
        spare_ = std::move(used);
    }
}

result<net::endpoint> data_channel::listen(const net::endpoint& control_local) {
    forget_offer();
    if (listen_again(data_backlog)) {
        return listening_.at;
    }
    auto where = net::unmapped(control_local);
    const std::uint32_t first = settings_.passive_port_first;
    const std::uint32_t last = settings_.passive_port_last;
    if (first == 0 || last < first) {
        where.port = 0;
        return listen_at(where);
    }
    // The port must not be guessed by who wants to take the file (RFC 2577 section 5).
    const std::uint32_t ports = last - first + 1;
    const auto start = static_cast<std::uint32_t>(here_.rng().below(ports));
    for (std::uint32_t i = 0; i < std::min(ports, port_tries_max); ++i) {
        where.port = static_cast<std::uint16_t>(first + (start + i) % ports);
        auto bound = listen_at(where);
        if (bound || bound.error() != errc::in_use) {
            return bound;
        }
    }
    return failure(errc::in_use);
}

net::minimum_rates data_channel::rates() const noexcept {
    const auto& least = settings_.transfer_rate_min;
    return {.sending = least, .receiving = least};
}

void data_channel::aim(const net::endpoint& target) noexcept {
    forget_offer();
    spare_ = {};
    target_ = target;
}

void data_channel::forget_offer() noexcept {
    listening_ = {};
    target_.reset();
}

void data_channel::keep(std::unique_ptr<net::stream> used) noexcept {
    FERRY_ASSERT(!kept_);
    kept_ = std::move(used);
}

task<> data_channel::drop_kept() {
    unread_.clear();
    const auto old = std::move(kept_);
    auto how = net::farewell::orderly;
    for (bool is_closed = !old; !is_closed;) {  // Even a close takes a little memory (R14).
        try {
            co_await old->close(how);
            is_closed = true;
        } catch (const std::bad_alloc&) {
            how = net::farewell::abort;
        }
        if (!is_closed) {
            co_await here_.yield();
        }
    }
}

task<result<std::unique_ptr<net::stream>>> data_channel::open(ends control,
                                                              runtime::time_point deadline) {
    if (is_kept()) {
        co_return std::move(kept_);
    }
    if (!listening_.socket) {
        FERRY_ASSERT(target_);
        const auto target = *std::exchange(target_, std::nullopt);
        auto connected = co_await connect_to(target, net::unmapped(control.local), deadline);
        co_return connected;
    }
    passive_socket incoming = std::exchange(listening_, {});
    auto accepted = co_await accept_from(incoming, control.peer, deadline);
    if (accepted) {
        keep_for_next(std::move(incoming));
    }
    co_return accepted;
}

task<result<std::unique_ptr<net::stream>>> data_channel::accept_from(const passive_socket& incoming,
                                                                     const net::endpoint& owner,
                                                                     runtime::time_point deadline) {
    for (;;) {  // Bounded by the deadline: each turn costs a stranger a connection.
        // Mostly it is there: a client connects before it sends the command.
        auto came = net::accept_at_once(incoming.socket.get());
        if (!came) {
            const auto waited = co_await runtime::op_wait(
                here_.io(), runtime::opcode::accept, incoming.socket.get(), deadline,
                [](runtime::op& accept) { accept.args.accept = {.multishot = false}; });
            if (!waited) {
                const auto why = waited.error();
                if (why == errc::timed_out || why == errc::cancelled || why == errc::exhausted) {
                    co_return failure(why);
                }
                continue;  // One connection that was gone again.
            }
            unique_fd socket(static_cast<int>(*waited));
            const auto peer = net::peer_endpoint(socket.get());
            if (!peer) {
                continue;  // The same.
            }
            came = net::accepted{.socket = std::move(socket), .peer = *peer};
        }
        auto connection = std::make_unique<net::plain_stream>(
            here_, std::move(came->socket),
            net::end_addresses{.local = incoming.at, .peer = came->peer}, rates(), counts_);
        if (net::same_address(connection->peer(), owner)) {
            co_return connection;
        }
        co_await connection->close(net::farewell::abort);
    }
}

task<result<std::unique_ptr<net::stream>>> data_channel::connect_to(net::endpoint target,
                                                                    net::endpoint from,
                                                                    runtime::time_point deadline) {
    from.port = data_port;
    auto connected = co_await net::connect(
        here_, {.to = target, .from = from, .congestion = settings_.congestion}, deadline);
    const bool port_refused =
        !connected && (connected.error() == errc::denied || connected.error() == errc::in_use ||
                       connected.error() == errc::unavailable);
    if (port_refused) {  // By a process without the privilege, or by an earlier connection of it.
        from.port = 0;
        auto from_any = co_await net::connect(
            here_, {.to = target, .from = from, .congestion = settings_.congestion}, deadline);
        connected = std::move(from_any);
    }
    if (!connected) {
        co_return failure(connected.error());
    }
    co_return std::make_unique<net::plain_stream>(here_, std::move(*connected), rates(), counts_);
}

}  // namespace ferry::ftp
