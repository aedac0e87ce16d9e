#pragma once

#include <string>
#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// Who the user is (RFC 959 section 4.1.1).
namespace ferry::ftp {

/// The name in the whole tree of `seen` beneath `root`.
[[nodiscard]] std::string name_below(const vfs::path& root, const vfs::path& seen);

[[nodiscard]] runtime::task<reply> do_user(session& user, std::string_view name);
[[nodiscard]] runtime::task<reply> do_pass(session& user, std::string_view password);
[[nodiscard]] runtime::task<reply> do_acct(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_host(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_smnt(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_rein(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_quit(session& user, std::string_view argument);

/// Nobody is logged in, and everything is set as on a new connection.
[[nodiscard]] runtime::task<> begin_again(session& user);

}  // namespace ferry::ftp
