#pragma once

#include <chrono>

namespace ferry::server {

/// How long a peer whose machine or network has gone keeps its connection at most.
inline constexpr std::chrono::seconds silent_peer_time_max{60};

/// Has the kernel end connections that `listening` accepts from now on when their peer's machine
/// answers nothing for `silent_peer_time_max`, or for `patience` where that is more: neither what
/// it was sent (TCP_USER_TIMEOUT) nor, where there is nothing to send, three questions whether it
/// is there (SO_KEEPALIVE, tcp(7)). The same clock runs for who is there and takes nothing:
/// `patience` is how long that may last. Of a socket that is not TCP: nothing. Never fails: what
/// cannot be set stays with the timeouts of the protocols.
void end_silent_peers(int listening, std::chrono::milliseconds patience) noexcept;

}  // namespace ferry::server
