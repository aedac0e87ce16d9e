#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/base/access_sink.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/ftp/server.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/net/tls_server.hpp"
#include "ferry/net/waiting_room.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"

/// Conversations with a real session on the real ring over loopback, from a blocking client.
namespace ferry::ftp::test {

/// What the access log was told.
struct logged {
    std::string peer;
    std::string user;
    std::string method;
    std::string target;
    std::uint16_t status = 0;
    std::uint64_t body_bytes = 0;
};

struct server_settings {
    options numbers;
    vfs::listing_bounds::numbers listings;
    std::optional<auth::permissions> anonymous = auth::rights::read_only();
    auth::limits bounds = {};  ///< Of ann, and of visitors.
    std::string listen_at = "127.0.0.1";
    runtime::duration parts_kept{};  ///< As of `vfs::tree::keep_parts`.
    const host_table* hosts = nullptr;
    std::shared_ptr<const net::tls_server> tls = {};  ///< Null: there is no TLS.
    auth::permissions of_ann = auth::rights::all();
    bool has_troubled_names = false;  ///< As of `vfs_test::make_troubled`.
    /// Which allocation of the first session fails, 1 being its first; 0: none.
    std::size_t failing_allocation = 0;
};

/// One core that serves sessions from a directory of its own, which dies with it. Users: "ann"
/// (password "secret", all rights), "bob" ("secret", all rights, sees /home/bob as "/").
class test_server {
  public:
    explicit test_server(server_settings settings = {});
    test_server(const test_server&) = delete;
    test_server& operator=(const test_server&) = delete;
    ~test_server();

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    [[nodiscard]] const std::filesystem::path& directory() const noexcept { return directory_; }

    void put(std::string_view name, std::string_view content) const;
    /// The content of a file, or "(none)".
    [[nodiscard]] std::string get(std::string_view name) const;
    /// Every name in the directory and below it, hidden ones included.
    [[nodiscard]] std::size_t count_names() const;

    void drain();
    /// As a reload does: who comes from now on has TLS by `fresh`.
    void replace_tls(std::shared_ptr<const net::tls_server> fresh);
    void stop_now();
    [[nodiscard]] std::vector<logged> records();
    /// Whether `failing_allocation` has come, once that session has ended.
    [[nodiscard]] bool fault_happened() const noexcept { return fault_happened_; }
    /// Sessions that have not ended.
    [[nodiscard]] int sessions() const noexcept { return sessions_; }
    /// How often one of them has paused.
    [[nodiscard]] int pauses() const noexcept { return pauses_; }

  private:
    class sink final : public access_sink {
      public:
        void record(const access_record& what) noexcept override;
        [[nodiscard]] bool wants_records() const noexcept override { return true; }
        std::mutex mutex;
        std::vector<logged> taken;
    };
    struct message : runtime::posted {
        message(function deliver, test_server& of) noexcept : posted(deliver), owner(of) {}
        test_server& owner;
    };

    /// What a session needs that may pause.
    struct surroundings {
        test_server& owner;
        service& shared;
        net::waiting_room& room;
        runtime::nursery& bottom;
    };
    class silent_session;

    void run();
    static runtime::task<> serve(runtime::nursery& bottom, test_server& self, service& shared,
                                 net::waiting_room& room, unique_fd listening);
    static runtime::task<> serve_one(surroundings at, unique_fd control, idle_session&& between);

    server_settings settings_;
    std::filesystem::path directory_;
    std::unique_ptr<vfs::tree> files_;
    std::shared_ptr<const auth::accounts> users_;
    auth::session_counts logins_;
    session_list logged_in_;
    auth::usage_table usages_;
    auth::failed_logins failures_{{.delay_max = std::chrono::seconds(3)}};
    vfs::home_table homes_;
    vfs::replacement_table replacements_{{}};
    sink log_;
    runtime::stop_scope stop_;
    runtime::stop_scope draining_;
    message stop_message_;
    message drain_message_;
    message tls_message_;
    std::shared_ptr<const net::tls_server> fresh_tls_;
    std::atomic<bool> stopped_ = false;
    runtime::reactor* io_ = nullptr;
    std::uint16_t port_ = 0;
    std::atomic<int> sessions_ = 0;
    std::atomic<int> pauses_ = 0;
    std::atomic<bool> fault_happened_ = false;
    std::atomic<bool> is_ready_ = false;
    std::thread thread_;
};

/// A blocking socket of a client. Every wait gives up after five seconds.
class client_socket {
  public:
    client_socket() = default;
    explicit client_socket(unique_fd socket) noexcept : socket_(std::move(socket)) {}

    [[nodiscard]] static client_socket connect_to(std::uint16_t port,
                                                  std::string_view from = "127.0.0.1",
                                                  int receive_buffer_bytes = 0);
    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(socket_); }

    /// False when the peer has gone.
    bool send(std::string_view octets);
    /// Everything until the peer ends; `was_reset` says how.
    [[nodiscard]] std::string read_all();
    /// Up to `octets_max`; empty at the end.
    [[nodiscard]] std::string read_some(std::size_t octets_max = 65'536);
    [[nodiscard]] bool was_reset() const noexcept { return was_reset_; }
    void end_sending();
    void close() { socket_.reset(); }
    void reset();

  private:
    unique_fd socket_;
    bool was_reset_ = false;
};

/// A listening socket of a client: for PORT and EPRT.
class client_listener {
  public:
    client_listener();
    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// The argument of PORT.
    [[nodiscard]] std::string port_argument() const;
    [[nodiscard]] client_socket accept();

  private:
    unique_fd socket_;
    std::uint16_t port_ = 0;
};

/// The client's end of a control connection.
class client {
  public:
    explicit client(const test_server& server, std::string_view from = "127.0.0.1");

    /// The next reply whole, its lines with LF between them and no CR; "(closed)" when there is
    /// none, "(silence)" when none comes in five seconds.
    [[nodiscard]] std::string reply();
    /// Sends `line` and reads the reply.
    [[nodiscard]] std::string ask(std::string_view line);
    /// The first three digits of what `ask` gets, or 0.
    [[nodiscard]] int code(std::string_view line);
    void send(std::string_view octets) { socket_.send(octets); }

    /// Reads the greeting and logs in.
    client& log_in(std::string_view name = "ann", std::string_view password = "secret");

    /// Sends EPSV and connects; dead when it was refused.
    [[nodiscard]] client_socket passive(std::string_view from = "127.0.0.1",
                                        int receive_buffer_bytes = 0);

    struct transfer_result {
        std::string first;  ///< 150, or why not.
        std::string octets;
        std::string last;
    };
    /// Retrieves through a passive connection: RETR, LIST and so on.
    [[nodiscard]] transfer_result fetch(std::string_view command);
    /// Stores through a passive connection. `last` is the only reply when the command is refused.
    [[nodiscard]] transfer_result store(std::string_view command, std::string_view content);

    [[nodiscard]] client_socket& socket() noexcept { return socket_; }

  private:
    client_socket socket_;
    std::string input_;
};

[[nodiscard]] int code_of(std::string_view reply);

/// Waits up to five seconds for `condition`.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
}

}  // namespace ferry::ftp::test
