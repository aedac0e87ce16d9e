#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstddef>
#include <string>

/// Further system calls for tests that run on the real machine and on a simulated one: each does
/// what the call of its name does, on the current host where the descriptor is simulated (or, for
/// those that make one, where a host is current), else for real. What would be there at once on a
/// real loopback is waited for, in virtual time: a few milliseconds at most.
namespace ferry::sim::posix {

int connect(int socket, const sockaddr* address, socklen_t address_bytes);
int accept4(int socket, sockaddr* address, socklen_t* address_bytes, int flags);
ssize_t send(int socket, const void* data, std::size_t size_bytes, int flags);
ssize_t recv(int socket, void* into, std::size_t size_bytes, int flags);
int socketpair(int family, int type, int protocol, int ends[2]);
int pipe2(int ends[2], int flags);
int shutdown(int socket, int how);

int open(const char* path, int flags, mode_t mode = 0);
int openat(int directory, const char* path, int flags, mode_t mode = 0);
ssize_t read(int fd, void* into, std::size_t size_bytes);
ssize_t write(int fd, const void* data, std::size_t size_bytes);
ssize_t pread(int fd, void* into, std::size_t size_bytes, off_t offset);
ssize_t pwrite(int fd, const void* data, std::size_t size_bytes, off_t offset);
off_t lseek(int fd, off_t offset, int whence);
int ftruncate(int fd, off_t size_bytes);
int fsync(int fd);
ssize_t copy_file_range(int from, off_t* from_offset, int to, off_t* to_offset,
                        std::size_t size_bytes);
int posix_fadvise(int fd, off_t offset, off_t size_bytes, int advice);

int mkdirat(int directory, const char* path, mode_t mode);
int unlinkat(int directory, const char* path, int flags);
int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags);
int renameat2(int from_directory, const char* from, int to_directory, const char* to,
              unsigned flags);
int symlinkat(const char* target, int directory, const char* path);
int mkfifoat(int directory, const char* path, mode_t mode);
int fstatat(int directory, const char* path, struct stat* status, int flags);

int get_status_flags(int fd);             ///< F_GETFL.
int set_status_flags(int fd, int flags);  ///< F_SETFL.
int dup(int fd);
int dup3(int fd, int wanted, int flags);

/// Makes a directory with a name of its own beneath `parent` (on a simulated host, which has none
/// of the real machine's, beneath the root) and gives that name; empty: it failed.
[[nodiscard]] std::string make_temporary_directory(const std::string& parent);
/// Removes it with all that is in it.
void remove_all(const std::string& directory);

/// How many descriptors are open: of the current host, or of this process.
[[nodiscard]] std::size_t count_descriptors();
/// RLIMIT_NOFILE, or the host's own limit: lets `left` more be opened, until it dies.
class descriptors_used_up {
  public:
    explicit descriptors_used_up(unsigned left);
    descriptors_used_up(const descriptors_used_up&) = delete;
    descriptors_used_up& operator=(const descriptors_used_up&) = delete;
    ~descriptors_used_up();

  private:
    rlimit before_{};
    std::size_t host_before_ = 0;
};

}  // namespace ferry::sim::posix
