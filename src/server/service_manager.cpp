#include "server/service_manager.hpp"

#include "server/environment.hpp"
#include "server/unix_address.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace ferry::server {
namespace {

std::optional<std::int64_t> number_in(const std::string& text) noexcept {
    std::int64_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end || number <= 0) {
        return std::nullopt;
    }
    return number;
}

}  // namespace

service_manager service_manager::from_environment() {
    service_manager made;
    made.address_ = taken_out_of_environment("NOTIFY_SOCKET");
    const auto interval = number_in(taken_out_of_environment("WATCHDOG_USEC"));
    const auto watched = taken_out_of_environment("WATCHDOG_PID");
    // Other families are for virtual machines; a name that does not fit is nobody's.
    const bool is_path = made.address_.starts_with('/') || made.address_.starts_with('@');
    if (!is_path || made.address_.size() >= sizeof(sockaddr_un::sun_path)) {
        return made;
    }
    if (made.address_.front() == '@') {
        made.address_.front() = '\0';  // An abstract one.
    }
    made.socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (made.socket_ && made.address_.front() == '\0') {
        // Who is confined may send to such an address only if he is connected (landlock(7)).
        const auto to = made.peer();
        static_cast<void>(::connect(made.socket_.get(), as_address(to.address), to.size_bytes));
    }
    if (made.socket_ && interval && (watched.empty() || number_in(watched) == ::getpid())) {
        made.watchdog_ = std::chrono::microseconds(*interval);
    }
    return made;
}

void service_manager::say(std::string_view lines) const noexcept {
    if (!socket_) {
        return;
    }
    const auto to = peer();
    static_cast<void>(::sendto(socket_.get(), lines.data(), lines.size(), MSG_NOSIGNAL,
                               as_address(to.address), to.size_bytes));
}

service_manager::peer_address service_manager::peer() const noexcept {
    peer_address made;
    made.address.sun_family = AF_UNIX;
    std::memcpy(made.address.sun_path, address_.data(), address_.size());
    made.size_bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    return made;
}

}  // namespace ferry::server
