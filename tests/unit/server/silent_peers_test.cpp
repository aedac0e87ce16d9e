#include "server/silent_peers.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>

#include "ferry/base/unique_fd.hpp"
#include "ferry/net/listener.hpp"

using namespace ferry;
using namespace std::chrono_literals;

namespace {

int option(const unique_fd& socket, int level, int name) {
    int value = -1;
    socklen_t size_bytes = sizeof value;
    CHECK(::getsockopt(socket.get(), level, name, &value, &size_bytes) == 0);
    return value;
}

/// What a listening socket accepts.
unique_fd accepted_from(const unique_fd& listening) {
    sockaddr_in to{};
    socklen_t size_bytes = sizeof to;
    auto* const address = static_cast<sockaddr*>(static_cast<void*>(&to));
    REQUIRE(::getsockname(listening.get(), address, &size_bytes) == 0);
    const unique_fd peer(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::connect(peer.get(), address, size_bytes) == 0);
    unique_fd came(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(came);
    return came;
}

}  // namespace

// The kernel does the rest (tcp(7)): these clocks are what it goes by.
TEST_CASE("silent_peers: connections that are accepted have the clocks of their listener") {
    struct row {
        std::chrono::milliseconds patience;
        int all_ms;
        int first_question_seconds;
        int pause_seconds;
    };
    for (const auto& [patience, all_ms, first, pause] :
         {row{30s, 60'000, 30, 10}, row{60s, 60'000, 30, 10}, row{1h, 3'600'000, 1'800, 600}}) {
        const auto listening = net::open_listener(
            {.at = {.family = net::address_family::v4, .octets = {127, 0, 0, 1}}});
        REQUIRE(listening.has_value());
        server::end_silent_peers(listening->get(), patience);
        const auto came = accepted_from(*listening);
        CAPTURE(all_ms);
        CHECK(option(came, SOL_SOCKET, SO_KEEPALIVE) == 1);
        CHECK(option(came, IPPROTO_TCP, TCP_USER_TIMEOUT) == all_ms);
        CHECK(option(came, IPPROTO_TCP, TCP_KEEPIDLE) == first);
        CHECK(option(came, IPPROTO_TCP, TCP_KEEPINTVL) == pause);
        CHECK(option(came, IPPROTO_TCP, TCP_KEEPCNT) == 3);
    }
}
