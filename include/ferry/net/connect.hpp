#pragma once

#include <optional>
#include <string>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"

namespace ferry::net {

struct connect_options {
    endpoint to;
    std::optional<endpoint> from{};  ///< The local address, port 0 for any (FTP's data port is 20).
    std::string congestion{};        ///< TCP_CONGESTION by name; empty keeps the system's.
};

/// Connects a TCP socket: non-blocking, close-on-exec, TCP_NODELAY.
///
/// Errors: errc::unavailable (refused, no route), timed_out, cancelled, denied (`from` needs a
/// privilege), in_use, exhausted.
[[nodiscard]] runtime::task<result<unique_fd>> connect(runtime::core& here, connect_options options,
                                                       runtime::time_point deadline);

}  // namespace ferry::net
