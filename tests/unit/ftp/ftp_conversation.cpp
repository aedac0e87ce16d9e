#include "ftp_conversation.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <stdexcept>
#include <utility>

#include "../allocation_faults.hpp"
#include "../vfs/troubled_tree.hpp"
#include "ferry/net/endpoint.hpp"

namespace ferry::ftp::test {
namespace {

using namespace std::chrono_literals;
constexpr int patience_ms = 30'000;

std::filesystem::path make_directory() {
    std::string name = std::filesystem::temp_directory_path() / "ferry-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("no temporary directory");
    }
    return name;
}

std::shared_ptr<const auth::accounts> make_accounts(const server_settings& settings) {
    constexpr auto all = auth::rights::all();
    return std::make_shared<const auth::accounts>(
        std::vector<auth::account>{{.name = "ann",
                                    .password = "secret",
                                    .hash = {},
                                    .root = "/",
                                    .allowed = settings.of_ann,
                                    .bounds = settings.bounds},
                                   {.name = "bob",
                                    .password = "secret",
                                    .hash = {},
                                    .root = "/home/bob",
                                    .allowed = all,
                                    .bounds = {}}},
        settings.anonymous, settings.bounds);
}

sockaddr_storage address_of(std::string_view address, std::uint16_t port, socklen_t& bytes) {
    auto where = net::parse_address(address).value();
    where.port = port;
    sockaddr_storage storage{};
    bytes = net::to_sockaddr(where, storage);
    return storage;
}

const sockaddr* as_sockaddr(const sockaddr_storage& storage) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&storage));
}

bool wait_readable(int fd) {
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, patience_ms) == 1;
}

}  // namespace

// --------------------------------------------------------------------------------- test_server

test_server::test_server(server_settings settings)
    : settings_(std::move(settings)),
      directory_(make_directory()),
      files_(vfs::open_local_tree(directory_.c_str()).value()),
      users_(make_accounts(settings_)),
      stop_message_(
          [](runtime::posted& self) noexcept {
              auto& owner = static_cast<message&>(self).owner;
              owner.draining_.request_stop();
              owner.stop_.request_stop();
          },
          *this),
      drain_message_(
          [](runtime::posted& self) noexcept {
              static_cast<message&>(self).owner.draining_.request_stop();
          },
          *this),
      tls_message_(
          [](runtime::posted& self) noexcept {
              auto& owner = static_cast<message&>(self).owner;
              owner.settings_.tls = std::move(owner.fresh_tls_);
          },
          *this),
      thread_([this] { run(); }) {
    while (!is_ready_) {
        std::this_thread::sleep_for(1ms);
    }
}

test_server::~test_server() {
    stop_now();
    thread_.join();
    std::filesystem::remove_all(directory_);
}

void test_server::run() {
    if (settings_.has_troubled_names) {
        files_ = vfs_test::make_troubled(std::move(files_));
    }
    files_->keep_parts(settings_.parts_kept);
    files_->count_for(homes_, {});
    files_->note_replacements(replacements_);
    runtime::offload_pool pool(1);
    const auto io =
        runtime::make_uring_reactor(
            {.submission_entries = 64, .completion_entries = 256, .receive_buffers = 64}, pool)
            .value();
    runtime::core here(0, *io, ferry::random(seed_from_kernel()));
    vfs::listing_bounds listings(here, settings_.listings);
    vfs::digest_cache known_digests;
    vfs::digests digests(here, known_digests);
    vfs::home_counter counter(here, *files_, homes_, listings);
    vfs::file_cache open_files(here, *files_, {});
    runtime::permits handshakes(here, 1);
    service shared{.here = here,
                   .settings = settings_.numbers,
                   .files = *files_,
                   .listings = listings,
                   .digests = digests,
                   .users = users_,
                   .sessions = logins_,
                   .logged_in = logged_in_,
                   .usages = usages_,
                   .failures = failures_,
                   .homes = homes_,
                   .counter = counter,
                   .access_log = log_,
                   .draining = draining_,
                   .hosts = settings_.hosts,
                   .tls = &settings_.tls,
                   .handshakes = &handshakes,
                   .open_files = &open_files};
    net::waiting_room room(here, draining_, 500ms);
    auto at = net::parse_address(settings_.listen_at).value();
    auto listening = net::open_listener({.at = at, .congestion = {}}).value();
    port_ = net::local_endpoint(listening.get()).value().port;
    io_ = io.get();
    is_ready_ = true;
    runtime::run_core(here, stop_, &test_server::serve, std::ref(*this), std::ref(shared),
                      std::ref(room), std::move(listening));
    while (!stopped_) {  // The reactor outlives who wakes it.
        std::this_thread::sleep_for(1ms);
    }
}

runtime::task<> test_server::serve(runtime::nursery& bottom, test_server& self, service& shared,
                                   net::waiting_room& room, unique_fd listening) {
    bottom.start([](service& of) -> runtime::task<> { co_await of.counter.run(); },
                 std::ref(shared));
    net::acceptor accepting(shared.here, std::move(listening));
    for (bool is_stopped = false; !is_stopped;) {
        try {  // What fails here is a session's `failing_allocation` that found nothing of its own.
            auto accepted = co_await accepting.accept();
            is_stopped = !accepted && accepted.error() == errc::cancelled;
            if (accepted) {
                const surroundings at{
                    .owner = self, .shared = shared, .room = room, .bottom = bottom};
                bottom.start(&test_server::serve_one, at, std::move(*accepted), idle_session());
            }
        } catch (const std::bad_alloc&) {}
    }
    co_await accepting.close();
}

/// Waits for its client to say something, as in the product.
class test_server::silent_session final : public net::waiting_room::guest {
  public:
    silent_session(surroundings at, idle_session between) noexcept
        : guest(net::waiting_room::last_act::go_on), at_(at), between_(std::move(between)) {
        ++at_.owner.sessions_;
        ++at_.owner.pauses_;
    }
    silent_session(const silent_session&) = delete;
    silent_session& operator=(const silent_session&) = delete;
    ~silent_session() override { --at_.owner.sessions_; }

  private:
    void go_on(unique_fd socket, std::string octets) override {
        between_.said = std::move(octets);
        at_.bottom.start(&test_server::serve_one, at_, std::move(socket), std::move(between_));
    }

    surroundings at_;
    idle_session between_;
};

runtime::task<> test_server::serve_one(surroundings at, unique_fd control, idle_session&& between) {
    auto& self = at.owner;
    ++self.sessions_;
    {
        const ferry::test::allocation_fault fault(
            std::exchange(self.settings_.failing_allocation, 0));
        try {
            co_await serve_session(at.shared, std::move(control), {}, &between);
            if (between.socket) {
                auto socket = std::move(between.socket);
                const auto until = between.until;
                at.room.take(at.bottom, std::make_unique<silent_session>(at, std::move(between)),
                             std::move(socket), until);
            }
        } catch (const std::bad_alloc&) {
            // The session's end, and of no other.
        }
        self.fault_happened_ = self.fault_happened_ || fault.has_happened();
    }
    --self.sessions_;
}

void test_server::put(std::string_view name, std::string_view content) const {
    const auto path = directory_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
}

std::string test_server::get(std::string_view name) const {
    std::ifstream file(directory_ / name, std::ios::binary);
    if (!file) {
        return "(none)";
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t test_server::count_names() const {
    const auto all = std::filesystem::recursive_directory_iterator(directory_);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void test_server::drain() {
    io_->post(drain_message_);
}

void test_server::replace_tls(std::shared_ptr<const net::tls_server> fresh) {
    fresh_tls_ = std::move(fresh);
    io_->post(tls_message_);
}

void test_server::stop_now() {
    if (!stopped_) {
        io_->post(stop_message_);
        stopped_ = true;
    }
}

std::vector<logged> test_server::records() {
    const std::lock_guard lock(log_.mutex);
    return log_.taken;
}

void test_server::sink::record(const access_record& what) noexcept {
    const std::lock_guard lock(mutex);
    try {
        taken.push_back({.peer = std::string(what.peer),
                         .user = std::string(what.user),
                         .method = std::string(what.method),
                         .target = std::string(what.target),
                         .status = what.status,
                         .body_bytes = what.body_bytes});
    } catch (const std::bad_alloc&) {  // A line lost, as in the real log.
    }
}

// ------------------------------------------------------------------------------- client_socket

client_socket client_socket::connect_to(std::uint16_t port, std::string_view from,
                                        int receive_buffer_bytes) {
    const bool is_v6 = from.contains(':');
    unique_fd socket(::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{.tv_sec = patience_ms / 1'000, .tv_usec = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (receive_buffer_bytes > 0) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                     sizeof receive_buffer_bytes);
    }
    socklen_t bytes = 0;
    const auto local = address_of(from, 0, bytes);
    if (::bind(socket.get(), as_sockaddr(local), bytes) != 0) {
        return {};
    }
    const auto to = address_of(is_v6 ? "::1" : "127.0.0.1", port, bytes);
    if (::connect(socket.get(), as_sockaddr(to), bytes) != 0) {
        return {};
    }
    return client_socket(std::move(socket));
}

bool client_socket::send(std::string_view octets) {
    while (!octets.empty()) {
        const auto sent = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        octets.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

std::string client_socket::read_some(std::size_t octets_max) {
    std::string piece(octets_max, '\0');
    // With a timeout set the kernel does not take up again what a signal, or the end of an io_uring
    // of this thread, has interrupted (signal(7)).
    ssize_t got = 0;
    do {
        got = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    } while (got < 0 && errno == EINTR);
    was_reset_ = was_reset_ || (got < 0 && errno == ECONNRESET);
    piece.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return piece;
}

std::string client_socket::read_all() {
    std::string all;
    for (;;) {
        const auto piece = read_some();
        if (piece.empty()) {
            return all;
        }
        all += piece;
    }
}

void client_socket::end_sending() {
    ::shutdown(socket_.get(), SHUT_WR);
}

void client_socket::reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    socket_.reset();
}

// ----------------------------------------------------------------------------- client_listener

client_listener::client_listener()
    : socket_(net::open_listener({.at = net::parse_address("127.0.0.1").value(), .congestion = {}})
                  .value()),
      port_(net::local_endpoint(socket_.get()).value().port) {}

std::string client_listener::port_argument() const {
    return "127,0,0,1," + std::to_string(port_ >> 8U) + "," + std::to_string(port_ & 0xFFU);
}

client_socket client_listener::accept() {
    if (!wait_readable(socket_.get())) {
        return {};
    }
    return client_socket(unique_fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

// -------------------------------------------------------------------------------------- client

client::client(const test_server& server, std::string_view from)
    : socket_(client_socket::connect_to(server.port(), from)) {}

std::string client::reply() {
    std::string whole;
    std::string closing;  // "226 ": what ends a reply of several lines.
    for (;;) {
        const auto end = input_.find("\r\n");
        if (end == std::string::npos) {
            if (!wait_readable(socket_.fd())) {
                return "(silence)";
            }
            const auto piece = socket_.read_some();
            if (piece.empty()) {
                return "(closed)";
            }
            input_ += piece;
            continue;
        }
        const auto line = input_.substr(0, end);
        input_.erase(0, end + 2);
        whole += whole.empty() ? line : "\n" + line;
        if (closing.empty()) {
            if (line.size() < 4 || line[3] != '-') {
                return whole;
            }
            closing = line.substr(0, 3) + " ";
        } else if (line.starts_with(closing)) {
            return whole;
        }
    }
}

std::string client::ask(std::string_view line) {
    socket_.send(std::string(line) + "\r\n");
    return reply();
}

int client::code(std::string_view line) {
    return code_of(ask(line));
}

client& client::log_in(std::string_view name, std::string_view password) {
    const auto greeting = reply();
    const auto asked = ask("USER " + std::string(name));
    const auto answer = ask("PASS " + std::string(password));
    if (code_of(answer) != 230) {
        throw std::runtime_error("login failed: " + greeting + ", " + asked + ", " + answer);
    }
    return *this;
}

client_socket client::passive(std::string_view from, int receive_buffer_bytes) {
    const auto answer = ask("EPSV");
    const auto bars = answer.find("|||");
    std::uint16_t port = 0;
    if (bars != std::string::npos) {
        std::from_chars(answer.data() + bars + 3, answer.data() + answer.size(), port);
    }
    if (port == 0) {
        return {};
    }
    return client_socket::connect_to(port, from, receive_buffer_bytes);
}

client::transfer_result client::fetch(std::string_view command) {
    auto data = passive();
    transfer_result got{.first = ask(command), .octets = {}, .last = {}};
    if (code_of(got.first) != 150) {
        got.last = got.first;
        return got;
    }
    got.octets = data.read_all();
    got.last = reply();
    return got;
}

client::transfer_result client::store(std::string_view command, std::string_view content) {
    auto data = passive();
    transfer_result put{.first = ask(command), .octets = {}, .last = {}};
    if (code_of(put.first) != 150) {
        put.last = put.first;
        return put;
    }
    data.send(content);
    data.close();
    put.last = reply();
    return put;
}

int code_of(std::string_view reply) {
    int code = 0;
    std::from_chars(reply.data(), reply.data() + std::min<std::size_t>(reply.size(), 3), code);
    return code;
}

}  // namespace ferry::ftp::test
