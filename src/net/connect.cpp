#include "ferry/net/connect.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "ferry/base/kernel.hpp"
#include "ferry/runtime/wait.hpp"
#include "net/socket_address.hpp"

namespace ferry::net {

using runtime::op;
using runtime::task;

namespace {

result<unique_fd> open_socket(const connect_options& options) {
    const int family = options.to.family == address_family::v6 ? AF_INET6 : AF_INET;
    unique_fd socket(kernel::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) {
        return failure_from_errno(errno);
    }
    const int on = 1;
    if (kernel::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        kernel::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
        return failure_from_errno(errno);
    }
    if (!options.congestion.empty() &&
        kernel::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, options.congestion.data(),
                           static_cast<socklen_t>(options.congestion.size())) != 0) {
        return failure_from_errno(errno);
    }
    if (options.from) {
        sockaddr_storage address{};
        const auto address_bytes = to_sockaddr(*options.from, address);
        if (kernel::bind(socket.get(), as_sockaddr(address), address_bytes) != 0) {
            return failure_from_errno(errno);
        }
    }
    return socket;
}

}  // namespace

task<result<unique_fd>> connect(runtime::core& here, connect_options options,
                                runtime::time_point deadline) {
    auto socket = open_socket(options);
    if (!socket) {
        co_return failure(socket.error());
    }
    sockaddr_storage address{};
    const auto address_bytes = to_sockaddr(options.to, address);
    const auto connected = co_await runtime::op_wait(
        here.io(), runtime::opcode::connect, socket->get(), deadline, [&](op& fresh) {
            fresh.args.connect = {.address = as_sockaddr(address), .address_bytes = address_bytes};
        });
    if (!connected) {
        co_return failure(connected.error());
    }
    co_return std::move(*socket);
}

}  // namespace ferry::net
