#include "runtime/send_file.hpp"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace ferry::runtime {

file_window send_file_window(const op& what) noexcept {
    const auto& args = what.args.send_file;
    const auto sent = static_cast<std::uint64_t>(what.progress);
    const std::uint64_t file_sent = sent > args.head_bytes ? sent - args.head_bytes : 0;
    const std::uint64_t quantum = std::min(args.size_bytes, send_file_quantum_bytes);
    return {.offset = args.offset + file_sent,
            .size_bytes = static_cast<std::uint32_t>(quantum - file_sent)};
}

file_window send_file_cold_window(const op& what) noexcept {
    auto window = send_file_window(what);
    window.size_bytes = std::min(window.size_bytes, send_file_cold_bytes);
    return window;
}

send_file_need advance_send_file(op& what, page_cache& pages, time_point now,
                                 bool pages_were_read) noexcept {
    const auto& args = what.args.send_file;
    if (args.head_bytes == 0 && args.size_bytes == 0) {
        pollfd room{.fd = what.fd, .events = POLLOUT, .revents = 0};
        what.result = 0;
        return ::poll(&room, 1, 0) == 0 ? send_file_need::room : send_file_need::nothing;
    }
    const auto over = [&what](std::int64_t failed_with) {
        what.result = what.progress > 0 ? what.progress : failed_with;
        return send_file_need::nothing;
    };
    while (static_cast<std::uint64_t>(what.progress) < args.head_bytes) {
        const auto sent =
            ::send(what.fd, args.head + what.progress,
                   args.head_bytes - static_cast<std::size_t>(what.progress),
                   MSG_NOSIGNAL | MSG_DONTWAIT | (args.size_bytes > 0 ? MSG_MORE : 0));
        if (sent >= 0) {
            what.progress += sent;
        } else if (errno == EAGAIN) {
            return send_file_need::room;
        } else if (errno != EINTR) {
            return over(-errno);
        }
    }
    for (;;) {
        const file_window window =
            pages_were_read ? send_file_cold_window(what) : send_file_window(what);
        if (window.size_bytes == 0) {
            return over(0);
        }
        if (!pages_were_read &&
            !pages.holds({.fd = args.file, .identity = args.identity}, window, now)) {
            return send_file_need::pages;
        }
        auto offset = static_cast<off64_t>(window.offset);
        const auto sent = ::sendfile64(what.fd, args.file, &offset, window.size_bytes);
        if (sent > 0) {
            what.progress += sent;
            pages_were_read = false;
        } else if (sent == 0) {
            return over(0);  // The file ends before the span does: somebody truncated it.
        } else if (errno == EAGAIN) {
            return send_file_need::room;
        } else if (errno != EINTR) {
            return over(-errno);
        }
    }
}

}  // namespace ferry::runtime
