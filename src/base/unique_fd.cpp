#include "ferry/base/unique_fd.hpp"

#include "ferry/base/kernel.hpp"

namespace ferry {

void unique_fd::reset(int fd) noexcept {
    if (fd_ >= 0) {
        // The descriptor is gone whatever close says; EINTR must not be retried on Linux.
        static_cast<void>(kernel::close(fd_));
    }
    fd_ = fd;
}

}  // namespace ferry
