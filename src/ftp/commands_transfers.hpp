#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// Files and listings over a data connection, and STAT, which lists without one (RFC 959
/// section 4.1.3, RFC 3659 sections 5 and 7).
namespace ferry::ftp {

[[nodiscard]] runtime::task<reply> do_retr(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_stor(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_stou(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_allo(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_avbl(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_appe(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_list(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_nlst(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mlsd(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_stat(session& user, std::string_view argument);

}  // namespace ferry::ftp
