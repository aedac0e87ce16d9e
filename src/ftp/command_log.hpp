#pragma once

#include <string>
#include <string_view>

#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/time.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

namespace ferry::ftp {

/// The line of the access log of one command, from its start to its final reply. Transfers, changes
/// and logins have one, whatever the reply is; commands that ask about a name have one where they
/// are refused; all others have none. A password is never in it.
class command_log {
  public:
    /// `verb` and `argument` must outlive it. `verb` is in upper case. Before the command is
    /// carried out: afterwards the name that tried to log in is forgotten.
    command_log(session& user, std::string_view verb, std::string_view argument);

    /// Writes the line if there is to be one.
    void finish(const reply& answer) const;

  private:
    void count(const reply& answer) const noexcept;

    session& user_;
    std::string_view verb_;
    std::string_view argument_;
    std::string claimed_name_;  ///< Of PASS.
    wall_time began_at_;
    runtime::time_point began_;
};

}  // namespace ferry::ftp
