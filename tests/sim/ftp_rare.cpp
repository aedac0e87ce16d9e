#include "ftp_rare.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "ftp_plans.hpp"
#include "ftp_transfer.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

std::int64_t draw_time(client_context& context) {
    return 1'000'000'000 + static_cast<std::int64_t>(context.rng.below(600'000'000));
}

/// In the directory that nobody else changes, and there under names that nobody else draws.
std::string draw_part(ftp_session& user) {
    return joined(home_of(user), fmt::format("part{}.bin", user.context.rng.below(3)));
}

/// Stores a part, or joins those that there are.
task<outcome> combine(ftp_session& user) {
    auto& context = user.context;
    std::vector<known_part> parts;
    for (int i = 0; i < 3; ++i) {
        auto typed = joined(home_of(user), fmt::format("part{}.bin", i));
        auto octets = what_is_copied(user, typed);
        if (octets) {
            parts.push_back({.typed = std::move(typed), .octets = std::move(*octets)});
        }
    }
    if (user.who && user.who->may_create && parts.size() < 1 + context.rng.below(3)) {
        const auto stored = co_await store_as(user, draw_part(user));
        co_return stored;
    }
    const bool removes = user.may_change() && !parts.empty();
    if (!removes) {
        co_return outcome::fine;
    }
    const auto went =
        co_await carry_out(user, plan_comb(user, draw_own_name(user), std::move(parts)));
    co_return went;
}

/// SMNT, some commands there, and SMNT back.
task<outcome> mount_and_look(ftp_session& user) {
    auto& context = user.context;
    const bool sees_static = user.typed("/static").has_value() && user.home_root == "/";
    auto where = sees_static ? context.chance(2) ? "/static" : "/static/sub" : "/d";
    if (context.chance(6)) {
        where = "/no-such-directory";
    }
    auto went = co_await carry_out(user, plan_smnt(user, where));
    for (int i = 0; i < 3 && went == outcome::fine; ++i) {
        auto plan = context.chance(2) ? plan_mlst(user, draw_name(user)) : plan_pwd(user);
        went = co_await carry_out(user, std::move(plan));
    }
    if (went == outcome::fine && context.chance(2)) {
        went = co_await list(user);
    }
    if (went == outcome::fine) {
        went = co_await carry_out(user, plan_smnt(user, "/"));
    }
    co_return went;
}

/// A listing as MS-DOS has it, and STAT's.
task<outcome> list_as_dos(ftp_session& user) {
    auto went = co_await carry_out(user, plan_dirstyle(user));
    if (went == outcome::fine) {
        went = co_await carry_out(user, plan_stat_name(user, draw_name(user)));
    }
    if (went == outcome::fine) {
        went = co_await list(user);
    }
    if (went == outcome::fine && user.lists_as_dos) {
        went = co_await carry_out(user, plan_dirstyle(user));
    }
    co_return went;
}

planned_command draw_rare_setting(ftp_session& user) {
    auto& context = user.context;
    switch (context.rng.below(9)) {
        case 0:
            return plan_umask(user);
        case 1:
            return plan_idle(user);
        case 2:
            return plan_quota(user);
        case 3:
            return plan_who(user);
        case 4:
            return plan_room(user);
        case 5:
            return plan_host(user);
        case 6:
            return plan_symlink(user, draw_name(user));
        default:
            return draw_misuse(user);
    }
}

}  // namespace

task<outcome> do_something_rare(ftp_session& user) {
    auto& context = user.context;
    outcome went{};
    switch (context.rng.below(12)) {
        case 0:
        case 1:
            went = co_await combine(user);
            break;
        case 2:
            went = co_await carry_out(
                user, plan_other_time(user, draw_own_name(user), draw_time(context)));
            break;
        case 3:
            went = co_await carry_out(user, plan_permissions(user, draw_own_name(user)));
            break;
        case 4: {
            auto name = context.chance(2) ? draw_name(user) : draw_own_name(user);
            went = co_await carry_out(user, plan_other_digest(user, std::move(name)));
            break;
        }
        case 5:
            went = co_await carry_out(user, plan_hash_of_range(user, draw_name(user)));
            break;
        case 6:
            went = co_await carry_out(user,
                                      plan_dsiz(user, context.chance(2) && user.typed("/static/sub")
                                                          ? *user.typed("/static/sub")
                                                          : draw_name(user)));
            break;
        case 7: {
            auto where = joined(home_of(user), fmt::format("dir{}", context.rng.below(3)));
            auto plan = context.chance(2) ? plan_mkd(user, std::move(where), true)
                                          : plan_rmd(user, std::move(where), true);
            went = co_await carry_out(user, std::move(plan));
            break;
        }
        case 8:
            if (user.who) {
                went = co_await mount_and_look(user);
            }
            break;
        case 9:
            went = co_await list_as_dos(user);
            break;
        default:
            went = co_await carry_out(user, draw_rare_setting(user));
            break;
    }
    co_return went;
}

task<outcome> return_to_plain(ftp_session& user) {
    std::vector<planned_command> plans;
    plans.push_back(plan_mode(user, transfer_form::stream));
    if (user.form.structure != file_structure::file) {
        plans.push_back(plan_stru(user, file_structure::file));
    }
    if (user.form.is_ebcdic) {
        plans.push_back(plan_type(user, true));
    }
    const auto went = co_await carry_out(user, std::move(plans));
    co_return went;
}

task<outcome> use_any_form(ftp_session& user) {
    auto& context = user.context;
    std::vector<planned_command> plans;
    const auto structure = static_cast<file_structure>(context.rng.below(3));
    if (context.chance(4)) {
        plans.push_back(plan_ebcdic(user));
    }
    plans.push_back(plan_stru(user, structure));
    // Sent in any case: what REST has said counts no more behind it.
    plans.push_back(plan_mode(user, static_cast<transfer_form>(context.rng.below(4))));
    auto went = co_await carry_out(user, std::move(plans));
    if (went == outcome::fine && structure != file_structure::page && context.chance(2)) {
        went = co_await carry_out(user, plan_type_e(user));
    }
    if (went != outcome::fine || !user.who || user.restart_offset != 0) {
        co_return went;
    }
    for (int i = 0; i < 2 && went == outcome::fine; ++i) {
        switch (context.rng.below(5)) {
            case 0:
                went = co_await list(user);
                break;
            case 1:
            case 2:
                went = co_await retrieve(user);
                break;
            default:
                went = co_await store(user);
                break;
        }
        context.findings.count("ftp steps in " + describe(user.form));
        if (went == outcome::fine && user.marked) {
            went = co_await store(user);  // From a marker on.
        }
    }
    if (went == outcome::fine) {
        went = co_await return_to_plain(user);
    }
    co_return went;
}

}  // namespace ferry::sim::test
