#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/arguments.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// Names in the tree: where the user is, what is there, and changing it without a data connection
/// (RFC 959 section 4.1.3, RFC 3659 sections 3, 4 and 7).
namespace ferry::ftp {

[[nodiscard]] runtime::task<reply> do_pwd(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_cwd(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_cdup(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_size(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mdtm(session& user, std::string_view argument);
/// Sets the time of a file: the answer of MFMT, and of MDTM and SITE UTIME where they do the same.
[[nodiscard]] runtime::task<reply> set_modified(session& user, dated_name what);
[[nodiscard]] runtime::task<reply> do_mff(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mfct(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_dsiz(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mfmt(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mlst(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_dele(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_mkd(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_rmd(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_rnfr(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_rnto(session& user, std::string_view argument);

}  // namespace ferry::ftp
