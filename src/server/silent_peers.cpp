#include "server/silent_peers.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

namespace ferry::server {
namespace {

void set(int socket, int level, int name, int value) noexcept {
    static_cast<void>(::setsockopt(socket, level, name, &value, sizeof value));
}

}  // namespace

void end_silent_peers(int listening, std::chrono::milliseconds patience) noexcept {
    constexpr int questions = 3;
    const auto after = std::max<std::chrono::milliseconds>(silent_peer_time_max, patience);
    // The last of them is due at the end.
    const auto pause = std::chrono::duration_cast<std::chrono::seconds>(after) / (questions + 3);
    const auto pause_seconds = static_cast<int>(pause.count());
    set(listening, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(after.count()));
    set(listening, IPPROTO_TCP, TCP_KEEPIDLE, questions * pause_seconds);
    set(listening, IPPROTO_TCP, TCP_KEEPINTVL, pause_seconds);
    set(listening, IPPROTO_TCP, TCP_KEEPCNT, questions);
    set(listening, SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace ferry::server
