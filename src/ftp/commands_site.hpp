#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

namespace ferry::ftp {

/// SITE: what is no standard (RFC 959 section 4.1.3). What is not in its table is 504, and devices
/// that send SITE RECFM and the like go on after it.
[[nodiscard]] runtime::task<reply> do_site(session& user, std::string_view argument);

/// What HELP says of SITE `verb`, in any case; nothing where the user has no such command.
[[nodiscard]] std::optional<std::string> describe_site_command(const session& user,
                                                               std::string_view verb);

}  // namespace ferry::ftp
