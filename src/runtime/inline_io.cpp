#include "runtime/inline_io.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "runtime/blocking.hpp"
#include "runtime/clock.hpp"

namespace ferry::runtime {
namespace {

constexpr auto slow_call_bound = std::chrono::milliseconds(2);
constexpr duration slow_call_rest = std::chrono::seconds(1);
constexpr duration slow_call_rest_max = std::chrono::minutes(1);
constexpr int slow_call_share = 50;  // Of the core's time, one in so many at most.

/// How often this thread has given its processor up, and how often that was taken from it.
struct switches {
    long given_up = 0;
    long taken = 0;
};

switches switches_of_this_thread() noexcept {
    rusage use{};
    ::getrusage(RUSAGE_THREAD, &use);
    return {.given_up = use.ru_nvcsw, .taken = use.ru_nivcsw};
}

/// Times a system call of the core itself. 0.5 us.
class timed_call {
  public:
    /// The moment from which such calls are to be made here again; none: this one was fast, or slow
    /// only because the processor had something else to do.
    [[nodiscard]] time_point rest_until() const noexcept {
        const auto now = read_clock();
        const auto took = now - began_;
        if (took <= slow_call_bound) {
            return {};
        }
        const auto after = switches_of_this_thread();
        const bool has_waited = after.given_up != before_.given_up;
        const bool was_interrupted = after.taken != before_.taken;
        if (!has_waited && was_interrupted) {
            return {};
        }
        return now + std::clamp(took * slow_call_share, slow_call_rest, slow_call_rest_max);
    }

  private:
    switches before_ = switches_of_this_thread();
    time_point began_ = read_clock();
};

/// Whether a file is one of tmpfs, which cannot say what would wait (RWF_NOWAIT) and never does,
/// its content being memory. No other has seals (fcntl(2), F_GET_SEALS). Takes 0.1 us.
bool is_memory(int file) noexcept {
    return ::fcntl(file, F_GET_SEALS) >= 0;
}

bool is_local(const op& what) noexcept {
    switch (what.code) {
        case opcode::open_at:
            return what.args.open_at.is_local;
        case opcode::rename_at:
            return what.args.rename_at.is_local;
        case opcode::link_at:
            return what.args.link_at.is_local;
        case opcode::list_directory:
            return what.args.list_directory.is_for_core();
        default:
            return false;
    }
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
    const timed_call call;
    const auto put =
        ::pwrite(what.fd, args.data, args.size_bytes, static_cast<off64_t>(args.offset));
    if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
        return false;
    }
    what.result = put < 0 ? -errno : put;
    const auto rests_until = call.rest_until();
    if (rests_until != time_point{} && !is_memory(what.fd)) {
        slow_until_ = rests_until;
    }
    return true;
}

bool inline_writer::act_by_name(op& what, time_point now) noexcept {
    if (!is_local(what) || now < slow_until_) {
        return false;
    }
    const timed_call call;
    bool is_over = true;
    if (what.code == opcode::list_directory) {
        is_over = look_again_nearby(what);
    } else {
        what.result = perform_blocking(what);
    }
    slow_until_ = std::max(slow_until_, call.rest_until());
    return is_over;
}

bool sync_inline(op& what) noexcept {
    if (!is_memory(what.fd)) {
        return false;
    }
    what.result = perform_blocking(what);
    return true;
}

void block_broken_pipe_signal() noexcept {
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
}

}  // namespace ferry::runtime
