#pragma once

#include <sys/socket.h>

#include "ferry/base/kernel.hpp"

namespace ferry::net {

/// Leaves octets that the peer marked urgent in their place among the others (SO_OOBINLINE,
/// RFC 6093 section 5), where a Telnet Synch is parsed like the rest. Without it the kernel takes
/// the last of them out of the stream. Call before the socket becomes a stream. Never suspends.
inline void receive_urgent_inline(int socket) noexcept {
    const int on = 1;
    // Refused by no TCP socket; if it were, ABOR without Synch would still work.
    static_cast<void>(kernel::setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on));
}

}  // namespace ferry::net
