#include "workshop.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>

#include "ferry/base/assert.hpp"
#include "ferry/base/random.hpp"

namespace ferry::reactor_test {

using runtime::op;
using runtime::opcode;

namespace {

constexpr std::string_view greeting = "hello";
constexpr std::int64_t computed = 42;

std::span<const std::byte> octets_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

void write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const auto put = posix::write(descriptor, text.data(), text.size());
        FERRY_ASSERT(put > 0);
        text.remove_prefix(static_cast<std::size_t>(put));
    }
}

socket_pair pipe_pair() {
    int ends[2];
    FERRY_ASSERT(posix::pipe2(ends, O_CLOEXEC) == 0);
    return {.near = unique_fd(ends[0]), .far = unique_fd(ends[1])};
}

}  // namespace

temporary_directory::temporary_directory() {
    // Not /tmp: it may be in memory, where nothing is ever cold.
    path_ = posix::make_temporary_directory("/var/tmp");
    FERRY_ASSERT(!path_.empty());
    fd_.reset(posix::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    FERRY_ASSERT(fd_);
}

temporary_directory::~temporary_directory() {
    posix::remove_all(path_);
}

std::string temporary_directory::path(std::string_view name) const {
    return path_ + '/' + std::string(name);
}

unique_fd temporary_directory::make_file(const std::string& name, std::string_view content) const {
    unique_fd made(
        posix::openat(fd_.get(), name.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    FERRY_ASSERT(made);
    write_all(made.get(), content);
    return made;
}

socket_pair local_pair() {
    int ends[2];
    FERRY_ASSERT(posix::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) ==
                 0);
    return {.near = unique_fd(ends[0]), .far = unique_fd(ends[1])};
}

listening_socket::listening_socket(int backlog)
    : fd(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    FERRY_ASSERT(kernel::bind(fd.get(), as_sockaddr(), sizeof address) == 0);
    FERRY_ASSERT(kernel::listen(fd.get(), backlog) == 0);
    socklen_t size_bytes = sizeof address;
    auto* bound = static_cast<sockaddr*>(static_cast<void*>(&address));
    FERRY_ASSERT(kernel::getsockname(fd.get(), bound, &size_bytes) == 0);
}

const sockaddr* listening_socket::as_sockaddr() const noexcept {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

unique_fd listening_socket::connect_to() const {
    unique_fd client(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int connected = posix::connect(client.get(), as_sockaddr(), sizeof address);
    FERRY_ASSERT(connected == 0 || errno == EINPROGRESS);
    return client;
}

socket_pair tcp_pair() {
    const listening_socket listener;
    socket_pair pair;
    pair.far = listener.connect_to();
    do {
        pair.near.reset(
            posix::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    } while (!pair.near && errno == EAGAIN);
    FERRY_ASSERT(pair.near);
    // bbr paces loopback to a crawl (datapath.md, 10).
    constexpr std::string_view cubic = "cubic";
    for (const int each : {pair.near.get(), pair.far.get()}) {
        static_cast<void>(
            kernel::setsockopt(each, IPPROTO_TCP, TCP_CONGESTION, cubic.data(), cubic.size()));
    }
    return pair;
}

void reset_on_close(int socket) {
    const ::linger at_once{.l_onoff = 1, .l_linger = 0};
    FERRY_ASSERT(kernel::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
}

std::size_t fill_up(int descriptor) {
    static const std::array<char, 65'536> nothing{};
    const int flags = posix::get_status_flags(descriptor);
    FERRY_ASSERT(posix::set_status_flags(descriptor, flags | O_NONBLOCK) == 0);
    std::size_t total = 0;
    // The last few octets of room in pieces of one, so that really nothing fits any more.
    for (const std::size_t piece : {nothing.size(), std::size_t{1}}) {
        for (;;) {
            const auto put = posix::write(descriptor, nothing.data(), piece);
            if (put <= 0) {
                break;
            }
            total += static_cast<std::size_t>(put);
        }
    }
    FERRY_ASSERT(posix::set_status_flags(descriptor, flags) == 0);
    return total;
}

std::string drain(int descriptor) {
    std::string all;
    std::array<char, 65'536> piece;
    for (;;) {
        const auto got = posix::recv(descriptor, piece.data(), piece.size(), MSG_DONTWAIT);
        if (got <= 0) {
            return all;
        }
        all.append(piece.data(), static_cast<std::size_t>(got));
    }
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

workshop::workshop() {
    directory_.make_file("greeting", greeting);
    posix::mkdirat(directory_.fd(), "listed", 0700);
    directory_.make_file("listed/one", greeting);
    directory_.make_file("listed/two", greeting);
    // Connections nobody accepts: once the queue is full, further ones wait.
    for (int i = 0; i < 4; ++i) {
        held_.push_back(full_listener_.connect_to());
    }
}

const char* workshop::fresh_name() {
    // Stays at its address: op arguments point at it.
    names_.reserve(100'000);
    FERRY_ASSERT(names_.size() < names_.capacity());
    names_.push_back("fresh-" + std::to_string(names_.size()));
    return names_.back().c_str();
}

void workshop::fill(op& what, opcode code) {
    what.code = code;
    what.fd = directory_.fd();
    auto& args = what.args;
    const auto hold = [this](unique_fd owned) {
        held_.push_back(std::move(owned));
        return held_.back().get();
    };
    switch (code) {
        case opcode::nop:
            return;
        case opcode::accept:
            held_.push_back(listener_.connect_to());
            what.fd = listener_.fd.get();
            args.accept = {};
            return;
        case opcode::connect:
            what.fd = hold(unique_fd(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
            args.connect = {.address = listener_.as_sockaddr(),
                            .address_bytes = sizeof listener_.address};
            return;
        case opcode::receive:
        case opcode::receive_provided: {
            auto pair = local_pair();
            write_all(pair.far.get(), greeting);
            what.fd = hold(std::move(pair.near));
            hold(std::move(pair.far));
            if (code == opcode::receive) {
                args.receive = {.data = memory_.data(), .size_bytes = memory_.size()};
            } else {
                args.receive_provided = {};
            }
            return;
        }
        case opcode::send: {
            auto pair = local_pair();
            what.fd = hold(std::move(pair.near));
            hold(std::move(pair.far));
            args.send = {.data = octets_of(greeting).data(), .size_bytes = greeting.size()};
            return;
        }
        case opcode::send_file: {
            auto pair = local_pair();
            what.fd = hold(std::move(pair.near));
            hold(std::move(pair.far));
            args.send_file = {
                .head = octets_of(greeting).data(),
                .head_bytes = greeting.size(),
                .file = hold(unique_fd(posix::openat(directory_.fd(), "greeting", O_RDONLY))),
                .offset = 1,
                .size_bytes = greeting.size() - 1};
            return;
        }
        case opcode::read:
            what.fd = hold(unique_fd(posix::openat(directory_.fd(), "greeting", O_RDONLY)));
            args.read = {.data = memory_.data(), .size_bytes = memory_.size(), .offset = 0};
            return;
        case opcode::write:
        case opcode::sync:
        case opcode::allocate:
            what.fd = hold(directory_.make_file(fresh_name(), greeting));
            if (code == opcode::sync) {
                args.sync = {};
            } else if (code == opcode::allocate) {
                args.allocate = {.offset = 0, .size_bytes = 10'000};
            } else {
                args.write = {.data = octets_of(greeting).data(),
                              .size_bytes = greeting.size(),
                              .offset = greeting.size()};
            }
            return;
        case opcode::open_at:
            args.open_at = {.path = "greeting",
                            .how = {.flags = O_RDONLY | O_CLOEXEC,
                                    .mode = 0,
                                    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS}};
            return;
        case opcode::rename_at: {
            const char* from = fresh_name();
            directory_.make_file(from, greeting);
            args.rename_at = {.from = from, .to_directory = directory_.fd(), .to = fresh_name()};
            return;
        }
        case opcode::link_at:
            args.link_at = {
                .from = "greeting", .to_directory = directory_.fd(), .to = fresh_name()};
            return;
        case opcode::symlink_at:
            args.symlink_at = {.target = "greeting", .path = fresh_name()};
            return;
        case opcode::unlink_at: {
            const char* path = fresh_name();
            directory_.make_file(path, greeting);
            args.unlink_at = {.path = path};
            return;
        }
        case opcode::make_directory_at:
            args.make_directory_at = {.path = fresh_name(), .mode = 0700};
            return;
        case opcode::list_directory:
            what.fd =
                hold(unique_fd(posix::openat(directory_.fd(), "listed", O_RDONLY | O_DIRECTORY)));
            batch_ = {};
            args.list_directory = {
                .batch = &batch_, .root = directory_.fd(), .directory = "listed"};
            return;
        case opcode::copy_range:
            what.fd = hold(unique_fd(posix::openat(directory_.fd(), "greeting", O_RDONLY)));
            args.copy_range = {.from_offset = 1,
                               .to = hold(directory_.make_file(fresh_name(), "")),
                               .to_offset = 0,
                               .size_bytes = greeting.size()};
            return;
        case opcode::compute:
            args.compute = {.function =
                                [](void* context) noexcept {
                                    *static_cast<std::byte*>(context) = std::byte{computed};
                                },
                            .context = &computed_};
            return;
    }
}

std::int64_t workshop::right_result(opcode code) const {
    constexpr auto whole = static_cast<std::int64_t>(greeting.size());
    switch (code) {
        case opcode::receive:
        case opcode::receive_provided:
        case opcode::send:
        case opcode::read:
        case opcode::write:
            return whole;
        case opcode::send_file:
            return 2 * whole - 1;
        case opcode::copy_range:
            return whole - 1;
        case opcode::list_directory:
            return 2;
        case opcode::nop:
        case opcode::accept:
        case opcode::connect:
        case opcode::sync:
        case opcode::allocate:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::compute:
            return 0;
    }
    return -1;
}

bool workshop::fill_waiting(op& what, opcode code) {
    fill(what, code);
    auto& args = what.args;
    const auto hold = [this](unique_fd owned) {
        held_.push_back(std::move(owned));
        return held_.back().get();
    };
    switch (code) {
        case opcode::accept: {
            listening_socket lonely;
            what.fd = hold(std::move(lonely.fd));
            return true;
        }
        case opcode::connect:
            args.connect.address = full_listener_.as_sockaddr();
            return true;
        case opcode::receive:
        case opcode::receive_provided:
            static_cast<void>(drain(what.fd));
            return true;
        case opcode::send:
        case opcode::send_file:
            fill_up(what.fd);
            return true;
        case opcode::read:
        case opcode::write: {
            auto pipe = pipe_pair();
            fill_up(pipe.far.get());
            if (code == opcode::write) {
                args.write.offset = runtime::at_position;
                what.fd = hold(std::move(pipe.far));
                hold(std::move(pipe.near));
                return true;
            }
            auto empty = pipe_pair();
            args.read.offset = runtime::at_position;
            what.fd = hold(std::move(empty.near));
            hold(std::move(empty.far));
            return true;
        }
        case opcode::nop:
        case opcode::sync:
        case opcode::allocate:
        case opcode::open_at:
        case opcode::rename_at:
        case opcode::link_at:
        case opcode::symlink_at:
        case opcode::unlink_at:
        case opcode::make_directory_at:
        case opcode::list_directory:
        case opcode::copy_range:
        case opcode::compute:
            return false;
    }
    return false;
}

std::int64_t workshop::take_result(opcode code, std::int64_t result) {
    if ((code == opcode::accept || code == opcode::open_at) && result >= 0) {
        const unique_fd ours(static_cast<int>(result));
        return 0;
    }
    return result;
}

}  // namespace ferry::reactor_test
