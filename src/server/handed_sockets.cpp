#include "server/handed_sockets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <utility>

#include "ferry/base/quantities.hpp"
#include "ferry/base/split.hpp"
#include "ferry/net/listener.hpp"
#include "server/environment.hpp"
#include "server/flag_values.hpp"

namespace ferry::server {
namespace {

constexpr int first_fd = 3;  // As sd_listen_fds(3) has it.
constexpr std::string_view schemes[] = {"http", "https", "ftp", "ftps"};

bool is_listening_stream(int socket) noexcept {
    int kind = 0;
    int listens = 0;
    socklen_t size_bytes = sizeof kind;
    socklen_t listens_bytes = sizeof listens;
    return ::getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &size_bytes) == 0 &&
           kind == SOCK_STREAM &&
           ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_bytes) == 0 &&
           listens != 0;
}

/// Empty: it has none in the file system.
std::string path_of(int socket) {
    sockaddr_un address{};
    socklen_t size_bytes = sizeof address;
    if (::getsockname(socket, static_cast<sockaddr*>(static_cast<void*>(&address)), &size_bytes) !=
            0 ||
        size_bytes <= offsetof(sockaddr_un, sun_path)) {
        return {};
    }
    return {address.sun_path,
            ::strnlen(address.sun_path, size_bytes - offsetof(sockaddr_un, sun_path))};
}

std::expected<handed_socket, std::string> read_socket(std::string_view name, unique_fd socket) {
    const auto refused = [&](std::string_view why) {
        return std::unexpected(
            fmt::format("descriptor {} of LISTEN_FDS, {}: {}", socket.get(), in_quotes(name), why));
    };
    handed_socket made{.scheme = {}, .is_given = true, .at = {}, .path = {}, .socket = {}};
    made.scheme = name;
    if (name.starts_with(handed_sockets::own_prefix)) {
        made.is_given = false;
        made.scheme = name.substr(handed_sockets::own_prefix.size());
    }
    const bool is_admin = !made.is_given && made.scheme == admin_scheme;
    if (!is_admin && std::ranges::find(schemes, made.scheme) == std::end(schemes)) {
        return refused("its name is not http, https, ftp or ftps (FileDescriptorName=)");
    }
    if (!is_listening_stream(socket.get())) {
        return refused("it is no stream socket that listens (ListenStream=, Accept=no)");
    }
    if (::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK) != 0) {
        return refused(std::strerror(errno));
    }
    const auto at = net::local_endpoint(socket.get());
    if (!at) {
        return refused("its address is of no family that ferry serves");
    }
    made.at = *at;
    if (at->family == net::address_family::local) {
        made.path = path_of(socket.get());
        if ((made.scheme != "http" && !is_admin) || made.path.empty()) {
            return refused("of the file system there are sockets of http only, with a path");
        }
    }
    made.socket = std::move(socket);
    return made;
}

/// Which interface a link-local address is of only the socket knows.
bool is_same_address(const net::endpoint& one, const net::endpoint& other) noexcept {
    const auto is_everywhere = [](const net::endpoint& each) {
        return each.family != net::address_family::local && each.octets == decltype(each.octets){};
    };
    // `*` is of IPv4 alone on a system without IPv6.
    return (one.family == other.family && one.octets == other.octets) ||
           (is_everywhere(one) && is_everywhere(other) && one.family == net::address_family::v6);
}

bool is_same(const net::endpoint& one, const net::endpoint& other) noexcept {
    return is_same_address(one, other) && one.port == other.port;
}

/// Takes the last descriptors of each socket away that is there more than once.
void keep_each_once(std::vector<handed_socket>& all) {
    std::vector<std::pair<dev_t, ino_t>> seen;
    std::erase_if(all, [&seen](const handed_socket& each) {
        struct stat status{};
        if (::fstat(each.socket.get(), &status) != 0) {
            return true;
        }
        const std::pair identity(status.st_dev, status.st_ino);
        const bool is_known = std::ranges::find(seen, identity) != seen.end();
        if (!is_known) {
            seen.push_back(identity);
        }
        return is_known;
    });
}

template <class Wanted>
std::vector<handed_socket> taken_out(std::vector<handed_socket>& all, Wanted is_wanted) {
    std::vector<handed_socket> taken;
    const auto rest = std::stable_partition(all.begin(), all.end(),
                                            [&](const auto& each) { return !is_wanted(each); });
    std::move(rest, all.end(), std::back_inserter(taken));
    all.erase(rest, all.end());
    keep_each_once(taken);
    return taken;
}

std::vector<net::endpoint>& endpoints_of(config& settings, std::string_view scheme) noexcept {
    if (scheme == "http") {
        return settings.http;
    }
    if (scheme == "https") {
        return settings.https;
    }
    return scheme == "ftp" ? settings.ftp : settings.ftps;
}

}  // namespace

std::expected<handed_sockets, std::string> handed_sockets::from_environment() {
    handed_sockets made;
    const auto process = parse_number(taken_out_of_environment("LISTEN_PID"));
    const auto count = parse_number(taken_out_of_environment("LISTEN_FDS"));
    const auto all_names = taken_out_of_environment("LISTEN_FDNAMES");
    const auto names = split(all_names, ':');
    if (!process || !count || *process != static_cast<std::size_t>(::getpid())) {
        return made;  // Those of another, who has left the variables to this process.
    }
    for (std::size_t i = 0; i < *count; ++i) {
        unique_fd socket(first_fd + static_cast<int>(i));
        if (::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) {
            return std::unexpected(fmt::format("LISTEN_FDS is {}, and there is no descriptor {}",
                                               *count, socket.release()));
        }
        const auto name = i < names.size() ? names[i] : std::string_view();
        if (name == predecessor_name) {
            made.predecessor = std::move(socket);
            continue;
        }
        auto read = read_socket(name, std::move(socket));
        if (!read) {
            return std::unexpected(std::move(read.error()));
        }
        made.all_.push_back(std::move(*read));
    }
    return made;
}

std::vector<std::string> handed_sockets::names_given() {
    const auto variable = [](const char* name) -> std::string_view {
        const char* const value = std::getenv(name);
        return value == nullptr ? "" : value;
    };
    if (parse_number(variable("LISTEN_PID")) != static_cast<std::size_t>(::getpid())) {
        return {};
    }
    auto names = split(variable("LISTEN_FDNAMES"), ':');
    std::erase_if(names, [](std::string_view each) {
        return each.starts_with(own_prefix) || each == predecessor_name;
    });
    return {names.begin(), names.end()};
}

std::expected<void, std::string> handed_sockets::put_into(config& settings) const {
    for (const auto scheme : schemes) {
        std::vector<net::endpoint> given;
        std::vector<local_door> local;
        for (const auto& each : all_) {
            if (!each.is_given || each.scheme != scheme) {
                continue;
            }
            if (!each.path.empty()) {
                if (std::ranges::find(local, each.path, &local_door::path) == local.end()) {
                    local.push_back({.path = each.path});
                }
            } else if (std::ranges::find(given, each.at) == given.end()) {
                given.push_back(each.at);
            }
        }
        if (given.empty() && local.empty()) {
            continue;
        }
        if (scheme.ends_with("s") && settings.tls_certs.empty() && !settings.tls_self_signed) {
            return std::unexpected(fmt::format(
                "a socket of {} was given (LISTEN_FDS), and there is no --tls-cert", scheme));
        }
        endpoints_of(settings, scheme) = std::move(given);
        if (scheme == "http") {
            settings.http_local = std::move(local);
        }
    }
    return {};
}

std::vector<handed_socket> handed_sockets::take(std::string_view scheme, const net::endpoint& at,
                                                const std::vector<net::endpoint>& all) {
    const auto is_asked_for = [&](const net::endpoint& where) {
        return std::ranges::any_of(
            all, [&where](const net::endpoint& each) { return is_same(each, where); });
    };
    auto wanted = at;
    if (at.port == 0) {
        const auto chosen = std::ranges::find_if(all_, [&](const handed_socket& each) {
            return each.scheme == scheme && each.path.empty() && is_same_address(at, each.at) &&
                   !is_asked_for(each.at);
        });
        if (chosen == all_.end()) {
            return {};
        }
        wanted = chosen->at;
    }
    return taken_out(all_, [&](const handed_socket& each) {
        return each.scheme == scheme && each.path.empty() && is_same(wanted, each.at);
    });
}

std::vector<handed_socket> handed_sockets::take(std::string_view scheme, const local_door& door) {
    return taken_out(all_, [&](const handed_socket& each) {
        return each.scheme == scheme && each.path == door.path;
    });
}

std::vector<std::string> handed_sockets::paths_left() const {
    std::vector<std::string> paths;
    for (const auto& each : all_) {
        if (!each.is_given && !each.path.empty()) {
            paths.push_back(each.path);
        }
    }
    return paths;
}

void handed_sockets::drop_rest() {
    for (const auto& each : paths_left()) {
        struct stat status{};
        if (::lstat(each.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) {
            ::unlink(each.c_str());
        }
    }
    all_.clear();
}

}  // namespace ferry::server
