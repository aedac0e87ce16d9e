#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/auth/limits.hpp"
#include "ferry/auth/rights.hpp"
#include "ferry/base/log.hpp"
#include "ferry/base/units.hpp"
#include "ferry/ftp/server.hpp"
#include "ferry/http/content_coding.hpp"
#include "ferry/http/server.hpp"
#include "ferry/net/address_rules.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/tls_server.hpp"
#include "ferry/vfs/tree_options.hpp"
#include "server/confinement.hpp"
#include "server/local_listener.hpp"
#include "server/public_address.hpp"

namespace ferry::server {

/// What happens at start to hidden files of uploads that a crash cut short.
enum class leftovers_policy : std::uint8_t { keep, remove };

/// Which EBCDIC TYPE E is until a session says otherwise.
enum class ebcdic_page : std::uint8_t { cp037, cp1047 };

/// When an upload counts as done: what has reached the disk before it gets its name.
enum class upload_durability : std::uint8_t {
    none,  ///< Nothing is waited for; a crash of the machine may lose or empty a confirmed upload.
    data,  ///< The octets of the file (fdatasync).
    full,  ///< The file and the directory entry that names it (fsync of both).
};

/// A named account for FTP.
struct user_account {
    std::string name;
    std::string password;         ///< As typed. Never printed, logged or shown by `describe`.
    std::string directory = "/";  ///< The user's root: a normalised path within the served tree.

    friend bool operator==(const user_account&, const user_account&) = default;
};

/// A directory of the host at a place of the tree.
struct mounted_directory {
    std::string path;       ///< Where it appears: normalised, as `vfs::path` has it.
    std::string directory;  ///< Not known to exist.
    vfs::tree_options options;

    friend bool operator==(const mounted_directory&, const mounted_directory&) = default;
};

/// Addresses of which something holds, for the protocols that are named.
struct access_rule {
    bool is_for_http = true;
    bool is_for_ftp = true;
    net::address_block who;

    friend bool operator==(const access_rule&, const access_rule&) = default;
};

/// The ports `first` to `last`, both included.
struct port_range {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    friend bool operator==(const port_range&, const port_range&) = default;
};

/// What may move the octets of the process.
enum class io_wish : std::uint8_t {
    automatic,  ///< io_uring, or epoll where that cannot be had.
    uring,      ///< io_uring or nothing.
    epoll,
};

/// What of HTTP must go over TLS.
enum class http_tls_policy : std::uint8_t {
    allow,  ///< Nothing.
    login,  ///< Passwords.
};

/// The oldest version of TLS that is spoken.
enum class tls_floor : std::uint8_t { tls_1_2, tls_1_3 };

/// Whether the kernel seals what is sent over TLS.
enum class kernel_tls_wish : std::uint8_t {
    automatic,  ///< Where it can.
    off,
    require,  ///< Or nothing is served.
};

enum class access_log_kind : std::uint8_t { off, standard_output, file };

struct access_log_target {
    access_log_kind kind = access_log_kind::off;
    std::string file;  ///< Empty unless `kind` is `file`.

    friend bool operator==(const access_log_target&, const access_log_target&) = default;
};

/// How threads are bound to CPUs.
enum class pin_mode : std::uint8_t {
    automatic,  ///< Thread n to the n-th CPU the process may use.
    off,        ///< The scheduler moves threads as it likes.
    list,       ///< Thread n to `cpus[n]`.
};

struct pinning {
    pin_mode mode = pin_mode::automatic;
    /// Empty unless `mode` is `list`. No CPU twice; as many as `config::cores` after `parse`.
    std::vector<std::size_t> cpus;

    friend bool operator==(const pinning&, const pinning&) = default;
};

/// 127.0.0.1 and `port`.
[[nodiscard]] constexpr net::endpoint loopback(std::uint16_t port) noexcept {
    return {
        .family = net::address_family::v4, .octets = {127, 0, 0, 1}, .port = port, .scope_id = 0};
}

/// Everything the command line, the environment and the configuration file decide, as plain values.
///
/// A default-constructed `config` is what ferry runs with when nothing is said, but for `root`.
/// Each member is one row in `flags.cpp`, where its bounds are; a `config` that came from `parse`
/// is within them. Layers below `server` never see this type: wiring hands each the numbers it
/// needs.
struct config {
    /// The directory to serve; not known to exist. Empty after `parse` only if there are `mounts`.
    std::string root;
    /// What lies at other places of the tree, or, without `root`, at any. No path twice.
    std::vector<mounted_directory> mounts;

    // Listening.
    // A port of 0: the kernel picks one. The unspecified v6 address: every address of both
    // families.
    std::vector<net::endpoint> http = {loopback(8'080)};  ///< Empty: off. No endpoint twice.
    std::vector<local_door> http_local;                   ///< No path twice.
    std::vector<net::endpoint> ftp = {loopback(2'121)};   ///< Empty: off. None of `http`'s.
    std::vector<net::endpoint> https;                     ///< None of the others'.
    std::vector<net::endpoint> ftps;                      ///< None of the others'.
    std::vector<net::endpoint> admin;                     ///< None of the others'. Empty: off.
    std::vector<local_door> admin_local;                  ///< None of `http_local`'s.
    std::optional<port_range> passive_ports;       ///< None: any free port, picked by the kernel.
    std::vector<public_address> public_addresses;  ///< Of PASV. Empty: the one the client reached.
    std::string tcp_congestion;  ///< A name the kernel knows, not checked here; empty: its default.

    // TLS.
    std::vector<std::string> tls_certs;  ///< Files; not known to exist.
    std::vector<std::string> tls_keys;   ///< One for each of them, or none.
    std::vector<std::string> tls_ocsp;   ///< For the first of them; not more.
    bool tls_self_signed = false;
    tls_floor tls_min = tls_floor::tls_1_2;
    kernel_tls_wish tls_kernel = kernel_tls_wish::automatic;
    std::string tls_ticket_keys;  ///< A file; empty: keys of its own.
    net::tls_client_certificates tls_client_certs = net::tls_client_certificates::off;
    bool tls_client_accounts = false;
    std::string tls_client_ca;  ///< A file; not empty unless `tls_client_certs` is off.
    std::chrono::milliseconds tls_handshake_timeout = std::chrono::seconds(10);

    // Access.
    std::vector<access_rule> allow;  ///< Empty: everybody whom `deny` does not name.
    std::vector<access_rule> deny;
    std::vector<net::address_block> proxy_protocol;   ///< Who sends PROXY headers.
    std::vector<net::address_block> trusted_proxies;  ///< Whose requests say whom they are from.
    http::forwarded_field forwarded_field = http::forwarded_field::x_forwarded_for;
    std::size_t address_connections_max = 0;  ///< Of one address; 0: as many as there may be.
    std::size_t address_requests_rate = 0;    ///< A second; 0: as many as they like.
    std::size_t address_requests_burst = 100;
    std::size_t address_send_rate_max = 0;  ///< Octets a second; 0: as fast as they go.
    /// What visitors without an account may do; none: they cannot log in over FTP.
    std::optional<auth::permissions> anonymous = auth::rights::read_only();
    std::optional<auth::permissions> http_anonymous;  ///< Over HTTP; none: as the above says.
    auth::limits anonymous_limits;    ///< Of all of them together, and of each session.
    std::vector<user_account> users;  ///< No name twice, none of the anonymous ones.
    std::string users_file;           ///< More of them; empty: none. Not known to exist.
    bool write = false;               ///< The named users above may change files.

    // Files.
    upload_durability durability = upload_durability::data;
    leftovers_policy leftovers = leftovers_policy::remove;
    ebcdic_page ftp_ebcdic = ebcdic_page::cp037;  ///< Of TYPE E.
    std::string ftp_without_host;                 ///< A host of the rules; empty: the whole tree.
    bool ftp_refuse_no_host = false;              ///< Clients that do not say HOST do not log in.
    std::string ftp_charset;  ///< Empty: UTF-8. A name that iconv knows; as the user wrote it.
    /// How long a part of an upload that was cut off waits for its owner to go on; 0: none is kept.
    std::chrono::milliseconds upload_part_keep = std::chrono::hours(24);
    std::size_t list_sorted_max =
        16'000;                       ///< Entries sorted in memory; more are streamed unsorted.
    std::size_t list_reads_max = 16;  ///< Directories of each core that are read at once.
    std::size_t list_held_max = 32;   ///< Large sorted listings that each core has in memory.
    std::chrono::milliseconds list_wait_timeout = std::chrono::seconds(5);
    std::size_t http_archives_max = 4;        ///< Archives that each core sends at once; 0: none.
    std::size_t file_cache_entries = 1'024;   ///< Of each core; 0: none.
    std::size_t file_cache_bytes = 32_MiB;    ///< Of each core: contents of small files.
    std::size_t listing_cache_bytes = 8_MiB;  ///< Of each core: directories that were listed.
    std::size_t answer_cache_bytes = 8_MiB;   ///< Of each core: answers of HTTP.
    std::chrono::milliseconds file_cache_idle_timeout = std::chrono::seconds(60);

    // Logs.
    access_log_target access_log;
    std::string access_log_format = "combined";     ///< As `access_log_format::read` takes it.
    std::size_t access_log_buffer_bytes = 256_KiB;  ///< Per core; when full, lines are dropped.
    log::level log_level = log::level::info;

    // Runtime.
    io_wish io = io_wish::automatic;
    std::size_t cores = 0;  ///< Threads; 0: one for every CPU the process may use. See `pin`.
    pinning pin;
    std::size_t connections_max = 10'000;  ///< In the whole process, HTTP and FTP control together.
    std::size_t receive_buffers = 1'024;   ///< Per core, 4 KiB each; a power of two.
    std::size_t ring_entries = 1'024;      ///< Submission queue of each core; a power of two.
    /// In the whole process, for what would hold a core up; 0: `count_offload_threads` says.
    std::size_t offload_threads = 0;
    confinement confine = confinement::automatic;
    std::string run_as;  ///< "USER" or "USER:GROUP"; not known to be there. Empty: as started.
    std::chrono::milliseconds drain_timeout = std::chrono::seconds(10);
    /// How long who is replaced may finish; 0: nobody is replaced.
    std::chrono::milliseconds upgrade_drain_timeout = std::chrono::hours(1);
    std::chrono::milliseconds rate_window = std::chrono::seconds(60);

    // HTTP.
    std::vector<std::string> http_index = {"index.html"};  ///< The first that is there.
    std::string spa;          ///< For paths that are none; empty: 404. A path within the tree.
    bool clean_urls = false;  ///< `/page` is page.html.
    std::string rules_file;   ///< Redirects, fields, hosts...; empty: none. Not known to exist.
    std::vector<http::content_coding> http_compress = {
        http::content_coding::brotli, http::content_coding::zstd, http::content_coding::gzip};
    std::size_t http_compress_max = 4_MiB;           ///< Of a file.
    std::size_t http_compress_cache_bytes = 16_MiB;  ///< Of each core.
    std::size_t http_digest_max = 1_GiB;             ///< Of a file; 0: no digests.
    bool http_redirect_to_https = false;
    http_tls_policy http_tls = http_tls_policy::allow;
    std::chrono::milliseconds http_hsts = std::chrono::milliseconds(0);  ///< 0: none.
    bool http_precompressed = false;  ///< `name.gz` beside `name` is it, packed.
    std::size_t head_bytes_max = 16_KiB;
    std::size_t target_bytes_max = 8_KiB;  ///< Counts towards `head_bytes_max` too.
    std::size_t fields_max = 100;
    std::chrono::milliseconds header_timeout = std::chrono::seconds(10);
    std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);
    std::chrono::milliseconds send_timeout = std::chrono::seconds(30);
    std::size_t receive_rate_min = 240;  ///< Octets a second over `rate_window`; 0: none.
    std::size_t send_rate_min = 240;     ///< Octets a second over `rate_window`; 0: none.
    std::size_t requests_per_connection_max = 1'000'000;
    std::chrono::milliseconds body_timeout = std::chrono::seconds(30);
    std::uint64_t http_upload_max = 0;  ///< 0: no limit.
    std::size_t body_drain_bytes_max = 64_KiB;

    // FTP.
    std::size_t ftp_sessions_max = 1'000;  ///< In the whole process, out of `connections_max`.
    std::size_t ftp_line_bytes_max = 8_KiB;
    std::size_t ftp_login_tries_max = 3;
    std::chrono::milliseconds ftp_login_delay_max = std::chrono::seconds(30);
    std::chrono::milliseconds ftp_idle_timeout = std::chrono::seconds(300);
    std::chrono::milliseconds ftp_transfer_stall_timeout = std::chrono::seconds(30);
    std::size_t ftp_transfer_rate_min = 240;  ///< Octets a second over `rate_window`; 0: none.
    std::chrono::milliseconds ftp_data_connect_timeout = std::chrono::seconds(30);
    std::chrono::milliseconds ftp_upload_grace = std::chrono::milliseconds(10);
    ftp::tls_policy ftp_tls = ftp::tls_policy::allow;
    ftp::tls_reuse ftp_tls_reuse = ftp::tls_reuse::require;
    bool ftp_tls_ccc = false;

    // This run.
    std::string config_file;  ///< The file that was read; empty: none.
    bool check = false;       ///< Say what would run, then exit.
    /// What was said and is no option: a line each, for a person.
    std::vector<std::string> warnings;

    friend bool operator==(const config&, const config&) = default;
};

/// True where anybody may speak TLS.
[[nodiscard]] bool wants_tls(const config& settings) noexcept;

/// Where `path` of the tree lies on this machine, as far as names tell, empty where in no directory
/// that is served; nothing where other spellings may find it, and where it is on the way to a
/// mount, so that it is there.
[[nodiscard]] std::optional<std::string> place_on_host(const config& settings,
                                                       std::string_view path);

/// Says what would run, for `--check`: first in sentences, among them who may do what, `users` with
/// those of the users file, and `io`, which says what would move the octets; then every option with
/// its value, marked where it differs from the default. Lines end in LF. Passwords appear as `***`,
/// control octets in names escaped. Never fails, never suspends.
[[nodiscard]] std::string describe(const config& settings, std::string_view io,
                                   const auth::accounts& users);

}  // namespace ferry::server
