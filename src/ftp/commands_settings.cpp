#include "ftp/commands_settings.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/log.hpp"
#include "ftp/address.hpp"
#include "ftp/arguments.hpp"
#include "ftp/commands.hpp"
#include "ftp/commands_site.hpp"
#include "ftp/digest_names.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// What the arguments' functions may refuse: see arguments.hpp.
reply argument_refused(const error& why) {
    if (why == errc::unsupported) {
        return {504, "Not implemented for that parameter"};
    }
    return {501, "Syntax error in the argument"};
}

reply no_data_connection() {
    return {425, "No data connection can be opened: try again later"};
}

reply extended_only() {
    return {503, "After EPSV ALL only EPSV is taken"};
}

/// The family in which the client reaches us, and so may be reached.
net::address_family family_of(const session& user) noexcept {
    return net::unmapped(user.control.local()).family;
}

/// Whether EPSV has a meaning: it names a port at the address that the client has reached (RFC 2428
/// section 3), which behind a proxy is not where `public_address` sends its data connections.
bool can_say_where(const session& user) noexcept {
    const auto& shown = user.shared.settings.public_address;
    return !user.is_proxied || family_of(user) == net::address_family::v6 ||
           !shown.shown_to(user.control.peer());
}

reply take_active_target(session& user, const result<net::endpoint>& given) {
    if (!given) {
        return given.error() == errc::unsupported ? unsupported_protocol(family_of(user))
                                                  : argument_refused(given.error());
    }
    if (!may_connect({.given = *given, .peer = user.control.peer()})) {
        user.data.forget_offer();
        return {504, "Data connections go to your own address, ports from 1024 on"};
    }
    auto target = net::unmapped(user.control.peer());
    target.port = given->port;
    user.data.aim(target);
    return {200, "Data connection address taken"};
}

/// Listens for the client's data connection; the port, or a reply to send instead.
result<net::endpoint> listen_for_data(session& user) {
    auto listening = user.data.listen(user.control.local());
    if (!listening && !std::exchange(user.has_warned_of_ports, true)) {
        log::warning(fmt::format("ftp: no passive data port: {} (is --passive-ports too narrow?)",
                                 describe(listening.error().code)));
    }
    return listening;
}

/// True when the client can reach us at `family` on the address it already uses.
bool speaks_family(const session& user, epsv_request wanted) noexcept {
    switch (wanted) {
        case epsv_request::v4:
            return family_of(user) == net::address_family::v4;
        case epsv_request::v6:
            return family_of(user) == net::address_family::v6;
        case epsv_request::any:
        case epsv_request::all:
            return true;
    }
    return true;
}

constexpr std::size_t verbs_per_help_line = 8;

}  // namespace

task<reply> do_type(session& user, std::string_view argument) {
    const auto wanted = parse_type(argument);
    if (!wanted) {
        co_return argument_refused(wanted.error());
    }
    user.settings.how.type = wanted->type;
    user.settings.how.format = wanted->format;
    co_return reply{200, fmt::format("Type is {}", describe_type(user.settings.how))};
}

task<reply> do_stru(session& user, std::string_view argument) {
    const auto wanted = parse_structure(argument);
    if (!wanted) {
        co_return argument_refused(wanted.error());
    }
    user.settings.how.structure = *wanted;
    co_return reply{200, fmt::format("Structure is {}", describe(*wanted))};
}

task<reply> do_mode(session& user, std::string_view argument) {
    const auto wanted = parse_mode(argument);
    if (!wanted) {
        co_return argument_refused(wanted.error());
    }
    user.settings.how.mode = *wanted;
    user.user.restart = {};  // Offsets are of one kind, markers of another.
    if (!marks_ends(*wanted)) {
        co_await user.data.drop_kept();
    }
    co_return reply{200, fmt::format("Mode is {}", describe(*wanted))};
}

/// REST: where the next RETR or STOR begins: an octet of the transfer in stream mode (RFC 3659
/// section 5.3), the server's half of a restart marker in block and compressed mode (RFC 959
/// section 3.5). What it does not understand leaves nothing behind.
task<reply> do_rest(session& user, std::string_view argument) {
    result<upload_place> where = parse_restart_marker(argument);
    if (!marks_ends(user.settings.how.mode)) {
        const auto offset = parse_restart(argument);
        where = offset ? result<upload_place>(upload_place{.offset = *offset})
                       : failure(offset.error());
    }
    user.user.restart = where.value_or(upload_place{});
    if (!where) {
        co_return argument_refused(where.error());
    }
    co_return reply{350, fmt::format("Restarting at {}, send RETR or STOR", argument)};
}

task<reply> do_pasv(session& user, std::string_view) {
    if (user.settings.extended_only) {
        co_return extended_only();
    }
    co_await user.data.drop_kept();
    const auto& settings = user.shared.settings;
    const auto local = net::unmapped(user.control.local());
    // A client that reached ferry over IPv6 has no use for a v4 address.
    if (local.family == net::address_family::v6) {
        co_return reply{425, "This is an IPv6 connection: use EPSV"};
    }
    const auto listening = listen_for_data(user);
    if (!listening) {
        co_return no_data_connection();
    }
    auto shown = settings.public_address.shown_to(user.control.peer()).value_or(*listening);
    shown.port = listening->port;
    auto answer = passive_reply(shown);
    if (!answer) {
        user.data.forget_offer();
        co_return no_data_connection();
    }
    co_return std::move(*answer);
}

task<reply> do_epsv(session& user, std::string_view argument) {
    if (!can_say_where(user)) {
        co_return reply{502, "Data connections go past the proxy, to another address: use PASV"};
    }
    const auto wanted = parse_epsv(argument);
    if (!wanted) {
        co_return wanted.error() == errc::unsupported ? unsupported_protocol(family_of(user))
                                                      : argument_refused(wanted.error());
    }
    if (*wanted == epsv_request::all) {
        user.settings.extended_only = true;
        co_return reply{200, "EPSV only from here on"};
    }
    if (!speaks_family(user, *wanted)) {
        co_return unsupported_protocol(family_of(user));
    }
    co_await user.data.drop_kept();
    const auto listening = listen_for_data(user);
    if (!listening) {
        co_return no_data_connection();
    }
    co_return extended_passive_reply(listening->port);
}

task<reply> do_port(session& user, std::string_view argument) {
    if (user.settings.extended_only) {
        co_return extended_only();
    }
    co_await user.data.drop_kept();
    co_return take_active_target(user, parse_port(argument));
}

task<reply> do_eprt(session& user, std::string_view argument) {
    if (user.settings.extended_only) {
        co_return extended_only();
    }
    co_await user.data.drop_kept();
    const auto given = parse_eprt(argument);
    if (given && net::unmapped(*given).family != family_of(user)) {
        user.data.forget_offer();
        co_return unsupported_protocol(family_of(user));
    }
    co_return take_active_target(user, given);
}

/// LPRT: as EPRT, in the form before it (RFC 1639).
task<reply> do_lprt(session& user, std::string_view argument) {
    if (user.settings.extended_only) {
        co_return extended_only();
    }
    const auto given = parse_lprt(argument);
    const bool is_other_family = given ? net::unmapped(*given).family != family_of(user)
                                       : given.error() == errc::unsupported;
    if (is_other_family) {
        co_return unsupported_family();
    }
    co_await user.data.drop_kept();
    co_return take_active_target(user, given);
}

/// LPSV: as PASV, for IPv6, too (RFC 1639).
task<reply> do_lpsv(session& user, std::string_view) {
    if (user.settings.extended_only) {
        co_return extended_only();
    }
    co_await user.data.drop_kept();
    const auto listening = listen_for_data(user);
    if (!listening) {
        co_return no_data_connection();
    }
    auto shown = *listening;
    if (family_of(user) == net::address_family::v4) {
        shown =
            user.shared.settings.public_address.shown_to(user.control.peer()).value_or(*listening);
        shown.port = listening->port;
    }
    co_return long_passive_reply(shown);
}

/// ABOR: what there was to abort has been, when the line was read, and its 426 is sent (RFC 959
/// section 4.1.3).
task<reply> do_abor(session& user, std::string_view) {
    user.data.forget_offer();
    co_await user.data.drop_kept();
    co_return reply{226, "Aborted: nothing is being transferred"};
}

task<reply> do_syst(session&, std::string_view) {
    co_return reply{215, "UNIX Type: L8"};
}

task<reply> do_noop(session&, std::string_view) {
    co_return reply{200, "Still here"};
}

/// CLNT: the client says what it is; nothing depends on it.
task<reply> do_clnt(session&, std::string_view) {
    co_return reply{200, "Noted"};
}

/// CSID: who the client is, for who the server is. No version: it would help nobody but who looks
/// for old ones.
task<reply> do_csid(session&, std::string_view) {
    co_return reply{200, "Name=ferry; CaseSensitive=1; DirSep=/;"};
}

/// LANG: replies are in English (RFC 2640 section 4.1).
task<reply> do_lang(session&, std::string_view argument) {
    const auto primary = argument.substr(0, argument.find('-'));
    if (argument.empty() || ascii::equal_ignoring_case(primary, "en")) {
        co_return reply{200, "Replies are in English"};
    }
    co_return reply{504, "Replies are in English only"};
}

task<reply> do_feat(session& user, std::string_view) {
    reply answer{211, "Features"};
    for (const auto& each : all_commands()) {
        if (each.feature.empty() || !each.is_there_for(user)) {
            continue;
        }
        // Those with a state: which facts are selected (RFC 3659 section 7.8), and which digest
        // (draft-bryan-ftpext-hash-02 section 3.1).
        answer.lines.emplace_back(each.verb == "MLST"   ? facts_feature(user.settings.facts)
                                  : each.verb == "HASH" ? hash_feature(user.settings.hash)
                                                        : std::string(each.feature));
    }
    co_return answer;
}

task<reply> do_opts(session& user, std::string_view argument) {
    const auto wanted = parse_option(argument);
    if (!wanted) {
        co_return argument_refused(wanted.error());
    }
    switch (wanted->which) {
        case option::utf8: {
            const auto on = parse_utf8_switch(wanted->value);
            if (!on) {
                co_return argument_refused(on.error());
            }
            if (!user.names.speak_utf8(*on)) {
                co_return reply{504, "Names are UTF-8 always"};
            }
            co_return reply{200, *on ? "Names are UTF-8" : "Names are in this server's own set"};
        }
        case option::mlst:
            user.settings.facts = parse_facts(wanted->value);
            co_return reply{200, describe_facts(user.settings.facts)};
        case option::hash: {  // Without a value it asks (section 3.2 there).
            const auto named = find_algorithm(wanted->value);
            if (!named && !wanted->value.empty()) {
                co_return reply{501, "No such algorithm: see FEAT"};
            }
            user.settings.hash = named.value_or(user.settings.hash);
            co_return reply{200, std::string(name_of(user.settings.hash))};
        }
        case option::mode: {
            const auto level = parse_deflate_options(wanted->value);
            if (!level) {
                co_return argument_refused(level.error());
            }
            auto& held = user.settings.details.deflate_level;
            held = level->value_or(held);
            co_return reply{200, fmt::format("MODE Z LEVEL set to {}", held)};
        }
    }
    co_return argument_refused({.code = errc::invalid});
}

/// HELP: of what there is, as FEAT: without TLS nothing of it; HELP SITE X of what is behind SITE.
task<reply> do_help(session& user, std::string_view argument) {
    constexpr std::string_view site = "SITE ";
    if (!argument.empty()) {
        std::string verb;
        for (const char c : argument) {
            verb += ascii::to_upper(c);
        }
        if (verb.starts_with(site)) {
            const auto about = describe_site_command(user, ascii::trim(verb.substr(site.size())));
            co_return about ? reply{214, *about} : reply{502, "No such SITE command"};
        }
        const command* row = find_command(verb);
        if (row == nullptr || !row->is_there_for(user)) {
            co_return reply{502, "No such command"};
        }
        co_return reply{214, std::string(row->help)};
    }
    reply answer{214, "Commands"};
    std::string line;
    std::size_t on_line = 0;
    for (const auto& each : all_commands()) {
        if (!each.is_there_for(user)) {
            continue;
        }
        line += fmt::format("{:<8}", each.verb);
        if (++on_line == verbs_per_help_line) {
            answer.lines.push_back(std::exchange(line, {}));
            on_line = 0;
        }
    }
    if (!line.empty()) {
        answer.lines.push_back(std::move(line));
    }
    co_return answer;
}

}  // namespace ferry::ftp
