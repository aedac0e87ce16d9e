#include "ftp/commands_names.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/list_format.hpp"
#include "ftp/listing_source.hpp"
#include "ftp/text_size.hpp"
#include "ftp/time.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

reply refuse(const error& why) {
    return reply_for(why, file_use::existing);
}

/// True where facts of a name may be told.
bool may_ask(const session& user, const vfs::path& where) {
    return user.rights_at(where).has_any({auth::right::list, auth::right::read});
}

bool may(const session& user, auth::right which, const vfs::path& where) {
    return user.rights_at(where).has(which);
}

/// True where a whole directory may get or lose its name: no rule is about what lies below.
bool may_rename(const session& user, const vfs::path& where) {
    return may(user, auth::right::rename, where) &&
           !user.user.identity->allowed.has_rules_below(name_in_tree(user, where));
}

/// Makes `seen` the working directory if it is a directory.
task<reply> enter_directory(session& user, vfs::path where) {
    const auto inside = where.resolve(".");
    if (!inside) {
        co_return refuse(inside.error());
    }
    if (user.rights_at(where) == auth::rights{}) {
        co_return refuse({.code = errc::denied});
    }
    const auto found = co_await user.files().status(user.here, *inside);
    if (!found) {
        co_return refuse(found.error());
    }
    user.user.directory = std::move(where);
    co_return reply{250, quote_pathname(user.user.directory.text()) + " is the working directory"};
}

/// Reads "20261123081500 name". Errors: errc::invalid.
result<dated_name> parse_dated_name(std::string_view argument) {
    const auto space = argument.find(' ');
    if (space == std::string_view::npos || space + 1 == argument.size()) {
        return failure(errc::invalid);
    }
    FERRY_TRY(modified, parse_time_val(argument.substr(0, space)));
    return dated_name{.modified = modified, .name = argument.substr(space + 1)};
}

/// Forgets what SIZE has told of `where`.
void forget_part(session& user, const vfs::path& where) noexcept {
    if (user.user.part && user.user.part->name == where) {
        user.user.part.reset();
    }
}

/// How much came of the user's own upload to a name that nobody has, if it was cut off: where a
/// client goes on, with REST and STOR or with APPE.
task<std::optional<std::uint64_t>> size_of_part(session& user, const vfs::path& where) {
    const auto owner = part_owner_at(user, where);
    if (owner.empty()) {
        co_return std::nullopt;
    }
    const auto part = co_await user.files().part_status(user.here, where, owner);
    if (!part) {
        co_return std::nullopt;
    }
    co_return part->size_bytes;
}

}  // namespace

task<reply> set_modified(session& user, dated_name what) {
    const auto where = locate(user, what.name);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may(user, auth::right::replace, *where)) {
        co_return refuse({.code = errc::denied});
    }
    const auto set = co_await user.files().set_modified(user.here, *where, what.modified);
    if (!set) {
        co_return refuse(set.error());
    }
    std::string text = "Modify=";
    append_time_val(text, what.modified);
    co_return reply{213, text + "; " + where->text()};
}

task<reply> do_pwd(session& user, std::string_view) {
    co_return reply{257, quote_pathname(user.user.directory.text()) + " is the working directory"};
}

/// CWD: without an argument it stays where it is, as some cameras want.
task<reply> do_cwd(session& user, std::string_view argument) {
    auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    auto answer = co_await enter_directory(user, std::move(*where));
    co_return answer;
}

task<reply> do_cdup(session& user, std::string_view) {
    auto where = locate(user, "..");
    if (!where) {
        co_return refuse(where.error());
    }
    auto answer = co_await enter_directory(user, std::move(*where));
    co_return answer;
}

/// SIZE: octets RETR would send for this file in the current TYPE (RFC 3659 section 4). Of a name
/// that nobody has: what came of the user's upload to it, if that was cut off. None of a file that
/// an upload of the user's was to replace and did not: clients then begin anew, where the old size
/// would have them go on (curl -C -, lftp's put -c).
task<reply> do_size(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may_ask(user, *where)) {
        co_return refuse({.code = errc::denied});
    }
    const auto found = co_await user.files().status(user.here, *where);
    forget_part(user, *where);
    if (!found) {
        const auto part_bytes = co_await size_of_part(user, *where);
        if (found.error() != errc::not_found || !part_bytes) {
            co_return refuse(found.error());
        }
        user.user.part = {.name = *where, .size_bytes = *part_bytes};
        co_return reply{213, std::to_string(*part_bytes)};
    }
    if (found->kind == vfs::file_kind::directory) {
        co_return refuse({.code = errc::is_directory});
    }
    const auto replaced = co_await replacement_at(user, *where);
    if (replaced == vfs::replacement::cut_off) {
        // Not 550: to curl that says that there is no file to retrieve.
        co_return reply{504, why_not_to_go_on(replaced)->text};
    }
    if (size_source_of(user.settings.how) == size_source::stored) {
        co_return reply{213, std::to_string(found->size_bytes)};
    }
    const auto file = co_await user.files().open(user.here, *where);
    if (!file) {
        co_return refuse(file.error());
    }
    if (!is_supported(user.settings.how)) {
        co_return reply{504, "Pages are of TYPE I only"};
    }
    const auto counted = co_await count_network_size(user.here, *file, user.settings.how);
    if (!counted && counted.error() == errc::too_large) {
        co_return reply{550, "Too large to count its size in this TYPE and STRU: use TYPE I"};
    }
    if (!counted) {
        co_return refuse(counted.error());
    }
    co_return reply{213, std::to_string(*counted)};
}

/// MDTM: tells a time (RFC 3659 section 3); "MDTM time name" sets it, as older clients do, unless
/// that whole text is the name of a file.
task<reply> do_mdtm(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    const auto found = co_await user.files().status(user.here, *where);
    if (found && !may_ask(user, *where)) {
        co_return refuse({.code = errc::denied});
    }
    if (found) {
        reply answer{213, {}};
        append_time_val(answer.text, found->modified);
        co_return answer;
    }
    const auto dated = parse_dated_name(argument);
    if (!dated) {
        co_return refuse(found.error());
    }
    auto answer = co_await set_modified(user, *dated);
    co_return answer;
}

task<reply> do_mfmt(session& user, std::string_view argument) {
    const auto dated = parse_dated_name(argument);
    if (!dated) {
        co_return reply{501, "Wanted: YYYYMMDDhhmmss and a name"};
    }
    auto answer = co_await set_modified(user, *dated);
    co_return answer;
}

/// MFF: changes facts, all of them or none as far as that can be known before
/// (draft-somers-ftp-mfxx-04 section 5).
task<reply> do_mff(session& user, std::string_view argument) {
    const auto wanted = parse_fact_changes(argument);
    if (!wanted) {
        co_return wanted.error() == errc::unsupported
            ? reply{504, "Only Modify and UNIX.mode can be changed"}
            : reply{501, "Wanted: Modify=YYYYMMDDhhmmss;UNIX.mode=0644; and a name"};
    }
    const auto where = locate(user, wanted->name);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may(user, auth::right::replace, *where)) {
        co_return refuse({.code = errc::denied});
    }
    std::string text;
    if (wanted->permissions) {
        const auto set =
            co_await user.files().set_permissions(user.here, *where, *wanted->permissions);
        if (!set) {
            co_return refuse(set.error());
        }
        text += fmt::format("UNIX.mode={:04o};", *wanted->permissions);
    }
    if (wanted->modified) {
        const auto set = co_await user.files().set_modified(user.here, *where, *wanted->modified);
        if (!set) {
            co_return refuse(set.error());
        }
        text += "Modify=";
        append_time_val(text, *wanted->modified);
        text += ';';
    }
    co_return reply{213, text + ' ' + where->text()};
}

/// MFCT: Linux sets no time of creation (draft-somers-ftp-mfxx-04 section 4).
task<reply> do_mfct(session&, std::string_view) {
    co_return reply{504, "The time of creation cannot be set"};
}

/// DSIZ: the octets of all files in a directory and below
/// (draft-peterson-streamlined-ftp-command-extensions-10). No link is followed. Without a
/// preliminary reply, so what comes meanwhile waits, but for ABOR.
task<reply> do_dsiz(session& user, std::string_view argument) {
    running_transfer progress(user, "DSIZ");
    const auto where = locate(user, argument);
    if (!where) {
        co_return progress.finish(refuse(where.error()));
    }
    progress.set_name(*where);
    const bool is_whole = may(user, auth::right::list, *where) &&
                          !user.user.identity->allowed.has_rules_below(name_in_tree(user, *where));
    if (!is_whole) {
        co_return progress.finish(refuse({.code = errc::denied}));
    }
    const auto below = co_await user.files().subtree(user.here, *where);
    if (!below) {
        co_return progress.finish(refuse(below.error()));
    }
    const auto found =
        co_await (*below)->measure(user.here, user.shared.listings).in_scope(progress.scope());
    if (progress.scope().stop_requested()) {
        co_return progress.finish({426, "Aborted"});
    }
    if (found.passed_over > 0) {
        co_return progress.finish({550, "Not all of it can be read"});
    }
    co_return progress.finish({213, fmt::to_string(found.sum.octets)});
}

/// MLST: one entry over the control connection, under its whole name (RFC 3659 section 7.2).
task<reply> do_mlst(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may_ask(user, *where)) {
        co_return refuse({.code = errc::denied});
    }
    const auto found = co_await user.files().status(user.here, *where);
    if (!found) {
        co_return refuse(found.error());
    }
    std::string line;
    append_facts_line(line, {.name = where->text(), .status = *found},
                      {.facts = user.settings.facts,
                       .rights = user.rights_at(*where),
                       .role = entry_role::child,
                       .is_root = where->is_root(),
                       .media_type = media_type_of(user, where->name())});
    reply answer{250, "Listing " + where->text()};
    answer.lines.push_back(std::move(line));
    co_return answer;
}

/// DELE: of a name that nobody has, what is left of the user's own upload to it, which else would
/// keep its room until it is too old.
task<reply> do_dele(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may(user, auth::right::remove, *where)) {
        co_return refuse({.code = errc::denied});
    }
    const auto removed = co_await user.files().remove_file(user.here, *where);
    if (removed) {
        forget_part(user, *where);
        co_return reply{250, "Deleted"};
    }
    const auto owner = part_remover_at(user, *where);
    if (removed.error() == errc::not_found && !owner.empty()) {
        const auto dropped = co_await user.files().remove_part(user.here, *where, owner);
        if (dropped) {
            forget_part(user, *where);
            co_return reply{250, "Deleted what was left of an upload"};
        }
    }
    co_return refuse(removed.error());
}

task<reply> do_mkd(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may(user, auth::right::make_directory, *where)) {
        co_return refuse({.code = errc::denied});
    }
    const auto made = co_await user.files().make_directory(user.here, *where);
    if (!made) {
        co_return refusal(user, made.error(), file_use::existing);
    }
    if (const auto& umask = user.settings.umask) {
        // It is there; that its bits are others is no failure.
        static_cast<void>(
            co_await user.files().set_permissions(user.here, *where, 0777U & ~*umask));
    }
    co_return reply{257, quote_pathname(where->text()) + " created"};
}

task<reply> do_rmd(session& user, std::string_view argument) {
    const auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may(user, auth::right::remove, *where)) {
        co_return refuse({.code = errc::denied});
    }
    const auto removed = co_await user.files().remove_directory(user.here, *where);
    if (!removed) {
        co_return refuse(removed.error());
    }
    co_return reply{250, "Removed"};
}

task<reply> do_rnfr(session& user, std::string_view argument) {
    auto where = locate(user, argument);
    if (!where) {
        co_return refuse(where.error());
    }
    if (!may_rename(user, *where)) {
        co_return refuse({.code = errc::denied});
    }
    if (where->is_root()) {
        co_return refuse({.code = errc::denied});
    }
    const auto found = co_await user.files().status(user.here, *where);
    if (!found) {
        co_return refuse(found.error());
    }
    user.user.rename_from = std::move(*where);
    co_return reply{350, "Send RNTO with the new name"};
}

/// RNTO: the new name is taken from whatever file has it, in one step.
task<reply> do_rnto(session& user, std::string_view argument) {
    if (!user.user.rename_from) {
        co_return reply{503, "Send RNFR right before RNTO"};
    }
    const auto from = *std::exchange(user.user.rename_from, std::nullopt);
    const auto where = locate(user, argument);
    if (!where) {
        co_return reply_for(where.error(), file_use::target);
    }
    if (!may_rename(user, *where)) {
        co_return reply_for({.code = errc::denied}, file_use::target);
    }
    const bool replaces = may(user, auth::right::replace, *where);
    const auto renamed =
        co_await user.files().rename(user.here, {.from = from, .to = *where, .replace = replaces});
    if (!renamed && renamed.error() == errc::invalid && renamed.error().os_errno != 0) {
        co_return reply{553, "A directory cannot be moved into itself"};
    }
    if (!renamed && renamed.error() == errc::unsupported) {
        co_return reply{553, "Lies on another file system: copy and delete instead"};
    }
    if (!renamed) {
        co_return refusal(user, renamed.error(), file_use::target);
    }
    co_return reply{250, "Renamed"};
}

}  // namespace ferry::ftp
