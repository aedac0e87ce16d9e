#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ftp_plans.hpp"
#include "ftp_secure.hpp"

namespace ferry::sim::test {
namespace {

/// A command whose reply depends on no name: line and code once logged in.
struct setting {
    std::string_view verb;
    std::string_view argument;
    int code;
};

constexpr auto settings = std::to_array<setting>({
    {"NOOP", "", 200},
    {"NOOP", "whatever", 200},
    {"noop", "", 200},
    {"SYST", "", 215},
    {"FEAT", "", 211},
    {"FEAT", "now", 501},
    {"HELP", "", 214},
    {"HELP", "retr", 214},
    {"HELP", "XYZZY", 502},
    {"CLNT", "sim", 200},
    {"LANG", "", 200},
    {"LANG", "en-GB", 200},
    {"LANG", "de", 504},
    {"ACCT", "x", 202},
    {"ALLO", "100", 200},
    {"ALLO", "100 R 10", 200},
    {"ALLO", "1500000", 200},
    {"ALLO", "many", 501},
    {"ALLO", "", 501},
    {"OPTS", "UTF8 ON", 200},
    {"OPTS", "utf8 off", 504},
    {"OPTS", "MLST type;size;modify;perm;unique;", 200},
    {"OPTS", "XYZZY", 501},
    {"SITE", "HELP", 214},
    {"SITE", "RECFM=FB", 504},
    {"SITE", "CHMOD 99999 x", 501},
    {"SITE", "CHMOD 4755 x", 501},
    {"TYPE", "A T", 200},
    {"TYPE", "a n", 200},
    {"TYPE", "L 8", 200},
    {"TYPE", "L 7", 504},
    {"TYPE", "X", 501},
    {"TYPE", "", 501},
    {"MODE", "S", 200},
    {"MODE", "s", 200},
    {"MODE", "Q", 501},
    {"STRU", "F", 200},
    {"STRU", "Q", 501},
    {"OPTS", "MODE Z LEVEL 3", 200},
    {"OPTS", "MODE Z LEVEL 0", 501},
    {"OPTS", "MODE Q", 504},
    {"SITE", "EBCDIC 1047", 200},
    {"SITE", "EBCDIC 500", 501},
    {"REST", "0", 350},
    {"REST", "17", 350},
    {"REST", "-1", 501},
    {"REST", "abc", 501},
    {"REST", "18446744073709551616", 501},
    {"ABOR", "", 226},
    {"STAT", "", 211},
    {"PORT", "1,2,3,4,5", 501},
    {"PORT", "127,0,0,1,0,21", 504},
    {"PORT", "192,0,2,1,200,1", 504},
    {"EPRT", "|1|127.0.0.1|80|", 504},
    {"EPRT", "|7|127.0.0.1|2000|", 522},
    {"EPRT", "|2|::1|2000|", 522},
    {"EPRT", "nonsense", 501},
    {"EPSV", "2", 522},
    {"EPSV", "x", 501},
    {"AUTH", "TLS", 502},
    {"PBSZ", "0", 502},
    {"SMNT", "/../no-such-directory", 550},
    {"CSID", "Name=sim;", 200},
    {"MFCT", "20261123081500 x", 504},
    {"SITE", "ZONE", 210},
    {"SITE", "IDLE 0", 501},
    {"XYZZY", "", 500},
    {"R\xC3\xA4TR", "x", 500},
    {"", "", 500},
    {"RETR", "/static/a.bin", 425},
    {"STOR", "x", 425},
    {"LIST", "", 425},
    {"RETR", "", 501},
    {"DELE", "", 501},
});

std::string upper(std::string_view text) {
    std::string made(text);
    for (char& c : made) {
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    return made;
}

/// What a setting that was taken changes.
void apply_setting(ftp_session& user, const std::string& verb, const std::string& argument,
                   int code) {
    if (verb == "SITE" && argument.starts_with("EBCDIC") && code == 200) {
        user.has_page_1047 = argument.ends_with("1047");
    } else if (verb == "TYPE" && code == 200) {
        user.is_image = upper(argument).starts_with('L') || upper(argument).starts_with('I');
        user.is_printed = false;
    } else if (verb == "REST") {
        user.restart_offset = code == 350 && argument == "17" ? 17 : 0;
    } else if (verb == "MODE" && code == 200) {
        user.restart_offset = 0;  // Offsets are of one kind, markers of another.
    } else if (verb == "ABOR") {
        user.data_is_set_up = false;
    } else if (verb == "PORT" || verb == "EPRT") {
        // Refused for where it leads: what was set up before is gone (504), or stands (501).
        if (code == 504 || argument == "|2|::1|2000|") {
            user.data_is_set_up = false;
        }
    }
}

/// FEAT names what the table has (RFC 2389 section 3.2).
std::string judge_features(const ftp_reply& reply) {
    constexpr auto wanted =
        std::to_array<std::string_view>({"CLNT", "TVFS", "EPRT", "EPSV", "LANG EN*", "MDTM", "MFMT",
                                         "MODE Z", "REST STREAM", "SIZE", "UTF8"});
    for (const auto each : wanted) {
        if (std::ranges::find(reply.lines, each) == reply.lines.end()) {
            return fmt::format("no feature {}", each);
        }
    }
    return {};
}

}  // namespace

planned_command plan_user(ftp_session& user, std::string name) {
    return assemble(user, {.verb = "USER",
                           .argument = name,
                           .codes = [] { return std::vector{331}; },
                           .effect =
                               [&user, name](const ftp_reply&) {
                                   user.claimed_name = name;
                                   user.who.reset();
                                   user.directory = "/";
                                   user.restart_offset = 0;
                                   user.data_is_set_up = false;
                                   return std::string();
                               }});
}

planned_command plan_type(ftp_session& user, bool is_image) {
    // Of what the network cuts off nobody here could say what is stored.
    const bool is_printed = !is_image && user.context.says_all && !user.context.excused.finishes &&
                            user.context.chance(2);
    return assemble(user, {.verb = "TYPE",
                           .argument = is_image     ? "I"
                                       : is_printed ? "A C"
                                                    : "A",
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user, is_image, is_printed](const ftp_reply&) {
                                   user.is_image = is_image;
                                   user.is_printed = is_printed;
                                   user.form.is_ebcdic = user.form.is_1047 = false;
                                   return std::string();
                               }});
}

planned_command plan_mode(ftp_session& user, transfer_form form) {
    return assemble(user, {.verb = "MODE",
                           .argument = std::string(1, letter_of(form)),
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user, form](const ftp_reply&) {
                                   user.kept.close();
                                   user.form.mode = form;
                                   user.restart_offset = 0;
                                   return std::string();
                               }});
}

planned_command draw_setting(ftp_session& user) {
    if (user.context.tls.is_there() && user.context.chance(10)) {
        return draw_refusal(user);
    }
    const auto& chosen = settings[user.context.rng.below(settings.size())];
    const auto verb = upper(chosen.verb);
    if (user.context.tls.is_there() && is_about_tls(verb)) {
        return draw_refusal(user);
    }
    planned_command made;
    made.verb = verb;
    made.line = std::string(chosen.verb);
    if (!chosen.argument.empty()) {
        made.line.append(" ").append(chosen.argument);
    }
    const std::string argument(chosen.argument);
    made.judge = [&user, verb, argument, right = chosen.code](const ftp_reply& reply) {
        user.rename_from.reset();
        const auto refused = refused_by_table(user, verb, argument);
        auto code = refused.value_or(right);
        const bool is_active = verb == "PORT" || verb == "EPRT";
        if (!refused && user.extended_only && is_active) {
            code = 503;
        }
        if (verb == "RETR" || verb == "STOR" ||
            verb == "LIST") {  // It uses them up, refused or not.
            user.restart_offset = 0;
            user.data_is_set_up = false;
        }
        if (reply.code != code) {
            return is_excused_reply(user.context, reply.code)
                       ? std::string()
                       : fmt::format("right would be: {}", code);
        }
        if (!refused && code != 503) {
            apply_setting(user, verb, argument, code);
        }
        if (verb == "SITE" && code == 214) {
            for (const auto& each : reply.lines) {
                user.context.findings.count("ftp offers SITE " + each.substr(0, each.find(' ')));
            }
        }
        return verb == "FEAT" && code == 211 ? judge_features(reply) : std::string();
    };
    return made;
}

std::string draw_name(ftp_session& user) {
    auto& context = user.context;
    const auto paths = context.model.paths();
    for (int i = 0; i < 20; ++i) {  // Bounded: not every name is below every root.
        auto path = paths[context.rng.below(paths.size())];
        if (context.chance(12)) {
            path = joined(path, "no-such-name");
        }
        const auto typed = user.typed(path);
        if (!typed) {
            continue;
        }
        const auto below = user.directory == "/" ? "/" : user.directory + "/";
        if (typed->starts_with(below) && typed->size() > below.size() && context.chance(2)) {
            return typed->substr(below.size());
        }
        switch (context.rng.below(12)) {
            case 0:
                return "/" + *typed;
            case 1:
                return "/./no-such-directory/.." + *typed;
            default:
                return *typed;
        }
    }
    return "/";
}

std::string home_of(const ftp_session& user) {
    const auto& own = user.context.own_directory;
    return user.typed(own).value_or(joined("/own", name_of(own)));
}

bool is_free_to_change(const ftp_session& user, const std::string& path) {
    return path.starts_with(user.in_model(home_of(user)) + "/") ||
           path.starts_with(user.context.shared_directory + "/s");
}

std::string draw_own_name(ftp_session& user) {
    auto& context = user.context;
    const auto shared = user.typed(context.shared_directory);
    if (shared && context.chance(3)) {
        return joined(*shared, fmt::format("s{}.bin", context.rng.below(6)));
    }
    const auto home = home_of(user);
    const auto where = context.chance(3)   ? joined(home, "d")
                       : context.chance(6) ? joined(home, "e")
                                           : home;
    return joined(where,
                  fmt::format("f{}.{}", context.rng.below(6), context.chance(4) ? "txt" : "bin"));
}

}  // namespace ferry::sim::test
