#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/auth/failed_logins.hpp"
#include "ferry/auth/session_counts.hpp"
#include "ferry/auth/usage.hpp"
#include "ferry/base/access_sink.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/ftp/counters.hpp"
#include "ferry/ftp/hosts.hpp"
#include "ferry/ftp/session_list.hpp"
#include "ferry/net/access_policy.hpp"
#include "ferry/net/address_rules.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/rate_floor.hpp"
#include "ferry/net/seal_buffers.hpp"
#include "ferry/net/tls_server.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/permits.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/ebcdic.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/home_counter.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/name_charset.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::ftp {

/// What a connection over the limit is told before it is closed (RFC 959 section 4.2.2).
inline constexpr std::string_view overload_answer = "421 Too many connections, try again later\r\n";

/// What a connection from an address that is not let in is told (RFC 959 section 4.2.2).
inline constexpr std::string_view forbidden_answer = "421 Not from this address\r\n";

/// What must go over TLS, where there is TLS.
enum class tls_policy : std::uint8_t {
    allow,    ///< Nothing: clients may ask for it.
    login,    ///< The logins of all but visitors.
    require,  ///< Logins and data connections.
};

/// Whether a data connection over TLS must resume the session of its control connection, so that
/// nobody else can take it (RFC 4217 section 10.4 and appendix B).
enum class tls_reuse : std::uint8_t { off, warn, require };

/// The addresses that replies to PASV name, for a server behind address translation: v4.
struct public_addresses {
    struct row {
        net::address_block clients;
        std::optional<net::endpoint> shown;  ///< None: the one that the client has reached.
    };
    std::vector<row> of_networks = {};        ///< The smallest first.
    std::optional<net::endpoint> usual = {};  ///< For all others.

    /// What `client` is shown; nothing: the address that it has reached. Cost: a look at each row.
    [[nodiscard]] std::optional<net::endpoint> shown_to(
        const net::endpoint& client) const noexcept {
        for (const auto& each : of_networks) {
            if (each.clients.contains(client)) {
                return each.shown;
            }
        }
        return usual;
    }
};

/// The numbers of FTP, from flags; the same for every core.
struct options {
    net::access_policy addresses = {};  ///< Whose sessions are served, and how many.
    std::size_t line_bytes_max = 8'192;
    std::size_t login_tries_max = 3;
    runtime::duration idle_timeout = std::chrono::seconds(300);
    /// Who is silent for this long is given away, if somebody takes him (`serve_session`).
    runtime::duration pause_after = std::chrono::seconds(1);
    runtime::duration transfer_stall_timeout = std::chrono::seconds(30);
    net::minimum_rate transfer_rate_min = {};  ///< How fast content moves, either way.
    runtime::duration data_connect_timeout = std::chrono::seconds(30);
    /// How long after the end of an upload's data to watch for the end of the control connection.
    runtime::duration upload_grace = std::chrono::milliseconds(10);
    /// Ports for passive data connections, both included; 0 and 0 for any free one.
    std::uint16_t passive_port_first = 0;
    std::uint16_t passive_port_last = 0;
    public_addresses public_address = {};
    std::string congestion;  ///< TCP_CONGESTION of data connections, or empty.
    /// What clients speak that have not asked for UTF-8; null: UTF-8.
    std::shared_ptr<const vfs::name_charset> charset;
    vfs::ebcdic::code_page ebcdic = vfs::ebcdic::code_page::cp037;  ///< Of TYPE E, at first.
    std::size_t list_sorted_max = 10'000;
    /// How long a directory waits for its turn to be listed; then 450.
    runtime::duration list_wait_timeout = std::chrono::seconds(5);
    vfs::durability durability = vfs::durability::data;
    /// The host of clients that log in without HOST: empty, the whole tree.
    std::string host_without_name = {};
    bool needs_host = false;  ///< They do not log in at all.
    tls_policy needs_tls = tls_policy::allow;
    tls_reuse reuse = tls_reuse::require;
    bool certificates_log_in = false;  ///< USER of their common name (RFC 2228 section 4).
    bool may_clear_control = false;    ///< CCC (RFC 4217 section 12.3).
    runtime::duration tls_handshake_timeout = std::chrono::seconds(10);
    /// Before a command, the client is given another ticket where the last is so old: one is good
    /// for twelve hours (`tls_ticket_keys`), and a session may last longer.
    runtime::duration ticket_renewed_after = std::chrono::hours(6);
};

/// The media types of files by their names, for the fact of MLSx (RFC 3659 section 7.5.8).
class media_type_table {
  public:
    media_type_table() = default;
    media_type_table(const media_type_table&) = delete;
    media_type_table& operator=(const media_type_table&) = delete;
    virtual ~media_type_table() = default;

    /// "text/html", without parameters. Valid as long as this.
    [[nodiscard]] virtual std::string_view of(std::string_view name) const noexcept = 0;
};

/// What one core's sessions share. Outlives them.
struct service {
    runtime::core& here;
    const options& settings;
    const vfs::tree& files;
    vfs::listing_bounds& listings;
    vfs::digests& digests;
    /// Replaced between two turns of the core when the accounts are read anew; never null.
    const std::shared_ptr<const auth::accounts>& users;
    auth::session_counts& sessions;  ///< Of all cores.
    session_list& logged_in;         ///< Of all cores.
    auth::usage_table& usages;       ///< Of all cores.
    auth::failed_logins& failures;   ///< Of all cores.
    vfs::home_table& homes;          ///< Of all cores.
    vfs::home_counter& counter;
    access_sink& access_log;
    /// Asked to stop when the server drains: idle sessions then end with 421, transfers finish
    /// first.
    runtime::stop_scope& draining;
    /// Replaced between two turns of the core when certificates are read anew; null, or null behind
    /// it: there is no TLS.
    const std::shared_ptr<const net::tls_server>* tls = nullptr;
    runtime::permits* handshakes = nullptr;   ///< Of the core: those that compute at once.
    net::seal_buffers* sealing = nullptr;     ///< Of the core: what TLS seals files in.
    const host_table* hosts = nullptr;        ///< Null: any host is the whole tree.
    const media_type_table* types = nullptr;  ///< Null: none is known.
    /// Of the core, of `files`; null: every file is opened for each transfer.
    vfs::file_cache* open_files = nullptr;
    counters counted = {};
    /// Under way on this core.
    std::unique_ptr<net::transfer_list> transfers = std::make_unique<net::transfer_list>();

    [[nodiscard]] bool has_tls() const noexcept { return tls != nullptr && *tls != nullptr; }
};

struct session_memory;

/// A session that has been silent for a while: all that is to be known to go on with it when its
/// client says something, its time is over or the server drains.
struct idle_session {
    idle_session() noexcept;
    idle_session(idle_session&& other) noexcept;
    idle_session& operator=(idle_session&& other) noexcept;
    ~idle_session();

    unique_fd socket;             ///< None: the session is over.
    runtime::time_point until{};  ///< It idles out then.
    net::address_place place;     ///< Of its address.
    std::unique_ptr<session_memory> memory;
    std::string said;  ///< What its client has said then; for whoever goes on.
};

/// Serves one control connection until the user leaves, idles out or misbehaves (RFC 959). Takes
/// the socket. Never fails: whatever ends the session is logged here, at its only owner. A stop of
/// the enclosing scope ends transfers and session at once; uploads under way leave nothing behind.
/// `how` lives as long as the session does.
///
/// `between`: where it leaves a session that pauses, to be gone on with by another call that finds
/// there what the first has left, at `until` at the latest: the client is owed its 421. Only what
/// is in clear pauses, with nothing under way. Null: who pauses is waited for here, with some 6 KiB
/// of memory where 2 would do.
[[nodiscard]] runtime::task<> serve_session(service& shared, unique_fd control,
                                            net::arrival&& how = {},
                                            idle_session* between = nullptr);

}  // namespace ferry::ftp
