#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "ftp_plans.hpp"
#include "ftp_secure.hpp"

namespace ferry::sim::test {
namespace {

/// Of a name that must be there, and of a user who may change files.
std::vector<int> codes_of_change(ftp_session& user, const std::string& path, moment since,
                                 int right) {
    if (!user.may_change()) {
        return {550};
    }
    std::vector<int> codes;
    for (const auto& each : user.context.model.possible_since(path, since)) {
        if (each.kind != node_kind::absent) {
            codes.push_back(right);
        }
        if (each.kind == node_kind::absent || each.kind == node_kind::anything) {
            codes.push_back(550);
        }
    }
    return codes;
}

std::string must_be(const ftp_reply& reply, const std::string& text) {
    return reply.text == text ? "" : "the text should be " + text;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string must_be_number(const ftp_reply& reply) {
    return is_number(reply.text) ? "" : "the text should be a number";
}

/// A command that changes the time of `argument`.
planned_command plan_time(ftp_session& user, std::string verb, std::string line_argument,
                          const std::string& argument, std::int64_t modified,
                          const std::string& begin) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto path = user.in_model(argument);
    std::optional<model_tree::token> change;
    if (user.may_change()) {
        change = model.begin(path, {.kind = change_kind::set_modified, .modified = modified});
    }
    return assemble(
        user, {.verb = std::move(verb),
               .argument = std::move(line_argument),
               .codes = [&user, path, since] { return codes_of_change(user, path, since, 213); },
               .change = change,
               .effect =
                   [begin](const ftp_reply& reply) {
                       return reply.text.starts_with(begin) ? std::string()
                                                            : "the text should begin with " + begin;
                   }});
}

}  // namespace

planned_command plan_other_time(ftp_session& user, const std::string& argument,
                                std::int64_t modified) {
    const auto time = time_text(modified);
    const auto told = fmt::format("Modify={}; ", time);
    switch (user.context.rng.below(4)) {
        case 0:
            return plan_time(user, "MDTM", time + " " + argument, argument, modified, told);
        case 1:
            return plan_time(user, "SITE", fmt::format("UTIME {} {}", time, argument), argument,
                             modified, told);
        case 2:
            return plan_time(
                user, "SITE",
                fmt::format("UTIME {} {} {} {} UTC", argument, time_text(0), time, time_text(0)),
                argument, modified, told);
        default:
            return plan_time(user, "MFF", fmt::format("Modify={}; {}", time, argument), argument,
                             modified, told);
    }
}

std::vector<planned_command> plan_permissions(ftp_session& user, const std::string& argument) {
    static constexpr std::array modes{"0700", "0744", "0755", "0711"};
    auto& model = user.context.model;
    const std::string mode = modes[user.context.rng.below(modes.size())];
    const auto since = model.now();
    const auto path = user.in_model(argument);
    const bool is_site = user.context.chance(2);
    const auto codes = [&user, path, since, is_site] {
        return codes_of_change(user, path, since, is_site ? 200 : 213);
    };
    const bool was_settled = model.is_settled(path);
    std::optional<model_tree::token> change;
    if (user.may_change()) {
        change = model.begin(path, {.kind = change_kind::set_mode});
    }
    const auto changes = model.changes(path);
    const auto was_set = std::make_shared<bool>(false);
    std::vector<planned_command> plans;
    plans.push_back(assemble(
        user,
        {.verb = is_site ? "SITE" : "MFF",
         .argument = is_site ? fmt::format("CHMOD {} {}", mode, argument)
                             : fmt::format("UNIX.mode={}; {}", mode, argument),
         .codes = codes,
         .change = change,
         .effect = [is_site, mode, was_set, seen = user.seen(argument)](const ftp_reply& reply) {
             *was_set = true;
             return must_be(reply, is_site ? "Permissions are " + mode.substr(1)
                                           : fmt::format("UNIX.mode={}; {}", mode, seen));
         }}));
    auto look = plan_mlst(user, argument);
    look.judge = [&user, path, changes, was_settled, was_set, mode,
                  judge_rest = look.judge](const ftp_reply& reply) {
        auto why = judge_rest(reply);
        const auto& context = user.context;
        const bool is_sure = context.is_strict() && was_settled && *was_set && reply.code == 250 &&
                             context.model.changes(path) == changes;
        const auto line = reply.lines.empty() ? std::string() : reply.lines.front();
        const auto fact = line.find("UNIX.mode=");
        const bool is_other = fact != std::string::npos &&
                              line.substr(fact, 15) != fmt::format("UNIX.mode={};", mode);
        return why.empty() && is_sure && is_other ? "the mode is not what it was set to" : why;
    };
    plans.push_back(std::move(look));
    return plans;
}

planned_command plan_room(ftp_session& user) {
    const auto since = user.context.model.now();
    const auto path = user.in_model(".");
    return assemble(
        user, {.verb = "AVBL",
               .argument = {},
               .codes =
                   [&user, path, since] {
                       std::vector<int> codes{450};  // A home is being counted.
                       for (const auto& each : user.context.model.possible_since(path, since)) {
                           codes.push_back(each.kind == node_kind::directory ? 213 : 550);
                       }
                       return codes;
                   },
               .effect = must_be_number});
}

planned_command plan_dsiz(ftp_session& user, const std::string& argument) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto path = user.in_model(argument);
    return assemble(
        user, {.verb = "DSIZ",
               .argument = argument,
               .codes =
                   [&user, path, since] {
                       std::vector<int> codes;
                       for (const auto& each : user.context.model.possible_since(path, since)) {
                           codes.push_back(each.kind == node_kind::directory ? 213 : 550);
                           if (each.kind == node_kind::anything) {
                               codes.push_back(213);
                           }
                       }
                       // What is removed while it is counted is passed over; then it says so.
                       if (path == user.in_model("/") || !path.starts_with("/static")) {
                           codes.push_back(550);
                       }
                       return codes;
                   },
               .effect =
                   [path](const ftp_reply& reply) {
                       constexpr std::string_view deep = "5000";  // What was planted.
                       return path == "/static/sub" && reply.text != deep
                                  ? "nothing there has changed"
                                  : must_be_number(reply);
                   }});
}

planned_command plan_umask(ftp_session& user) {
    static constexpr std::array masks{"", "022", "027", "077"};
    const std::string mask = masks[user.context.rng.below(masks.size())];
    return assemble(user, {.verb = "SITE",
                           .argument = mask.empty() ? "UMASK" : "UMASK " + mask,
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user, mask](const ftp_reply& reply) {
                                   user.umask = mask.empty() ? user.umask : mask;
                                   return must_be(reply, "UMASK is " + user.umask);
                               }});
}

planned_command plan_idle(ftp_session& user) {
    const auto most =
        std::chrono::duration_cast<std::chrono::seconds>(user.context.server.ftp_idle_timeout)
            .count();
    const auto wanted = most - static_cast<std::int64_t>(user.context.rng.below(100));
    return assemble(user, {.verb = "SITE",
                           .argument = fmt::format("IDLE {}", wanted),
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [wanted, most](const ftp_reply& reply) {
                                   return must_be(
                                       reply,
                                       fmt::format("Idle time is {} of {} seconds", wanted, most));
                               }});
}

planned_command plan_dirstyle(ftp_session& user) {
    return assemble(user, {.verb = "SITE",
                           .argument = "DIRSTYLE",
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user](const ftp_reply& reply) {
                                   user.lists_as_dos = !user.lists_as_dos;
                                   return must_be(reply,
                                                  user.lists_as_dos
                                                      ? "MSDOS-like directory output is on"
                                                      : "MSDOS-like directory output is off");
                               }});
}

planned_command plan_ebcdic(ftp_session& user) {
    const bool is_1047 = user.context.chance(2);
    return assemble(user, {.verb = "SITE",
                           .argument = is_1047 ? "EBCDIC 1047" : "EBCDIC 037",
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user, is_1047](const ftp_reply&) {
                                   user.has_page_1047 = is_1047;
                                   return std::string();
                               }});
}

planned_command plan_quota(ftp_session& user) {
    return assemble(user, {.verb = "SITE",
                           .argument = "QUOTA",
                           .codes = [] { return std::vector{211}; },
                           .effect =
                               [&user](const ftp_reply& reply) {
                                   const bool has_home = !user.who->password.contains('@');
                                   return reply.text.starts_with(has_home ? "Used: " : "No quota")
                                              ? std::string()
                                              : std::string("a quota is told wrongly");
                               }});
}

planned_command plan_who(ftp_session& user) {
    return assemble(
        user,
        {.verb = "SITE",
         .argument = "WHO",
         .codes = [&user] { return std::vector{user.who && user.who->may_administer ? 211 : 550}; },
         .effect =
             [&user](const ftp_reply& reply) {
                 const auto wanted = fmt::format("{} logged in", reply.lines.size());
                 const bool has_me = std::ranges::any_of(reply.lines, [&user](const auto& line) {
                     return line.starts_with(user.who->name + " ");
                 });
                 return reply.text != wanted ? "who is there should be " + wanted
                        : has_me             ? std::string()
                                             : "the one who asks is not there";
             }});
}

planned_command plan_symlink(ftp_session& user, const std::string& target) {
    const auto since = user.context.model.now();
    // There, whatever anybody does: so there never is a link.
    const std::string link = user.typed("/static/short.txt").value_or("/mine.bin");
    return assemble(
        user, {.verb = "SITE",
               .argument = fmt::format("SYMLINK {} {}", quoted(target), link),
               .codes = [&user, target, since] {
                   if (!user.who->may_create || !user.who->may_read) {
                       return std::vector{550};
                   }
                   std::vector<int> codes;
                   for (const auto& each :
                        user.context.model.possible_since(user.in_model(target), since)) {
                       if (each.kind != node_kind::absent) {
                           codes.push_back(553);
                       }
                       if (each.kind == node_kind::absent || each.kind == node_kind::anything) {
                           codes.push_back(550);
                       }
                   }
                   return codes;
               }});
}

planned_command plan_smnt(ftp_session& user, const std::string& argument) {
    const auto since = user.context.model.now();
    const auto home = user.home_root;
    const auto path = argument == "/" ? home : home == "/" ? argument : home + argument;
    return assemble(
        user, {.verb = "SMNT",
               .argument = argument,
               .codes =
                   [&user, path, since] {
                       std::vector<int> codes;
                       for (const auto& each : user.context.model.possible_since(path, since)) {
                           codes.push_back(each.kind == node_kind::directory ? 250 : 550);
                           if (each.kind == node_kind::anything) {
                               codes.push_back(250);
                           }
                       }
                       return codes;
                   },
               .effect =
                   [&user, path, argument](const ftp_reply& reply) {
                       user.who->root = path;
                       user.directory = "/";
                       return must_be(reply, fmt::format("\"{}\" is the root", argument));
                   }});
}

planned_command plan_host(ftp_session& user) {
    return assemble(
        user,
        {.verb = "HOST",
         .argument = "sim.example",
         .codes =
             [&user] {
                 return std::vector{user.who ? 503 : user.context.sites.refuses_others ? 504 : 220};
             },
         .effect =
             [&user](const ftp_reply& reply) {
                 user.claimed_name.reset();
                 user.data_is_set_up = false;
                 return must_be(reply, "Host is sim.example");
             }});
}

planned_command plan_stru(ftp_session& user, file_structure structure) {
    return assemble(user, {.verb = "STRU",
                           .argument = std::string(1, letter_of(structure)),
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user, structure](const ftp_reply&) {
                                   user.form.structure = structure;
                                   return std::string();
                               }});
}

planned_command plan_type_e(ftp_session& user) {
    return assemble(user, {.verb = "TYPE",
                           .argument = user.context.chance(2) ? "E" : "E N",
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user](const ftp_reply&) {
                                   user.form.is_ebcdic = true;
                                   user.form.is_1047 = user.has_page_1047;
                                   return std::string();
                               }});
}

planned_command draw_misuse(ftp_session& user) {
    struct misuse {
        std::string_view verb;
        std::string_view argument;
        int code;
    };
    static constexpr auto all = std::to_array<misuse>({
        {"CCC", "", 502},
        {"PROT", "P", 502},
        {"COMB", "a", 501},
        {"COMB", "a \"b", 501},
        {"HOST", "not/a/name", 501},
        {"LPRT", "4,4,127,0,0,1", 501},
        {"LPRT", "6,16,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,8,0", 521},
        {"LPRT", "4,4,192,0,2,1,2,8,0", 504},
        {"MFF", "Create=20240101000000; x", 504},
        {"MFF", "UNIX.mode=0999; x", 501},
        {"OPTS", "HASH SHA-256", 200},
        {"OPTS", "HASH CRC33", 501},
        {"RANG", "x", 501},
        {"RANG", "5 3", 501},
        {"SITE", "", 504},
        {"SITE", "COPY x", 501},
        {"SITE", "CPTO x", 503},
        {"SITE", "IDLE x", 501},
        {"SITE", "MKDIR", 501},
        {"SITE", "RMDIR", 501},
        {"SITE", "SYMLINK x", 501},
        {"SITE", "UMASK 8", 501},
        {"SITE", "UTIME 2024 x", 501},
    });
    const auto& chosen = all[user.context.rng.below(all.size())];
    if (user.context.tls.is_there() && is_about_tls(chosen.verb)) {
        return draw_refusal(user);
    }
    const bool sets_target = chosen.verb == "LPRT";
    const bool is_host = chosen.verb == "HOST";
    auto made = assemble(user, {.verb = std::string(chosen.verb),
                                .argument = std::string(chosen.argument),
                                .codes = [&user, code = chosen.code, sets_target, is_host] {
                                    const bool is_too_late = (sets_target && user.extended_only) ||
                                                             (is_host && user.who);
                                    return std::vector{is_too_late ? 503 : code};
                                }});
    made.judge = [&user, sets_target, judge_code = made.judge](const ftp_reply& reply) {
        auto why = judge_code(reply);
        if (sets_target && reply.code == 504) {
            user.data_is_set_up = false;  // What was offered before is gone, too.
        }
        return why;
    };
    return made;
}

}  // namespace ferry::sim::test
