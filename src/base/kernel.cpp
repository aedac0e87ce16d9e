#include "ferry/base/kernel.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <linux/tls.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <limits>
#include <string>

namespace ferry::kernel {

int socket(int family, int type, int protocol) noexcept {
    return ::socket(family, type, protocol);
}
int setsockopt(int socket, int level, int name, const void* value, socklen_t value_bytes) noexcept {
    return ::setsockopt(socket, level, name, value, value_bytes);
}
int bind(int socket, const sockaddr* address, socklen_t address_bytes) noexcept {
    return ::bind(socket, address, address_bytes);
}
int listen(int socket, int backlog) noexcept {
    return ::listen(socket, backlog);
}
int accept4(int socket, sockaddr* address, socklen_t* address_bytes, int flags) noexcept {
    return ::accept4(socket, address, address_bytes, flags);
}
int getsockname(int socket, sockaddr* address, socklen_t* address_bytes) noexcept {
    return ::getsockname(socket, address, address_bytes);
}
int getpeername(int socket, sockaddr* address, socklen_t* address_bytes) noexcept {
    return ::getpeername(socket, address, address_bytes);
}
ssize_t send(int socket, const void* data, std::size_t size_bytes, int flags) noexcept {
    return ::send(socket, data, size_bytes, flags);
}
ssize_t send_record(int socket, std::uint8_t kind, const void* data,
                    std::size_t size_bytes) noexcept {
    iovec octets{const_cast<void*>(data), size_bytes};  // Which are only read.
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof kind)> control{};
    msghdr message{};
    message.msg_iov = &octets;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    auto* const about = CMSG_FIRSTHDR(&message);
    about->cmsg_level = SOL_TLS;
    about->cmsg_type = TLS_SET_RECORD_TYPE;
    about->cmsg_len = CMSG_LEN(sizeof kind);
    std::memcpy(CMSG_DATA(about), &kind, sizeof kind);
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent;
}
int shutdown(int socket, int how) noexcept {
    return ::shutdown(socket, how);
}
int count_unread(int socket, int& count) noexcept {
    return ::ioctl(socket, FIONREAD, &count);
}
int count_unacknowledged(int socket, int& count) noexcept {
    return ::ioctl(socket, SIOCOUTQ, &count);
}

int open(const char* path, int flags) noexcept {
    return ::open(path, flags);
}
int close(int fd) noexcept {
    return ::close(fd);
}
int open_cached(int directory, const char* path, int flags) noexcept {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_CACHED | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}
ssize_t read_cached(int fd, void* into, std::size_t size_bytes, std::uint64_t offset) noexcept {
    const iovec piece{.iov_base = into, .iov_len = size_bytes};
    const auto got = ::preadv2(fd, &piece, 1, static_cast<off64_t>(offset), RWF_NOWAIT);
    const bool is_memory =  // No other file system has seals (fcntl(2)).
        got < 0 && errno == EOPNOTSUPP && ::fcntl(fd, F_GET_SEALS) >= 0;
    return is_memory ? ::pread(fd, into, size_bytes, static_cast<off_t>(offset)) : got;
}
int fstat(int fd, struct stat& status) noexcept {
    return ::fstat(fd, &status);
}
int statx(int fd, unsigned mask, struct statx& status) noexcept {
    return ::statx(fd, "", AT_EMPTY_PATH, mask, &status);
}
int fstatfs(int fd, struct statfs& status) noexcept {
    return ::fstatfs(fd, &status);
}
ssize_t pread(int fd, void* into, std::size_t size_bytes, std::uint64_t offset) noexcept {
    return ::pread(fd, into, size_bytes, static_cast<off_t>(offset));
}
int ftruncate(int fd, std::uint64_t size_bytes) noexcept {
    return ::ftruncate(fd, static_cast<off_t>(size_bytes));
}
int fchmod(int fd, mode_t mode) noexcept {
    return ::fchmod(fd, mode);
}
int chmod_opened(int fd, mode_t mode) noexcept {
    constexpr long fchmodat2 = 452;  // The same on every architecture; newer than the headers.
    const auto changed = ::syscall(fchmodat2, fd, "", mode, AT_EMPTY_PATH);
    if (changed == 0 || errno != ENOSYS) {
        return static_cast<int>(changed);
    }
    char path[sizeof "/proc/self/fd/" + std::numeric_limits<int>::digits10 + 1] = "/proc/self/fd/";
    const auto length = std::char_traits<char>::length(path);
    std::to_chars(path + length, path + sizeof path - 1, fd);
    return ::chmod(path, mode);
}
int faccessat(int directory, const char* path, int mode, int flags) noexcept {
    return ::faccessat(directory, path, mode, flags);
}
int utimensat(int directory, const char* path, const timespec times[2], int flags) noexcept {
    return ::utimensat(directory, path, times, flags);
}
int unlinkat(int directory, const char* path, int flags) noexcept {
    return ::unlinkat(directory, path, flags);
}
ssize_t readlinkat(int directory, const char* path, char* into, std::size_t size_bytes) noexcept {
    return ::readlinkat(directory, path, into, size_bytes);
}
int flock(int fd, int operation) noexcept {
    return ::flock(fd, operation);
}
int set_status_flags(int fd, int flags) noexcept {
    return ::fcntl(fd, F_SETFL, flags);
}

int inotify_init1(int flags) noexcept {
    return ::inotify_init1(flags);
}
int inotify_add_watch(int inotify, const char* path, std::uint32_t mask) noexcept {
    return ::inotify_add_watch(inotify, path, mask);
}
int inotify_rm_watch(int inotify, int watch) noexcept {
    return ::inotify_rm_watch(inotify, watch);
}
ssize_t read_events(int inotify, void* into, std::size_t size_bytes) noexcept {
    return ::read(inotify, into, size_bytes);
}

uid_t geteuid() noexcept {
    return ::geteuid();
}

timespec wall_clock() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now;
}
ssize_t getrandom(void* into, std::size_t size_bytes) noexcept {
    return ::getrandom(into, size_bytes, 0);
}

}  // namespace ferry::kernel
