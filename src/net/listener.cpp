#include "ferry/net/listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "ferry/base/kernel.hpp"
#include "net/socket_address.hpp"

namespace ferry::net {

using runtime::op;
using runtime::task;

namespace {

int set_flag(int socket, int level, int name, int value) noexcept {
    return kernel::setsockopt(socket, level, name, &value, sizeof value);
}

// Beyond this many accepted and not handed out, the rest wait in the kernel's queue.
constexpr std::size_t waiting_max = 1'024;

bool is_unspecified(const endpoint& where) noexcept {
    return where.octets == decltype(where.octets){};
}

result<endpoint> endpoint_of(int socket, int (*ask)(int, sockaddr*, socklen_t*) noexcept) {
    sockaddr_storage storage{};
    socklen_t size_bytes = sizeof storage;
    auto* address = static_cast<sockaddr*>(static_cast<void*>(&storage));
    if (ask(socket, address, &size_bytes) != 0) {
        return failure_from_errno(errno);
    }
    return from_sockaddr(address, size_bytes);
}

}  // namespace

result<unique_fd> open_listener(const listen_options& options) {
    endpoint at = options.at;
    int family = at.family == address_family::v6 ? AF_INET6 : AF_INET;
    unique_fd socket(kernel::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket && errno == EAFNOSUPPORT && family == AF_INET6 && is_unspecified(at)) {
        at.family = address_family::v4;  // A system without IPv6 still has every address it has.
        socket.reset(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        family = AF_INET;
    }
    if (!socket) {
        return failure_from_errno(errno);
    }
    if (set_flag(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
        (options.share_port && set_flag(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1) != 0) ||
        (family == AF_INET6 &&
         set_flag(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, is_unspecified(at) ? 0 : 1) != 0)) {
        return failure_from_errno(errno);
    }
    if (const auto set = set_up_listener(socket.get(), options.congestion); !set) {
        return failure(set.error());
    }
    sockaddr_storage address{};
    const auto address_bytes = to_sockaddr(at, address);
    if (kernel::bind(socket.get(), as_sockaddr(address), address_bytes) != 0 ||
        kernel::listen(socket.get(), options.backlog) != 0) {
        return failure_from_errno(errno);
    }
    return socket;
}

result<void> set_up_listener(int socket, const std::string& congestion) noexcept {
    if (set_flag(socket, IPPROTO_TCP, TCP_NODELAY, 1) != 0) {
        return failure_from_errno(errno);
    }
    if (!congestion.empty() &&
        kernel::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                           static_cast<socklen_t>(congestion.size())) != 0) {
        return failure_from_errno(errno);
    }
    return {};
}

result<endpoint> local_endpoint(int socket) {
    return endpoint_of(socket, &kernel::getsockname);
}

result<endpoint> peer_endpoint(int socket) {
    return endpoint_of(socket, &kernel::getpeername);
}

result<accepted> accept_at_once(int listening) noexcept {
    unique_fd came(kernel::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!came) {
        return failure_from_errno(errno);
    }
    FERRY_TRY(peer, peer_endpoint(came.get()));  // accept4 gives that of one who has gone, too.
    return accepted{.socket = std::move(came), .peer = peer};
}

void reset(unique_fd connection) noexcept {
    const ::linger at_once{.l_onoff = 1, .l_linger = 0};
    static_cast<void>(
        kernel::setsockopt(connection.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once));
}

bool stop_listening(int listening) noexcept {
    return kernel::shutdown(listening, SHUT_RD) == 0;
}

result<void> listen_again(int socket, const listen_again_options& options) noexcept {
    sockaddr_storage address{};
    const auto address_bytes = to_sockaddr(options.at, address);
    if ((options.binds && kernel::bind(socket, as_sockaddr(address), address_bytes) != 0) ||
        kernel::listen(socket, options.backlog) != 0) {
        return failure_from_errno(errno);
    }
    return {};
}

void refuse(unique_fd connection, std::string_view last_words) noexcept {
    // A new connection has room; whether the words arrive is not worth a wait.
    static_cast<void>(kernel::send(connection.get(), last_words.data(), last_words.size(),
                                   MSG_DONTWAIT | MSG_NOSIGNAL));
}

acceptor::acceptor(runtime::core& here, unique_fd listening) noexcept
    : here_(here), listening_(std::move(listening)), came_(here.io()) {
    accept_.fd = listening_.get();
    accept_.args.accept = {.multishot = true};
}

acceptor::~acceptor() {
    FERRY_ASSERT(!accept_.in_flight);
}

void acceptor::on_accept(op& came) noexcept {
    auto& self = static_cast<accept_op&>(came).owner;
    if (came.result >= 0) {
        unique_fd connection(static_cast<int>(came.result));
        if (!self.closing_) {
            try {
                self.waiting_.push_back(std::move(connection));
                if (came.more && self.waiting_.size() >= waiting_max) {
                    self.here_.io().cancel(came);
                }
            } catch (const std::bad_alloc&) {
                self.failed_with_ = ENOMEM;  // The connection dies with `connection`.
            }
        }
    } else if (came.result != -ECANCELED) {
        self.failed_with_ = static_cast<int>(-came.result);
    }
    if (!self.closing_ || !came.more) {  // `close` waits for the last one only.
        self.came_.announce_and_resume();
    }
}

task<result<unique_fd>> acceptor::accept(runtime::time_point deadline) {
    const runtime::stop_scope& scope = co_await runtime::current_scope();
    for (;;) {
        if (handed_out_ < waiting_.size()) {
            unique_fd next = std::move(waiting_[handed_out_++]);
            if (handed_out_ == waiting_.size()) {
                waiting_.clear();
                handed_out_ = 0;
            }
            co_return next;
        }
        if (failed_with_ != 0) {
            co_return failure_from_errno(std::exchange(failed_with_, 0));
        }
        if (scope.stop_requested()) {
            here_.io().cancel(accept_);
            while (accept_.in_flight) {
                static_cast<void>(co_await came_.wait_through_stop());
            }
            if (handed_out_ == waiting_.size()) {
                co_return take_queued();
            }
            continue;
        }
        taken_after_stop_ = 0;
        if (!accept_.in_flight && here_.io().submit(accept_) == runtime::submission::done) {
            on_accept(accept_);
            continue;
        }
        const auto woken = co_await came_.wait(deadline);
        if (!woken && woken.error() != errc::cancelled) {
            co_return failure(woken.error());
        }
    }
}

/// One who has connected and whom nothing has accepted yet.
result<unique_fd> acceptor::take_queued() noexcept {
    while (taken_after_stop_ < waiting_max) {
        ++taken_after_stop_;
        unique_fd next(
            kernel::accept4(listening_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (next) {
            return next;
        }
        if (errno != EINTR && errno != ECONNABORTED) {
            break;
        }
    }
    return failure(errc::cancelled, ECANCELED);
}

/// True when there is nothing to wait for.
bool acceptor::begin_close() noexcept {
    closing_ = true;
    came_.clear();
    here_.io().cancel(accept_);
    return !accept_.in_flight;
}

void acceptor::end_close() noexcept {
    waiting_.clear();
    handed_out_ = 0;
    listening_.reset();
}

}  // namespace ferry::net
