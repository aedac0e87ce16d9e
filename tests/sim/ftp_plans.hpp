#pragma once

#include <optional>
#include <string>

#include "ftp_session.hpp"

namespace ferry::sim::test {

// Commands about names. `argument` is what the user types.

[[nodiscard]] planned_command plan_cwd(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_pwd(ftp_session& user);
[[nodiscard]] planned_command plan_size(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_mdtm(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_mlst(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_mfmt(ftp_session& user, std::string argument,
                                        std::int64_t modified);
[[nodiscard]] planned_command plan_dele(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_mkd(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_rmd(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_rnfr(ftp_session& user, std::string argument);
/// `from`: what RNFR named, as typed; nothing when there was none.
[[nodiscard]] planned_command plan_rnto(ftp_session& user, std::optional<std::string> from,
                                        std::string argument);
/// STAT of a name: a listing over the control connection.
[[nodiscard]] planned_command plan_stat_name(ftp_session& user, std::string argument);

// Copies and digests.

/// What a copy of `argument` is to hold; nothing where others may change it meanwhile.
[[nodiscard]] std::optional<content> what_is_copied(ftp_session& user, const std::string& argument);
[[nodiscard]] planned_command plan_cpfr(ftp_session& user, std::string argument);
[[nodiscard]] planned_command plan_cpto(ftp_session& user, content octets, std::string argument);
[[nodiscard]] planned_command plan_xcrc(ftp_session& user, std::string argument);

// Commands about the session.

[[nodiscard]] planned_command plan_user(ftp_session& user, std::string name);
[[nodiscard]] planned_command plan_type(ftp_session& user, bool is_image);
[[nodiscard]] planned_command plan_mode(ftp_session& user, transfer_form form);
/// One of many that change nothing: NOOP, FEAT, HELP, TYPE X, MODE B, unknown verbs and so on.
[[nodiscard]] planned_command draw_setting(ftp_session& user);

/// A name to try, as the user might type it: mostly one that is or was there.
[[nodiscard]] std::string draw_name(ftp_session& user);
/// The directory that this client has for itself, as the user types it.
[[nodiscard]] std::string home_of(const ftp_session& user);
/// Whether this client may change the model's `path` without spoiling what others rely on.
[[nodiscard]] bool is_free_to_change(const ftp_session& user, const std::string& path);
/// A name that this client may change: its own, or a shared file.
[[nodiscard]] std::string draw_own_name(ftp_session& user);
/// `YYYYMMDDhhmmss` (RFC 3659 section 2.3).
[[nodiscard]] std::string time_text(std::int64_t seconds);

}  // namespace ferry::sim::test
