#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
[[nodiscard]] planned_command plan_mkd(ftp_session& user, std::string argument,
                                       bool is_site = false);
[[nodiscard]] planned_command plan_rmd(ftp_session& user, std::string argument,
                                       bool is_site = false);
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
/// SITE COPY: the same in one.
[[nodiscard]] planned_command plan_copy(ftp_session& user, content octets, const std::string& from,
                                        const std::string& to);
[[nodiscard]] planned_command plan_xcrc(ftp_session& user, std::string argument);
/// XMD5, XSHA and so on, or HASH.
[[nodiscard]] planned_command plan_other_digest(ftp_session& user, std::string argument);
/// RANG and the HASH that it is for.
[[nodiscard]] std::vector<planned_command> plan_hash_of_range(ftp_session& user,
                                                              std::string argument);
/// COMB of `parts`, which nobody else changes and of which it is known what they hold.
struct known_part {
    std::string typed;
    content octets;
};
[[nodiscard]] planned_command plan_comb(ftp_session& user, std::string target,
                                        std::vector<known_part> parts);

// What few clients say.

/// MDTM, SITE UTIME or MFF, which set the time as MFMT does.
[[nodiscard]] planned_command plan_other_time(ftp_session& user, const std::string& argument,
                                              std::int64_t modified);
/// SITE CHMOD or MFF, and MLST, which tells it.
[[nodiscard]] std::vector<planned_command> plan_permissions(ftp_session& user,
                                                            const std::string& argument);
/// AVBL.
[[nodiscard]] planned_command plan_room(ftp_session& user);
[[nodiscard]] planned_command plan_dsiz(ftp_session& user, const std::string& argument);
[[nodiscard]] planned_command plan_umask(ftp_session& user);
[[nodiscard]] planned_command plan_idle(ftp_session& user);
[[nodiscard]] planned_command plan_dirstyle(ftp_session& user);
[[nodiscard]] planned_command plan_ebcdic(ftp_session& user);
[[nodiscard]] planned_command plan_quota(ftp_session& user);
[[nodiscard]] planned_command plan_who(ftp_session& user);
/// SITE SYMLINK under a name that is taken: a model of names alone has no links.
[[nodiscard]] planned_command plan_symlink(ftp_session& user, const std::string& target);
/// `argument`: a directory below the home, or "/" for that.
[[nodiscard]] planned_command plan_smnt(ftp_session& user, const std::string& argument);
[[nodiscard]] planned_command plan_host(ftp_session& user);
[[nodiscard]] planned_command plan_stru(ftp_session& user, file_structure structure);
[[nodiscard]] planned_command plan_type_e(ftp_session& user);
/// One of many that are refused, or change nothing.
[[nodiscard]] planned_command draw_misuse(ftp_session& user);

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
/// In quotation marks, those in it doubled (RFC 959 section 5.4).
[[nodiscard]] std::string quoted(std::string_view name);
/// `YYYYMMDDhhmmss` (RFC 3659 section 2.3).
[[nodiscard]] std::string time_text(std::int64_t seconds);

}  // namespace ferry::sim::test
