#pragma once

#include <string>

#include "ferry/runtime/task.hpp"
#include "ftp_session.hpp"

namespace ferry::sim::test {

/// How the client meets its data connection.
struct data_way {
    bool is_passive = true;
    bool is_kept = false;  ///< It is there already: from the transfer before.
    net::endpoint to;      ///< Passive: where the server listens.
    unique_fd listening;   ///< Active: where the client does.
};

/// Sets a data connection up, PASV, EPSV, PORT or EPRT, where none was kept. `over`: it ended, or
/// there is none, which is excused; the session's `data_is_set_up` tells.
[[nodiscard]] runtime::task<outcome> set_up_data(ftp_session& user, data_way& way);

/// The data connection itself: dials, or takes the server's call.
[[nodiscard]] runtime::task<result<wire>> open_data(ftp_session& user, data_way& way);

/// The preliminary reply to a transfer, 150 for whoever looks at it next: a connection that was
/// kept has 125 in its place, and no other has (RFC 959 section 5.4).
void take_announcement(ftp_session& user, const data_way& way, ftp_reply& reply);

/// Whether to keep the data connection of a transfer that went well for the next one.
[[nodiscard]] bool keeps_data(ftp_session& user);

/// Retrieves something, whole, from an offset, or with an interruption, and checks every octet.
[[nodiscard]] runtime::task<outcome> retrieve(ftp_session& user);
/// Stores something: STOR, REST and STOR, APPE or STOU, with or without an interruption.
[[nodiscard]] runtime::task<outcome> store(ftp_session& user);
/// STOR of something under that name.
[[nodiscard]] runtime::task<outcome> store_as(ftp_session& user, std::string argument);
/// LIST, NLST or MLSD.
[[nodiscard]] runtime::task<outcome> list(ftp_session& user);
/// A data connection that nobody makes: 425 in time.
[[nodiscard]] runtime::task<outcome> stand_up(ftp_session& user);

/// What a client does in the middle of a transfer.
enum class interruption : std::uint8_t {
    none,
    abort,         ///< ABOR.
    abort_urgent,  ///< Telnet IP, Synch, ABOR (RFC 959 section 4.1.3).
    status,        ///< STAT
    quit,          ///< QUIT: the transfer ends first.
    drop_data,     ///< Resets the data connection.
    drop_control,  ///< Resets both.
};
[[nodiscard]] interruption draw_interruption(client_context& context);

/// Sends what the interruption says over the control connection.
[[nodiscard]] runtime::task<> interrupt(ftp_session& user, interruption what);

/// The replies that are due once the data are over.
struct transfer_close {
    std::string line;  ///< The transfer's command, for messages.
    interruption what = interruption::none;
    int final_code = 0;  ///< Of the transfer, once read.
};
/// Reads the final reply of a transfer and what the interruption is answered with.
[[nodiscard]] runtime::task<outcome> read_final(ftp_session& user, transfer_close& close);

}  // namespace ferry::sim::test
