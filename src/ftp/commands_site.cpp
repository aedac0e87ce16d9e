#include "ftp/commands_site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/copy.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
#include "ftp/commands_names.hpp"
#include "ftp/time.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// SITE CHMOD: asks for the right to replace, as every change of what is there does.
task<reply> site_chmod(session& user, std::string_view argument) {
    const auto wanted = parse_permission_change(argument);
    if (!wanted) {
        co_return reply{501, "Wanted: SITE CHMOD <sp> 0 to 777 <sp> path"};
    }
    const auto where = locate(user, wanted->name);
    if (!where) {
        co_return reply_for(where.error(), file_use::existing);
    }
    if (!user.rights_at(*where).has(auth::right::replace)) {
        co_return reply_for({.code = errc::denied}, file_use::existing);
    }
    const auto set = co_await user.files().set_permissions(user.here, *where, wanted->permissions);
    if (!set) {
        co_return reply_for(set.error(), file_use::existing);
    }
    co_return reply{200, fmt::format("Permissions are {:03o}", wanted->permissions)};
}

/// Where the file is that is to be copied. Takes the right of RETR. Errors: what the name fails
/// with.
task<result<vfs::path>> find_source(session& user, std::string_view name) {
    auto where = locate(user, name);
    if (!where) {
        co_return failure(where.error());
    }
    if (!user.rights_at(*where).has(auth::right::read)) {
        co_return failure(errc::denied);
    }
    const auto found = co_await user.files().status(user.here, *where);
    if (!found) {
        co_return failure(found.error());
    }
    if (found->kind == vfs::file_kind::directory) {
        co_return failure(errc::is_directory);
    }
    co_return std::move(*where);
}

/// SITE CPFR and CPTO are RNFR and RNTO for a copy, as ProFTPD's mod_copy has them and clients
/// know them ("SITE COPY" in FEAT).
task<reply> site_copy_from(session& user, std::string_view argument) {
    if (argument.empty()) {
        co_return reply{501, "Wanted: SITE CPFR <sp> path"};
    }
    auto where = co_await find_source(user, argument);
    if (!where) {
        co_return reply_for(where.error(), file_use::existing);
    }
    user.user.copy_from = std::move(*where);
    co_return reply{350, "Send SITE CPTO with the name of the copy"};
}

/// Takes the rights of STOR, and those of RETR that CPFR has looked at.
task<reply> copy(session& user, running_transfer& progress, const vfs::path& from,
                 std::string_view name) {
    const auto where = locate(user, name);
    if (!where) {
        co_return reply_for(where.error(), file_use::target);
    }
    progress.set_name(*where);
    const auto allowed = user.rights_at(*where);
    if (!allowed.has(auth::right::create)) {
        co_return reply_for({.code = errc::denied}, file_use::target);
    }
    const auto copied =
        co_await vfs::copy_file(
            user.here, user.files(),
            {.from = from, .to = *where, .replace = allowed.has(auth::right::replace)},
            user.shared.settings.durability)
            .in_scope(progress.scope());
    if (!copied && copied.error() == errc::cancelled) {
        co_return reply{426, "Aborted, nothing was copied"};
    }
    if (!copied && copied.error() == errc::invalid) {
        co_return reply{553, "The copy would be the file itself, or its name is not usable here"};
    }
    if (!copied) {
        co_return refusal(user, copied.error(), file_use::target);
    }
    co_return reply{250, fmt::format("Copied {} octets", *copied)};
}

/// Has no preliminary reply, so what comes meanwhile has its answer behind it, STAT too; ABOR ends
/// it all the same.
task<reply> site_copy_to(session& user, std::string_view argument) {
    if (!user.user.copy_from) {
        co_return reply{503, "Send SITE CPFR right before SITE CPTO"};
    }
    if (argument.empty()) {
        co_return reply{501, "Wanted: SITE CPTO <sp> path"};
    }
    const auto from = *std::exchange(user.user.copy_from, std::nullopt);
    running_transfer progress(user, "CPTO");
    auto answer = co_await copy(user, progress, from, argument);
    co_return progress.finish(std::move(answer));
}

/// SITE COPY: both names in one line, as mod_copy has it, too.
task<reply> site_copy(session& user, std::string_view argument) {
    const auto names = parse_names(argument);
    if (!names || names->size() != 2) {
        co_return reply{501, "Wanted: SITE COPY <sp> path <sp> copy, with spaces in \"\""};
    }
    const auto from = co_await find_source(user, names->front());
    if (!from) {
        co_return reply_for(from.error(), file_use::existing);
    }
    running_transfer progress(user, "COPY");
    auto answer = co_await copy(user, progress, *from, names->back());
    co_return progress.finish(std::move(answer));
}

/// SITE SYMLINK, as ProFTPD's mod_site_misc has it. What is reached by a link has the rights of the
/// link's name, so nobody links to what they may not read or list, or where less is allowed than at
/// the link (threats.md, V2).
task<reply> site_symlink(session& user, std::string_view argument) {
    const auto names = parse_names(argument);
    if (!names || names->size() != 2) {
        co_return reply{501, "Wanted: SITE SYMLINK <sp> target <sp> link, with spaces in \"\""};
    }
    const auto target = locate(user, names->front());
    if (!target) {
        co_return reply_for(target.error(), file_use::existing);
    }
    const auto link = locate(user, names->back());
    if (!link) {
        co_return reply_for(link.error(), file_use::target);
    }
    const auto there = user.rights_at(*target);
    const auto at_link = user.rights_at(*link);
    const bool may_show = there.has(auth::right::read) && there.has(auth::right::list) &&
                          at_link - there == auth::rights{} &&
                          !user.user.identity->allowed.has_rules_below(name_in_tree(user, *target));
    if (!may_show) {
        co_return reply_for({.code = errc::denied}, file_use::existing);
    }
    if (!at_link.has(auth::right::create)) {
        co_return reply_for({.code = errc::denied}, file_use::target);
    }
    const auto found = co_await user.files().status(user.here, *target);
    if (!found) {
        co_return reply_for(found.error(), file_use::existing);
    }
    const auto made =
        co_await user.files().make_link(user.here, {.name = *link, .target = *target});
    if (!made && made.error() == errc::invalid) {
        co_return reply{553, "The link would lie in what it leads to"};
    }
    if (!made && made.error() == errc::unsupported) {
        co_return reply{553, "Lies in another mount"};
    }
    if (!made) {
        co_return refusal(user, made.error(), file_use::target);
    }
    co_return reply{200,
                    quote_pathname(link->text()) + " leads to " + quote_pathname(target->text())};
}

/// SITE UMASK: which permission bits new files and directories do not get, beside those that the
/// server's own umask takes.
task<reply> site_umask(session& user, std::string_view argument) {
    constexpr std::uint32_t usual = 022;
    if (!argument.empty()) {
        const auto wanted = parse_umask(argument);
        if (!wanted) {
            co_return reply{501, "Wanted: SITE UMASK [<sp> 0 to 777]"};
        }
        user.settings.umask = *wanted;
    }
    co_return reply{200, fmt::format("UMASK is {:03o}", user.settings.umask.value_or(usual))};
}

/// SITE IDLE: how long this session may be idle, up to what the server allows.
task<reply> site_idle(session& user, std::string_view argument) {
    using std::chrono::seconds;
    const auto in_seconds = [](runtime::duration time) {
        return static_cast<std::uint64_t>(std::chrono::duration_cast<seconds>(time).count());
    };
    const auto most = in_seconds(user.shared.settings.idle_timeout);
    if (!argument.empty()) {
        const auto wanted = parse_restart(argument);
        if (!wanted || *wanted == 0 || *wanted > most) {
            co_return reply{501, fmt::format("Wanted: SITE IDLE [<sp> 1 to {} seconds]", most)};
        }
        user.idle_timeout = seconds(*wanted);
    }
    co_return reply{
        200, fmt::format("Idle time is {} of {} seconds", in_seconds(user.idle_timeout), most)};
}

/// SITE UTIME, in the two forms that clients have for it.
task<reply> site_utime(session& user, std::string_view argument) {
    const auto wanted = parse_utime(argument);
    if (!wanted) {
        co_return reply{501, "Wanted: SITE UTIME <sp> YYYYMMDDhhmm[ss] <sp> path"};
    }
    auto answer = co_await set_modified(user, *wanted);
    co_return answer;
}

task<reply> site_mkdir(session& user, std::string_view argument) {
    if (argument.empty()) {
        co_return reply{501, "Wanted: SITE MKDIR <sp> path"};
    }
    auto answer = co_await do_mkd(user, argument);
    co_return answer;
}

task<reply> site_rmdir(session& user, std::string_view argument) {
    if (argument.empty()) {
        co_return reply{501, "Wanted: SITE RMDIR <sp> path"};
    }
    auto answer = co_await do_rmd(user, argument);
    co_return answer;
}

/// SITE ZONE: of the times in listings, as Serv-U says it.
task<reply> site_zone(session&, std::string_view) {
    co_return reply{210, "UTC+0"};
}

/// SITE DIRSTYLE: between Unix and MS-DOS, as IIS has it.
task<reply> site_dirstyle(session& user, std::string_view) {
    user.settings.lists_as_dos = !user.settings.lists_as_dos;
    co_return reply{200, user.settings.lists_as_dos ? "MSDOS-like directory output is on"
                                                    : "MSDOS-like directory output is off"};
}

/// Says what there is and no more, or of one how it is said, from the same table that carries it
/// out.
task<reply> site_help(session& user, std::string_view argument);

/// SITE EBCDIC: the code page of TYPE E in this session, which RFC 959 leaves open.
task<reply> site_ebcdic(session& user, std::string_view argument) {
    const auto page = parse_code_page(argument);
    if (!page) {
        co_return reply{501, "Wanted: SITE EBCDIC <sp> 037 or 1047"};
    }
    user.settings.details.code_page = *page;
    co_return reply{200, fmt::format("TYPE E is code page {}", ascii::trim(argument))};
}

/// SITE QUOTA: how much of it is used, uploads under way included.
task<reply> site_quota(session& user, std::string_view) {
    if (!user.user.home) {
        co_return reply{211, "No quota"};
    }
    static_cast<void>(co_await wait_for_count(user));  // Else the answer says so.
    co_return reply{211, "Used: " + describe_quota(user)};
}

/// What a session does, for SITE WHO: "RETR /a/b 1024 octets", or for how long nothing. Where no
/// octets go over a data connection, as for HASH, there are none to tell.
std::string describe_doing(const session_activity::state& doing, runtime::time_point now) {
    if (!doing.verb.empty()) {
        return fmt::format("{}{}{}{}", doing.verb, doing.name.empty() ? "" : " ", doing.name,
                           doing.octets == 0 ? "" : fmt::format(" {} octets", doing.octets));
    }
    const auto idle = std::chrono::duration_cast<std::chrono::seconds>(now - doing.since);
    return fmt::format("idle {} s", std::max(idle, std::chrono::seconds::zero()).count());
}

/// SITE WHO: who is logged in and what they do, on any core. For those with the right to
/// `administer` alone.
task<reply> site_who(session& user, std::string_view) {
    constexpr std::size_t lines_max = 1'000;
    const auto seen = user.shared.logged_in.look(lines_max);
    reply answer{211, fmt::format("{} logged in", seen.all)};
    for (const auto& each : seen.first) {
        std::string line = fmt::format("{} {} since ", each.account, each.address);
        append_time_val(line, each.since);
        line += each.is_secure ? " over TLS" : "";
        if (!each.host.empty()) {
            line += " at " + each.host;
        }
        line += ": " + describe_doing(each.doing, user.here.now());
        answer.lines.push_back(std::move(line));
    }
    co_return answer;
}

struct site_command {
    std::string_view verb;
    task<reply> (*run)(session& user, std::string_view argument);
    std::string_view help;
    bool is_for_admins = false;

    [[nodiscard]] bool is_there_for(const session& user) const noexcept {
        return !is_for_admins || user.may_anywhere({auth::right::administer});
    }
};

constexpr auto site_commands = std::to_array<site_command>({
    {"CHMOD", site_chmod, "CHMOD <sp> 0 to 777 <sp> path"},
    {"COPY", site_copy, "COPY <sp> path <sp> copy"},
    {"CPFR", site_copy_from, "CPFR <sp> path (copy from)"},
    {"CPTO", site_copy_to, "CPTO <sp> path (copy to)"},
    {"DIRSTYLE", site_dirstyle, "DIRSTYLE (LIST as MS-DOS has it, or as Unix)"},
    {"EBCDIC", site_ebcdic, "EBCDIC <sp> 037 or 1047 (of TYPE E)"},
    {"HELP", site_help, "HELP [<sp> SITE command]"},
    {"IDLE", site_idle, "IDLE [<sp> seconds]"},
    {"MKDIR", site_mkdir, "MKDIR <sp> path"},
    {"QUOTA", site_quota, "QUOTA"},
    {"RMDIR", site_rmdir, "RMDIR <sp> path"},
    {"SYMLINK", site_symlink, "SYMLINK <sp> target <sp> link"},
    {"UMASK", site_umask, "UMASK [<sp> 0 to 777]"},
    {"UTIME", site_utime, "UTIME <sp> YYYYMMDDhhmm[ss] <sp> path"},
    {"WHO", site_who, "WHO (who is logged in; for those with the permission admin)", true},
    {"ZONE", site_zone, "ZONE (of the times in listings)"},
});

const site_command* find_site_command(std::string_view verb) noexcept {
    const auto* const found = std::ranges::find_if(site_commands, [verb](const site_command& each) {
        return ascii::equal_ignoring_case(each.verb, verb);
    });
    return found == site_commands.end() ? nullptr : found;
}

task<reply> site_help(session& user, std::string_view argument) {
    if (const auto verb = ascii::trim(argument); !verb.empty()) {
        const auto about = describe_site_command(user, verb);
        co_return about ? reply{214, *about} : reply{504, "No such SITE command"};
    }
    reply answer{214, "SITE commands"};
    for (const auto& each : site_commands) {
        if (each.is_there_for(user)) {
            answer.lines.emplace_back(each.help);
        }
    }
    co_return answer;
}

}  // namespace

std::optional<std::string> describe_site_command(const session& user, std::string_view verb) {
    const auto* const found = find_site_command(verb);
    if (found == nullptr || !found->is_there_for(user)) {
        return std::nullopt;
    }
    return std::string("SITE ").append(found->help);
}

task<reply> do_site(session& user, std::string_view argument) {
    const auto space = argument.find(' ');
    const auto verb = ascii::trim(argument.substr(0, space));
    const auto rest = space == std::string_view::npos ? "" : argument.substr(space + 1);
    const auto* const found = find_site_command(verb);
    if (found == nullptr) {
        co_return reply{504, "No such SITE command"};
    }
    if (!found->is_there_for(user)) {
        co_return reply{550, "Permission denied"};
    }
    auto answer = co_await found->run(user, rest);
    co_return answer;
}

}  // namespace ferry::ftp
