#pragma once

#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

/// Files out of parts, for clients that upload one file over several sessions.
namespace ferry::ftp {

[[nodiscard]] runtime::task<reply> do_comb(session& user, std::string_view argument);

}  // namespace ferry::ftp
