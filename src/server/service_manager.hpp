#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/base/unique_fd.hpp"

namespace ferry::server {

/// Who started the process and wants to know how it fares: systemd, or another that speaks the
/// protocol of sd_notify(3), datagrams of lines "KEY=VALUE". Its library would bring four others
/// into the process, for what is one sendmsg(2).
class service_manager {
  public:
    /// What NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say; they are taken out of the
    /// environment. Nobody: every other call does nothing. Before threads start.
    [[nodiscard]] static service_manager from_environment();

    [[nodiscard]] bool is_there() const noexcept { return static_cast<bool>(socket_); }

    /// Sends what may be several lines. Never waits, never fails: a manager that has gone or whose
    /// queue is full misses it.
    void say(std::string_view lines) const noexcept;

    /// How often at least it wants to hear "WATCHDOG=1"; none: never.
    [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const noexcept {
        return watchdog_;
    }

  private:
    struct peer_address {
        sockaddr_un address{};
        socklen_t size_bytes = 0;
    };
    [[nodiscard]] peer_address peer() const noexcept;

    unique_fd socket_;
    std::string address_;  ///< Of unix(7), as in sockaddr_un::sun_path.
    std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace ferry::server
