#include "ftp/data_channel.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ferry/net/connect.hpp"

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
        listening_ = std::move(*opened);
    }
    return bound;
}

result<net::endpoint> data_channel::listen(const net::endpoint& control_local) {
    forget_offer();
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

std::unique_ptr<net::plain_stream> data_channel::make_stream(unique_fd socket) {
    const auto& least = settings_.transfer_rate_min;
    return std::make_unique<net::plain_stream>(
        here_, std::move(socket), net::minimum_rates{.sending = least, .receiving = least});
}

void data_channel::aim(const net::endpoint& target) noexcept {
    forget_offer();
    target_ = target;
}

void data_channel::forget_offer() noexcept {
    listening_.reset();
    target_.reset();
}

void data_channel::keep(std::unique_ptr<net::stream> used) noexcept {
    FERRY_ASSERT(!kept_);
    kept_ = std::move(used);
}

task<> data_channel::drop_kept() {
    unread_.clear();
    if (kept_) {
        const auto old = std::move(kept_);
        co_await old->close(net::farewell::orderly);
    }
}

task<result<std::unique_ptr<net::stream>>> data_channel::open(ends control,
                                                              runtime::time_point deadline) {
    if (is_kept()) {
        co_return std::move(kept_);
    }
    if (!listening_) {
        FERRY_ASSERT(target_);
        const auto target = *std::exchange(target_, std::nullopt);
        auto connected = co_await connect_to(target, net::unmapped(control.local), deadline);
        co_return connected;
    }
    net::acceptor incoming(here_, std::move(listening_));
    result<std::unique_ptr<net::stream>> accepted = failure(errc::exhausted);
    try {
        auto outcome = co_await accept_from(incoming, control.peer, deadline);
        accepted = std::move(outcome);
    } catch (const std::bad_alloc&) {
        // Answered with 425; the accept that is under way has to be ended all the same.
        accepted = failure(errc::exhausted);
    }
    co_await incoming.close();
    co_return accepted;
}

task<result<std::unique_ptr<net::stream>>> data_channel::accept_from(net::acceptor& incoming,
                                                                     const net::endpoint& owner,
                                                                     runtime::time_point deadline) {
    for (;;) {  // Bounded by the deadline: each turn costs a stranger a connection.
        auto accepted = co_await incoming.accept(deadline);
        if (!accepted) {
            const auto why = accepted.error();
            if (why == errc::timed_out || why == errc::cancelled || why == errc::exhausted) {
                co_return failure(why);
            }
            continue;  // One connection that was gone again.
        }
        auto connection = make_stream(std::move(*accepted));
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
    co_return make_stream(std::move(*connected));
}

}  // namespace ferry::ftp
