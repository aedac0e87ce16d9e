#include "runtime/epoll/attempt.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ferry/base/units.hpp"

namespace ferry::runtime {
namespace {

// One call of send(2) at most: 256 KiB are some 60 us of a core.
constexpr std::size_t send_quantum_bytes = 256_KiB;

/// Of a call that gave `result`, with `errno` set when that is negative.
attempt judge(op& what, std::int64_t result) noexcept {
    if (result < 0 && errno == EAGAIN) {
        return attempt::would_wait;
    }
    what.result = result < 0 ? -errno : result;
    return attempt::over;
}

template <class Call>
std::int64_t uninterrupted(Call call) noexcept {
    for (;;) {
        const std::int64_t result = call();
        if (result >= 0 || errno != EINTR) {
            return result;
        }
    }
}

attempt try_accept(op& what) noexcept {
    return judge(what, uninterrupted([&] {
                     return ::accept4(what.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
                 }));
}

/// The second call of connect(2) tells what became of the first: 0, its error, or EALREADY.
attempt try_connect(op& what) noexcept {
    const auto& args = what.args.connect;
    const int connected = ::connect(what.fd, args.address, args.address_bytes);
    if (connected < 0 && (errno == EINPROGRESS || errno == EALREADY || errno == EINTR)) {
        return attempt::would_wait;
    }
    what.result = connected < 0 ? -errno : 0;
    return attempt::over;
}

attempt try_receive(op& what) noexcept {
    const auto& args = what.args.receive;
    const auto came = judge(what, uninterrupted([&] {
                                return ::recv(what.fd, args.data, args.size_bytes, MSG_DONTWAIT);
                            }));
    const bool is_short =
        what.result > 0 && static_cast<std::size_t>(what.result) < args.size_bytes;
    return came == attempt::over && is_short ? attempt::over_short : came;
}

attempt try_send(op& what) noexcept {
    const auto& args = what.args.send;
    const auto over = [&what](std::int64_t failed_with) {
        what.result = what.progress > 0 ? what.progress : failed_with;
        return attempt::over;
    };
    const auto sent_before = static_cast<std::size_t>(what.progress);
    const auto piece = std::min(args.size_bytes - sent_before, send_quantum_bytes);
    const auto sent = uninterrupted([&] {
        return ::send(what.fd, args.data + sent_before, piece,
                      MSG_NOSIGNAL | MSG_DONTWAIT | (args.more_follows ? MSG_MORE : 0));
    });
    if (sent < 0) {
        return errno == EAGAIN ? attempt::would_wait : over(-errno);
    }
    what.progress += sent;
    if (static_cast<std::size_t>(what.progress) == args.size_bytes) {
        return over(0);
    }
    // A short send means that the socket is full.
    return static_cast<std::size_t>(sent) < piece ? attempt::would_wait : attempt::unfinished;
}

/// Reads or writes where the descriptor stands.
template <class Call>
attempt try_at_position(op& what, Call call) noexcept {
    const std::int64_t moved = uninterrupted(call);
    if (moved < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        return attempt::cannot_tell;
    }
    return judge(what, moved);
}

}  // namespace

attempt try_once(op& what) noexcept {
    switch (what.code) {
        case opcode::accept:
            return try_accept(what);
        case opcode::connect:
            return try_connect(what);
        case opcode::receive:
            return try_receive(what);
        case opcode::send:
            return try_send(what);
        case opcode::read:
            return try_at_position(what, [&] {
                const iovec into{what.args.read.data, what.args.read.size_bytes};
                return ::preadv2(what.fd, &into, 1, -1, RWF_NOWAIT);
            });
        case opcode::write:
            return try_at_position(what, [&] {
                // The kernel only reads what it is given to write.
                const iovec from{const_cast<std::byte*>(what.args.write.data),
                                 what.args.write.size_bytes};
                return ::pwritev2(what.fd, &from, 1, -1, RWF_NOWAIT);
            });
        case opcode::nop:
        case opcode::receive_provided:
        case opcode::send_file:
        case opcode::sync:
        case opcode::allocate:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::list_directory:
        case opcode::copy_range:
        case opcode::compute:
            break;
    }
    FERRY_ASSERT(false && "an operation that waits for its descriptor");
    return attempt::cannot_tell;
}

bool open_inline(op& what) noexcept {
    open_how how = what.args.open_at.how;
    if ((how.flags & (O_PATH | O_NONBLOCK | O_DIRECTORY)) == 0) {
        return false;
    }
    how.resolve |= RESOLVE_CACHED;
    const auto opened = ::syscall(SYS_openat2, what.fd, what.args.open_at.path, &how, sizeof how);
    // EAGAIN: a name is not in memory. EINVAL: a kernel older than 5.12, or a request that the pool
    // will find as wrong.
    if (opened < 0 && (errno == EAGAIN || errno == EINVAL || errno == EINTR)) {
        return false;
    }
    what.result = opened < 0 ? -errno : opened;
    return true;
}

}  // namespace ferry::runtime
