#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "sim/network_state.hpp"

// setsockopt(2) and getsockopt(2): what ferry and its tests set, and what is like it.

namespace ferry::sim {

namespace {

// SOCK_MIN_SNDBUF, SOCK_MIN_RCVBUF and net.core.[rw]mem_max, halved and not: an application names
// octets, the kernel doubles that for its own overhead and shows the double (socket(7)).
constexpr int send_buffer_bytes_min = 4'608 / 2;
constexpr int receive_buffer_bytes_min = 2'304 / 2;
constexpr int buffer_bytes_max = 4 << 20;

constexpr std::size_t congestion_name_bytes_max = 16;  // TCP_CA_NAME_MAX.

/// Sockets an option may be set on.
enum class domain : std::uint8_t { any, inet, inet6 };
/// What a value is made of it.
enum class reading : std::uint8_t { number, flag, non_negative };

struct row {
    int level;
    int name;
    domain where;
    reading how;
    int socket_options::* value;
};

using options = socket_options;

constexpr auto rows = std::to_array<row>({
    {SOL_SOCKET, SO_REUSEADDR, domain::any, reading::flag, &options::reuse_address},
    {SOL_SOCKET, SO_REUSEPORT, domain::any, reading::flag, &options::reuse_port},
    {SOL_SOCKET, SO_KEEPALIVE, domain::any, reading::flag, &options::keep_alive},
    {SOL_SOCKET, SO_OOBINLINE, domain::any, reading::flag, &options::urgent_inline},
    {SOL_SOCKET, SO_BROADCAST, domain::any, reading::flag, &options::broadcast},
    {SOL_SOCKET, SO_PRIORITY, domain::any, reading::number, &options::priority},
    {SOL_SOCKET, SO_RCVLOWAT, domain::any, reading::non_negative, &options::receive_low_water},
    {SOL_SOCKET, SO_BUSY_POLL, domain::any, reading::non_negative, &options::busy_poll},
    {SOL_SOCKET, SO_INCOMING_CPU, domain::any, reading::number, &options::incoming_cpu},
    {IPPROTO_TCP, TCP_NODELAY, domain::inet, reading::flag, &options::no_delay},
    {IPPROTO_TCP, TCP_CORK, domain::inet, reading::flag, &options::cork},
    {IPPROTO_TCP, TCP_QUICKACK, domain::inet, reading::flag, &options::quick_ack},
    {IPPROTO_TCP, TCP_KEEPIDLE, domain::inet, reading::number, &options::keep_idle_seconds},
    {IPPROTO_TCP, TCP_KEEPINTVL, domain::inet, reading::number, &options::keep_interval_seconds},
    {IPPROTO_TCP, TCP_KEEPCNT, domain::inet, reading::number, &options::keep_count},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, domain::inet, reading::non_negative, &options::user_timeout_ms},
    {IPPROTO_TCP, TCP_LINGER2, domain::inet, reading::number, &options::fin_timeout_seconds},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, domain::inet, reading::number, &options::not_sent_low_water},
    {IPPROTO_TCP, TCP_FASTOPEN, domain::inet, reading::non_negative, &options::fast_open},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, domain::inet, reading::number, &options::defer_accept},
    {IPPROTO_TCP, TCP_SYNCNT, domain::inet, reading::number, &options::syn_count},
    {IPPROTO_TCP, TCP_MAXSEG, domain::inet, reading::number, &options::segment_bytes_max},
    {IPPROTO_IP, IP_TOS, domain::inet, reading::number, &options::type_of_service},
    {IPPROTO_IP, IP_TTL, domain::inet, reading::number, &options::time_to_live},
    {IPPROTO_IP, IP_MTU_DISCOVER, domain::inet, reading::number, &options::mtu_discovery},
    {IPPROTO_IPV6, IPV6_V6ONLY, domain::inet6, reading::flag, &options::v6_only},
    {IPPROTO_IPV6, IPV6_TCLASS, domain::inet6, reading::number, &options::traffic_class},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, domain::inet6, reading::number, &options::hops},
});

constexpr auto congestion_controls = std::to_array<std::string_view>({"reno", "cubic", "bbr"});

const row* find_row(const socket& of, int level, int name) noexcept {
    const auto* const found = std::ranges::find_if(
        rows, [&](const row& each) { return each.level == level && each.name == name; });
    if (found == rows.end() || (found->where == domain::inet6 && of.family != AF_INET6)) {
        return nullptr;
    }
    return found;
}

int set_congestion(socket_options& of, const void* value, socklen_t size) {
    if (size < 1) {
        return -EINVAL;
    }
    std::string name(static_cast<const char*>(value),
                     std::min<std::size_t>(size, congestion_name_bytes_max - 1));
    name.resize(std::min(name.size(), name.find('\0')));
    if (std::ranges::find(congestion_controls, name) == congestion_controls.end()) {
        return -ENOENT;
    }
    of.congestion = std::move(name);
    return 0;
}

int set_number(socket& of, const row& option, int value) {
    switch (option.how) {
        case reading::flag:
            if (option.value == &options::v6_only && of.has_port) {
                return -EINVAL;
            }
            value = value != 0 ? 1 : 0;
            break;
        case reading::non_negative:
            if (value < 0) {
                return -EINVAL;
            }
            break;
        case reading::number:
            break;
    }
    of.options.*option.value = value;
    return 0;
}

template <class Value>
int set_structure(Value& into, const void* value, socklen_t size) noexcept {
    if (size < sizeof into) {
        return -EINVAL;
    }
    std::memcpy(&into, value, sizeof into);
    return 0;
}

std::size_t buffer_bytes(int asked, int bytes_min) noexcept {
    // A negative size is a very large one (the kernel compares it unsigned).
    const int wanted = asked < 0 ? buffer_bytes_max : std::min(asked, buffer_bytes_max);
    return static_cast<std::size_t>(std::max(wanted, bytes_min));
}

int give(const void* value, std::size_t value_bytes, void* into, socklen_t* size) noexcept {
    *size = static_cast<socklen_t>(std::min<std::size_t>(*size, value_bytes));
    std::memcpy(into, value, *size);
    return 0;
}

int give_number(int value, void* into, socklen_t* size) noexcept {
    return give(&value, sizeof value, into, size);
}

}  // namespace

int network::state::set_option(socket& which, int level, int name, const void* value,
                               socklen_t size) {
    if (which.is_pipe()) {
        return -ENOTSOCK;
    }
    if (!which.is_inet() && level != SOL_SOCKET) {
        return -EOPNOTSUPP;
    }
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        return set_congestion(which.options, value, size);
    }
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) {
        return set_structure(
            name == SO_RCVTIMEO ? which.options.receive_timeout : which.options.send_timeout, value,
            size);
    }
    if (level == SOL_SOCKET && name == SO_LINGER) {
        return set_structure(which.options.linger, value, size);
    }
    int number = 0;
    const row* const option = find_row(which, level, name);
    const bool is_buffer = level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_RCVBUF);
    if (option == nullptr && !is_buffer) {
        return -ENOPROTOOPT;
    }
    if (const int failed = set_structure(number, value, size); failed != 0) {
        return failed;
    }
    if (option != nullptr) {
        return set_number(which, *option, number);
    }
    if (name == SO_SNDBUF) {
        which.options.send_buffer_bytes = buffer_bytes(number, send_buffer_bytes_min);
    } else {
        which.options.receive_buffer_bytes = buffer_bytes(number, receive_buffer_bytes_min);
        if (which.link != nullptr && which.is_inet()) {
            pump(*which.link, other(which.end));
        }
    }
    notify(which);
    return 0;
}

int network::state::get_option(socket& which, int level, int name, void* value, socklen_t* size) {
    if (which.is_pipe()) {
        return -ENOTSOCK;
    }
    if (!which.is_inet() && level != SOL_SOCKET) {
        return -EOPNOTSUPP;
    }
    if (const row* const option = find_row(which, level, name); option != nullptr) {
        return give_number(which.options.*option->value, value, size);
    }
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        std::array<char, congestion_name_bytes_max> padded{};
        std::ranges::copy(which.options.congestion, padded.begin());
        return give(padded.data(), padded.size(), value, size);
    }
    if (level != SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    switch (name) {
        case SO_LINGER:
            return give(&which.options.linger, sizeof which.options.linger, value, size);
        case SO_RCVTIMEO:
            return give(&which.options.receive_timeout, sizeof(timeval), value, size);
        case SO_SNDTIMEO:
            return give(&which.options.send_timeout, sizeof(timeval), value, size);
        case SO_SNDBUF:
            return give_number(static_cast<int>(2 * which.options.send_buffer_bytes), value, size);
        case SO_RCVBUF:
            return give_number(static_cast<int>(2 * which.options.receive_buffer_bytes), value,
                               size);
        case SO_ERROR:
            return give_number(which.take_error(), value, size);
        case SO_TYPE:
            return give_number(SOCK_STREAM, value, size);
        case SO_DOMAIN:
            return give_number(which.family, value, size);
        case SO_PROTOCOL:
            return give_number(which.is_inet() ? IPPROTO_TCP : 0, value, size);
        case SO_ACCEPTCONN:
            return give_number(which.at == socket::stage::listening ? 1 : 0, value, size);
        default:
            return -ENOPROTOOPT;
    }
}

}  // namespace ferry::sim
