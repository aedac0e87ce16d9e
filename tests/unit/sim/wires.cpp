#include "wires.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstdlib>
#include <span>

#include "ferry/base/assert.hpp"

namespace ferry::sim_test {

std::uint64_t seeds(std::uint64_t usual) {
    const char* const factor = std::getenv("FERRY_SEEDS");
    return factor == nullptr ? usual : usual * std::strtoull(factor, nullptr, 10);
}

where::where(std::string_view text, std::uint16_t port) {
    const std::string name(text);
    void* const into = &storage_;
    if (text.contains(':')) {
        auto* const v6 = static_cast<sockaddr_in6*>(into);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = ::htons(port);
        FERRY_ASSERT(::inet_pton(AF_INET6, name.c_str(), &v6->sin6_addr) == 1);
        size_bytes = sizeof *v6;
    } else {
        auto* const v4 = static_cast<sockaddr_in*>(into);
        v4->sin_family = AF_INET;
        v4->sin_port = ::htons(port);
        FERRY_ASSERT(::inet_pton(AF_INET, name.c_str(), &v4->sin_addr) == 1);
        size_bytes = sizeof *v4;
    }
}

const sockaddr* where::get() const noexcept {
    return static_cast<const sockaddr*>(static_cast<const void*>(&storage_));
}

sockaddr* where::get() noexcept {
    return static_cast<sockaddr*>(static_cast<void*>(&storage_));
}

std::uint16_t where::port() const noexcept {
    const void* const from = &storage_;
    return ::ntohs(storage_.ss_family == AF_INET6
                       ? static_cast<const sockaddr_in6*>(from)->sin6_port
                       : static_cast<const sockaddr_in*>(from)->sin_port);
}

std::string where::text() const {
    std::array<char, INET6_ADDRSTRLEN> name{};
    const void* const from = &storage_;
    const void* const address =
        storage_.ss_family == AF_INET6
            ? static_cast<const void*>(&static_cast<const sockaddr_in6*>(from)->sin6_addr)
            : static_cast<const void*>(&static_cast<const sockaddr_in*>(from)->sin_addr);
    ::inet_ntop(storage_.ss_family, address, name.data(), name.size());
    return name.data() + (':' + std::to_string(port()));
}

void wires::run() {
    while (events.step()) {}
}

void wires::run_for(runtime::duration how_long) {
    const auto until = events.now() + how_long;
    while (events.step(until)) {}
}

runtime::duration wires::since_start() const {
    return events.now().time_since_epoch() - std::chrono::hours(1);
}

sim::socket_ptr wires::tcp(int family) {
    return net.make_socket(family);
}

int wires::bind(const sim::socket_ptr& which, const where& at) {
    return net.bind(which, at.get(), at.size_bytes);
}

int wires::connect(const sim::socket_ptr& which, const where& to) {
    return net.connect(which, to.get(), to.size_bytes);
}

sim::socket_ptr wires::bound(const where& at) {
    auto made = tcp(at.family());
    FERRY_ASSERT(bind(made, at) == 0);
    return made;
}

sim::socket_ptr wires::listener(const where& at, int backlog) {
    auto made = tcp(at.family());
    set(made, SOL_SOCKET, SO_REUSEADDR, 1);
    FERRY_ASSERT(bind(made, at) == 0);
    FERRY_ASSERT(net.listen(made, backlog) == 0);
    return made;
}

sim::socket_ptr wires::client(const sim::socket_ptr& to) {
    const where target = local(to);
    auto made = tcp(target.family());
    FERRY_ASSERT(connect(made, target) == -EINPROGRESS);
    return made;
}

sim::socket_ptr wires::accept(const sim::socket_ptr& from) {
    int result = 1;
    auto next = net.accept(from, result);
    FERRY_ASSERT(result == (next != nullptr ? 0 : -EAGAIN));
    return next;
}

std::pair<sim::socket_ptr, sim::socket_ptr> wires::tcp_pair() {
    const auto door = listener(where("192.0.2.1", 0));
    auto connecting = client(door);
    run();
    auto accepted = accept(door);
    FERRY_ASSERT(accepted != nullptr);
    net.close(door);
    return {connecting, accepted};
}

std::int64_t wires::send(const sim::socket_ptr& from, std::string_view octets, int flags) {
    return net.send(from, std::as_bytes(std::span(octets)), flags);
}

std::string wires::receive(const sim::socket_ptr& from, std::size_t size_bytes) {
    std::string octets(size_bytes, '\0');
    const auto got = net.receive(from, std::as_writable_bytes(std::span(octets)));
    if (got < 0) {
        return "errno " + std::to_string(-got);
    }
    octets.resize(static_cast<std::size_t>(got));
    return octets;
}

std::int64_t wires::receive_result(const sim::socket_ptr& from) {
    std::array<std::byte, 4'096> octets;
    return net.receive(from, octets);
}

int wires::set(const sim::socket_ptr& which, int level, int name, int value) {
    return net.set_option(which, level, name, &value, sizeof value);
}

int wires::get(const sim::socket_ptr& which, int level, int name) {
    int value = -1;
    socklen_t size_bytes = sizeof value;
    const int failed = net.get_option(which, level, name, &value, &size_bytes);
    return failed != 0 ? failed : value;
}

void wires::reset_on_close(const sim::socket_ptr& which) {
    const ::linger at_once{.l_onoff = 1, .l_linger = 0};
    FERRY_ASSERT(net.set_option(which, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
}

where wires::local(const sim::socket_ptr& which) {
    where found;
    FERRY_ASSERT(net.local_address(which, found.get(), &found.size_bytes) == 0);
    return found;
}

where wires::peer(const sim::socket_ptr& which) {
    where found;
    FERRY_ASSERT(net.peer_address(which, found.get(), &found.size_bytes) == 0);
    return found;
}

}  // namespace ferry::sim_test
