#include "ferry/base/background_writer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

namespace ferry {

/// What the thread and its owner both know. It lives as long as either.
struct background_writer::shared {
    unique_fd outlet;
    unique_fd target;
    listener told;

    std::mutex lock;
    std::condition_variable changed;
    bool is_over = false;       ///< All is written that will be.
    bool is_abandoned = false;  ///< Nobody listens any more.

    // The thread's own.
    bool is_failing = false;
    std::uint64_t lines_lost = 0;

    void serve() noexcept;
    void write_whole(std::string_view message) noexcept;
    void tell_failure(int os_errno) noexcept;
    void tell_loss() noexcept;
};

namespace {

/// As write(2), but waits also where the descriptor refuses to.
ssize_t write_patiently(int target, std::string_view octets) noexcept {
    for (;;) {
        const auto put = ::write(target, octets.data(), octets.size());
        if (put >= 0 || (errno != EINTR && errno != EAGAIN)) {
            return put;
        }
        if (errno == EAGAIN) {
            pollfd room{.fd = target, .events = POLLOUT, .revents = 0};
            static_cast<void>(::poll(&room, 1, -1));
        }
    }
}

}  // namespace

void background_writer::shared::serve() noexcept {
    std::array<char, message_bytes_max> message;
    for (;;) {
        const auto got = ::recv(outlet.get(), message.data(), message.size(), 0);
        if (got > 0) {
            write_whole({message.data(), static_cast<std::size_t>(got)});
        } else if (got == 0 || errno != EINTR) {
            break;
        }
    }
    tell_loss();
    target.reset();
    {
        const std::lock_guard holding(lock);
        is_over = true;
    }
    changed.notify_all();
}

void background_writer::shared::write_whole(std::string_view message) noexcept {
    while (!message.empty()) {
        const auto put = write_patiently(target.get(), message);
        if (put < 0) {
            tell_failure(errno);
            lines_lost += static_cast<std::uint64_t>(std::ranges::count(message, '\n'));
            return;
        }
        message.remove_prefix(static_cast<std::size_t>(put));
    }
    is_failing = false;
    tell_loss();
}

void background_writer::shared::tell_failure(int os_errno) noexcept {
    if (std::exchange(is_failing, true) || told.failed == nullptr) {
        return;
    }
    const std::lock_guard holding(lock);  // Not abandoned in the middle of it.
    if (!is_abandoned) {
        told.failed(os_errno);
    }
}

void background_writer::shared::tell_loss() noexcept {
    const auto lines = std::exchange(lines_lost, 0);
    if (lines == 0 || told.lost == nullptr) {
        return;
    }
    const std::lock_guard holding(lock);
    if (!is_abandoned) {
        told.lost(lines);
    }
}

result<background_writer> background_writer::open(int target, listener told) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return failure_from_errno(errno);
    }
    unique_fd inlet(ends[0]);
    unique_fd outlet(ends[1]);
    unique_fd copy(::fcntl(target, F_DUPFD_CLOEXEC, 0));
    if (!copy) {
        return failure_from_errno(errno);
    }
    std::shared_ptr<shared> state;
    // Signals are for the thread that reads them from a descriptor.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    bool has_begun = true;
    try {
        state = std::make_shared<shared>();
        state->outlet = std::move(outlet);
        state->target = std::move(copy);
        state->told = told;
        std::thread([state] { state->serve(); }).detach();
    } catch (const std::system_error&) {
        has_begun = false;
    } catch (const std::bad_alloc&) {
        has_begun = false;
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (!has_begun) {
        return failure(errc::exhausted);
    }
    return background_writer(std::move(inlet), std::move(state));
}

background_writer::background_writer(unique_fd inlet, std::shared_ptr<shared> state) noexcept
    : inlet_(std::move(inlet)), state_(std::move(state)) {}

bool background_writer::offer(std::string_view message) const noexcept {
    if (message.empty()) {
        return true;  // The thread would take it for the end.
    }
    return message.size() <= message_bytes_max &&
           ::send(inlet_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

bool background_writer::finish(std::chrono::milliseconds time_max) noexcept {
    // Whoever has the descriptor of the socket still can send no more, so the thread meets the end.
    static_cast<void>(::shutdown(inlet_.get(), SHUT_WR));
    std::unique_lock holding(state_->lock);
    state_->changed.wait_for(holding, time_max, [this] { return state_->is_over; });
    state_->is_abandoned = true;
    return state_->is_over;
}

}  // namespace ferry
