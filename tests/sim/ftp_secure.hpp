#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp_session.hpp"
#include "ftp_transfer.hpp"

namespace ferry::sim::test {

/// AUTH TLS, now and then with commands in clear behind it, which nobody may carry out (RFC 4217
/// section 15.1); then mostly PBSZ and PROT P. Nobody is logged in behind it.
[[nodiscard]] runtime::task<outcome> begin_tls_by_auth(ftp_session& user);

/// PBSZ and PROT, over TLS: mostly what protects data connections.
[[nodiscard]] runtime::task<outcome> protect_or_not(ftp_session& user);

/// AUTH, PBSZ, PROT and CCC: where there is no TLS, nobody has heard of them (502).
[[nodiscard]] bool is_about_tls(std::string_view verb) noexcept;

/// What of AUTH, PBSZ, PROT and CCC is refused, where and why.
[[nodiscard]] planned_command draw_refusal(ftp_session& user);

/// Begins TLS on a data connection whose transfer was announced, where PROT has it so. `over`: it
/// did not come about, the connection is closed and the final reply, read into `close`, says so;
/// a transfer that has no reply has no `final_code`.
[[nodiscard]] runtime::task<outcome> protect_data(ftp_session& user, wire& data,
                                                  transfer_close& close);

}  // namespace ferry::sim::test
