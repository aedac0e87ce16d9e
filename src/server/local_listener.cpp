#include "server/local_listener.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "server/flag_values.hpp"
#include "server/unix_address.hpp"

namespace ferry::server {
namespace {

constexpr std::string_view mode_begin = ":mode=";
constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
constexpr mode_t mode_max = 0777;

sockaddr_un address_of(const std::string& path) noexcept {
    sockaddr_un made{};
    made.sun_family = AF_UNIX;
    std::memcpy(made.sun_path, path.data(), path.size());
    return made;
}

unique_fd make_socket() noexcept {
    return unique_fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// Makes room for `path`: removes a socket that nobody listens at. Gives what is in the way.
std::string make_room(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
        return {};  // There is nothing, or bind(2) says why it cannot be.
    }
    if (!S_ISSOCK(status.st_mode)) {
        return "there is a file of that name that is no socket";
    }
    const auto probe = make_socket();
    const auto address = address_of(path);
    const bool is_dead = probe &&
                         ::connect(probe.get(), as_address(address), sizeof address) != 0 &&
                         errno == ECONNREFUSED;
    if (!is_dead) {
        return "another server listens there";
    }
    return ::unlink(path.c_str()) == 0 ? std::string() : std::strerror(errno);
}

}  // namespace

std::expected<local_door, std::string> parse_local_door(std::string_view text) {
    local_door made;
    auto path = text;
    if (const auto at = text.rfind(mode_begin); at != std::string_view::npos) {
        const auto digits = text.substr(at + mode_begin.size());
        const bool is_octal =
            !digits.empty() && digits.size() <= 4 &&
            std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '7'; });
        made.mode = 0;
        for (const char c : digits) {
            made.mode = made.mode * 8 + static_cast<mode_t>(c - '0');
        }
        if (!is_octal || made.mode > mode_max) {
            return std::unexpected(fmt::format(
                "{} is no mode: octal digits are wanted, such as 0660", in_quotes(digits)));
        }
        path = text.substr(0, at);
    }
    if (path.empty() || path.size() > path_bytes_max || path.contains('\0')) {
        return std::unexpected(fmt::format("{} is no path of a socket: 1 to {} octets are possible",
                                           in_quotes(path), path_bytes_max));
    }
    made.path = path;
    return made;
}

std::string show(const local_door& door) {
    return door.mode == local_door().mode ? door.path
                                          : fmt::format("{}:mode={:04o}", door.path, door.mode);
}

local_name::~local_name() {
    struct stat status{};
    if (is_own_ && !path_.empty() && ::lstat(path_.c_str(), &status) == 0 &&
        status.st_dev == device_ && status.st_ino == inode_) {
        ::unlink(path_.c_str());  // Left behind, it would be replaced at the next start.
    }
}

void local_name::give_to(uid_t user, gid_t group) const noexcept {
    // Who may write in a directory on the way may have put something else there meanwhile.
    const unique_fd at(is_own_ ? ::open(path_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1);
    struct stat status{};
    if (at && ::fstat(at.get(), &status) == 0 && S_ISSOCK(status.st_mode) &&
        status.st_dev == device_ && status.st_ino == inode_) {
        // Where that is refused, as in a file system without owners, a warning tells what is
        // missing.
        static_cast<void>(::fchownat(at.get(), "", user, group, AT_EMPTY_PATH));
    }
}

std::optional<local_name> name_of_listening(const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) {
        return std::nullopt;
    }
    local_name made(path, status);
    made.leave();
    return made;
}

std::expected<local_listener, std::string> listen_locally(const local_door& door, int backlog) {
    const auto refused = [&door](const std::string& why) {
        return std::unexpected(
            fmt::format("cannot listen on http://unix:{}: {}", in_quotes(door.path), why));
    };
    if (const auto why = make_room(door.path); !why.empty()) {
        return refused(why);
    }
    auto socket = make_socket();
    if (!socket) {
        return refused(std::strerror(errno));
    }
    // The name comes with its mode: nobody can connect before that holds.
    const auto address = address_of(door.path);
    const auto before = ::umask(~door.mode & mode_max);
    const bool is_bound = ::bind(socket.get(), as_address(address), sizeof address) == 0;
    const int why = errno;
    ::umask(before);
    if (!is_bound) {
        return refused(std::strerror(why));
    }
    struct stat status{};
    if (::lstat(door.path.c_str(), &status) != 0) {
        return refused(std::strerror(errno));
    }
    local_name name(door.path, status);
    if (::listen(socket.get(), backlog) != 0) {
        return refused(std::strerror(errno));
    }
    return local_listener{.socket = std::move(socket), .name = std::move(name)};
}

}  // namespace ferry::server
