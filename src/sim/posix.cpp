#include "sim/posix.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "ferry/base/kernel.hpp"
#include "ferry/base/unique_fd.hpp"
#include "sim/calls.hpp"
#include "sim/host.hpp"

namespace ferry::sim::posix {

namespace {

// How long something that is there at once on a real machine may take in virtual time.
constexpr auto patience = std::chrono::milliseconds(5);
// For who does not want to wait: what was sent on a loopback has arrived.
constexpr auto a_moment = std::chrono::microseconds(2);

/// Calls `attempt` until it gives something else than -EAGAIN, letting time go on meanwhile.
template <class Attempt>
std::int64_t patiently(host& on, Attempt attempt, runtime::duration time_max = patience) {
    const auto until = on.in().now() + time_max;
    for (;;) {
        const std::int64_t result = attempt();
        if (result != -EAGAIN) {
            return result;
        }
        if (!on.in().events().step(until)) {
            return attempt();
        }
    }
}

std::span<std::byte> octets(void* data, std::size_t size_bytes) noexcept {
    return {static_cast<std::byte*>(data), size_bytes};
}
std::span<const std::byte> octets(const void* data, std::size_t size_bytes) noexcept {
    return {static_cast<const std::byte*>(data), size_bytes};
}

/// Calls `work(socket)` on a simulated socket.
template <class Work>
std::int64_t on_socket(host& on, int fd, Work work) {
    const auto which = on.connection(fd);
    if (which == nullptr) {
        return outcome(std::int64_t{on.find(fd) == nullptr ? -EBADF : -ENOTSOCK});
    }
    return outcome(std::int64_t{work(which)});
}

/// Calls `work(file)` on a simulated file; sockets and pipes give `other`, an errno.
template <class Work>
std::int64_t on_file(host& on, int fd, int other, Work work) {
    const auto file = on.file(fd);
    if (file == nullptr) {
        return outcome(std::int64_t{on.find(fd) == nullptr ? -EBADF : -other});
    }
    return outcome(std::int64_t{work(file)});
}

/// Calls `work(directory)` on a simulated directory.
template <class Work>
int on_directory(host& on, int fd, Work work) {
    if (fd == AT_FDCWD) {
        return outcome(work(on.files().root()));
    }
    return static_cast<int>(on_file(on, fd, ENOTDIR, work));
}

/// The same for the second directory of a call: 0 or more, or -errno.
template <class Work>
int on_directory_too(host& on, int fd, Work work) {
    const auto directory = fd == AT_FDCWD ? on.files().root() : on.file(fd);
    if (directory == nullptr) {
        return on.find(fd) == nullptr ? -EBADF : -ENOTDIR;
    }
    return work(directory);
}

/// A pipe is read and written, and not a socket to those who send and receive.
bool is_pipe(host& on, const socket_ptr& which) {
    sockaddr_storage address{};
    socklen_t size_bytes = sizeof address;
    auto* const local = static_cast<sockaddr*>(static_cast<void*>(&address));
    return on.in().wires().local_address(which, local, &size_bytes) == -ENOTSOCK;
}

std::int64_t send_patiently(host& on, const socket_ptr& which, std::span<const std::byte> data,
                            int flags) {
    return patiently(on, [&] { return on.in().wires().send(which, data, flags); });
}

std::int64_t receive_patiently(host& on, const socket_ptr& which, std::span<std::byte> into,
                               int flags) {
    const bool waits = (flags & MSG_DONTWAIT) == 0;
    return patiently(
        on, [&] { return on.in().wires().receive(which, into, flags & (MSG_PEEK | MSG_OOB)); },
        waits ? runtime::duration(patience) : runtime::duration(a_moment));
}

/// Opens `path` on a host; 0 or more, or -errno.
int open_on(host& on, const open_file_ptr& directory, const char* path, int flags, mode_t mode) {
    if (on.is_full()) {
        return -EMFILE;
    }
    open_file_ptr opened;
    const bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    const open_how how{
        .flags = static_cast<unsigned>(flags & ~O_CLOEXEC), .mode = makes ? mode : 0, .resolve = 0};
    const int refused = on.files().open(directory, path, how, opened);
    return refused != 0 ? refused : on.install(std::move(opened), flags);
}

}  // namespace

int connect(int socket, const sockaddr* address, socklen_t address_bytes) {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::connect(socket, address, address_bytes);
    }
    return static_cast<int>(on_socket(*on, socket, [&](const socket_ptr& which) {
        return on->in().wires().connect(which, address, address_bytes);
    }));
}

int accept4(int socket, sockaddr* address, socklen_t* address_bytes, int flags) {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::accept4(socket, address, address_bytes, flags);
    }
    return static_cast<int>(outcome(patiently(*on, [&]() -> std::int64_t {
        const int made = kernel::accept4(socket, address, address_bytes, flags);
        return made < 0 ? -errno : made;
    })));
}

ssize_t send(int socket, const void* data, std::size_t size_bytes, int flags) {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::send(socket, data, size_bytes, flags);
    }
    return on_socket(*on, socket, [&](const socket_ptr& which) {
        return is_pipe(*on, which) ? -ENOTSOCK
                                   : send_patiently(*on, which, octets(data, size_bytes), flags);
    });
}

ssize_t recv(int socket, void* into, std::size_t size_bytes, int flags) {
    host* const on = host_of(socket);
    if (on == nullptr) {
        return ::recv(socket, into, size_bytes, flags);
    }
    return on_socket(*on, socket, [&](const socket_ptr& which) {
        return is_pipe(*on, which) ? -ENOTSOCK
                                   : receive_patiently(*on, which, octets(into, size_bytes), flags);
    });
}

namespace {

int install_two(host& on, std::pair<socket_ptr, socket_ptr> made, int status_flags, int ends[2]) {
    ends[0] = on.install(std::move(made.first), status_flags);
    ends[1] = on.install(std::move(made.second), status_flags);
    return ends[0] < 0 || ends[1] < 0 ? outcome(-EMFILE) : 0;
}

}  // namespace

int socketpair(int family, int type, int protocol, int ends[2]) {
    host* const on = host::current();
    if (on == nullptr) {
        return ::socketpair(family, type, protocol, ends);
    }
    return install_two(*on, on->in().wires().make_pair(), O_RDWR | (type & O_NONBLOCK), ends);
}

int pipe2(int ends[2], int flags) {
    host* const on = host::current();
    if (on == nullptr) {
        return ::pipe2(ends, flags);
    }
    return install_two(*on, on->in().wires().make_pipe(), O_RDWR | (flags & O_NONBLOCK), ends);
}

int shutdown(int socket, int how) {
    return kernel::shutdown(socket, how);
}

int open(const char* path, int flags, mode_t mode) {
    return openat(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char* path, int flags, mode_t mode) {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::openat(directory, path, flags, mode);
    }
    return on_directory(*on, directory, [&](const open_file_ptr& at) {
        return open_on(*on, at, path, flags, mode);
    });
}

ssize_t read(int fd, void* into, std::size_t size_bytes) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::read(fd, into, size_bytes);
    }
    if (const auto socket = on->connection(fd)) {
        return outcome(receive_patiently(*on, socket, octets(into, size_bytes), 0));
    }
    return on_file(*on, fd, EBADF, [&](const open_file_ptr& file) {
        return on->files().read(file, octets(into, size_bytes), runtime::at_position);
    });
}

ssize_t write(int fd, const void* data, std::size_t size_bytes) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::write(fd, data, size_bytes);
    }
    if (const auto socket = on->connection(fd)) {
        return outcome(send_patiently(*on, socket, octets(data, size_bytes), 0));
    }
    return on_file(*on, fd, EBADF, [&](const open_file_ptr& file) {
        return on->files().write(file, octets(data, size_bytes), runtime::at_position);
    });
}

ssize_t pread(int fd, void* into, std::size_t size_bytes, off_t offset) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::pread(fd, into, size_bytes, offset);
    }
    if (offset < 0) {
        return outcome(ssize_t{-EINVAL});
    }
    return on_file(*on, fd, ESPIPE, [&](const open_file_ptr& file) {
        return on->files().read(file, octets(into, size_bytes), static_cast<std::uint64_t>(offset));
    });
}

ssize_t pwrite(int fd, const void* data, std::size_t size_bytes, off_t offset) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::pwrite(fd, data, size_bytes, offset);
    }
    if (offset < 0) {
        return outcome(ssize_t{-EINVAL});
    }
    return on_file(*on, fd, ESPIPE, [&](const open_file_ptr& file) {
        return on->files().write(file, octets(data, size_bytes),
                                 static_cast<std::uint64_t>(offset));
    });
}

off_t lseek(int fd, off_t offset, int whence) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::lseek(fd, offset, whence);
    }
    return on_file(*on, fd, ESPIPE, [&](const open_file_ptr& file) -> off_t {
        if ((file->flags & O_PATH) != 0) {
            return -EBADF;
        }
        struct stat status{};
        const int refused = on->files().status(file, status);
        if (refused != 0 || (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)) {
            return refused != 0 ? refused : -EINVAL;
        }
        const off_t from = whence == SEEK_SET   ? 0
                           : whence == SEEK_CUR ? static_cast<off_t>(file->position)
                                                : status.st_size;
        if (from + offset < 0) {
            return -EINVAL;
        }
        file->position = static_cast<std::uint64_t>(from + offset);
        return from + offset;
    });
}

int ftruncate(int fd, off_t size_bytes) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::ftruncate(fd, size_bytes);
    }
    return static_cast<int>(on_file(*on, fd, EINVAL, [&](const open_file_ptr& file) {
        return on->files().truncate(file, static_cast<std::uint64_t>(size_bytes));
    }));
}

int fsync(int fd) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::fsync(fd);
    }
    return static_cast<int>(on_file(
        *on, fd, EINVAL, [&](const open_file_ptr& file) { return on->files().sync(file, false); }));
}

ssize_t copy_file_range(int from, off_t* from_offset, int to, off_t* to_offset,
                        std::size_t size_bytes) {
    host* const on = host_of(from);
    if (on == nullptr) {
        return ::copy_file_range(from, from_offset, to, to_offset, size_bytes, 0);
    }
    return on_file(*on, from, EINVAL, [&](const open_file_ptr& source) {
        const auto target = on->file(to);
        const auto done =
            target == nullptr
                ? -EBADF
                : on->files().copy_range(source, static_cast<std::uint64_t>(*from_offset), target,
                                         static_cast<std::uint64_t>(*to_offset), size_bytes);
        *from_offset += std::max<off_t>(done, 0);
        *to_offset += std::max<off_t>(done, 0);
        return done;
    });
}

int posix_fadvise(int fd, off_t offset, off_t size_bytes, int advice) {
    return host_of(fd) == nullptr ? ::posix_fadvise(fd, offset, size_bytes, advice) : 0;
}

int mkdirat(int directory, const char* path, mode_t mode) {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::mkdirat(directory, path, mode);
    }
    return on_directory(*on, directory, [&](const open_file_ptr& at) {
        return on->files().make_directory(at, path, mode);
    });
}

int unlinkat(int directory, const char* path, int flags) {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::unlinkat(directory, path, flags);
    }
    return on_directory(*on, directory, [&](const open_file_ptr& at) {
        return on->files().unlink(at, path, flags);
    });
}

int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
    host* const on = host_of_directory(from_directory);
    if (on == nullptr) {
        return ::linkat(from_directory, from, to_directory, to, flags);
    }
    return on_directory(*on, from_directory, [&](const open_file_ptr& source) {
        return on_directory_too(*on, to_directory, [&](const open_file_ptr& target) {
            const open_file_ptr linked = on->file_behind(from);
            return on->files().link(source, from, linked, target, to, flags);
        });
    });
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to,
              unsigned flags) {
    host* const on = host_of_directory(from_directory);
    if (on == nullptr) {
        return ::renameat2(from_directory, from, to_directory, to, flags);
    }
    return on_directory(*on, from_directory, [&](const open_file_ptr& source) {
        return on_directory_too(*on, to_directory, [&](const open_file_ptr& target) {
            return on->files().rename(source, from, target, to, flags);
        });
    });
}

int symlinkat(const char* target, int directory, const char* path) {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::symlinkat(target, directory, path);
    }
    return on_directory(*on, directory, [&](const open_file_ptr& at) {
        return on->files().make_symlink(at, path, target);
    });
}

int mkfifoat(int directory, const char* path, mode_t mode) {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::mkfifoat(directory, path, mode);
    }
    return on_directory(*on, directory, [&](const open_file_ptr& at) {
        return on->files().make_fifo(at, path, mode);
    });
}

int fstatat(int directory, const char* path, struct stat* status, int flags) {
    host* const on = host_of_directory(directory);
    if (on == nullptr) {
        return ::fstatat(directory, path, status, flags);
    }
    return on_directory(*on, directory, [&](const open_file_ptr& at) {
        if (*path == '\0' && (flags & AT_EMPTY_PATH) != 0) {
            return on->files().status(at, *status);
        }
        open_file_ptr found;
        const int no_follow = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0;
        const open_how how{
            .flags = static_cast<unsigned>(O_PATH | no_follow), .mode = 0, .resolve = 0};
        const int refused = on->files().open(at, path, how, found);
        return refused != 0 ? refused : on->files().status(found, *status);
    });
}

int get_status_flags(int fd) {
    host* const on = host_of(fd);
    return on == nullptr ? ::fcntl(fd, F_GETFL) : outcome(on->status_flags(fd));
}

int set_status_flags(int fd, int flags) {
    return kernel::set_status_flags(fd, flags);
}

int dup(int fd) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::dup(fd);
    }
    const description* const what = on->find(fd);
    return outcome(what == nullptr ? -EBADF : on->install(*what, on->status_flags(fd)));
}

int dup3(int fd, int wanted, int flags) {
    host* const on = host_of(fd);
    if (on == nullptr) {
        return ::dup3(fd, wanted, flags);
    }
    if (fd == wanted) {
        return outcome(-EINVAL);
    }
    const description* const what = on->find(fd);
    return outcome(what == nullptr ? -EBADF : on->install_at(wanted, *what, on->status_flags(fd)));
}

std::string make_temporary_directory(const std::string& parent) {
    host* const on = host::current();
    if (on == nullptr) {
        std::string made = parent + "/ferry-reactor-XXXXXX";
        return ::mkdtemp(made.data()) == nullptr ? std::string() : made;
    }
    const auto root = on->files().root();
    for (int number = 0; number < 10'000; ++number) {
        std::string made = "/temporary-" + std::to_string(number);
        const int refused = on->files().make_directory(root, made.c_str(), 0700);
        if (refused != -EEXIST) {
            return refused == 0 ? made : std::string();
        }
    }
    return {};
}

void remove_all(const std::string& directory) {
    host* const on = host::current();
    if (on == nullptr) {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
        return;
    }
    const auto root = on->files().root();
    auto names = on->files().names();
    for (auto each = names.rbegin(); each != names.rend(); ++each) {  // What is inside comes first.
        if (each->starts_with(directory + "/")) {
            const bool is_directory = each->ends_with('/');
            static_cast<void>(
                on->files().unlink(root, each->c_str(), is_directory ? AT_REMOVEDIR : 0));
        }
    }
}

std::size_t count_descriptors() {
    if (const host* const on = host::current()) {
        return on->count_descriptors();
    }
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

descriptors_used_up::descriptors_used_up(unsigned left) {
    if (host* const on = host::current()) {
        host_before_ = on->descriptors_max();
        on->set_descriptors_max(on->count_descriptors() + left);
        return;
    }
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const unique_fd next(::dup(0));  // The limit is on numbers; this is the lowest free one.
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(next.get()) + left;
    ::setrlimit(RLIMIT_NOFILE, &few);
}

descriptors_used_up::~descriptors_used_up() {
    if (host* const on = host::current()) {
        on->set_descriptors_max(host_before_);
        return;
    }
    ::setrlimit(RLIMIT_NOFILE, &before_);
}

}  // namespace ferry::sim::posix
