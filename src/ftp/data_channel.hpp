#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/ftp/server.hpp"
#include "ferry/net/activity.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/net/stream.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::ftp {

/// Where a session's next data connection comes from: a listening socket (PASV, EPSV), an address
/// to connect to (PORT, EPRT), or the connection of the transfer before, where its mode marks the
/// ends of files. The last one asked for; the first two serve one transfer.
class data_channel {
  public:
    /// What its connections move is added to `counts`.
    data_channel(runtime::core& here, const options& settings, net::octet_counts* counts) noexcept
        : here_(here), settings_(settings), counts_(counts) {}

    /// Listens at the address of `control_local` on a random port of the configured range and
    /// returns where. Closes what was there before, so a session holds one socket at most
    /// (threats.md, F3). Never suspends.
    ///
    /// A port that served the transfer before serves up to `transfers_of_a_port` in a row, by the
    /// same socket: a new one each time costs a quarter of the transfer of a small file, and each
    /// leaves a port in TIME_WAIT that the next search for a free one has to step over (decision
    /// 0032). Nobody listens there between two of them, and once anybody but the owner has turned
    /// up at it, it is used no more.
    ///
    /// Errors: errc::in_use (no port of the range is free), exhausted, or whatever the system says:
    /// answer 425.
    [[nodiscard]] result<net::endpoint> listen(const net::endpoint& control_local);

    /// Takes `target` as the address to connect to; `may_connect` has allowed it.
    void aim(const net::endpoint& target) noexcept;

    /// Forgets what was set up, but not a connection that is kept. Idempotent.
    void forget_offer() noexcept;

    /// Keeps `used` for the next transfer (RFC 959 section 3.3).
    void keep(std::unique_ptr<net::stream> used) noexcept;

    /// What came behind the end of a file: the beginning of the next on that connection.
    void put_back(std::string unread) noexcept { unread_ = std::move(unread); }
    [[nodiscard]] std::string take_unread() noexcept { return std::exchange(unread_, {}); }

    /// Closes what is kept, if anything: the port was changed, or the mode, or the session ends
    /// (RFC 959 section 3.3). Deaf to stop requests.
    [[nodiscard]] runtime::task<> drop_kept();

    [[nodiscard]] bool is_set_up() const noexcept { return listening_.socket || target_ || kept_; }
    /// `open` will give the connection of the transfer before.
    [[nodiscard]] bool is_kept() const noexcept { return kept_ && !listening_.socket && !target_; }

    static constexpr unsigned transfers_of_a_port = 16;

    struct ends {
        const net::endpoint& local;  ///< Of the control connection.
        const net::endpoint& peer;   ///< Of the control connection.
    };

    /// The data connection, of the client and nobody else: connections from other addresses are
    /// reset and the wait goes on (RFC 2577 section 4; threats.md, F2). What was set up is used up.
    /// Close the stream before it dies, or `keep` it.
    ///
    /// Errors: errc::timed_out, unavailable, reset, exhausted: answer 425; errc::cancelled.
    [[nodiscard]] runtime::task<result<std::unique_ptr<net::stream>>> open(
        ends control, runtime::time_point deadline);

  private:
    /// A socket for connections of the client, and where it listens, or did.
    struct passive_socket {
        unique_fd socket;
        net::endpoint at;
        unsigned transfers = 0;   ///< That it has served.
        bool has_number = false;  ///< It was bound to the port by number, and so keeps it.
    };

    [[nodiscard]] runtime::task<result<std::unique_ptr<net::stream>>> accept_from(
        const passive_socket& incoming, const net::endpoint& owner, runtime::time_point deadline);
    [[nodiscard]] bool listen_again(int backlog) noexcept;
    void keep_for_next(passive_socket used) noexcept;
    [[nodiscard]] runtime::task<result<std::unique_ptr<net::stream>>> connect_to(
        net::endpoint target, net::endpoint from, runtime::time_point deadline);
    [[nodiscard]] result<net::endpoint> listen_at(const net::endpoint& where);
    [[nodiscard]] net::minimum_rates rates() const noexcept;

    runtime::core& here_;
    const options& settings_;
    net::octet_counts* counts_;
    passive_socket listening_;
    passive_socket spare_;  ///< Served the transfer before, and does not listen.
    std::optional<net::endpoint> target_;
    std::unique_ptr<net::stream> kept_;
    std::string unread_;
};

}  // namespace ferry::ftp
