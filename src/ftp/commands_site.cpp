#include "ftp/commands_site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/copy.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"
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

/// SITE CPFR and CPTO are RNFR and RNTO for a copy, as ProFTPD's mod_copy has them and clients
/// know them ("SITE COPY" in FEAT).
task<reply> site_copy_from(session& user, std::string_view argument) {
    if (argument.empty()) {
        co_return reply{501, "Wanted: SITE CPFR <sp> path"};
    }
    auto where = locate(user, argument);
    if (!where) {
        co_return reply_for(where.error(), file_use::existing);
    }
    if (!user.rights_at(*where).has(auth::right::read)) {
        co_return reply_for({.code = errc::denied}, file_use::existing);
    }
    const auto found = co_await user.files().status(user.here, *where);
    if (!found) {
        co_return reply_for(found.error(), file_use::existing);
    }
    if (found->kind == vfs::file_kind::directory) {
        co_return reply_for({.code = errc::is_directory}, file_use::existing);
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

task<reply> site_help(session&, std::string_view) {
    co_return reply{
        214,
        "SITE commands",
        {"CHMOD <sp> 0 to 777 <sp> path", "CPFR <sp> path (copy from)", "CPTO <sp> path (copy to)",
         "EBCDIC <sp> 037 or 1047 (of TYPE E)", "HELP", "QUOTA"}};
}

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

struct site_command {
    std::string_view verb;
    task<reply> (*run)(session& user, std::string_view argument);
};

constexpr auto site_commands = std::to_array<site_command>({
    {"CHMOD", site_chmod},
    {"CPFR", site_copy_from},
    {"CPTO", site_copy_to},
    {"EBCDIC", site_ebcdic},
    {"HELP", site_help},
    {"QUOTA", site_quota},
});

}  // namespace

task<reply> do_site(session& user, std::string_view argument) {
    const auto space = argument.find(' ');
    const auto verb = ascii::trim(argument.substr(0, space));
    const auto rest = space == std::string_view::npos ? "" : argument.substr(space + 1);
    const auto found = std::ranges::find_if(site_commands, [verb](const site_command& each) {
        return ascii::equal_ignoring_case(each.verb, verb);
    });
    if (found == site_commands.end()) {
        co_return reply{504, "No such SITE command"};
    }
    auto answer = co_await found->run(user, rest);
    co_return answer;
}

}  // namespace ferry::ftp
