#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// How the next transfer goes, and what the server tells of itself (RFC 959 sections 4.1.2 and
/// 4.1.3, RFC 2389, RFC 2428, RFC 3659 section 5).
namespace ferry::ftp {

[[nodiscard]] runtime::task<reply> do_type(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_stru(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mode(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_rest(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_pasv(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_epsv(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_port(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_eprt(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_lprt(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_lpsv(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_abor(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_syst(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_noop(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_clnt(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_csid(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_lang(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_feat(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_opts(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_help(session& user, std::string_view argument);

}  // namespace ferry::ftp
