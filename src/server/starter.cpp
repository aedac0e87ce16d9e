#include "server/starter.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "server/flag_values.hpp"
#include "server/handed_sockets.hpp"

namespace ferry::server {
namespace {

// An order is a datagram: this letter and a name, with the sockets of that name,
constexpr char sockets_come = 's';
// or this one with the new process's end of the channel, which is to be started now.
constexpr char start_now = 'x';
constexpr std::size_t order_bytes_max = 64;
constexpr std::size_t sockets_of_order_max = 128;  // SCM_MAX_FD is 253.
constexpr std::size_t sockets_max = 4'096;         // Of one start.
constexpr int orders_at = 3;                       // Where the process has its only descriptor.
constexpr int pause_ms = 1'000;                    // Behind each start.

union control_message {
    cmsghdr header;
    std::array<char, CMSG_SPACE(sockets_of_order_max * sizeof(int))> octets;
};

bool send_order(int to, std::string_view text, std::span<const int> sockets) noexcept {
    std::array<char, order_bytes_max> copy{};
    std::ranges::copy(text, copy.begin());
    iovec part{.iov_base = copy.data(), .iov_len = text.size()};
    control_message control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!sockets.empty()) {
        message.msg_control = control.octets.data();
        message.msg_controllen = CMSG_SPACE(sockets.size_bytes());
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sockets.size_bytes());
        std::memcpy(CMSG_DATA(header), sockets.data(), sockets.size_bytes());
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(to, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

struct order {
    std::string text;  ///< Empty: nobody gives orders any more.
    std::vector<unique_fd> sockets;
};

order receive_order(int from) {
    std::array<char, order_bytes_max> octets{};
    iovec part{.iov_base = octets.data(), .iov_len = octets.size()};
    control_message control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.octets.data();
    message.msg_controllen = control.octets.size();
    ssize_t got = 0;
    do {
        got = ::recvmsg(from, &message, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    order made;
    if (got <= 0) {
        return made;
    }
    made.text.assign(octets.data(), static_cast<std::size_t>(got));
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
         each = CMSG_NXTHDR(&message, each)) {
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_RIGHTS) {
            std::vector<int> came((each->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            std::memcpy(came.data(), CMSG_DATA(each), came.size() * sizeof(int));
            for (const int fd : came) {
                made.sockets.emplace_back(fd);
            }
        }
    }
    return made;
}

struct handed_one {
    std::string name;
    unique_fd socket;
};

void set_variable(const char* name, const std::string& value) noexcept {
    ::setenv(name, value.c_str(), 1);
}

/// Becomes the program, with `all` from descriptor 3 on (sd_listen_fds(3)). Returns if it cannot.
void become_program(char* const* arguments, std::vector<handed_one>& all) {
    const auto count = static_cast<int>(all.size());
    std::string names;
    for (auto& each : all) {  // Out of the way of where they are to be.
        each.socket.reset(::fcntl(each.socket.get(), F_DUPFD_CLOEXEC, orders_at + count));
        if (!each.socket) {
            return;
        }
    }
    for (int i = 0; i < count; ++i) {
        const auto& each = all[static_cast<std::size_t>(i)];
        ::dup2(each.socket.get(), orders_at + i);
        names += (i == 0 ? "" : ":") + each.name;
    }
    const auto process = std::to_string(::getpid());
    set_variable("LISTEN_PID", process);
    set_variable("LISTEN_FDS", std::to_string(count));
    set_variable("LISTEN_FDNAMES", names);
    if (std::getenv("WATCHDOG_PID") != nullptr) {
        set_variable("WATCHDOG_PID", process);
    }
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execvp(arguments[0], arguments);
}

/// Starts the program in a process of its own, and this one is not its parent: a service manager
/// sees the end of its own children only. `all` begins with the channel.
void start_program(char* const* arguments, std::vector<handed_one>& all) {
    // Beyond where the program will have its descriptors.
    const unique_fd told(::fcntl(all.front().socket.get(), F_DUPFD_CLOEXEC,
                                 orders_at + static_cast<int>(all.size())));
    const pid_t child = ::fork();
    if (child > 0) {
        while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
        return;
    }
    const pid_t program = child == 0 ? ::fork() : -1;
    if (program > 0) {
        ::_exit(0);
    }
    if (program == 0) {
        become_program(arguments, all);
    }
    const auto why =
        fmt::format("{} cannot be started: {}", in_quotes(arguments[0]), std::strerror(errno));
    static_cast<void>(::send(told.get(), why.data(), why.size(), MSG_NOSIGNAL));
    if (child == 0) {
        ::_exit(127);
    }
}

/// Whether sockets may go by that name: a ferry's own, or one that a manager has given.
bool is_name(std::string_view text, const std::vector<std::string>& given) {
    const bool is_plain =
        std::ranges::all_of(text, [](char c) { return c == '-' || (c >= 'a' && c <= 'z'); });
    return is_plain && (text.starts_with(handed_sockets::own_prefix) ||
                        std::ranges::find(given, text) != given.end());
}

/// What the process does, all its life. `given`: names of sockets of a manager.
[[noreturn]] void stand_by(char* const* arguments, unique_fd orders,
                           const std::vector<std::string>& given) {
    // Whatever is for the serving process and comes to both, as from a terminal: it ends with that.
    sigset_t all_signals;
    sigfillset(&all_signals);
    ::sigprocmask(SIG_SETMASK, &all_signals, nullptr);
    std::signal(SIGCHLD, SIG_DFL);
    ::prctl(PR_SET_NAME, "ferry-starter");
    rlimit descriptors{};
    if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = descriptors.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    ::dup2(orders.get(), orders_at);
    ::close_range(orders_at + 1, ~0U, 0);
    ::fcntl(orders_at, F_SETFD, FD_CLOEXEC);
    std::vector<handed_one> come;
    for (;;) {
        auto next = receive_order(orders_at);
        if (next.text.empty()) {
            ::_exit(0);
        }
        const std::string_view name = std::string_view(next.text).substr(1);
        if (next.text.front() == sockets_come && is_name(name, given) &&
            come.size() + next.sockets.size() <= sockets_max) {
            for (auto& each : next.sockets) {
                come.push_back({.name = std::string(name), .socket = std::move(each)});
            }
        } else if (next.text.front() == start_now && next.sockets.size() == 1) {
            come.insert(come.begin(), {.name = std::string(handed_sockets::predecessor_name),
                                       .socket = std::move(next.sockets.front())});
            start_program(arguments, come);
            come.clear();
            pollfd ended{.fd = orders_at, .events = 0, .revents = 0};
            ::poll(&ended, 1, pause_ms);
        }
    }
}

std::unexpected<std::string> failed(std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

std::expected<starter, std::string> starter::begin(char* const* arguments) {
    int both[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both) != 0) {
        return failed("no socket for the process that starts others");
    }
    unique_fd own(both[0]);
    unique_fd theirs(both[1]);
    const auto given = handed_sockets::names_given();
    const pid_t child = ::fork();
    if (child < 0) {
        return failed("no process that could start others");
    }
    if (child == 0) {
        own.reset();
        stand_by(arguments, std::move(theirs), given);
    }
    return starter(std::move(own));
}

std::expected<unique_fd, std::string> starter::start(std::span<const handed_group> groups) const {
    int both[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both) != 0) {
        return failed("no channel to it");
    }
    unique_fd own(both[0]);
    const unique_fd theirs(both[1]);
    for (const auto& each : groups) {
        std::vector<int> sockets;
        for (const auto& socket : each.sockets) {
            sockets.push_back(socket.get());
        }
        const auto text = sockets_come + each.name;
        for (std::span<const int> left(sockets); !left.empty();) {
            const auto some = left.first(std::min(left.size(), sockets_of_order_max));
            left = left.subspan(some.size());
            if (!send_order(orders_.get(), text, some)) {
                return failed("the process that starts others does not answer");
            }
        }
    }
    const int channel = theirs.get();
    if (!send_order(orders_.get(), std::string_view(&start_now, 1), {&channel, 1})) {
        return failed("the process that starts others does not answer");
    }
    return own;
}

}  // namespace ferry::server
