#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/ftp/server.hpp"
#include "ferry/http/server.hpp"
#include "ferry/http/upload_turns.hpp"
#include "ferry/net/tls_stream.hpp"
#include "ferry/net/waiting_room.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/crowd_watch.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/rarely_shared.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/timers.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/home_counter.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/listing_cache.hpp"
#include "ferry/vfs/tree.hpp"
#include "server/access_log.hpp"
#include "server/listed_types.hpp"
#include "server/reading.hpp"
#include "server/rules_hosts.hpp"
#include "server/start_up.hpp"

namespace ferry::server {

/// The connections of the process, over all cores: two counters that change with a connection,
/// never with a request. The kernel spreads connections unevenly, so shares of a core would refuse
/// early. On a line of their own: what lies beside them is read for each request.
struct alignas(64) connection_counts {
    const std::size_t connections_max;
    const std::size_t ftp_sessions_max;  ///< Out of `connections_max`.
    std::atomic<std::size_t> connections{0};
    std::atomic<std::size_t> ftp_sessions{0};
};

/// One connection's place among them, given back when it dies. Move-only.
class place_taken {
  public:
    /// Takes a place if there is one.
    place_taken(connection_counts& counts, protocol speaks) noexcept;
    place_taken(place_taken&& other) noexcept
        : counts_(std::exchange(other.counts_, nullptr)), speaks_(other.speaks_) {}
    place_taken(const place_taken&) = delete;
    place_taken& operator=(const place_taken&) = delete;
    ~place_taken();

    [[nodiscard]] explicit operator bool() const noexcept { return counts_ != nullptr; }

  private:
    connection_counts* counts_ = nullptr;
    protocol speaks_;
};

/// What all cores share, immutable while they run but for `counts`.
struct shared_parts {
    const vfs::tree& files;
    std::shared_ptr<const auth::accounts> users;  ///< Those of the start: see `replace_users`.
    auth::session_counts& sessions;
    ftp::session_list& logged_in;
    auth::usage_table& usages;
    auth::failed_logins& failures;
    vfs::digest_cache& digests;
    vfs::home_table& homes;
    const http::media_types& types;
    http::options http;
    http::upload_turns* uploads = nullptr;            ///< Null: no upload over HTTP goes on.
    std::shared_ptr<const http::sites> rules = {};    ///< Those of the start; null: none.
    std::shared_ptr<const net::tls_server> tls = {};  ///< Of the start; null: there is no TLS.
    runtime::duration tls_handshake_timeout = std::chrono::seconds(10);
    ftp::options ftp;
    vfs::listing_bounds::numbers listings = {};     ///< Of each core.
    vfs::file_cache::bounds open_files = {};        ///< Of each core.
    vfs::listing_cache::bounds kept_listings = {};  ///< Of each core.
    /// Makes a core's reactor, on its thread.
    std::function<result<std::unique_ptr<runtime::reactor>>(unsigned core)> make_reactor;
    runtime::duration drain_timeout{};
    runtime::duration retirement_timeout{};  ///< How long who is replaced may still serve.
    /// The first core removes them, beside its service; none: nobody uploads.
    std::optional<vfs::leftover_kinds> leftovers;
    runtime::duration parts_kept{};  ///< It looks for older parts as often as that; 0: never.
    connection_counts& counts;
    memory_advice memory = {};
    int access_log_fd = -1;
    std::size_t access_log_buffer_bytes = 0;
    access_log_format log_format = {};
};

/// One listening socket of this core and what it speaks.
struct door {
    protocol speaks = protocol::http;
    bool is_secure = false;  ///< TLS begins at once.
    unique_fd socket;
};

/// Everything of one core: ring, protocols, connections. Made and run on its own thread (`open`,
/// `run`), told to end from the main thread (`drain`, `stop`), destroyed after every core's thread
/// has ended. The main thread makes them one after the other: none shares a line with its
/// neighbour.
class alignas(64) core_server {
  public:
    core_server(unsigned index, const shared_parts& parts, std::vector<door> doors);
    core_server(const core_server&) = delete;
    core_server& operator=(const core_server&) = delete;
    ~core_server();

    /// Makes the reactor and what needs it. On the core's thread. Errors: of
    /// `shared_parts::make_reactor`.
    [[nodiscard]] result<void> open();

    /// Serves until drained or stopped. On the core's thread.
    void run();

    /// The first half of `run`: the caller then runs the reactor, until its `run` returns.
    void begin();

    [[nodiscard]] runtime::core& here() noexcept { return *here_; }

    /// Stop accepting, tell idle connections, finish what is under way up to the drain timeout,
    /// then end. From any thread, once, after `open`.
    void drain() noexcept { io_->post(drain_message_); }

    /// Stop accepting, for another process does, and let everybody finish: HTTP's answers are the
    /// last of their connections from now on, sessions of FTP go on as they like. Who is still
    /// there after the retirement timeout is drained. From any thread, once, after `open`.
    void retire() noexcept { io_->post(retire_message_); }

    /// Logins from now on go by `fresh`; who is logged in stays so. From any thread, after `open`.
    void replace_users(std::shared_ptr<const auth::accounts> fresh) noexcept;

    /// Requests from now on go by `fresh`. From any thread, after `open`. Throws std::bad_alloc,
    /// and then the old ones stay.
    void replace_rules(const std::shared_ptr<const http::sites>& fresh);

    /// Handshakes from now on go by `fresh`. From any thread, after `open`.
    void replace_tls(std::shared_ptr<const net::tls_server> fresh) noexcept;

    /// The access log goes to `next`, which must outlive this. From any thread, after `open`.
    void replace_log(log_successor next) noexcept;

    /// Asks for a sign of life. Returns whether that which was asked for last has come: a core that
    /// is stuck gives none, one that has ended need not. From any thread, after `open`.
    [[nodiscard]] bool look_alive() noexcept;

    /// Delivers `question` on the core, which may then `tell`. From any thread, after `open`.
    void ask(runtime::posted& question) noexcept { io_->post(question); }

    /// Writes down what it has counted and what is under way. On the core. Throws std::bad_alloc.
    void tell(core_reading& into) const;

    /// Its loop has ended: nothing is delivered any more. From any thread.
    [[nodiscard]] bool has_ended() const noexcept { return has_ended_; }

    /// End now. From any thread, once, after `drain`.
    void stop() noexcept { io_->post(stop_message_); }

  private:
    struct message : runtime::posted {
        message(core_server& of, function on_delivery) noexcept : posted(on_delivery), owner(of) {}
        core_server& owner;
    };
    struct drain_timer : runtime::timer {
        explicit drain_timer(core_server& of) noexcept;
        core_server& owner;
    };

    /// What `replace_users` hands over to the core.
    struct fresh_accounts {
        std::shared_ptr<const auth::accounts> users;
        bool is_told = false;  ///< Its message is on the way.
    };

    /// What `replace_rules` hands over to the core.
    struct fresh_rules {
        std::shared_ptr<const http::sites> rules;
        bool is_told = false;  ///< Its message is on the way.
    };

    /// What `replace_tls` hands over to the core.
    struct fresh_tls {
        std::shared_ptr<const net::tls_server> server;
        bool is_told = false;  ///< Its message is on the way.
    };

    /// What `replace_log` hands over to the core.
    struct fresh_log {
        std::optional<log_successor> next;
    };

    void begin_retirement() noexcept;
    void begin_drain() noexcept;
    void begin_parting() noexcept;
    void wait_for(runtime::duration most) noexcept;
    void end_wait() noexcept;
    void take_users() noexcept;
    void take_rules() noexcept;
    void take_tls() noexcept;
    void take_log() noexcept;
    void stop_now() noexcept;

    static runtime::task<> serve(runtime::nursery& bottom, core_server& self);
    static runtime::task<> remove_leftovers(core_server& self);
    runtime::task<> keep_looking_for_leftovers();
    runtime::task<vfs::leftovers_found> look_for_leftovers();
    static runtime::task<> look_for_files_of(core_server& self,
                                             std::shared_ptr<const http::sites> rules);
    static runtime::task<> serve_doors(runtime::nursery& connections, core_server& self);
    static runtime::task<> accept_all(core_server& self, runtime::nursery& connections, door at);
    /// What it is given lives in the nursery's frame until it ends: no second copy for each
    /// connection.
    static runtime::task<> run_connection(core_server& self, protocol speaks, unique_fd&& socket,
                                          place_taken&& place, net::arrival&& how);
    class silent_client;
    static runtime::task<> go_on(core_server& self, place_taken&& place,
                                 http::idle_connection&& between);
    void let_wait(place_taken place, http::idle_connection between);
    class silent_session;
    static runtime::task<> go_on_with_session(core_server& self, place_taken&& place,
                                              ftp::idle_session&& between);
    void let_wait(place_taken place, ftp::idle_session between);
    struct refusal;
    struct refusals_of;
    static const refusals_of& refusals(protocol speaks) noexcept;
    void report_refusal(const door& at, int socket, const refusal& why);
    void refuse(const door& at, unique_fd socket, const refusal& why);
    [[nodiscard]] result<net::arrival> receive(protocol speaks, int socket) const;
    [[nodiscard]] net::tls_terms terms_for(const door& at);
    void admit(runtime::nursery& connections, const door& at, unique_fd socket);

    unsigned index_;
    const shared_parts& parts_;
    std::vector<door> doors_;
    http::options http_options_;  ///< Of this core alone: one that is retired changes them.
    std::unique_ptr<runtime::reactor> io_;
    std::unique_ptr<runtime::core> here_;
    runtime::stop_scope background_;  ///< What outlives the connections: the log's writer.
    runtime::stop_scope draining_;
    runtime::stop_scope accepting_;
    runtime::nursery* connections_ = nullptr;  ///< While there are any to stop.
    std::unique_ptr<access_log> log_;
    std::unique_ptr<vfs::listing_cache> kept_listings_;
    std::unique_ptr<vfs::listing_bounds> listings_;  ///< Of both protocols.
    std::unique_ptr<vfs::digests> digests_;
    std::unique_ptr<vfs::file_cache> open_files_;
    std::unique_ptr<vfs::home_counter> counter_;
    std::shared_ptr<auth::usage> visitors_;
    rules_hosts hosts_;   ///< Of FTP.
    listed_types types_;  ///< Of FTP.
    std::unique_ptr<http::service> http_;
    std::unique_ptr<ftp::service> ftp_;
    std::unique_ptr<runtime::crowd_watch> serving_;  ///< The coroutines of connections.
    std::unique_ptr<net::waiting_room> silent_;      ///< Clients between two requests or commands.
    runtime::stop_scope never_stopped_;
    std::optional<runtime::core_tasks> tasks_;
    std::shared_ptr<const auth::accounts> users_;
    std::shared_ptr<const net::tls_server> tls_;
    std::unique_ptr<runtime::permits> handshakes_;  ///< That compute at once.
    net::seal_buffers sealing_;
    runtime::rarely_shared<fresh_accounts> fresh_users_;
    runtime::rarely_shared<fresh_rules> fresh_rules_;
    runtime::rarely_shared<fresh_tls> fresh_tls_;
    runtime::rarely_shared<fresh_log> fresh_log_;
    message retire_message_;
    message drain_message_;
    message stop_message_;
    message users_message_;
    message rules_message_;
    message tls_message_;
    message log_message_;
    message beat_message_;
    std::atomic<bool> beat_awaited_{false};
    std::atomic<bool> has_ended_{false};
    drain_timer drain_timer_;
    /// How far it has come on the way to its end.
    enum class stage : std::uint8_t { serving, retiring, draining, parting };
    stage stage_ = stage::serving;
    std::array<door_counts, 2> counted_{};  ///< By protocol.
    std::uint64_t accept_pauses_ = 0;
    bool stopping_ = false;
};

}  // namespace ferry::server
