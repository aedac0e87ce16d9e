#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/task.hpp"

struct ssl_session_st;

namespace ferry::ftp_load {

/// What all TLS of a thread begins with. Certificates are not checked: what is loaded is a server,
/// and most that are have made their own.
class tls_client {
  public:
    /// Errors: errc::exhausted.
    [[nodiscard]] static result<std::unique_ptr<tls_client>> make();
    tls_client(const tls_client&) = delete;
    tls_client& operator=(const tls_client&) = delete;
    ~tls_client();

  private:
    friend class connection;
    class inside;
    explicit tls_client(std::unique_ptr<inside> made) noexcept;

    std::unique_ptr<inside> inside_;
};

/// The newest session that a server has given a ticket for, to be resumed by the data connections
/// of one control connection (RFC 4217 section 10.4).
class tls_ticket {
  public:
    [[nodiscard]] bool is_there() const noexcept { return session_ != nullptr; }
    void forget() noexcept { session_.reset(); }

  private:
    friend class connection;
    struct freed {
        void operator()(ssl_session_st* session) const noexcept;
    };
    std::unique_ptr<ssl_session_st, freed> session_;
};

/// One connection of a client, in clear or, from `begin_tls` on, over TLS. Must be closed before it
/// dies. Errors of its functions are those of `net::stream`; errc::invalid: of TLS, `explain` says
/// which.
class connection {
  public:
    connection(runtime::core& here, unique_fd socket);
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection();

    /// What TLS begins with. All of it outlives the connection.
    struct tls_terms {
        const tls_client& by;
        const std::string& host;  ///< As the URL has it; a name is told to the server (RFC 6066).
        tls_ticket& ticket;       ///< Resumed if there is one, and replaced by a newer one.
    };
    /// Shakes hands as the client (RFC 8446, RFC 5246).
    [[nodiscard]] runtime::task<result<void>> begin_tls(tls_terms terms,
                                                        runtime::time_point deadline);

    /// Receives at least one octet; 0 is the end. Over TLS only the peer's close_notify is one:
    /// without it errc::invalid.
    [[nodiscard]] runtime::task<result<std::size_t>> receive(std::span<std::byte> into,
                                                             runtime::time_point deadline);
    /// Appends what comes next, a little at a time: for replies. Errors: errc::closed, too.
    [[nodiscard]] runtime::task<result<void>> receive_more(std::string& into,
                                                           runtime::time_point deadline);
    [[nodiscard]] runtime::task<result<void>> send(std::span<const std::byte> octets,
                                                   runtime::duration stall_timeout);
    /// Says that nothing more is sent, and with TLS waits until the peer has ended its side, too:
    /// what it says of TLS unread would make a reset of our end.
    [[nodiscard]] runtime::task<> finish(runtime::time_point deadline);

    /// Deaf to stop requests. At most once.
    [[nodiscard]] runtime::task<> close(net::farewell how);

    [[nodiscard]] const net::endpoint& local() const noexcept { return below_.local(); }
    /// Of the last TLS that was begun.
    [[nodiscard]] bool is_resumed() const noexcept;

    /// What `why` means, for a person.
    [[nodiscard]] std::string explain(const error& why) const;

  private:
    friend class tls_client;
    class session;

    [[nodiscard]] runtime::task<result<void>> flush(runtime::duration stall_timeout);
    [[nodiscard]] runtime::task<result<void>> receive_sealed(runtime::time_point deadline);

    runtime::core& here_;
    net::plain_stream below_;
    std::unique_ptr<session> session_;
    std::unique_ptr<std::byte[]> sealed_;
    std::string sending_;
    bool is_broken_ = false;
};

}  // namespace ferry::ftp_load
