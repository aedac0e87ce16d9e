#pragma once

#include <fcntl.h>

#include <cerrno>

#include "sim/host.hpp"

/// What the simulated system calls of `ferry::kernel` and `sim::posix` have in common.
namespace ferry::sim {

/// The host that a call with this descriptor is for; null: the real machine.
[[nodiscard]] inline host* host_of(int fd) noexcept {
    return is_simulated(fd) ? host::current() : nullptr;
}

/// The same for the directory of a path: the working directory of a host is its root.
[[nodiscard]] inline host* host_of_directory(int fd) noexcept {
    return fd == AT_FDCWD ? host::current() : host_of(fd);
}

/// As system calls return: 0 or more, or -1 and `errno`.
template <class Result>
Result outcome(Result result) noexcept {
    if (result < 0) {
        errno = static_cast<int>(-result);
        return -1;
    }
    return result;
}

}  // namespace ferry::sim
