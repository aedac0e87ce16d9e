#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "ftp_listing.hpp"
#include "ftp_plans.hpp"

namespace ferry::sim::test {
namespace {

using states = std::vector<node_state>;

/// `each` mapped over what `path` may have stood for since `since`: the codes that are right.
template <class Judge>
std::vector<int> codes_of(client_context& context, const std::string& path, moment since,
                          Judge judge) {
    std::vector<int> codes;
    for (const auto& each : context.model.possible_since(path, since)) {
        const std::vector<int> some = each.kind == node_kind::anything
                                          ? std::vector{200, 213, 250, 257, 350, 550, 553}
                                          : std::vector{judge(each)};
        codes.insert(codes.end(), some.begin(), some.end());
    }
    return codes;
}

bool is_at_table(const ftp_session& user, std::string_view verb, const std::string& argument) {
    return refused_by_table(user, verb, argument).has_value();
}

std::string expect_begin(const ftp_reply& reply, const std::string& wanted) {
    return reply.text.starts_with(wanted) ? "" : "the text should begin with " + wanted;
}

/// Whether a directory may be empty, and whether it may not be, at some moment since `since`.
struct emptiness {
    bool may_be_empty = true;
    bool may_be_full = false;
};
emptiness emptiness_of(client_context& context, const std::string& directory, moment since) {
    emptiness made;
    for (const auto& name : context.model.children(directory)) {
        const auto possible = context.model.possible_since(joined(directory, name), since);
        const bool may_be_there = std::ranges::any_of(
            possible, [](const node_state& each) { return each.kind != node_kind::absent; });
        const bool may_be_gone = std::ranges::any_of(possible, [](const node_state& each) {
            return each.kind == node_kind::absent || each.kind == node_kind::anything;
        });
        made.may_be_full = made.may_be_full || may_be_there;
        made.may_be_empty = made.may_be_empty && may_be_gone;
    }
    made.may_be_full =
        made.may_be_full || context.model.may_be_unnamed_upload(joined(directory, "upload-"));
    return made;
}

/// True when nobody may have the name and `owner` may have left a part of an upload to it.
bool may_be_part(const ftp_session& user, const std::string& argument, moment since,
                 const std::string& owner) {
    auto& model = user.context.model;
    const auto path = user.in_model(argument);
    return model.parts_of(owner, path).may_be_any() &&
           std::ranges::any_of(model.possible_since(path, since), [](const node_state& each) {
               return each.kind == node_kind::absent || each.kind == node_kind::anything;
           });
}

/// Judges the size where it may be that of a part.
std::string size_of_part(const ftp_session& user, const std::string& argument,
                         const std::string& told, const states& possible) {
    const auto parts = user.context.model.parts_of(part_owner(user), user.in_model(argument));
    std::uint64_t size = 0;
    const auto [end, status] = std::from_chars(told.data(), told.data() + told.size(), size);
    if (status != std::errc{} || end != told.data() + told.size()) {
        return "a size should be a number";
    }
    const auto is_right = [size](const content& each) { return size <= each.size_bytes(); };
    const auto is_state = [size](const node_state& each) {
        return each.kind == node_kind::anything || size == each.octets.size_bytes();
    };
    const bool may_be = parts.is_unknown || std::ranges::any_of(parts.wholes, is_right) ||
                        std::ranges::any_of(possible, is_state);
    return may_be ? "" : "the size should be that of a file or of a part of one";
}

}  // namespace

std::string quoted(std::string_view name) {
    std::string made = "\"";
    for (const char c : name) {
        made += c;
        if (c == '"') {
            made += c;
        }
    }
    return made + "\"";
}

std::string time_text(std::int64_t seconds) {
    // Days to a date (proleptic Gregorian; H. Hinnant's algorithm), from 1970 on.
    const auto days = seconds / 86'400 + 719'468;
    const auto era = days / 146'097;
    const auto day_of_era = days % 146'097;
    const auto year_of_era =
        (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
    const auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const auto month_index = (5 * day_of_year + 2) / 153;
    const auto day = day_of_year - (153 * month_index + 2) / 5 + 1;
    const auto month = month_index < 10 ? month_index + 3 : month_index - 9;
    const auto year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
    const auto time = seconds % 86'400;
    return fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}", year, month, day, time / 3'600,
                       time / 60 % 60, time % 60);
}

planned_command plan_cwd(ftp_session& user, std::string argument) {
    auto& context = user.context;
    const auto since = context.model.now();
    const bool is_cdup = argument == ".." && context.chance(2);
    return assemble(user, {.verb = is_cdup             ? context.chance(3) ? "XCUP" : "CDUP"
                                   : context.chance(4) ? "XCWD"
                                                       : "CWD",
                           .argument = is_cdup ? std::string() : argument,
                           .codes =
                               [&user, since, argument] {
                                   return codes_of(
                                       user.context, user.in_model(argument), since,
                                       [](const node_state& each) {
                                           return each.kind == node_kind::directory ? 250 : 550;
                                       });
                               },
                           .effect =
                               [&user, argument](const ftp_reply& reply) {
                                   user.directory = user.seen(argument);
                                   return expect_begin(reply, quoted(user.directory) + " ");
                               }});
}

planned_command plan_pwd(ftp_session& user) {
    return assemble(user, {.verb = user.context.chance(4) ? "XPWD" : "PWD",
                           .argument = {},
                           .codes = [] { return std::vector{257}; },
                           .effect =
                               [&user](const ftp_reply& reply) {
                                   return expect_begin(reply, quoted(user.directory) + " ");
                               }});
}

planned_command plan_size(ftp_session& user, std::string argument) {
    constexpr std::uint64_t counted_bytes_max = 1'048'576;
    auto& model = user.context.model;
    const auto since = model.now();
    const auto path = user.in_model(argument);
    const auto changes = model.changes(path);
    const bool was_cut_off =
        user.may_change() && model.is_cut_off(user.who->name, path) && user.context.is_strict();
    return assemble(
        user,
        {.verb = "SIZE",
         .argument = argument,
         .codes =
             [&user, since, argument, path, changes, was_cut_off] {
                 if (was_cut_off && user.context.model.changes(path) == changes) {
                     return std::vector{504};  // The old size would have clients go on.
                 }
                 auto codes = codes_of(
                     user.context, user.in_model(argument), since, [&user](const node_state& each) {
                         const bool counts =
                             user.is_image || each.octets.size_bytes() <= counted_bytes_max;
                         return each.kind == node_kind::file && counts ? 213 : 550;
                     });
                 if (may_be_part(user, argument, since, part_owner(user))) {
                     codes.push_back(213);
                 }
                 if (user.may_change() && user.context.model.may_be_cut_off(user.who->name, path)) {
                     codes.push_back(504);
                 }
                 return codes;
             },
         .effect =
             [&user, since, argument](const ftp_reply& reply) {
                 const auto possible =
                     user.context.model.possible_since(user.in_model(argument), since);
                 if (may_be_part(user, argument, since, part_owner(user))) {
                     return size_of_part(user, argument, reply.text, possible);
                 }
                 std::string sizes;
                 for (const auto& each : possible) {
                     const auto size =
                         user.is_image
                             ? each.octets.size_bytes()
                             : std::uint64_t{text_form(user, each.octets.octets()).size()};
                     if (reply.text == fmt::format("{}", size) ||
                         each.kind == node_kind::anything) {
                         return std::string();
                     }
                     sizes += fmt::format(" {}", size);
                 }
                 return "the size should be one of" + sizes;
             }});
}

planned_command plan_mdtm(ftp_session& user, std::string argument) {
    const auto since = user.context.model.now();
    return assemble(
        user, {.verb = "MDTM",
               .argument = argument,
               .codes =
                   [&user, since, argument] {
                       return codes_of(user.context, user.in_model(argument), since,
                                       [](const node_state& each) {
                                           return each.kind == node_kind::absent ? 550 : 213;
                                       });
                   },
               .effect = [&user, since, argument](const ftp_reply& reply) -> std::string {
                   if (reply.text.size() != 14 ||
                       reply.text.find_first_not_of("0123456789") != std::string::npos) {
                       return "no time";
                   }
                   for (const auto& each :
                        user.context.model.possible_since(user.in_model(argument), since)) {
                       const bool fits = !each.modified || time_text(*each.modified) == reply.text;
                       if (each.kind != node_kind::absent && fits) {
                           return {};
                       }
                   }
                   return "a time it never had";
               }});
}

planned_command plan_mlst(ftp_session& user, std::string argument) {
    const auto since = user.context.model.now();
    return assemble(user,
                    {.verb = "MLST",
                     .argument = argument,
                     .codes =
                         [&user, since, argument] {
                             return codes_of(user.context, user.in_model(argument), since,
                                             [](const node_state& each) {
                                                 return each.kind == node_kind::absent ? 550 : 250;
                                             });
                         },
                     .effect = [&user, since, argument](const ftp_reply& reply) -> std::string {
                         listed_entry entry;
                         if (reply.lines.size() != 1) {
                             return "not one line of facts";
                         }
                         if (auto why = read_facts(reply.lines.front(), entry); !why.empty()) {
                             return why;
                         }
                         if (entry.name != user.seen(argument)) {
                             return "the name of something else: " + entry.name;
                         }
                         return judge_entry(user, user.in_model(argument), entry, since);
                     }});
}

planned_command plan_mfmt(ftp_session& user, std::string argument, std::int64_t modified) {
    const auto since = user.context.model.now();
    const auto text = time_text(modified) + " " + argument;
    std::optional<model_tree::token> change;
    if (!is_at_table(user, "MFMT", text)) {
        change = user.context.model.begin(
            user.in_model(argument), {.kind = change_kind::set_modified, .modified = modified});
    }
    return assemble(user,
                    {.verb = "MFMT",
                     .argument = text,
                     .codes =
                         [&user, since, argument] {
                             return codes_of(user.context, user.in_model(argument), since,
                                             [](const node_state& each) {
                                                 return each.kind == node_kind::absent ? 550 : 213;
                                             });
                         },
                     .change = change,
                     .effect =
                         [modified](const ftp_reply& reply) {
                             return expect_begin(reply, "Modify=" + time_text(modified) + "; ");
                         }});
}

planned_command plan_dele(ftp_session& user, std::string argument) {
    const auto since = user.context.model.now();
    std::optional<model_tree::token> change;
    if (!is_at_table(user, "DELE", argument)) {
        change =
            user.context.model.begin(user.in_model(argument), {.kind = change_kind::remove_file});
    }
    return assemble(
        user,
        {.verb = "DELE",
         .argument = argument,
         .codes =
             [&user, since, argument] {
                 auto codes = codes_of(user.context, user.in_model(argument), since,
                                       [](const node_state& each) {
                                           return each.kind == node_kind::file ? 250 : 550;
                                       });
                 const std::string owner = user.may_change() ? user.who->name : "";  // In any TYPE.
                 if (may_be_part(user, argument, since, owner)) {
                     codes.push_back(250);
                 }
                 return codes;
             },
         .change = change,
         .has_changed =
             [](const ftp_reply& reply) {  // Else a part is gone, which no reader has seen.
                 return reply.code == 250 && reply.text != "Deleted what was left of an upload";
             }});
}

planned_command plan_mkd(ftp_session& user, std::string argument, bool is_site) {
    const auto since = user.context.model.now();
    const auto verb = is_site ? "SITE" : user.context.chance(4) ? "XMKD" : "MKD";
    std::optional<model_tree::token> change;
    if (!is_at_table(user, "MKD", argument)) {
        change = user.context.model.begin(user.in_model(argument),
                                          {.kind = change_kind::make_directory});
    }
    return assemble(
        user, {.verb = verb,
               .argument = is_site ? "MKDIR " + argument : argument,
               .codes =
                   [&user, since, argument] {
                       if (!user.may_change()) {
                           return std::vector{550};
                       }
                       const auto path = user.in_model(argument);
                       auto codes = codes_of(user.context, path, since, [](const node_state& each) {
                           return each.kind == node_kind::absent ? 257 : 550;
                       });
                       const auto above = codes_of(
                           user.context, parent_of(path), since, [](const node_state& each) {
                               return each.kind == node_kind::directory ? 257 : 550;
                           });
                       if (std::ranges::find(above, 257) == above.end()) {
                           codes = {550};
                       } else if (std::ranges::find(above, 550) != above.end()) {
                           codes.push_back(550);
                       }
                       return codes;
                   },
               .change = change,
               .effect =
                   [&user, argument](const ftp_reply& reply) {
                       return expect_begin(reply, quoted(user.seen(argument)) + " ");
                   }});
}

planned_command plan_rmd(ftp_session& user, std::string argument, bool is_site) {
    const auto since = user.context.model.now();
    const auto path = user.in_model(argument);
    std::optional<model_tree::token> change;
    if (!is_at_table(user, "RMD", argument) && path != user.in_model("/")) {
        change = user.context.model.begin(path, {.kind = change_kind::remove_directory});
    }
    return assemble(
        user, {.verb = is_site                  ? "SITE"
                       : user.context.chance(4) ? "XRMD"
                                                : "RMD",
               .argument = is_site ? "RMDIR " + argument : argument,
               .codes =
                   [&user, since, path] {
                       if (!user.may_change() || path == user.in_model("/")) {
                           return std::vector{550};
                       }
                       const auto inside = emptiness_of(user.context, path, since);
                       auto codes =
                           codes_of(user.context, path, since, [&inside](const node_state& each) {
                               return each.kind == node_kind::directory && inside.may_be_empty
                                          ? 250
                                          : 550;
                           });
                       if (inside.may_be_full) {
                           codes.push_back(550);
                       }
                       return codes;
                   },
               .change = change});
}

planned_command plan_rnfr(ftp_session& user, std::string argument) {
    const auto since = user.context.model.now();
    return assemble(user, {.verb = "RNFR",
                           .argument = argument,
                           .codes =
                               [&user, since, argument] {
                                   if (user.seen(argument) == "/") {
                                       return std::vector{550};
                                   }
                                   return codes_of(user.context, user.in_model(argument), since,
                                                   [](const node_state& each) {
                                                       return each.kind == node_kind::absent ? 550
                                                                                             : 350;
                                                   });
                               },
                           .effect =
                               [&user, argument](const ftp_reply&) {
                                   user.rename_from = user.seen(argument);
                                   return std::string();
                               }});
}

planned_command plan_rnto(ftp_session& user, std::optional<std::string> from,
                          std::string argument) {
    auto& model = user.context.model;
    const auto since = model.now();
    const auto target = user.in_model(argument);
    const auto source = from ? user.in_model(*from) : std::string();
    const bool is_into_itself = target.starts_with(source + "/");
    std::optional<model_tree::token> change;
    if (!is_at_table(user, "RNTO", argument) && from && target != user.in_model("/") &&
        !is_into_itself) {
        change = model.begin_rename(source, target);
    }
    return assemble(
        user, {.verb = "RNTO",
               .argument = argument,
               .codes =
                   [&user, since, target, source, from, is_into_itself] {
                       if (!from) {
                           return std::vector{503};
                       }
                       if (target == user.in_model("/")) {
                           return std::vector{550};
                       }
                       if (is_into_itself) {
                           return std::vector{553};
                       }
                       auto& tree = user.context.model;
                       const auto sources = tree.possible_since(source, since);
                       const auto targets = tree.possible_since(target, since);
                       const auto above = tree.possible_since(parent_of(target), since);
                       const auto inside = emptiness_of(user.context, target, since);
                       std::vector<int> codes;
                       for (const auto& a : sources) {
                           for (const auto& b : targets) {
                               if (a.kind == node_kind::anything || b.kind == node_kind::anything) {
                                   codes.insert(codes.end(), {250, 550, 553});
                               } else if (source == target && a.kind != node_kind::absent) {
                                   codes.push_back(250);
                               } else if (a.kind == node_kind::absent ||
                                          (b.kind != node_kind::absent && a.kind != b.kind)) {
                                   codes.push_back(553);
                               } else if (b.kind == node_kind::directory) {
                                   if (inside.may_be_full) {
                                       codes.push_back(550);
                                   }
                                   if (inside.may_be_empty) {
                                       codes.push_back(250);
                                   }
                               } else {
                                   codes.push_back(250);
                               }
                           }
                       }
                       const bool may_lack_parent =
                           std::ranges::any_of(above, [](const node_state& each) {
                               return each.kind != node_kind::directory;
                           });
                       if (may_lack_parent) {
                           codes.push_back(553);
                       }
                       // A directory over one of its own ancestors is not empty (rename(2)).
                       if (source.starts_with(target + "/")) {
                           codes = {550, 553};
                       }
                       return codes;
                   },
               .change = change});
}

planned_command plan_stat_name(ftp_session& user, std::string argument) {
    const auto since = user.context.model.now();
    return assemble(user, {.verb = "STAT",
                           .argument = argument,
                           .codes =
                               [&user, since, argument] {
                                   if (user.who && !user.who->may_read) {
                                       return std::vector{550};
                                   }
                                   return codes_of(user.context, user.in_model(argument), since,
                                                   [](const node_state& each) {
                                                       return each.kind == node_kind::directory
                                                                  ? 212
                                                              : each.kind == node_kind::file ? 213
                                                                                             : 550;
                                                   });
                               },
                           .effect =
                               [&user, since, argument](const ftp_reply& reply) {
                                   std::string text;
                                   for (const auto& each : reply.lines) {
                                       text += each + "\r\n";
                                   }
                                   return judge_ftp_listing(
                                       user,
                                       {.style = user.lists_as_dos ? list_style::dos_lines
                                                                   : list_style::unix_lines,
                                        .path = user.in_model(argument),
                                        .typed = argument,
                                        .is_directory = reply.code == 212},
                                       text, since);
                               }});
}

}  // namespace ferry::sim::test
