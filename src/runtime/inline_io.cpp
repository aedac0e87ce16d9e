#include "runtime/inline_io.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/clock.hpp"

namespace ferry::runtime {
namespace {

constexpr auto slow_write_bound = std::chrono::milliseconds(2);
constexpr auto slow_write_rest = std::chrono::seconds(1);

/// Whether a file is one of tmpfs, which cannot say what would wait (RWF_NOWAIT) and never does,
/// its content being memory. No other has seals (fcntl(2), F_GET_SEALS). Takes 0.1 us.
bool is_memory(int file) noexcept {
    return ::fcntl(file, F_GET_SEALS) >= 0;
}

}  // namespace

bool read_inline(op& what) noexcept {
    const auto& args = what.args.read;
    iovec into{args.data, args.size_bytes};
    const auto offset = static_cast<off64_t>(args.offset);
    auto got = ::preadv2(what.fd, &into, 1, offset, RWF_NOWAIT);
    if (got < 0 && errno == EOPNOTSUPP) {
        if (!is_memory(what.fd)) {
            return false;
        }
        got = ::preadv2(what.fd, &into, 1, offset, 0);
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOSYS)) {
        return false;
    }
    what.result = got < 0 ? -errno : got;
    return true;
}

bool inline_writer::write(op& what, time_point now) noexcept {
    const auto& args = what.args.write;
    const bool is_slow = now < slow_until_ && !is_memory(what.fd);
    if (args.offset == at_position || is_slow) {
        // Where a descriptor stands may be a pipe that nobody reads: that may not be tried here.
        return false;
    }
    const auto before = read_clock();
    const auto put =
        ::pwrite(what.fd, args.data, args.size_bytes, static_cast<off64_t>(args.offset));
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    what.result = put < 0 ? -errno : put;
    const auto after = read_clock();
    // Of memory it was a busy machine that took so long, and the disk is as fast as before.
    if (after - before > slow_write_bound && !is_memory(what.fd)) {
        slow_until_ = after + slow_write_rest;
    }
    return true;
}

void block_broken_pipe_signal() noexcept {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

}  // namespace ferry::runtime
