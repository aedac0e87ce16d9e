#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "ferry/runtime/task.hpp"
#include "ftp/reply.hpp"
#include "ftp/session.hpp"

namespace ferry::ftp {

/// Who may use a command. Checked before its handler runs, in one place.
struct access {
    bool needs_login = true;
    /// Whoever has one of these rights at some path, and the handler looks at the path; none:
    /// everybody.
    auth::rights any_of = {};
};

/// Whether a command moves octets over a data connection. If so, one must be set up (425), and it
/// uses up REST and what was set up, however it ends.
enum class channel : std::uint8_t { none, data };

enum class argument : std::uint8_t { none, optional, required };

/// Carries out one command and returns its final reply; writes nothing itself but the preliminary
/// reply of a transfer. `argument` stays valid until it has returned.
using handler = runtime::task<reply> (*)(session& user, std::string_view argument);

/// One row: all that ferry knows of a command.
struct command {
    std::string_view verb;  ///< In upper case.
    access who;
    channel uses;
    argument takes;
    handler run;
    std::string_view help;     ///< Its line of HELP (RFC 959 section 4.1.3).
    std::string_view feature;  ///< Its line of FEAT (RFC 2389 section 3.2), or empty.
    bool only_with_tls = false;

    /// Else it is as if there were no such row.
    [[nodiscard]] bool is_there_for(const session& user) const noexcept {
        return !only_with_tls || user.shared.has_tls();
    }
};

/// Every command, sorted by verb.
[[nodiscard]] std::span<const command> all_commands() noexcept;

/// The row of `verb`, in upper case, or null.
[[nodiscard]] const command* find_command(std::string_view verb) noexcept;

/// Carries out one command line: finds its row, checks what the row needs, runs its handler.
/// `line` must outlive the task.
[[nodiscard]] runtime::task<reply> perform(session& user, std::string_view line);

}  // namespace ferry::ftp
