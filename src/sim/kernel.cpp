// `ferry::kernel` of a program that simulates machines: on a simulated descriptor, and wherever a
// host is current, the host's doing; else the real call, so that one program can do both.

#include "ferry/base/kernel.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sim/calls.hpp"
#include "sim/host.hpp"
#include "sim/scope.hpp"

namespace ferry::kernel {

namespace {

using sim::host;
using sim::host_of;
using sim::host_of_directory;
using sim::in_simulator;
using sim::is_simulated;
using sim::outcome;
using sim::trouble;

/// True, with errno set to one of `errnos`, when a fault strikes this call.
/// The trace has the name of `call`.
bool fails(host& on, std::span<const int> errnos,
           const char* call = __builtin_FUNCTION()) noexcept {
    if (!on.trouble().strikes(trouble::kernel_error)) {
        return false;
    }
    errno = errnos[on.in().rng().below(errnos.size())];
    on.in().note(call, -1, -errno);
    return true;
}
bool fails(host& on, int with, const char* call = __builtin_FUNCTION()) noexcept {
    return fails(on, std::span(&with, 1), call);
}

/// Runs `work(socket)` on a simulated socket.
template <class Work>
int on_socket(host& on, int fd, Work work) noexcept {
    const auto found = on.connection(fd);
    if (found == nullptr) {
        return outcome(on.find(fd) == nullptr ? -EBADF : -ENOTSOCK);
    }
    return outcome(work(found));
}
template <class Work>
int on_file(host& on, int fd, Work work) noexcept {
    const auto found = on.file(fd);
    if (found == nullptr) {
        return outcome(on.find(fd) == nullptr ? -EBADF : -EINVAL);
    }
    return outcome(work(found));
}
/// Runs `work(directory)` on a simulated directory.
template <class Work>
int on_directory(host& on, int fd, Work work) noexcept {
    const auto found = fd == AT_FDCWD ? on.files().root() : on.file(fd);
    if (found == nullptr) {
        return outcome(on.find(fd) == nullptr ? -EBADF : -ENOTDIR);
    }
    return outcome(work(found));
}

/// Runs `work(instance)` on a simulated inotify instance.
template <class Work>
int on_inotify(host& on, int fd, Work work) noexcept {
    const auto found = on.notices(fd);
    if (found == nullptr) {
        return outcome(on.find(fd) == nullptr ? -EBADF : -EINVAL);
    }
    return outcome(work(*found));
}

}  // namespace

int socket(int family, int type, int protocol) noexcept {
    host* const on = host::current();
    if (on == nullptr) {
        return ::socket(family, type, protocol);
    }
    const in_simulator here;
    static constexpr std::array<int, 3> errnos{EMFILE, ENFILE, ENOBUFS};
    if (fails(*on, errnos)) {
        return -1;
    }
    if (on->is_full() || on->trouble().strikes(trouble::descriptors)) {
        return outcome(-EMFILE);
    }
    return outcome(on->install(on->in().wires().make_socket(family), O_RDWR | (type & O_NONBLOCK)));
}

int setsockopt(int socket, int level, int name, const void* value, socklen_t value_bytes) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::setsockopt(socket, level, name, value, value_bytes);
    }
    const in_simulator here;
    // Linux refuses these to no TCP socket.
    if (name != SO_OOBINLINE && name != SO_LINGER && fails(*on, ENOBUFS)) {
        return -1;
    }
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return on->in().wires().set_option(which, level, name, value, value_bytes);
    });
}

int bind(int socket, const sockaddr* address, socklen_t address_bytes) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::bind(socket, address, address_bytes);
    }
    const in_simulator here;
    if (fails(*on, EADDRINUSE)) {
        return -1;
    }
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return on->in().wires().bind(which, address, address_bytes);
    });
}

int listen(int socket, int backlog) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::listen(socket, backlog);
    }
    const in_simulator here;
    if (fails(*on, EADDRINUSE)) {
        return -1;
    }
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return on->in().wires().listen(which, backlog);
    });
}

int accept4(int socket, sockaddr* address, socklen_t* address_bytes, int flags) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::accept4(socket, address, address_bytes, flags);
    }
    const in_simulator here;
    static constexpr std::array<int, 2> errnos{EMFILE, ECONNABORTED};
    if (fails(*on, errnos)) {
        return -1;
    }
    if (on->is_full()) {
        return outcome(-EMFILE);
    }
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        int refused = 0;
        auto came = on->in().wires().accept(which, refused);
        if (came == nullptr) {
            return refused;
        }
        if (address != nullptr) {
            on->in().wires().peer_address(came, address, address_bytes);
        }
        return on->install(std::move(came), O_RDWR | (flags & O_NONBLOCK));
    });
}

int getsockname(int socket, sockaddr* address, socklen_t* address_bytes) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::getsockname(socket, address, address_bytes);
    }
    const in_simulator here;
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return on->in().wires().local_address(which, address, address_bytes);
    });
}

int getpeername(int socket, sockaddr* address, socklen_t* address_bytes) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::getpeername(socket, address, address_bytes);
    }
    const in_simulator here;
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return on->in().wires().peer_address(which, address, address_bytes);
    });
}

ssize_t send(int socket, const void* data, std::size_t size_bytes, int flags) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::send(socket, data, size_bytes, flags);
    }
    const in_simulator here;
    if (fails(*on, EAGAIN)) {
        return -1;
    }
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return static_cast<int>(
            on->in().wires().send(which, {static_cast<const std::byte*>(data), size_bytes}, flags));
    });
}

ssize_t send_record(int, std::uint8_t, const void*, std::size_t) noexcept {
    errno = EOPNOTSUPP;  // No simulated kernel seals records.
    return -1;
}
int shutdown(int socket, int how) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::shutdown(socket, how);
    }
    const in_simulator here;
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        return on->in().wires().shutdown(which, how);
    });
}

int count_unread(int socket, int& count) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::ioctl(socket, FIONREAD, &count);
    }
    const in_simulator here;
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        const int counted = on->in().wires().count_unread(which);
        count = std::max(counted, 0);
        return std::min(counted, 0);
    });
}

int count_unacknowledged(int socket, int& count) noexcept {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::ioctl(socket, SIOCOUTQ, &count);
    }
    const in_simulator here;
    return on_socket(*on, socket, [&](const sim::socket_ptr& which) {
        const int counted = on->in().wires().count_unacknowledged(which);
        count = std::max(counted, 0);
        return std::min(counted, 0);
    });
}

int open(const char* path, int flags) noexcept {
    host* const on = host::current();
    if (on == nullptr) {
        return ::open(path, flags);
    }
    const in_simulator here;
    static constexpr std::array<int, 2> errnos{EMFILE, EIO};
    if (fails(*on, errnos)) {
        return -1;
    }
    if (on->is_full()) {
        return outcome(-EMFILE);
    }
    sim::open_file_ptr opened;
    const open_how how{.flags = static_cast<unsigned>(flags & ~O_CLOEXEC), .mode = 0, .resolve = 0};
    const int refused = on->files().open(on->files().root(), path, how, opened);
    return outcome(refused != 0 ? refused : on->install(std::move(opened), flags));
}

int open_cached(int directory, const char* path, int flags) noexcept {
    constexpr std::uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    host* const on = host_of(directory);
    if (on == nullptr) {
        const open_how how{.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC),
                           .mode = 0,
                           .resolve = resolve | RESOLVE_CACHED};
        return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
    }
    const in_simulator here;
    static constexpr std::array<int, 2> errnos{EMFILE, EAGAIN};
    if (fails(*on, errnos)) {
        return -1;
    }
    if (on->is_full()) {
        return outcome(-EMFILE);
    }
    const auto found = on->file(directory);
    if (found == nullptr) {
        return outcome(on->find(directory) == nullptr ? -EBADF : -ENOTDIR);
    }
    sim::open_file_ptr opened;
    const open_how how{.flags = static_cast<std::uint64_t>(flags), .mode = 0, .resolve = resolve};
    const int refused = on->files().open(found, path, how, opened);
    return outcome(refused != 0 ? refused : on->install(std::move(opened), flags));
}

ssize_t read_cached(int fd, void* into, std::size_t size_bytes, std::uint64_t offset) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::pread(fd, into, size_bytes, static_cast<off_t>(offset));
    }
    const in_simulator here;
    static constexpr std::array<int, 2> errnos{EAGAIN, EIO};
    if (fails(*on, errnos)) {
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return static_cast<int>(
            on->files().read(which, {static_cast<std::byte*>(into), size_bytes}, offset));
    });
}

int close(int fd) noexcept {
    if (!is_simulated(fd)) {
        return ::close(fd);
    }
    const in_simulator here;
    host* const on = host::current();
    if (on == nullptr) {
        return outcome(-EBADF);
    }
    const int closed = on->close(fd);
    if (closed == -EBADF) {
        on->note_stray(fd);
    }
    return outcome(closed);
}

int fstat(int fd, struct stat& status) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::fstat(fd, &status);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        on->struck_look(fd);
        errno = EIO;
        return -1;
    }
    if (on->connection(fd) != nullptr) {
        status = {};
        status.st_mode = S_IFSOCK | 0777;
        return 0;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return on->files().status(which, status);
    });
}

int statx(int fd, unsigned mask, struct statx& status) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::statx(fd, "", AT_EMPTY_PATH, mask, &status);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        on->struck_look(fd);
        errno = EIO;
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return on->files().whole_status(which, status);
    });
}

int fstatfs(int fd, struct statfs& status) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::fstatfs(fd, &status);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr&) {
        status = {};
        status.f_type = static_cast<decltype(status.f_type)>(on->files().type());
        return 0;
    });
}

ssize_t pread(int fd, void* into, std::size_t size_bytes, std::uint64_t offset) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::pread(fd, into, size_bytes, static_cast<off_t>(offset));
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return static_cast<int>(
            on->files().read(which, {static_cast<std::byte*>(into), size_bytes}, offset));
    });
}

int ftruncate(int fd, std::uint64_t size_bytes) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::ftruncate(fd, static_cast<off_t>(size_bytes));
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return on->files().truncate(which, size_bytes);
    });
}

int fchmod(int fd, mode_t mode) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::fchmod(fd, mode);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return on->files().change_mode(which, mode);
    });
}

int chmod_opened(int fd, mode_t mode) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        const std::string path = "/proc/self/fd/" + std::to_string(fd);
        return ::chmod(path.c_str(), mode);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return on->files().change_mode_opened(which, mode);
    });
}

int faccessat(int directory, const char* path, int mode, int flags) noexcept {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::faccessat(directory, path, mode, flags);
    }
    const in_simulator here;
    if (fails(*on, ENOENT)) {
        return -1;
    }
    if (std::string_view(path).starts_with("/proc/self/fd")) {
        return 0;
    }
    return on_directory(*on, directory, [&](const sim::open_file_ptr& from) {
        sim::open_file_ptr found;
        const open_how how{.flags = O_PATH, .mode = 0, .resolve = 0};
        return on->files().open(from, path, how, found);
    });
}

int utimensat(int directory, const char* path, const timespec times[2], int flags) noexcept {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::utimensat(directory, path, times, flags);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_directory(*on, directory, [&](const sim::open_file_ptr& which) {
        if ((flags & AT_EMPTY_PATH) != 0 && *path == '\0') {
            return on->files().set_times(which, times);
        }
        sim::open_file_ptr found;
        const open_how how{.flags = O_PATH, .mode = 0, .resolve = 0};
        const int refused = on->files().open(which, path, how, found);
        return refused != 0 ? refused : on->files().set_times(found, times);
    });
}

int unlinkat(int directory, const char* path, int flags) noexcept {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::unlinkat(directory, path, flags);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        on->struck_removal(directory, path);
        errno = EIO;
        return -1;
    }
    return on_directory(*on, directory, [&](const sim::open_file_ptr& which) {
        return on->files().unlink(which, path, flags);
    });
}

ssize_t readlinkat(int directory, const char* path, char* into, std::size_t size_bytes) noexcept {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::readlinkat(directory, path, into, size_bytes);
    }
    const in_simulator here;
    if (fails(*on, EIO)) {
        return -1;
    }
    return on_directory(*on, directory, [&](const sim::open_file_ptr& from) {
        return static_cast<int>(on->files().read_link(from, path, {into, size_bytes}));
    });
}

int flock(int fd, int operation) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::flock(fd, operation);
    }
    const in_simulator here;
    if (fails(*on, ENOLCK)) {
        on->struck_lock(fd);
        errno = ENOLCK;
        return -1;
    }
    return on_file(*on, fd, [&](const sim::open_file_ptr& which) {
        return on->files().lock(which, operation);
    });
}

int set_status_flags(int fd, int flags) noexcept {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::fcntl(fd, F_SETFL, flags);
    }
    const in_simulator here;
    return outcome(on->set_status_flags(fd, flags));
}

int inotify_init1(int flags) noexcept {
    host* const on = host::current();
    if (on == nullptr) {
        return ::inotify_init1(flags);
    }
    const in_simulator here;
    static constexpr std::array<int, 2> errnos{EMFILE, ENOMEM};
    if (fails(*on, errnos)) {
        return -1;
    }
    if ((flags & ~(IN_NONBLOCK | IN_CLOEXEC)) != 0) {
        return outcome(-EINVAL);
    }
    const auto& user = on->watching();
    if (user->instances >= user->instances_max || on->is_full()) {
        return outcome(-EMFILE);
    }
    return outcome(on->install(std::make_shared<sim::inotify_instance>(user), flags & IN_NONBLOCK));
}

int inotify_add_watch(int inotify, const char* path, std::uint32_t mask) noexcept {
    host* const on = host_of(inotify);
    if (on == nullptr) {
        return ::inotify_add_watch(inotify, path, mask);
    }
    const in_simulator here;
    static constexpr std::array<int, 2> errnos{ENOSPC, ENOMEM};
    if (fails(*on, errnos)) {
        return -1;
    }
    return on_inotify(*on, inotify, [&](sim::inotify_instance& by) {
        const auto what = on->file_behind(path);
        return what == nullptr ? -ENOENT : by.add(*what->what, mask);
    });
}

int inotify_rm_watch(int inotify, int watch) noexcept {
    host* const on = host_of(inotify);
    if (on == nullptr) {
        return ::inotify_rm_watch(inotify, watch);
    }
    const in_simulator here;
    return on_inotify(*on, inotify, [&](sim::inotify_instance& by) { return by.remove(watch); });
}

ssize_t read_events(int inotify, void* into, std::size_t size_bytes) noexcept {
    host* const on = host_of(inotify);
    if (on == nullptr) {
        return ::read(inotify, into, size_bytes);
    }
    const in_simulator here;
    return on_inotify(*on, inotify, [&](sim::inotify_instance& by) {
        return static_cast<int>(by.read({static_cast<std::byte*>(into), size_bytes}));
    });
}

uid_t geteuid() noexcept {
    return host::current() == nullptr ? ::geteuid() : 0;  // Its disk has root's files only.
}

timespec wall_clock() noexcept {
    if (const host* const on = host::current()) {
        return on->wall_clock();
    }
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

ssize_t getrandom(void* into, std::size_t size_bytes) noexcept {
    host* const on = host::current();
    if (on == nullptr) {
        return ::getrandom(into, size_bytes, 0);
    }
    auto* octets = static_cast<unsigned char*>(into);
    for (std::size_t done = 0; done < size_bytes; ++done) {
        octets[done] = static_cast<unsigned char>(on->in().rng().next());
    }
    return static_cast<ssize_t>(size_bytes);
}

}  // namespace ferry::kernel
