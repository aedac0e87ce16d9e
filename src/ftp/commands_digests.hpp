#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// Digests of files (draft-bryan-ftpext-hash-02), and what older clients call them. All are of the
/// octets as they are stored, which is what RETR sends in TYPE I, whatever TYPE is set (section 3).
namespace ferry::ftp {

[[nodiscard]] runtime::task<reply> do_hash(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_rang(session& user, std::string_view argument);

[[nodiscard]] runtime::task<reply> do_xcrc(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_xmd5(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_xsha1(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_xsha256(session& user, std::string_view argument);
[[nodiscard]] runtime::task<reply> do_xsha512(session& user, std::string_view argument);

}  // namespace ferry::ftp
