#include "ftp/commands_site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ferry/base/ascii.hpp"
#include "ferry/vfs/tree.hpp"
#include "ftp/arguments.hpp"

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

task<reply> site_help(session&, std::string_view) {
    co_return reply{214, "SITE commands: CHMOD <sp> 0 to 777 <sp> path, HELP"};
}

struct site_command {
    std::string_view verb;
    task<reply> (*run)(session& user, std::string_view argument);
};

constexpr auto site_commands = std::to_array<site_command>({
    {"CHMOD", site_chmod},
    {"HELP", site_help},
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
