#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/auth/failed_logins.hpp"
#include "ferry/auth/limits.hpp"
#include "ferry/auth/rights.hpp"
#include "ferry/auth/usage.hpp"
#include "ferry/base/access_sink.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/http/content_coding.hpp"
#include "ferry/http/counters.hpp"
#include "ferry/http/rules.hpp"
#include "ferry/net/access_policy.hpp"
#include "ferry/net/rate_floor.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/home_counter.hpp"
#include "ferry/vfs/homes.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"

namespace ferry::http {

class media_types;
class page_source;
class upload_turns;

/// What a connection over the limit is told before it is closed (RFC 9110 section 15.6.4).
inline constexpr std::string_view overload_answer =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: "
    "close\r\n\r\n";

/// What a connection from an address that is not let in is told (RFC 9110 section 15.5.4).
inline constexpr std::string_view forbidden_answer =
    "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Bodies up to this size leave in one send with their head (datapath.md, 2).
inline constexpr std::size_t inline_body_bytes_max = 8 * 1024;

/// The field in which proxies say from whom a request came to them (RFC 7239). One of them: a proxy
/// that knows the one passes on what a client has written into the other.
enum class forwarded_field : std::uint8_t { x_forwarded_for, forwarded };

/// How answers are packed (RFC 9110 section 8.4.1).
struct compression {
    /// Those that text is packed in, most preferred first; none: never.
    std::vector<content_coding> codings = {content_coding::brotli, content_coding::zstd,
                                           content_coding::gzip};
    std::size_t size_bytes_min = 1'024;  ///< Below, a packet is sent either way.
    std::size_t size_bytes_max = 4 * 1'024 * 1'024;
    std::size_t cache_bytes_max = 16 * 1'024 * 1'024;  ///< Of each core.
    /// `name.br`, `name.zst` or `name.gz` beside a file is the file, packed beforehand.
    bool uses_files_beside = false;
};

/// The numbers of HTTP, from flags; the same for every core.
struct options {
    net::access_policy addresses = {};  ///< Whose connections are served, and how many.
    /// Where proxies that are trusted say whom a request is from.
    forwarded_field proxies_say = forwarded_field::x_forwarded_for;
    std::size_t head_bytes_max = 16 * 1024;
    std::size_t target_bytes_max = 8 * 1024;
    std::size_t fields_max = 100;
    runtime::duration header_timeout =
        std::chrono::seconds(10);  ///< For a whole head, from its first octet.
    runtime::duration idle_timeout = std::chrono::seconds(60);  ///< Between requests.
    /// Who is silent for this long is given away, if somebody takes him (`serve_connection`): not
    /// sooner, for that costs the busy more than the memory is worth.
    runtime::duration pause_after = std::chrono::seconds(1);
    runtime::duration send_timeout = std::chrono::seconds(30);  ///< Without any progress.
    net::minimum_rate send_rate_min = {};     ///< How fast a client takes its answers.
    net::minimum_rate receive_rate_min = {};  ///< How fast the content of its requests comes.
    std::size_t requests_per_connection_max = 1'000'000;
    std::size_t body_drain_bytes_max = 64 * 1024;  ///< Of a request body nobody wants; then close.
    runtime::duration body_timeout = std::chrono::seconds(30);  ///< Without an octet of content.
    std::uint64_t upload_bytes_max = 0;  ///< Of the content of one request; 0: no limit.
    vfs::durability durability = vfs::durability::data;  ///< Of uploads.
    /// What everybody may do, with an account or without.
    auth::permissions visitors = auth::rights::read_only();
    /// How fast answers go, heads and pages included: on each connection, and all together.
    auth::rates connection_rates;
    auth::rates visitors_rates;
    std::size_t logins_kept_max = 256;  ///< Known between requests; each may hold a descriptor.
    std::size_t list_sorted_max = 10'000;
    /// How long a directory waits for its turn to be listed; then 503.
    runtime::duration list_wait_timeout = std::chrono::seconds(5);
    /// Archives of directories that each core sends at once; 0: none are made.
    std::size_t archives_max = 4;
    compression packing;
    std::size_t answer_cache_bytes = 8 * 1'024 * 1'024;  ///< Of each core (decision 0042); 0: none.
    /// Of a file whose digest is wanted (RFC 9530); of larger ones none is made.
    std::uint64_t digest_bytes_max = std::uint64_t{1} << 30U;
    bool certificates_log_in = false;  ///< The account of the common name.
    /// Passwords are heard over TLS only, from proxies that are trusted, and over sockets of the
    /// file system: elsewhere whoever listens could read them (RFC 7617 section 4).
    bool logins_need_tls = false;
    /// Requests over plain TCP are sent to the same host at this port, over TLS; 0: answered.
    std::uint16_t redirect_to_tls_port = 0;
    /// Strict-Transport-Security of answers over TLS (RFC 6797); empty: none.
    std::string strict_transport = {};
};

/// What the accounts of every protocol rest on. All of it outlives the service.
struct account_services {
    /// Replaced between two turns of the core when the accounts are read anew; never null.
    const std::shared_ptr<const auth::accounts>& users;
    auth::usage_table& usages;      ///< Of all cores.
    auth::failed_logins& failures;  ///< Of all cores.
    vfs::home_table& homes;         ///< Of all cores.
    vfs::home_counter& counter;
};

/// What one core's connections share. Make one a core; it outlives them. `visitors`: of everybody,
/// on all cores, over any protocol; null: `options::visitors_rates` does not hold. `accounts`: who
/// may log in (RFC 7617); null: nobody. `uploads`: of all cores, where parts of uploads are kept
/// (`vfs::tree::keep_parts`), as long as they are; null: no upload goes on. `pages`: what is served
/// in place of the tree, which nobody then sees anything of; null: the tree.
class service {
  public:
    /// `open_files` is the core's, of `files`.
    service(runtime::core& here, const options& settings, const vfs::tree& files,
            vfs::file_cache& open_files, vfs::listing_bounds& listings, vfs::digests& digests,
            const media_types& types, access_sink& access_log, runtime::stop_scope& draining,
            auth::usage* visitors = nullptr, const account_services* accounts = nullptr,
            upload_turns* uploads = nullptr, page_source* pages = nullptr);
    service(const service&) = delete;
    service& operator=(const service&) = delete;
    ~service();

    /// Requests from now on go by `fresh`, those under way by what held when they came. Before the
    /// first call there is one site with the default of `site_rules`. Give each core a pointer with
    /// a count of its own: every request takes one.
    void use_rules(std::shared_ptr<const sites> fresh) noexcept;

    /// Lets go of the homes of those who have logged in, which are kept between requests. Once
    /// there are no more connections.
    void forget_logins() noexcept;

    /// Takes no more of what clients send as content: who is at it is answered, as a rule with 503,
    /// for the last time. For who drains and has waited long enough. On the core.
    void end_uploads() noexcept;

    /// What there has been so far. On the core.
    [[nodiscard]] const counters& counted() const noexcept;
    /// For connections that begin with TLS.
    [[nodiscard]] net::handshake_counts& handshakes() noexcept;
    /// Those long enough to be seen. On the core.
    [[nodiscard]] net::transfer_list& transfers() noexcept;

    struct state;
    [[nodiscard]] state& inside() noexcept { return *state_; }

  private:
    std::unique_ptr<state> state_;
};

/// How long an idle connection may still ask when the server drains.
inline constexpr auto last_request_time_max = std::chrono::milliseconds(500);

/// A connection between two requests that has been silent for a while: all that is to be known to
/// go on with it when its client asks again.
struct idle_connection {
    unique_fd socket;             ///< None: the connection is over.
    runtime::time_point until{};  ///< It idles out then.
    net::address_place place;     ///< Of its address.
    std::uint64_t number = 0;     ///< `runtime::core::number_connection`; 0: it has none yet.
    std::size_t requests = 0;     ///< Answered so far.
    std::string said = {};        ///< What its client has said then; for whoever goes on.
};

/// Serves one client until it leaves, misbehaves, idles out or asks to close (RFC 9112 section 9).
/// Takes the socket. Never fails: whatever ends the conversation is logged here, at its only owner.
/// When the server drains, the answer under way is the last.
///
/// `between`: where it leaves a connection that pauses, to be closed when its time has come, or
/// gone on with by another call that finds there what the first has left. Null: who pauses is
/// waited for here, with some KiB of memory.
[[nodiscard]] runtime::task<> serve_connection(service& shared, unique_fd socket,
                                               net::arrival how = {},
                                               idle_connection* between = nullptr);

}  // namespace ferry::http
