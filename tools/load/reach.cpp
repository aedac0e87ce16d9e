#include "reach.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>

#include "ferry/base/unique_fd.hpp"

namespace ferry::load {
namespace {

/// 0, or errno: why it accepts no connection.
int try_to_connect(const net::endpoint& to, std::chrono::milliseconds timeout) {
    sockaddr_storage address{};
    const auto length = net::to_sockaddr(to, address);
    const unique_fd socket(
        ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const void* const start = &address;
    if (!socket || (::connect(socket.get(), static_cast<const sockaddr*>(start), length) != 0 &&
                    errno != EINPROGRESS)) {
        return errno;
    }
    pollfd waited{.fd = socket.get(), .events = POLLOUT, .revents = 0};
    const auto longest = std::chrono::milliseconds(std::numeric_limits<int>::max());
    const int ready = ::poll(&waited, 1, static_cast<int>(std::min(timeout, longest).count()));
    if (ready <= 0) {
        return ready == 0 ? ETIMEDOUT : errno;
    }
    int why = 0;
    socklen_t size = sizeof why;
    return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &why, &size) == 0 ? why : errno;
}

}  // namespace

std::expected<std::vector<net::endpoint>, std::string> resolve(const std::string& host,
                                                               std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int refused =
        ::getaddrinfo(host.c_str(), fmt::format("{}", port).c_str(), &hints, &found);
    if (refused != 0) {
        return std::unexpected(fmt::format("{}: {}", host, ::gai_strerror(refused)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
    std::vector<net::endpoint> made;
    for (const auto* each = found; each != nullptr; each = each->ai_next) {
        if (const auto one = net::from_sockaddr(each->ai_addr, each->ai_addrlen)) {
            made.push_back(*one);
        }
    }
    if (made.empty()) {
        return std::unexpected(fmt::format("{}: no address of IPv4 or IPv6", host));
    }
    return made;
}

std::expected<net::endpoint, std::string> reach(std::span<const net::endpoint> addresses,
                                                std::chrono::milliseconds timeout) {
    std::string reasons;
    for (const auto& each : addresses) {
        const int why = try_to_connect(each, timeout);
        if (why == 0) {
            return each;
        }
        reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", net::format_endpoint(each),
                               std::strerror(why));
    }
    return std::unexpected("no connection: " + reasons);
}

std::expected<net::endpoint, std::string> find_server(const std::string& host, std::uint16_t port,
                                                      std::chrono::milliseconds timeout) {
    const auto addresses = resolve(host, port);
    if (!addresses) {
        return std::unexpected(addresses.error());
    }
    return reach(*addresses, timeout);
}

}  // namespace ferry::load
