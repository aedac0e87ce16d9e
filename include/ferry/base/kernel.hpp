#pragma once

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

/// The system calls that ferry makes outside its reactors: what never waits for anybody and so
/// needs no operation. Each does what the call of its name does, its result and `errno` included,
/// and what their manual pages say holds.
///
/// A seam at link time: the product has `kernel.cpp`, every line of which is the call itself. A
/// program that simulates a machine links other definitions and sees every call (decision 0011);
/// that is why no folder above the runtime names a system call (`tools/lint system-calls`).
/// Cost: the call's; inlined where the linker optimises.
namespace ferry::kernel {

int socket(int family, int type, int protocol) noexcept;
int setsockopt(int socket, int level, int name, const void* value, socklen_t value_bytes) noexcept;
int bind(int socket, const sockaddr* address, socklen_t address_bytes) noexcept;
int listen(int socket, int backlog) noexcept;
int accept4(int socket, sockaddr* address, socklen_t* address_bytes, int flags) noexcept;
int getsockname(int socket, sockaddr* address, socklen_t* address_bytes) noexcept;
int getpeername(int socket, sockaddr* address, socklen_t* address_bytes) noexcept;
ssize_t send(int socket, const void* data, std::size_t size_bytes, int flags) noexcept;
/// sendmsg(2) of one record of TLS that is no content, on a socket whose records the kernel seals
/// (TLS_SET_RECORD_TYPE); never waits, and is not interrupted.
ssize_t send_record(int socket, std::uint8_t kind, const void* data,
                    std::size_t size_bytes) noexcept;
int shutdown(int socket, int how) noexcept;
/// FIONREAD of ioctl(2): how many octets wait to be read.
int count_unread(int socket, int& count) noexcept;
/// SIOCOUTQ of ioctl(2), of a TCP socket: how many octets were sent and not acknowledged.
int count_unacknowledged(int socket, int& count) noexcept;

int open(const char* path, int flags) noexcept;  ///< Never with O_CREAT.
/// openat2(2) with RESOLVE_CACHED, for a name beneath `directory` that is no link, has none on its
/// way and leaves no file system. EAGAIN: something of it is not in memory.
int open_cached(int directory, const char* path, int flags) noexcept;
/// preadv2(2) with RWF_NOWAIT; pread(2) in tmpfs, where all is in memory. EAGAIN: not there.
ssize_t read_cached(int fd, void* into, std::size_t size_bytes, std::uint64_t offset) noexcept;
int close(int fd) noexcept;
int fstat(int fd, struct stat& status) noexcept;
/// statx(2) of `fd` itself (AT_EMPTY_PATH).
int statx(int fd, unsigned mask, struct statx& status) noexcept;
/// These three may wait, for the disk, a file server or while blocks are freed: for start-up and
/// the offload pool.
int fstatfs(int fd, struct statfs& status) noexcept;
ssize_t pread(int fd, void* into, std::size_t size_bytes, std::uint64_t offset) noexcept;
int ftruncate(int fd, std::uint64_t size_bytes) noexcept;
int fchmod(int fd, mode_t mode) noexcept;
/// fchmodat2(2) with AT_EMPTY_PATH (Linux 6.6), else chmod(2) by way of /proc: of what an O_PATH
/// descriptor stands for. Not for symbolic links.
int chmod_opened(int fd, mode_t mode) noexcept;
int faccessat(int directory, const char* path, int mode, int flags) noexcept;
int utimensat(int directory, const char* path, const timespec times[2], int flags) noexcept;
int unlinkat(int directory, const char* path, int flags) noexcept;
ssize_t readlinkat(int directory, const char* path, char* into, std::size_t size_bytes) noexcept;
/// flock(2), with LOCK_NB only.
int flock(int fd, int operation) noexcept;
/// F_SETFL of fcntl(2).
int set_status_flags(int fd, int flags) noexcept;

// inotify(7), always with IN_NONBLOCK. `path` is "/proc/self/fd/N": what is open already is
// watched.
int inotify_init1(int flags) noexcept;
int inotify_add_watch(int inotify, const char* path, std::uint32_t mask) noexcept;
int inotify_rm_watch(int inotify, int watch) noexcept;
/// read(2) of an inotify descriptor: whole events, or -1 and EAGAIN.
ssize_t read_events(int inotify, void* into, std::size_t size_bytes) noexcept;

/// Whose the files are that this process makes.
uid_t geteuid() noexcept;

/// CLOCK_REALTIME of clock_gettime(2).
timespec wall_clock() noexcept;
ssize_t getrandom(void* into, std::size_t size_bytes) noexcept;

}  // namespace ferry::kernel
