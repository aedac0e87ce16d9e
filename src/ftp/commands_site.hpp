#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

namespace ferry::ftp {

/// SITE: what is no standard (RFC 959 section 4.1.3): CHMOD and HELP. All else is 504, and devices
/// that send SITE RECFM and the like go on after it.
[[nodiscard]] runtime::task<reply> do_site(session& user, std::string_view argument);

}  // namespace ferry::ftp
