#include "server/status_client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/net/endpoint.hpp"
#include "server/flag_values.hpp"
#include "server/local_listener.hpp"
#include "server/unix_address.hpp"

namespace ferry::server {
namespace {

constexpr std::string_view local_begin = "unix:";
constexpr std::string_view url_begin = "http://";
constexpr std::string_view question =
    "GET /status.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
constexpr std::size_t answer_bytes_max = 8_MiB;
/// For each of connecting, sending and receiving: an admin server waits two for a core.
constexpr timeval patience{.tv_sec = 5, .tv_usec = 0};

std::unexpected<std::string> failed(std::string_view address) {
    return std::unexpected(fmt::format(
        "{}: {}", in_quotes(address),
        errno == EAGAIN || errno == EINPROGRESS ? "no answer in time" : std::strerror(errno)));
}

unique_fd make_socket(int family) noexcept {
    unique_fd made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    for (const int each : {SO_SNDTIMEO, SO_RCVTIMEO}) {
        // Where that is refused it may take longer.
        static_cast<void>(::setsockopt(made.get(), SOL_SOCKET, each, &patience, sizeof patience));
    }
    return made;
}

std::expected<unique_fd, std::string> connect_to(std::string_view address) {
    if (address.starts_with(local_begin)) {
        const auto door = parse_local_door(address.substr(local_begin.size()));
        if (!door) {
            return std::unexpected(door.error());
        }
        sockaddr_un at{};
        at.sun_family = AF_UNIX;
        std::ranges::copy(door->path, at.sun_path);
        auto made = make_socket(AF_UNIX);
        if (::connect(made.get(), as_address(at), sizeof at) != 0) {
            return failed(address);
        }
        return made;
    }
    auto wanted = address;
    if (wanted.starts_with(url_begin)) {  // As ferry says it at start.
        wanted.remove_prefix(url_begin.size());
        wanted.remove_suffix(wanted.ends_with('/') ? 1 : 0);
    }
    const auto where = net::parse_endpoint(wanted);
    if (!where || where->port == 0) {
        return std::unexpected(fmt::format(
            "{} is neither ADDR:PORT, such as 127.0.0.1:9180, nor unix:PATH", in_quotes(address)));
    }
    sockaddr_storage storage{};
    const auto size = net::to_sockaddr(*where, storage);
    auto made = make_socket(where->family == net::address_family::v4 ? AF_INET : AF_INET6);
    if (::connect(made.get(), static_cast<const sockaddr*>(static_cast<void*>(&storage)), size) !=
        0) {
        return failed(address);
    }
    return made;
}

/// The value of the field `name` in a head; empty where there is none.
std::string_view field_of(std::string_view head, std::string_view name) noexcept {
    while (!head.empty()) {
        const auto line = head.substr(0, head.find("\r\n"));
        head.remove_prefix(std::min(line.size() + 2, head.size()));
        const auto colon = line.find(':');
        if (colon != std::string_view::npos &&
            ascii::equal_ignoring_case(line.substr(0, colon), name)) {
            return ascii::trim(line.substr(colon + 1));
        }
    }
    return {};
}

}  // namespace

std::expected<std::string, std::string> content_of(std::string_view answer) {
    constexpr std::string_view end_of_head = "\r\n\r\n";
    constexpr std::string_view good = "HTTP/1.1 200 ";
    const auto end = answer.find(end_of_head);
    if (end == std::string_view::npos || !answer.starts_with("HTTP/1.1 ")) {
        return std::unexpected("what answers there does not speak HTTP/1.1");
    }
    const auto head = answer.substr(0, end);
    if (!answer.starts_with(good)) {
        return std::unexpected(fmt::format("what answers there is no admin server of ferry: {}",
                                           in_quotes(head.substr(0, head.find("\r\n")))));
    }
    const auto content = answer.substr(end + end_of_head.size());
    const auto size = parse_number(field_of(head, "Content-Length"));
    if (!size || *size != content.size()) {
        return std::unexpected("the answer is not whole");
    }
    return std::string(content);
}

std::expected<std::string, std::string> fetch_status(std::string_view address) {
    const auto socket = connect_to(address);
    if (!socket) {
        return std::unexpected(socket.error());
    }
    if (::send(socket->get(), question.data(), question.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(question.size())) {
        return failed(address);
    }
    std::string answer;
    char piece[16 * 1'024];
    while (answer.size() < answer_bytes_max) {
        const auto got = ::recv(socket->get(), piece, sizeof piece, 0);
        if (got < 0 && errno == EINTR) {  // A window of another size, too.
            continue;
        }
        if (got < 0) {
            return failed(address);
        }
        if (got == 0) {
            break;
        }
        answer.append(piece, static_cast<std::size_t>(got));
    }
    auto content = content_of(answer);
    if (!content) {
        return std::unexpected(fmt::format("{}: {}", in_quotes(address), content.error()));
    }
    return content;
}

}  // namespace ferry::server
