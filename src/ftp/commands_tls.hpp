#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/tls_stream.hpp"
#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// FTP over TLS (RFC 4217, RFC 2228).
namespace ferry::ftp {

[[nodiscard]] runtime::task<reply> do_auth(session& user, std::string_view mechanism);
[[nodiscard]] runtime::task<reply> do_ccc(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_pbsz(session& user, std::string_view size);
[[nodiscard]] runtime::task<reply> do_prot(session& user, std::string_view level);

/// True for a command that changes how what follows it on the control connection is read, so that
/// the reader waits until it has been carried out or refused.
[[nodiscard]] bool decides_control(const session& user, std::string_view verb) noexcept;

/// While such a command is carried out; in the end the reader goes on. For others nothing.
class control_decision {
  public:
    control_decision(session& user, std::string_view verb) noexcept
        : user_(user), is_one_(decides_control(user, verb)) {}
    control_decision(const control_decision&) = delete;
    control_decision& operator=(const control_decision&) = delete;
    ~control_decision();

  private:
    session& user_;
    bool is_one_;
};

/// Shakes hands on a connection that begins with TLS, before a word is said, and fills `made`.
/// Errors: as of `net::tls_stream::accept`: close, without a word.
[[nodiscard]] runtime::task<result<void>> begin_protected(net::tls_stream& connection,
                                                          net::tls_terms terms,
                                                          session_security& made);

/// Gives the client a ticket with the next reply where its last one is old: not all take those that
/// come on data connections, and `tls_reuse::require` wants one that is good.
void renew_ticket(session& user) noexcept;

/// True where `name` may not be logged in as over the control connection as it is.
[[nodiscard]] bool needs_tls_to_log_in(const session& user, std::string_view name) noexcept;

/// True where content may not go over the data connection as PROT has it.
[[nodiscard]] bool needs_protected_data(const session& user) noexcept;

/// Begins TLS on a data connection, as its server whoever has connected (RFC 4217 section 7), and
/// puts it in place of `data`, for a transfer of use `what`: whoever uploads gets no ticket.
/// Nothing, or the reply to the transfer that cannot be: `data` is to be closed all the same.
[[nodiscard]] runtime::task<std::optional<reply>> protect_data(session& user,
                                                               std::unique_ptr<net::stream>& data,
                                                               file_use what);

}  // namespace ferry::ftp
