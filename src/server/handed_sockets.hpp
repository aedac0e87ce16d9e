#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/net/endpoint.hpp"
#include "server/config.hpp"

namespace ferry::server {

/// In place of a scheme, of the sockets of an admin server. A service manager gives none.
inline constexpr std::string_view admin_scheme = "admin";

/// A listening socket that somebody else has opened.
struct handed_socket {
    std::string scheme;     ///< Of what it speaks: "http", "https", "ftp", "ftps"; or "admin".
    bool is_given = false;  ///< By a service manager; else by a ferry, whose settings named it.
    net::endpoint at;       ///< Of the family `local` where it has a path.
    std::string path;       ///< Of a socket of the file system; else empty.
    unique_fd socket;       ///< Non-blocking, close-on-exec.
};

/// The descriptors that the process was started with (sd_listen_fds(3)): LISTEN_FDS of them from 3
/// on, if LISTEN_PID is this process, with the names of LISTEN_FDNAMES. A service manager gives
/// sockets named as schemes; a ferry that is replaced adds `own_prefix` to the names of those that
/// it opened itself, among which are those of its admin server, and a channel to itself
/// (`predecessor_name`).
class handed_sockets {
  public:
    static constexpr std::string_view own_prefix = "own-";
    static constexpr std::string_view predecessor_name = "predecessor";

    /// Takes them, and the variables out of the environment. Before threads start. Errors: which of
    /// them is of no use, for a person.
    [[nodiscard]] static std::expected<handed_sockets, std::string> from_environment();

    /// The names that a service manager has given sockets of this process. Leaves the variables as
    /// they are.
    [[nodiscard]] static std::vector<std::string> names_given();

    /// Has `settings` listen where the sockets of a service manager do, for each scheme of which
    /// there are any. Errors: what they lack, for a person.
    [[nodiscard]] std::expected<void, std::string> put_into(config& settings) const;

    /// Takes those that listen at `at`, each socket once. The kernel chose a port for whoever asked
    /// for 0: that one, at an address that is not among `all`.
    [[nodiscard]] std::vector<handed_socket> take(std::string_view scheme, const net::endpoint& at,
                                                  const std::vector<net::endpoint>& all);
    /// The same of the file system.
    [[nodiscard]] std::vector<handed_socket> take(std::string_view scheme, const local_door& door);

    /// The names that `drop_rest` would remove.
    [[nodiscard]] std::vector<std::string> paths_left() const;

    /// Closes those that are left, which are not wanted any more, and removes the names of those of
    /// the file system that a ferry made.
    void drop_rest();

    /// To the ferry that serves until this one does; empty: there is none.
    unique_fd predecessor;

  private:
    std::vector<handed_socket> all_;
};

}  // namespace ferry::server
