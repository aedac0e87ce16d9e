#include "ftp_session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

namespace ferry::sim::test {

using runtime::task;

namespace {

enum class needs : std::uint8_t { nothing, login, read, create, change };
enum class takes : std::uint8_t { none, optional, required };

struct row {
    std::string_view verb;
    needs who;
    bool uses_data;
    takes argument;
};

/// RFC 959 section 5.3, RFC 2389, 2428, 3659 and what ferry adds.
constexpr auto rows = std::to_array<row>({
    {"ABOR", needs::login, false, takes::none},
    {"ACCT", needs::login, false, takes::required},
    {"ALLO", needs::login, false, takes::required},
    {"APPE", needs::create, true, takes::required},
    {"AVBL", needs::create, false, takes::optional},
    {"CDUP", needs::login, false, takes::none},
    {"CLNT", needs::nothing, false, takes::optional},
    {"COMB", needs::create, false, takes::required},
    {"CSID", needs::nothing, false, takes::optional},
    {"CWD", needs::login, false, takes::optional},
    {"DELE", needs::change, false, takes::required},
    {"DSIZ", needs::read, false, takes::optional},
    {"EPRT", needs::login, false, takes::required},
    {"EPSV", needs::login, false, takes::optional},
    {"FEAT", needs::nothing, false, takes::none},
    {"HASH", needs::read, false, takes::required},
    {"HELP", needs::nothing, false, takes::optional},
    {"HOST", needs::nothing, false, takes::required},
    {"LANG", needs::nothing, false, takes::optional},
    {"LIST", needs::read, true, takes::optional},
    {"LPRT", needs::login, false, takes::required},
    {"LPSV", needs::login, false, takes::none},
    {"MDTM", needs::read, false, takes::required},
    {"MFCT", needs::change, false, takes::required},
    {"MFF", needs::change, false, takes::required},
    {"MFMT", needs::change, false, takes::required},
    {"MKD", needs::change, false, takes::required},
    {"MLSD", needs::read, true, takes::optional},
    {"MLST", needs::read, false, takes::optional},
    {"MODE", needs::login, false, takes::required},
    {"NLST", needs::read, true, takes::optional},
    {"NOOP", needs::nothing, false, takes::optional},
    {"OPTS", needs::nothing, false, takes::required},
    {"PASS", needs::nothing, false, takes::optional},
    {"PASV", needs::login, false, takes::none},
    {"PORT", needs::login, false, takes::required},
    {"PWD", needs::login, false, takes::none},
    {"QUIT", needs::nothing, false, takes::none},
    {"RANG", needs::read, false, takes::required},
    {"REIN", needs::nothing, false, takes::none},
    {"REST", needs::login, false, takes::required},
    {"RETR", needs::read, true, takes::required},
    {"RMD", needs::change, false, takes::required},
    {"RNFR", needs::change, false, takes::required},
    {"RNTO", needs::change, false, takes::required},
    {"SITE", needs::login, false, takes::optional},
    {"SIZE", needs::read, false, takes::required},
    {"SMNT", needs::login, false, takes::required},
    {"STAT", needs::login, false, takes::optional},
    {"STOR", needs::create, true, takes::required},
    {"STOU", needs::create, true, takes::optional},
    {"STRU", needs::login, false, takes::required},
    {"SYST", needs::nothing, false, takes::none},
    {"TYPE", needs::login, false, takes::required},
    {"USER", needs::nothing, false, takes::required},
    {"XCRC", needs::read, false, takes::required},
    {"XCUP", needs::login, false, takes::none},
    {"XCWD", needs::login, false, takes::optional},
    {"XMD5", needs::read, false, takes::required},
    {"XMKD", needs::change, false, takes::required},
    {"XPWD", needs::login, false, takes::none},
    {"XRMD", needs::change, false, takes::required},
    {"XSHA", needs::read, false, takes::required},
    {"XSHA1", needs::read, false, takes::required},
    {"XSHA256", needs::read, false, takes::required},
    {"XSHA512", needs::read, false, takes::required},
});

const row* find_row(std::string_view verb) {
    const auto* const found = std::ranges::find(rows, verb, &row::verb);
    return found == rows.end() ? nullptr : found;
}

bool may(const ftp_account& who, needs what) {
    switch (what) {
        case needs::nothing:
        case needs::login:
            return true;
        case needs::read:
            return who.may_read;
        case needs::create:
            return who.may_create || who.may_change;
        case needs::change:
            return who.may_change;
    }
    return false;
}

}  // namespace

std::string ftp_session::seen(std::string_view typed) const {
    std::string made = typed.starts_with('/') ? std::string() : directory;
    if (made == "/") {
        made.clear();
    }
    while (!typed.empty()) {
        const auto slash = typed.find('/');
        const auto part = typed.substr(0, slash);
        typed.remove_prefix(slash == std::string_view::npos ? typed.size() : slash + 1);
        if (part == "..") {
            made.resize(made.empty() ? 0 : made.rfind('/'));
        } else if (!part.empty() && part != ".") {
            made.append("/").append(part);
        }
    }
    return made.empty() ? "/" : made;
}

std::string ftp_session::in_model(std::string_view typed) const {
    const auto name = seen(typed);
    if (!who || who->root == "/") {
        return name;
    }
    return name == "/" ? who->root : who->root + name;
}

std::optional<std::string> ftp_session::typed(const std::string& path) const {
    if (!who || who->root == "/") {
        return path;
    }
    if (path == who->root) {
        return "/";
    }
    if (path.starts_with(who->root + "/")) {
        return path.substr(who->root.size());
    }
    return std::nullopt;
}

std::string text_form(const ftp_session& user, std::string_view stored) {
    return user.is_printed ? printed_form(stored) : network_form(stored);
}

void forget_all(ftp_session& user) {
    user.kept.close();
    user.is_printed = false;
    user.who.reset();
    user.claimed_name.reset();
    user.directory = "/";
    user.is_image = false;
    user.form = {};
    user.has_page_1047 = false;
    user.lists_as_dos = false;
    user.umask = "022";
    user.restart_offset = 0;
    user.rename_from.reset();
    user.has_copy_source = false;
    user.has_range = false;
    user.extended_only = false;
    user.data_is_set_up = false;
    user.has_buffer_size = false;
    user.protects_data = user.begins_protected;
}

std::optional<int> refused_by_table(const ftp_session& user, std::string_view verb,
                                    std::string_view argument) {
    const auto* const found = find_row(verb);
    if (found == nullptr) {
        return std::nullopt;
    }
    if (found->who != needs::nothing && !user.who) {
        return 530;
    }
    const bool is_blank = argument.find_first_not_of(" \t") == std::string_view::npos;
    if ((found->argument == takes::required && argument.empty()) ||
        (found->argument == takes::none && !is_blank)) {
        return 501;
    }
    if (user.who && !may(*user.who, found->who)) {
        return 550;
    }
    if (found->uses_data && !user.data_is_set_up) {
        return 425;
    }
    if (found->uses_data && user.has_range) {
        return 504;
    }
    return std::nullopt;
}

bool is_excused_reply(const client_context& context, int code) {
    static constexpr std::array<int, 9> codes{421, 425, 426, 450, 451, 452, 550, 551, 552};
    if (context.excused.faults && std::ranges::find(codes, code) != codes.end()) {
        return true;
    }
    return (context.excused.server_ends && (code == 421 || code == 426)) ||
           (context.excused.resets && (code == 425 || code == 426)) ||
           (context.excused.silences && (code == 425 || code == 426)) ||
           // An end of a data connection that TLS has not made is none,
           (context.tls.is_there() && context.excused.finishes && (code == 425 || code == 426)) ||
           // and a session of keys that are too old, or that could not be read, is none to resume.
           (context.tls.is_there() && (context.excused.faults || context.excused.clock_jumps) &&
            code == 522);
}

planned_command assemble(ftp_session& user, command_parts parts) {
    planned_command made;
    made.verb = parts.verb;
    made.line = parts.argument.empty() ? parts.verb : parts.verb + " " + parts.argument;
    auto shared = std::make_shared<command_parts>(std::move(parts));
    made.judge = [&user, shared](const ftp_reply& reply) -> std::string {
        const auto& what = *shared;
        auto& context = user.context;
        const auto refused = refused_by_table(user, what.verb, what.argument);
        const auto right = refused ? std::vector{*refused} : what.codes();
        if (what.verb != "RNFR" || reply.code != 350) {  // RNTO comes right behind or not at all.
            user.rename_from.reset();
        }
        user.has_range = false;  // HASH comes right behind RANG, too.
        const bool is_right = std::ranges::find(right, reply.code) != right.end();
        if (what.change) {
            const bool is_explained = what.has_changed(reply)
                                          ? context.model.acknowledged(*what.change)
                                          : context.model.refused(*what.change);
            if (!is_explained) {
                return "no order of what was done to the tree explains it";
            }
        }
        if (!is_right && is_excused_reply(context, reply.code)) {
            context.findings.count("ftp errors excused");
            return {};
        }
        if (!is_right) {
            std::string codes;
            for (const int code : right) {
                codes += fmt::format(" {}", code);
            }
            return fmt::format("right would be:{}", codes);
        }
        return reply.is_positive() && !refused ? what.effect(reply) : std::string();
    };
    made.lost = [&user, shared] {
        if (shared->change) {
            user.context.model.unknown(*shared->change);
        }
    };
    return made;
}

std::string line_octets(std::string_view line) {
    std::string made;
    for (const char c : line) {
        made += c;
        if (c == '\xff') {
            made += c;
        }
    }
    return made + "\r\n";
}

task<result<void>> send_line(ftp_session& user, std::string_view line) {
    const auto octets = line_octets(line);
    const auto sent = co_await user.control.send(octets, user.context.soon());
    co_return sent;
}

task<outcome> read_reply(ftp_session& user, ftp_reply& into, runtime::time_point deadline,
                         std::string_view asked) {
    auto& context = user.context;
    for (;;) {
        auto read = take_reply(user.control.input());
        if (read.progress == reply_progress::malformed) {
            context.complain("a reply is malformed", read.problem, std::string(asked));
            co_return outcome::broken;
        }
        if (read.progress == reply_progress::complete) {
            into = std::move(read.reply);
            break;
        }
        const auto got = co_await user.control.fill(deadline);
        if (got && *got) {
            continue;
        }
        if (!got) {
            const auto had = context.findings.violations().size();
            judge_failure(context, got.error(),
                          fmt::format("waiting for a reply, after {}", user.before), asked);
            co_return context.findings.violations().size() == had ? outcome::over : outcome::broken;
        }
        if (context.excused.any()) {
            co_return outcome::over;
        }
        context.complain("the control connection ended without a reply",
                         fmt::format("after {}", user.before), std::string(asked));
        co_return outcome::broken;
    }
    user.before = std::string(asked);
    auto verb = asked.substr(0, asked.find(' '));
    if (verb == "SITE") {  // With the command behind it.
        verb = asked.substr(0, asked.find(' ', std::min(asked.size(), verb.size() + 1)));
    }
    context.findings.count(fmt::format("ftp {} {}", verb, into.code));
    if (into.code == 421 && is_excused_reply(context, 421)) {
        co_return outcome::over;
    }
    co_return outcome::fine;
}

outcome judge(ftp_session& user, const planned_command& plan, const ftp_reply& reply) {
    if (auto problem = plan.judge(reply); !problem.empty()) {
        user.context.complain("a reply that is not right",
                              fmt::format("{} -- {}", reply.describe(), problem), plan.line);
        return outcome::broken;
    }
    return outcome::fine;
}

task<outcome> carry_out(ftp_session& user, std::vector<planned_command> plans) {
    std::string octets;
    for (const auto& each : plans) {
        octets += line_octets(each.line);
    }
    const auto sent =
        co_await user.control.send_in_pieces(user.context, octets, user.context.soon());
    // What was said before the connection broke may still be there to read.
    static_cast<void>(sent);
    auto went = outcome::fine;
    for (const auto& each : plans) {
        if (went != outcome::fine) {
            each.lost();
            continue;
        }
        ftp_reply reply;
        went = co_await read_reply(user, reply, user.context.soon(), each.line);
        if (went != outcome::fine) {
            each.lost();
            continue;
        }
        went = judge(user, each, reply);
    }
    co_return went;
}

task<outcome> carry_out(ftp_session& user, planned_command plan) {
    std::vector<planned_command> one;
    one.push_back(std::move(plan));
    const auto went = co_await carry_out(user, std::move(one));
    co_return went;
}

}  // namespace ferry::sim::test
