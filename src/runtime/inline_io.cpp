#include "runtime/inline_io.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/clock.hpp"

namespace ferry::runtime {
namespace {

constexpr auto slow_write_bound = std::chrono::milliseconds(2);
constexpr auto slow_write_rest = std::chrono::seconds(1);

}  // namespace

bool read_inline(op& what) noexcept {
    const auto& args = what.args.read;
    iovec into{args.data, args.size_bytes};
    const auto got = ::preadv2(what.fd, &into, 1, static_cast<off64_t>(args.offset), RWF_NOWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR || errno == ENOSYS)) {
        return false;
    }
    what.result = got < 0 ? -errno : got;
    return true;
}

bool inline_writer::write(op& what, time_point now) noexcept {
    const auto& args = what.args.write;
    if (args.offset == at_position || now < slow_until_) {
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
    if (after - before > slow_write_bound) {
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
