#include "ftp/commands.hpp"

#include <algorithm>
#include <array>

#include "ferry/base/ascii.hpp"
#include "ftp/command_log.hpp"
#include "ftp/commands_access.hpp"
#include "ftp/commands_combine.hpp"
#include "ftp/commands_digests.hpp"
#include "ftp/commands_names.hpp"
#include "ftp/commands_settings.hpp"
#include "ftp/commands_site.hpp"
#include "ftp/commands_tls.hpp"
#include "ftp/commands_transfers.hpp"
#include "ftp/line_parser.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

using auth::right;

constexpr access anyone{.needs_login = false};
constexpr access login;
constexpr access facts{.any_of = {right::list, right::read}};
constexpr access list{.any_of = {right::list}};
constexpr access read{.any_of = {right::read}};
constexpr access create{.any_of = {right::create}};
constexpr access replace{.any_of = {right::replace}};
constexpr access remove_name{.any_of = {right::remove}};
constexpr access rename_name{.any_of = {right::rename}};
constexpr access make_directory{.any_of = {right::make_directory}};
constexpr auto none = channel::none;
constexpr auto data = channel::data;
constexpr auto no_argument = argument::none;
constexpr auto optional = argument::optional;
constexpr auto required = argument::required;

constexpr auto commands = std::to_array<command>({
    {"ABOR", login, none, no_argument, do_abor, "ABOR (abort the transfer)", ""},
    {"ACCT", login, none, required, do_acct, "ACCT <sp> account", ""},
    {"ALLO", login, none, required, do_allo, "ALLO <sp> octets (is there room?)", ""},
    {"APPE", create, data, required, do_appe, "APPE <sp> path (append to a file)", ""},
    {"AUTH", anyone, none, required, do_auth, "AUTH <sp> TLS (begin TLS)", "AUTH TLS", true},
    {"AVBL", create, none, optional, do_avbl, "AVBL [<sp> path] (octets free)", "AVBL"},
    {"CCC", login, none, no_argument, do_ccc, "CCC (commands in clear again)", "", true},
    {"CDUP", login, none, no_argument, do_cdup, "CDUP (change to the directory above)", ""},
    {"CLNT", anyone, none, optional, do_clnt, "CLNT <sp> name of the client", "CLNT"},
    {"COMB", create, none, required, do_comb,
     "COMB <sp> path <sp> part [<sp> part ...] (join parts)", "COMB"},
    {"CSID", anyone, none, optional, do_csid, "CSID [<sp> what the client is]", "CSID"},
    {"CWD", login, none, optional, do_cwd, "CWD [<sp> path] (change directory)", "TVFS"},
    {"DELE", remove_name, none, required, do_dele, "DELE <sp> path (delete a file)", ""},
    {"DSIZ", list, none, optional, do_dsiz, "DSIZ [<sp> path] (octets in a directory)", "DSIZ"},
    {"EPRT", login, none, required, do_eprt, "EPRT <sp> |1 or 2|address|port|", "EPRT"},
    {"EPSV", login, none, optional, do_epsv, "EPSV [<sp> 1, 2 or ALL] (passive mode)", "EPSV"},
    {"FEAT", anyone, none, no_argument, do_feat, "FEAT (list the features)", ""},
    {"HASH", read, none, required, do_hash, "HASH <sp> path (digest of a file)", "HASH"},
    {"HELP", anyone, none, optional, do_help, "HELP [<sp> command]", ""},
    {"HOST", anyone, none, required, do_host, "HOST <sp> name of the host", "HOST"},
    {"LANG", anyone, none, optional, do_lang, "LANG [<sp> language]", "LANG EN*"},
    {"LIST", list, data, optional, do_list, "LIST [<sp> path] (list as ls -l)", ""},
    {"LPRT", login, none, required, do_lprt, "LPRT <sp> 4 or 6,octets,address,2,port", ""},
    {"LPSV", login, none, no_argument, do_lpsv, "LPSV (long passive mode)", ""},
    {"MDTM", facts, none, required, do_mdtm, "MDTM <sp> path (time of a file)", "MDTM"},
    {"MFCT", replace, none, required, do_mfct, "MFCT <sp> YYYYMMDDhhmmss <sp> path (never)", ""},
    {"MFF", replace, none, required, do_mff, "MFF <sp> facts; <sp> path (change facts)",
     "MFF Modify;UNIX.mode;"},
    {"MFMT", replace, none, required, do_mfmt, "MFMT <sp> YYYYMMDDhhmmss <sp> path", "MFMT"},
    {"MKD", make_directory, none, required, do_mkd, "MKD <sp> path (make a directory)", ""},
    {"MLSD", list, data, optional, do_mlsd, "MLSD [<sp> path] (list facts)", ""},
    {"MLST", facts, none, optional, do_mlst, "MLST [<sp> path] (facts of one)", "MLST"},
    {"MODE", login, none, required, do_mode, "MODE <sp> S, B (block), C (compressed) or Z",
     "MODE Z"},
    {"NLST", list, data, optional, do_nlst, "NLST [<sp> path] (list names)", ""},
    {"NOOP", anyone, none, optional, do_noop, "NOOP (do nothing)", ""},
    {"OPTS", anyone, none, required, do_opts, "OPTS <sp> command [<sp> options]", "UTF8"},
    {"PASS", anyone, none, optional, do_pass, "PASS <sp> password", ""},
    {"PASV", login, none, no_argument, do_pasv, "PASV (passive mode)", ""},
    {"PBSZ", anyone, none, required, do_pbsz, "PBSZ <sp> 0", "PBSZ", true},
    {"PORT", login, none, required, do_port, "PORT <sp> h1,h2,h3,h4,p1,p2", ""},
    {"PROT", anyone, none, required, do_prot, "PROT <sp> P or C (data over TLS)", "PROT", true},
    {"PWD", login, none, no_argument, do_pwd, "PWD (print the working directory)", ""},
    {"QUIT", anyone, none, no_argument, do_quit, "QUIT (end the session)", ""},
    {"RANG", read, none, required, do_rang, "RANG <sp> first <sp> last (octets to HASH)", ""},
    {"REIN", anyone, none, no_argument, do_rein, "REIN (begin again)", ""},
    {"REST", login, none, required, do_rest, "REST <sp> offset", "REST STREAM"},
    {"RETR", read, data, required, do_retr, "RETR <sp> path (retrieve a file)", ""},
    {"RMD", remove_name, none, required, do_rmd, "RMD <sp> path (remove a directory)", ""},
    {"RNFR", rename_name, none, required, do_rnfr, "RNFR <sp> path (rename from)", ""},
    {"RNTO", rename_name, none, required, do_rnto, "RNTO <sp> path (rename to)", ""},
    {"SITE", login, none, optional, do_site, "SITE <sp> command, see SITE HELP", "SITE COPY"},
    {"SIZE", facts, none, required, do_size, "SIZE <sp> path", "SIZE"},
    {"SMNT", login, none, required, do_smnt, "SMNT <sp> directory (make it the root)", ""},
    {"STAT", login, none, optional, do_stat, "STAT [<sp> path]", ""},
    {"STOR", create, data, required, do_stor, "STOR <sp> path (store a file)", ""},
    {"STOU", create, data, optional, do_stou, "STOU (store under a new name)", ""},
    {"STRU", login, none, required, do_stru, "STRU <sp> F, R or P (files, records, pages)", ""},
    {"SYST", anyone, none, no_argument, do_syst, "SYST (system type)", ""},
    {"TYPE", login, none, required, do_type, "TYPE <sp> A or E [<sp> N, T or C], I, L 8", ""},
    {"USER", anyone, none, required, do_user, "USER <sp> name", ""},
    {"XCRC", read, none, required, do_xcrc, "XCRC <sp> path [<sp> start <sp> end]", "XCRC"},
    {"XCUP", login, none, no_argument, do_cdup, "XCUP (as CDUP)", ""},
    {"XCWD", login, none, optional, do_cwd, "XCWD [<sp> path] (as CWD)", ""},
    {"XMD5", read, none, required, do_xmd5, "XMD5 <sp> path [<sp> start <sp> end]", "XMD5"},
    {"XMKD", make_directory, none, required, do_mkd, "XMKD <sp> path (as MKD)", ""},
    {"XPWD", login, none, no_argument, do_pwd, "XPWD (as PWD)", ""},
    {"XRMD", remove_name, none, required, do_rmd, "XRMD <sp> path (as RMD)", ""},
    {"XSHA", read, none, required, do_xsha1, "XSHA (as XSHA1)", "XSHA"},
    {"XSHA1", read, none, required, do_xsha1, "XSHA1 <sp> path [<sp> start <sp> end]", "XSHA1"},
    {"XSHA256", read, none, required, do_xsha256, "XSHA256 <sp> path [<sp> start <sp> end]",
     "XSHA256"},
    {"XSHA512", read, none, required, do_xsha512, "XSHA512 <sp> path [<sp> start <sp> end]",
     "XSHA512"},
});
static_assert(std::ranges::is_sorted(commands, {}, &command::verb));

/// What the RFCs have and ferry does not, or not without TLS: 502, so that a client knows the line
/// was understood (RFC 959 section 4.2.1, RFC 2228).
constexpr auto not_implemented =
    std::to_array<std::string_view>({"ADAT", "AUTH", "CCC", "CONF", "ENC", "MIC", "PBSZ", "PROT"});
static_assert(std::ranges::is_sorted(not_implemented));

/// Why the command may not run: its answer. Nothing when it may.
std::optional<reply> check(const session& user, const command& row, std::string_view argument) {
    if (row.who.needs_login && !user.is_logged_in()) {
        return reply{530, "Log in with USER and PASS first"};
    }
    if (row.takes == required && argument.empty()) {
        return reply{501, std::string("Wanted: ").append(row.help)};
    }
    if (row.takes == no_argument && !ascii::trim(argument).empty()) {
        return reply{501, std::string("Takes no argument: ").append(row.help)};
    }
    if (row.who.any_of != auth::rights{} && !user.may_anywhere(row.who.any_of)) {
        return reply{550, "Permission denied"};
    }
    if (row.uses == data && needs_protected_data(user)) {
        return reply{521, "Data connections go over TLS only: send PROT P"};
    }
    if (row.uses == data && !user.data.is_set_up()) {
        return reply{425, "Use EPSV, PASV, EPRT or PORT first"};
    }
    if (row.uses == data && user.user.hash_range) {
        return reply{504, "RANG is for HASH only: use REST"};
    }
    return std::nullopt;
}

}  // namespace

std::span<const command> all_commands() noexcept {
    return commands;
}

const command* find_command(std::string_view verb) noexcept {
    const auto found = std::ranges::lower_bound(commands, verb, {}, &command::verb);
    return found != commands.end() && found->verb == verb ? &*found : nullptr;
}

task<reply> perform(session& user, std::string_view line) {
    const auto parsed = parse_command(line);
    const control_decision decided(user, parsed.verb());
    const command* row = find_command(parsed.verb());
    if (row == nullptr || !row->is_there_for(user)) {
        user.user.rename_from.reset();
        user.user.copy_from.reset();
        user.user.hash_range.reset();
        if (std::ranges::binary_search(not_implemented, parsed.verb())) {
            co_return reply{502, "Command not implemented"};
        }
        co_return reply{500, "Command not understood"};
    }
    const command_log line_of_log(user, row->verb, parsed.argument);
    auto refused = check(user, *row, parsed.argument);
    reply answer;
    if (refused) {
        answer = std::move(*refused);
    } else {
        auto handled = co_await row->run(user, parsed.argument);
        answer = std::move(handled);
    }
    if (row->uses == data) {
        user.user.restart = {};
        user.user.announced_bytes.reset();
        user.data.forget_offer();
    }
    if (answer.code != 350 || row->verb != "RNFR") {  // RNTO comes right behind RNFR or not at all.
        user.user.rename_from.reset();
    }
    if (answer.code != 350 || row->verb != "SITE") {  // The same of SITE CPFR and CPTO.
        user.user.copy_from.reset();
    }
    if (answer.code != 350 || row->verb != "RANG") {  // And of RANG and HASH.
        user.user.hash_range.reset();
    }
    line_of_log.finish(answer);
    if (auto* const doing = user.user.listed.doing()) {
        doing->rest(user.here.now());
    }
    co_return answer;
}

}  // namespace ferry::ftp
