#include "ftp_client.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "ferry/runtime/wait.hpp"
#include "ftp_plans.hpp"
#include "ftp_rare.hpp"
#include "ftp_secure.hpp"
#include "ftp_session.hpp"
#include "ftp_transfer.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

constexpr auto failed_login_delay = std::chrono::seconds(1);  // At least.

task<outcome> read_greeting(ftp_session& user) {
    auto& context = user.context;
    ftp_reply reply;
    const auto went = co_await read_reply(user, reply, context.soon(), "(connect)");
    if (went == outcome::fine && reply.code == 421 && context.excused.crowding) {
        context.findings.count("ftp refused at the door");
        co_return outcome::over;
    }
    if (went == outcome::fine && reply.code != 220) {
        context.complain("a reply that is not right", reply.describe(), "(connect)");
        co_return outcome::broken;
    }
    co_return went;
}

/// PASS with what is right for `who`, or not.
task<outcome> send_password(ftp_session& user, const ftp_account& who, std::string password,
                            bool is_right) {
    auto& context = user.context;
    const auto line = "PASS " + password;
    static_cast<void>(co_await send_line(user, line));
    const auto failures = user.failed_logins + (is_right ? 0 : 1);
    ftp_reply reply;
    const auto began = context.here.now();
    // Others at this address may have failed before.
    const auto until = began + 2 * failed_login_delay_max + context.server.slack;
    auto went = co_await read_reply(user, reply, until, line);
    if (went != outcome::fine) {
        co_return went;
    }
    if (reply.code == 421 && reply.text.contains("from your address")) {
        context.findings.count("ftp turned away for failed logins");
        co_return outcome::over;
    }
    user.claimed_name.reset();
    const bool is_last = !is_right && failures >= context.server.login_tries_max;
    const int code = is_right ? 230 : is_last ? 421 : 530;
    // With faults the home directory may be out of reach.
    const bool is_home_lost = reply.code == 530 && context.excused.faults;
    if (reply.code != code && !is_home_lost && !is_excused_reply(context, reply.code)) {
        context.complain("a reply that is not right",
                         fmt::format("{}, right would be {}", reply.describe(), code), line);
        co_return outcome::broken;
    }
    user.failed_logins = failures;
    if (reply.code == 230) {
        user.who = who;
        user.home_root = who.root;
    } else if (!is_right && context.here.now() - began < failed_login_delay / 2) {
        context.complain("a wrong password was answered too fast", reply.describe(), line);
        co_return outcome::broken;
    }
    co_return is_last ? outcome::over : outcome::fine;
}

task<outcome> log_in(ftp_session& user) {
    auto& context = user.context;
    ftp_account who{.name = context.chance(2) ? "anonymous" : "FTP",
                    .password = "me@example",
                    .may_create = context.anonymous == anonymous_may::upload};
    const bool is_anonymous = context.anonymous != anonymous_may::nothing && context.chance(5);
    if (!is_anonymous && !context.accounts.empty()) {
        // The first more often than the others: it may do the most.
        who = context.accounts[context.chance(2) ? 0 : context.rng.below(context.accounts.size())];
    }
    if (context.is_patient && context.chance(20)) {
        auto went = co_await carry_out(user, plan_user(user, context.chance(2) ? "nobody" : "ann"));
        if (went == outcome::fine) {
            went = co_await send_password(user, who, "wrong", false);
        }
        if (went != outcome::fine) {
            co_return went;
        }
    }
    auto went = co_await carry_out(user, plan_user(user, who.name));
    if (went == outcome::fine) {
        went = co_await send_password(user, who, who.password, true);
    }
    co_return went;
}

planned_command draw_name_command(ftp_session& user) {
    auto& context = user.context;
    switch (context.rng.below(7)) {
        case 0:
            return plan_size(user, draw_name(user));
        case 1:
            return plan_mdtm(user, draw_name(user));
        case 2:
            return plan_mlst(user, draw_name(user));
        case 3:
            return plan_pwd(user);
        case 4:
            return plan_stat_name(user, draw_name(user));
        case 5:
            return plan_size(user, draw_own_name(user));
        default:
            return draw_setting(user);
    }
}

/// What may be sent without knowing what the replies before it are.
task<outcome> send_batch(ftp_session& user) {
    auto& context = user.context;
    std::vector<planned_command> plans;
    const auto count = 1 + context.rng.below(8);
    for (std::uint64_t i = 0; i < count; ++i) {
        plans.push_back(draw_name_command(user));
        // What fails must not leave a data connection or an offset that the next one depends on.
        if (context.says_all && !user.who && context.chance(4)) {
            plans.push_back(plan_host(user));
        }
        if (context.chance(6) && user.may_change()) {
            plans.push_back(plan_dele(user, draw_own_name(user)));
        }
    }
    const auto went = co_await carry_out(user, std::move(plans));
    co_return went;
}

std::string draw_directory(ftp_session& user) {
    auto& context = user.context;
    const auto home = home_of(user);
    switch (context.rng.below(6)) {
        case 0:
            return joined(home, "d");
        case 1:
            return joined(home, "e");
        case 2:
            return joined(joined(home, "d"), "e");
        case 3:
            return joined(home, "no-such-name/x");
        default:
            return joined(home, fmt::format("dir{}", context.rng.below(3)));
    }
}

task<outcome> rename_something(ftp_session& user) {
    auto& context = user.context;
    const bool is_directory = context.chance(3);
    const auto from = context.chance(10) ? draw_name(user)
                      : is_directory     ? draw_directory(user)
                                         : draw_own_name(user);
    const auto to = is_directory ? draw_directory(user) : draw_own_name(user);
    if (user.may_change() && !is_free_to_change(user, user.in_model(from))) {
        co_return outcome::fine;
    }
    if (context.chance(12)) {
        const auto went = co_await carry_out(user, plan_rnto(user, std::nullopt, to));
        co_return went;
    }
    const auto went = co_await carry_out(user, plan_rnfr(user, from));
    if (went != outcome::fine || !user.rename_from) {
        co_return went;
    }
    if (context.chance(12)) {  // Something in between, and it is forgotten.
        std::vector<planned_command> plans;
        plans.push_back(plan_pwd(user));
        plans.push_back(plan_rnto(user, std::nullopt, to));
        const auto forgotten = co_await carry_out(user, std::move(plans));
        co_return forgotten;
    }
    const auto renamed = co_await carry_out(user, plan_rnto(user, user.rename_from, to));
    co_return renamed;
}

task<outcome> change_something(ftp_session& user) {
    auto& context = user.context;
    outcome went{};
    switch (context.rng.below(6)) {
        case 0:
            went = co_await carry_out(user, plan_dele(user, draw_own_name(user)));
            break;
        case 1:
        case 2:
            went = co_await carry_out(user, plan_mkd(user, draw_directory(user)));
            break;
        case 3:
            went = co_await carry_out(user, plan_rmd(user, draw_directory(user)));
            break;
        case 4: {
            const auto when =
                1'000'000'000 + static_cast<std::int64_t>(context.rng.below(600'000'000));
            went = co_await carry_out(user, plan_mfmt(user, draw_own_name(user), when));
            break;
        }
        default:
            went = co_await rename_something(user);
            break;
    }
    co_return went;
}

task<outcome> walk(ftp_session& user) {
    auto& context = user.context;
    auto to = context.chance(3) ? ".." : draw_name(user);
    if (context.chance(3)) {
        to = home_of(user);
    }
    const auto went = co_await carry_out(user, plan_cwd(user, std::move(to)));
    co_return went;
}

task<outcome> copy_or_compare(ftp_session& user) {
    auto& context = user.context;
    auto from = context.chance(8) ? draw_name(user) : draw_own_name(user);
    if (context.chance(2)) {
        const auto compared = co_await carry_out(user, plan_xcrc(user, std::move(from)));
        co_return compared;
    }
    const auto to = draw_own_name(user);
    const auto source = what_is_copied(user, from);
    if (!source || user.in_model(from) == user.in_model(to)) {
        co_return outcome::fine;  // Nobody could say what the copy is to hold.
    }
    if (context.says_all && context.chance(2)) {
        const auto copied = co_await carry_out(user, plan_copy(user, *source, from, to));
        co_return copied;
    }
    user.has_copy_source = false;
    auto went = co_await carry_out(user, plan_cpfr(user, from));
    if (went == outcome::fine && user.has_copy_source) {
        went = co_await carry_out(user, plan_cpto(user, *source, to));
    }
    co_return went;
}

/// EPSV ALL, and then nothing but EPSV is taken (RFC 2428 section 4).
task<outcome> go_extended(ftp_session& user) {
    const auto went =
        co_await carry_out(user, assemble(user, {.verb = "EPSV",
                                                 .argument = "ALL",
                                                 .codes = [] { return std::vector{200}; },
                                                 .effect =
                                                     [&user](const ftp_reply&) {
                                                         user.extended_only = true;
                                                         return std::string();
                                                     }}));
    co_return went;
}

task<outcome> begin_anew(ftp_session& user) {
    auto& context = user.context;
    if (context.chance(2)) {
        const auto went =
            co_await carry_out(user, assemble(user, {.verb = "REIN",
                                                     .argument = {},
                                                     .codes = [] { return std::vector{220}; },
                                                     .effect =
                                                         [&user](const ftp_reply&) {
                                                             forget_all(user);
                                                             return std::string();
                                                         }}));
        if (went != outcome::fine) {
            co_return went;
        }
        const auto stranger = co_await send_batch(user);
        if (stranger != outcome::fine) {
            co_return stranger;
        }
    }
    const auto went = co_await log_in(user);
    co_return went;
}

task<outcome> overlong_line(ftp_session& user) {
    const auto line = "NOOP " + std::string(user.context.server.ftp_line_bytes_max, 'x');
    planned_command made{.verb = "NOOP", .line = line, .judge = [](const ftp_reply& reply) {
                             return reply.code == 500 ? std::string()
                                                      : std::string("right would be: 500");
                         }};
    const auto went = co_await carry_out(user, std::move(made));
    co_return went;
}

/// Begins TLS where there is none, and then logs in again if somebody was; else PROT.
task<outcome> change_protection(ftp_session& user) {
    if (user.control.is_secure()) {
        const auto changed = co_await protect_or_not(user);
        co_return changed;
    }
    const bool was_logged_in = user.who.has_value();
    auto went = co_await begin_tls_by_auth(user);
    if (went == outcome::fine && was_logged_in) {
        went = co_await log_in(user);
    }
    co_return went;
}

/// A connection that begins with TLS, or in clear.
task<result<wire>> dial_ftp(client_context& context, const std::shared_ptr<tls_memory>& tls) {
    const bool is_secure = context.tls.is_there() && context.chance(3);
    auto connected = co_await dial(context, is_secure ? context.tls.ftps : context.ftp);
    if (connected && is_secure) {
        const auto begun = co_await begin_tls(context, *connected, tls);
        if (!begun) {
            co_return failure(begun.error());
        }
    }
    co_return connected;
}

/// The session on a connection.
ftp_session session_on(client_context& context, wire& control, std::shared_ptr<tls_memory> tls) {
    const bool is_secure = control.is_secure();
    return {.context = context,
            .control = control,
            .tls = std::move(tls),
            .protects_data = is_secure,
            .begins_protected = is_secure};
}

/// A transfer in another mode, and back to the stream.
task<outcome> change_form(ftp_session& user) {
    auto& context = user.context;
    const auto mode = static_cast<transfer_form>(1 + context.rng.below(3));
    auto went = co_await carry_out(user, plan_mode(user, mode));
    if (went != outcome::fine || user.form.mode != mode) {
        co_return went;
    }
    if (context.chance(2)) {
        went = co_await retrieve(user);
    } else {
        went = co_await store(user);
    }
    if (went == outcome::fine) {
        context.findings.count("ftp steps in another mode");
        went = co_await carry_out(user, plan_mode(user, transfer_form::stream));
    }
    co_return went;
}

task<outcome> step(ftp_session& user) {
    auto& context = user.context;
    if (context.tls.is_there() && context.chance(10)) {
        const auto changed = co_await change_protection(user);
        co_return changed;
    }
    if (!is_plain(user.form)) {  // What should have changed it had no reply.
        const auto back = co_await return_to_plain(user);
        if (back != outcome::fine || !is_plain(user.form)) {
            co_return back;
        }
    }
    if (context.says_all && context.chance(4)) {
        const bool has_form = user.is_image && context.chance(2);
        const auto said = has_form ? co_await use_any_form(user) : co_await do_something_rare(user);
        co_return said;
    }
    if (user.is_image && context.chance(10)) {
        const auto changed = co_await change_form(user);
        co_return changed;
    }
    if (context.copies_files && context.chance(4)) {
        const auto copied = co_await copy_or_compare(user);
        co_return copied;
    }
    const auto what = context.rng.below(32);
    outcome went{};
    if (what < 5) {
        went = co_await send_batch(user);
    } else if (what < 10) {
        went = co_await retrieve(user);
    } else if (what < 16) {
        went = co_await store(user);
    } else if (what < 20) {
        went = co_await list(user);
    } else if (what < 26) {
        went = co_await change_something(user);
    } else if (what < 28) {
        went = co_await walk(user);
    } else if (what < 30) {
        went = co_await carry_out(user, plan_type(user, !context.chance(3)));
    } else if (what == 30) {
        went = context.is_patient && context.chance(3) ? co_await stand_up(user)
                                                       : co_await overlong_line(user);
    } else {
        went = context.chance(3) ? co_await go_extended(user) : co_await begin_anew(user);
    }
    co_return went;
}

task<outcome> leave(ftp_session& user) {
    auto& context = user.context;
    if (context.chance(4)) {
        if (context.chance(2)) {
            user.control.reset();
        }
        co_return outcome::over;
    }
    ftp_reply reply;
    static_cast<void>(co_await send_line(user, "QUIT"));
    auto went = co_await read_reply(user, reply, context.soon(), "QUIT");
    if (went != outcome::fine) {
        co_return went;
    }
    if (reply.code != 221) {
        context.complain("a reply that is not right", reply.describe(), "QUIT");
        co_return outcome::broken;
    }
    const auto end = co_await user.control.fill(context.soon());
    if (end && *end) {
        context.complain("octets behind the last reply", user.control.input(), "QUIT");
        co_return outcome::broken;
    }
    co_return outcome::over;
}

task<outcome> converse(ftp_session& user) {
    auto& context = user.context;
    auto went = co_await read_greeting(user);
    if (went == outcome::fine && context.chance(8)) {
        went = co_await send_batch(user);  // As a stranger.
    }
    if (went == outcome::fine && context.tls.is_there() && context.chance(2)) {
        went = co_await change_protection(user);
    }
    if (went == outcome::fine) {
        went = co_await log_in(user);
    }
    if (went == outcome::fine && context.chance(2)) {
        went = co_await carry_out(user, plan_type(user, true));
    }
    const auto steps =
        context.is_persistent ? context.steps_max : 1 + context.rng.below(context.steps_max);
    for (std::uint64_t i = 0; i < steps && went == outcome::fine; ++i) {
        co_await pause(context);
        went = co_await step(user);
    }
    if (went == outcome::fine) {
        went = co_await leave(user);
    }
    co_return went;
}

}  // namespace

task<> run_ftp_client(client_context context) {
    const auto& scope = co_await runtime::current_scope();
    for (std::size_t i = 0; i < context.conversations && !scope.stop_requested(); ++i) {
        const auto tls = std::make_shared<tls_memory>();
        auto connected = co_await dial_ftp(context, tls);
        if (!connected) {
            if (!context.excused.any()) {
                co_return;
            }
            co_await pause(context);
            continue;
        }
        auto user = session_on(context, *connected, tls);
        const auto went = co_await converse(user);
        context.findings.count(connected->is_secure() ? "ftps sessions" : "ftp sessions");
        if (went == outcome::broken) {
            co_return;
        }
        co_await pause(context);
    }
}

task<bool> check_ftp_session(client_context& context) {
    const auto tls = std::make_shared<tls_memory>();
    auto connected = co_await dial_ftp(context, tls);
    if (!connected) {
        co_return false;
    }
    auto user = session_on(context, *connected, tls);
    auto went = co_await read_greeting(user);
    if (went == outcome::fine) {
        went = co_await log_in(user);
    }
    if (went == outcome::fine) {
        went = co_await carry_out(user, plan_pwd(user));
    }
    co_return went == outcome::fine;
}

}  // namespace ferry::sim::test
