#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/auth/accounts.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/http/rules.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/vfs/tree.hpp"
#include "server/config.hpp"
#include "server/handed_sockets.hpp"
#include "server/io_choice.hpp"
#include "server/privileges.hpp"
#include "server/process_files.hpp"
#include "server/tls_files.hpp"

namespace ferry::server {

enum class protocol : std::uint8_t { http, ftp };

/// Of its URIs: "http", "https", "ftp", "ftps".
[[nodiscard]] std::string_view scheme_of(protocol speaks, bool is_secure) noexcept;

/// One endpoint of one protocol, open on every core.
struct listening {
    protocol speaks = protocol::http;
    bool is_secure = false;  ///< TLS begins at once.
    net::endpoint at;        ///< With the port the kernel chose, where 0 was asked for.
    std::string path;        ///< Of a socket of the file system, where that is what it is.
    bool is_given = false;   ///< By a service manager, whose socket it stays.
    std::vector<unique_fd>
        sockets;  ///< One a core at least, sharing the port; more are shared out.
};

/// Everything that can be refused before serving begins, done and held.
struct prepared {
    std::unique_ptr<vfs::tree> files;
    std::optional<system_account> runs_as;  ///< None: whoever has started it.
    std::shared_ptr<const auth::accounts> users;
    std::shared_ptr<const http::sites> rules;
    std::unique_ptr<tls_loader> tls_files;  ///< Null: there is no TLS.
    std::string sealer_notice;              ///< Who seals what is sent; empty: there is no TLS.
    std::shared_ptr<const net::tls_server> tls;
    std::vector<listening> listeners;
    std::vector<local_name> local_names;  ///< Of those of the file system that are ferry's own.
    std::vector<std::string> paths_left;  ///< Of sockets that were handed over and are not wanted.
    std::vector<listening> admin;         ///< All sockets are for the one thread.
    process_files system;                 ///< What the admin server tells of the process.
    unique_fd access_log;                 ///< Empty when there is none, or it is standard output.
    int access_log_fd = -1;               ///< -1: no log.
    std::size_t connections_max = 0;
    std::size_t file_cache_entries = 0;  ///< Of each core.
    std::size_t logins_kept = 0;         ///< Of each core, over HTTP, between requests.
    io_choice io;
    std::vector<runtime::uring_grant> rings;  ///< One a core; none with epoll.
    std::vector<std::string> warnings;
    ftp::public_addresses public_addresses;  ///< Names looked up.
};

/// Opens the tree, the log and the listening sockets, raises the descriptor limit to what it may be
/// and `connections_max` down to what that holds, and takes the rings of all cores.
/// `cores`: how many sockets each endpoint gets; those that `handed` has for it are among them.
/// Blocking; before threads start. With `config::check` nothing is bound or created.
///
/// Errors: one line for a person: what could not be done and the likely cause. Exit with status 1.
[[nodiscard]] std::expected<prepared, std::string> prepare(const config& settings,
                                                           std::size_t cores,
                                                           handed_sockets& handed);

/// Opens the file of an access log again, which another name may have been given to meanwhile.
/// Waits for a disk at most. Errors: one line for a person, also where it is no regular file.
[[nodiscard]] std::expected<unique_fd, std::string> reopen_log_file(const std::string& name);

/// Gives up what serving needs no more: becomes `prepared::runs_as`, never gets more rights again,
/// and is confined (`confine`) as far as `config::confine` says. Adds to the warnings what that
/// user cannot read anew and what could not be barred. After `prepare`, before threads
/// start. Errors: one line for a person, of a directory that this user cannot serve too.
[[nodiscard]] std::expected<void, std::string> give_up_privileges(const config& settings,
                                                                  prepared& ready);

/// Makes the reactor of `core`, on its thread and once, out of what was prepared for it. Errors: of
/// `make_uring_reactor`, `make_epoll_reactor`.
[[nodiscard]] result<std::unique_ptr<runtime::reactor>> make_reactor(
    const config& settings, prepared& ready, unsigned core, runtime::offload_pool& offload);

/// The CPUs this process may use, in order; empty if the system does not say.
[[nodiscard]] std::vector<std::size_t> usable_cpus();

/// How many threads to run: `config::cores`, or one for each CPU this process may use.
[[nodiscard]] std::size_t count_cores(const config& settings);

}  // namespace ferry::server
