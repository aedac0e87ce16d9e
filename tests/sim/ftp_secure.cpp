#include "ftp_secure.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

namespace ferry::sim::test {

using runtime::task;

namespace {

planned_command plan_pbsz(ftp_session& user) {
    return assemble(user, {.verb = "PBSZ",
                           .argument = "0",
                           .codes = [] { return std::vector{200}; },
                           .effect =
                               [&user](const ftp_reply&) {
                                   user.has_buffer_size = true;
                                   return std::string();
                               }});
}

planned_command plan_prot(ftp_session& user, bool protects) {
    return assemble(user,
                    {.verb = "PROT",
                     .argument = protects ? "P" : "C",
                     .codes = [&user] { return std::vector{user.has_buffer_size ? 200 : 503}; },
                     .effect =
                         [&user, protects](const ftp_reply&) {
                             user.protects_data = protects;
                             return std::string();
                         }});
}

/// One that is never taken, whoever asks. `in_clear`, `over_tls`: the codes.
struct refusal {
    std::string_view line;
    int in_clear;
    int over_tls;
};
constexpr auto refusals = std::to_array<refusal>({
    {"AUTH KERBEROS_V4", 504, 503},
    {"AUTH", 501, 501},
    {"PBSZ 12345678901", 503, 501},
    {"PBSZ x", 503, 501},
    {"PROT S", 503, 536},
    {"PROT X", 503, 504},
    {"CCC", 533, 534},
    {"MIC x", 502, 502},
});

/// The data connection resumes no session of the control connection: it is refused (RFC 4217
/// section 10.9), and nothing moves.
constexpr std::uint64_t strangers = 40;

}  // namespace

bool is_about_tls(std::string_view verb) noexcept {
    return verb == "AUTH" || verb == "PBSZ" || verb == "PROT" || verb == "CCC";
}

planned_command draw_refusal(ftp_session& user) {
    const auto& chosen = refusals[user.context.rng.below(refusals.size())];
    planned_command made;
    made.verb = std::string(chosen.line.substr(0, chosen.line.find(' ')));
    made.line = std::string(chosen.line);
    made.judge = [&user, chosen](const ftp_reply& reply) {
        user.rename_from.reset();
        user.has_range = false;
        const bool is_secure = user.control.is_secure();
        int right = is_secure ? chosen.over_tls : chosen.in_clear;
        if (chosen.line == "CCC" && !user.who) {
            right = 530;
        }
        if (is_secure && chosen.line.starts_with("PROT") && !user.has_buffer_size) {
            right = 503;
        }
        return reply.code == right || is_excused_reply(user.context, reply.code)
                   ? std::string()
                   : fmt::format("right would be: {}", right);
    };
    return made;
}

task<outcome> protect_or_not(ftp_session& user) {
    auto& context = user.context;
    std::vector<planned_command> plans;
    if (!context.chance(8)) {
        plans.push_back(plan_pbsz(user));
    }
    if (context.chance(6)) {
        plans.push_back(draw_refusal(user));
    }
    plans.push_back(plan_prot(user, !context.chance(4)));
    const auto went = co_await carry_out(user, std::move(plans));
    co_return went;
}

task<outcome> begin_tls_by_auth(ftp_session& user) {
    auto& context = user.context;
    // Somebody in between may have put them there; who came by TLS has not said them.
    const bool has_more = context.chance(3);
    const std::string line = "AUTH TLS";
    const auto octets =
        line_octets(line) + (has_more ? "NOOP\r\nUSER anonymous\r\nPASS x\r\nPAS" : "");
    static_cast<void>(co_await user.control.send(octets, context.soon()));
    ftp_reply reply;
    const auto went = co_await read_reply(user, reply, context.soon(), line);
    if (went != outcome::fine) {
        co_return went;
    }
    if (reply.code != 234) {
        if (is_excused_reply(context, reply.code)) {
            co_return outcome::over;
        }
        context.complain("a reply that is not right", reply.describe(), line);
        co_return outcome::broken;
    }
    forget_all(user);
    user.tls->forget();
    const auto had = context.findings.violations().size();
    const auto begun = co_await begin_tls(context, user.control, user.tls);
    if (!begun) {
        co_return context.findings.violations().size() == had ? outcome::over : outcome::broken;
    }
    context.findings.count(has_more ? "ftp AUTH with octets behind it" : "ftp AUTH");
    const auto protects = context.chance(6) ? outcome::fine : co_await protect_or_not(user);
    co_return protects;
}

task<outcome> protect_data(ftp_session& user, wire& data, transfer_close& close) {
    auto& context = user.context;
    if (!user.protects_data || data.is_secure()) {  // A kept one is.
        co_return outcome::fine;
    }
    const bool is_stranger = context.is_patient && context.chance(strangers);
    auto memory = is_stranger ? std::make_shared<tls_memory>() : user.tls;
    const bool could_resume = memory->is_there();
    const auto begun = co_await data.begin_tls(*context.tls.by, std::move(memory),
                                               tls_side::version::any, context.soon());
    const bool is_strict = context.is_strict();
    if (begun && !is_stranger && could_resume && !data.is_resumed() && is_strict) {
        context.complain("a session was not resumed", "on a data connection", close.line);
        co_return outcome::broken;
    }
    if (begun && data.is_resumed()) {
        context.findings.count("ftp data connections over TLS");
        co_return outcome::fine;
    }
    const bool is_aborted = close.what != interruption::none;
    if (!begun && ((is_strict && !is_aborted) || begun.error() == errc::invalid)) {
        judge_failure(context, begun.error(), "shaking hands on a data connection", close.line);
        co_return begun.error() == errc::cancelled ? outcome::over : outcome::broken;
    }
    if (begun) {  // A reset could come before the server has seen whose session it is.
        co_await data.finish(context.soon());
    } else {
        data.reset();
    }
    const auto went = co_await read_final(user, close);
    if (went != outcome::fine) {
        co_return went;
    }
    const bool is_right = begun ? close.final_code == 522 ||
                                      (!is_strict && close.final_code == 425) ||
                                      (is_aborted && close.final_code == 426)
                                : close.final_code / 100 == 4;
    if (!is_right && !is_excused_reply(context, close.final_code)) {
        context.complain("a final reply that is not right",
                         fmt::format("{}, to a data connection of a stranger", close.final_code),
                         close.line);
        co_return outcome::broken;
    }
    context.findings.count(begun ? "ftp data connections of strangers refused"
                                 : "ftp data connections without TLS");
    co_return outcome::over;
}

}  // namespace ferry::sim::test
