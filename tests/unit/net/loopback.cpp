#include "loopback.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <limits>

#include "ferry/base/assert.hpp"
#include "ferry/base/random.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::net_test {

using runtime::core;
using runtime::op;
using runtime::op_wait;
using runtime::opcode;
using runtime::task;

namespace {

constexpr auto patience = std::chrono::seconds(10);

void set_option(int socket, int level, int name, int value) {
    FERRY_ASSERT(::setsockopt(socket, level, name, &value, sizeof value) == 0);
}

}  // namespace

connection_ends connect_ends() {
    const unique_fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
    socklen_t size_bytes = sizeof address;
    FERRY_ASSERT(::bind(listener.get(), generic, size_bytes) == 0);
    FERRY_ASSERT(::listen(listener.get(), 1) == 0);
    FERRY_ASSERT(::getsockname(listener.get(), generic, &size_bytes) == 0);
    connection_ends ends;
    ends.far.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    FERRY_ASSERT(::connect(ends.far.get(), generic, size_bytes) == 0);
    ends.near.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    FERRY_ASSERT(ends.near);
    constexpr std::string_view cubic = "cubic";
    for (const int each : {ends.near.get(), ends.far.get()}) {
        int non_blocking = 1;
        FERRY_ASSERT(::ioctl(each, FIONBIO, &non_blocking) == 0);
        set_option(each, IPPROTO_TCP, TCP_NODELAY, 1);
        static_cast<void>(
            ::setsockopt(each, IPPROTO_TCP, TCP_CONGESTION, cubic.data(), cubic.size()));
    }
    return ends;
}

void shrink_buffers(int socket) {
    constexpr int buffer_bytes = 64 * 1024;
    set_option(socket, SOL_SOCKET, SO_SNDBUF, buffer_bytes);
    set_option(socket, SOL_SOCKET, SO_RCVBUF, buffer_bytes);
}

void reset_on_close(int socket) {
    const ::linger at_once{.l_onoff = 1, .l_linger = 0};
    FERRY_ASSERT(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
}

std::size_t unread_octets(int socket) {
    int waiting = 0;
    FERRY_ASSERT(::ioctl(socket, FIONREAD, &waiting) == 0);
    return static_cast<std::size_t>(waiting);
}

std::size_t count_descriptors() {
    const std::filesystem::directory_iterator open("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

std::string pattern(std::size_t size_bytes, std::uint64_t seed) {
    random rng(seed);
    std::string octets(size_bytes, '\0');
    for (std::size_t done = 0; done < size_bytes;) {
        const std::uint64_t piece = rng.next();
        const auto taken = std::min(size_bytes - done, sizeof piece);
        std::memcpy(&octets[done], &piece, taken);
        done += taken;
    }
    return octets;
}

unique_fd unnamed_file(std::string_view content) {
    std::string name = "/var/tmp/ferry-unnamed-XXXXXX";
    unique_fd made(::mkostemp(name.data(), O_CLOEXEC));
    FERRY_ASSERT(made);
    FERRY_ASSERT(::unlink(name.c_str()) == 0);
    while (!content.empty()) {
        const auto put = ::write(made.get(), content.data(), content.size());
        FERRY_ASSERT(put > 0);
        content.remove_prefix(static_cast<std::size_t>(put));
    }
    return made;
}

namespace {

task<heard> hear_at_most(core& here, int socket, std::size_t octets) {
    heard piece;
    std::array<std::byte, 65'536> into;
    const auto room = std::min(octets, into.size());
    const auto got = co_await op_wait(
        here.io(), opcode::receive, socket, here.now() + patience,
        [&](op& fresh) { fresh.args.receive = {.data = into.data(), .size_bytes = room}; });
    if (!got) {
        piece.how = got.error() == errc::reset ? ending::reset : ending::still_open;
    } else if (*got == 0) {
        piece.how = ending::end_of_stream;
    } else {
        piece.octets.assign(static_cast<const char*>(static_cast<const void*>(into.data())),
                            static_cast<std::size_t>(*got));
    }
    co_return piece;
}

}  // namespace

task<heard> hear_some(core& here, int socket) {
    auto piece = co_await hear_at_most(here, socket, std::numeric_limits<std::size_t>::max());
    co_return piece;
}

task<heard> hear(core& here, int socket, std::size_t octets) {
    heard so_far;
    while (so_far.octets.size() < octets && so_far.how == ending::still_open) {
        const auto piece = co_await hear_at_most(here, socket, octets - so_far.octets.size());
        if (piece.octets.empty() && piece.how == ending::still_open) {
            break;
        }
        so_far.octets += piece.octets;
        so_far.how = piece.how;
    }
    co_return so_far;
}

task<heard> hear_all(core& here, int socket) {
    auto all = co_await hear(here, socket, std::numeric_limits<std::size_t>::max());
    co_return all;
}

task<std::size_t> say(core& here, int socket, std::string_view octets) {
    std::size_t said = 0;
    while (said < octets.size()) {
        const auto left = std::as_bytes(std::span(octets.substr(said)));
        const auto sent = co_await op_wait(
            here.io(), opcode::send, socket, here.now() + patience,
            [&](op& fresh) { fresh.args.send = {.data = left.data(), .size_bytes = left.size()}; });
        if (!sent) {
            break;
        }
        said += static_cast<std::size_t>(*sent);
    }
    co_return said;
}

task<> pause(core& here, runtime::duration how_long) {
    static_cast<void>(co_await runtime::sleep_until(here, here.now() + how_long));
}

}  // namespace ferry::net_test
