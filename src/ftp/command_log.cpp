#include "ftp/command_log.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ftp/arguments.hpp"
#include "ftp/commands_access.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {
namespace {

enum class logged : std::uint8_t { always, when_refused };

/// Where an argument has its path.
enum class path_place : std::uint8_t {
    nowhere,
    whole,
    behind_options,  ///< As of ls(1).
    second_word,     ///< And all behind it.
    first_name,      ///< Of several, with quotation marks.
    second_name,
    with_times,  ///< As of SITE UTIME.
    below_home,  ///< As of SMNT: of the home, whatever the root is.
};

struct logged_command {
    std::string_view verb;
    logged when;
    path_place where;
};

constexpr auto always = logged::always;
constexpr auto when_refused = logged::when_refused;
constexpr auto nowhere = path_place::nowhere;
constexpr auto whole = path_place::whole;
constexpr auto behind_options = path_place::behind_options;
constexpr auto second_word = path_place::second_word;
constexpr auto first_name = path_place::first_name;
constexpr auto second_name = path_place::second_name;
constexpr auto with_times = path_place::with_times;
constexpr auto below_home = path_place::below_home;

constexpr auto logged_commands = std::to_array<logged_command>({
    {"APPE", always, whole},
    {"COMB", always, first_name},
    {"CWD", when_refused, whole},
    {"DELE", always, whole},
    {"DSIZ", when_refused, whole},
    {"HASH", always, whole},
    {"LIST", always, behind_options},
    {"MDTM", when_refused, whole},
    {"MFF", always, second_word},
    {"MFMT", always, second_word},
    {"MKD", always, whole},
    {"MLSD", always, whole},
    {"MLST", when_refused, whole},
    {"NLST", always, behind_options},
    {"PASS", always, nowhere},
    {"RETR", always, whole},
    {"RMD", always, whole},
    {"RNFR", always, whole},
    {"RNTO", always, whole},
    {"SITE CHMOD", always, second_word},
    {"SITE COPY", always, second_name},
    {"SITE CPFR", always, whole},
    {"SITE CPTO", always, whole},
    {"SITE MKDIR", always, whole},
    {"SITE RMDIR", always, whole},
    {"SITE SYMLINK", always, second_name},
    {"SITE UTIME", always, with_times},
    {"SITE WHO", always, nowhere},
    {"SIZE", when_refused, whole},
    {"SMNT", always, below_home},
    {"STAT", when_refused, behind_options},
    {"STOR", always, whole},
    {"STOU", always, nowhere},
    {"XCRC", always, whole},
    {"XCWD", when_refused, whole},
    {"XMD5", always, whole},
    {"XMKD", always, whole},
    {"XRMD", always, whole},
    {"XSHA", always, whole},
    {"XSHA1", always, whole},
    {"XSHA256", always, whole},
    {"XSHA512", always, whole},
});
static_assert(std::ranges::is_sorted(logged_commands, {}, &logged_command::verb));

const logged_command* find_logged(std::string_view verb) noexcept {
    const auto found = std::ranges::lower_bound(logged_commands, verb, {}, &logged_command::verb);
    return found != logged_commands.end() && found->verb == verb ? &*found : nullptr;
}

/// The row of a command; of SITE, that of the command behind it, which is taken off `argument`.
const logged_command* find_row(std::string_view verb, std::string_view& argument) {
    if (verb != "SITE") {
        return find_logged(verb);
    }
    const auto space = std::min(argument.find(' '), argument.size());
    std::string both = "SITE ";
    for (const char c : ascii::trim(argument.substr(0, space))) {
        both += ascii::to_upper(c);
    }
    argument.remove_prefix(std::min(space + 1, argument.size()));
    return find_logged(both);
}

/// The name that is `at` in a list of them.
std::string name_in(std::string_view argument, std::size_t at) {
    const auto names = parse_names(argument);
    return names && names->size() > at ? (*names)[at] : std::string();
}

std::string path_in(path_place where, std::string_view argument) {
    switch (where) {
        case path_place::nowhere:
            return {};
        case path_place::whole:
        case path_place::below_home:
            return std::string(argument);
        case path_place::behind_options:
            return std::string(parse_list(argument).path);
        case path_place::second_word: {
            const auto space = argument.find(' ');
            return std::string(space == std::string_view::npos ? std::string_view()
                                                               : argument.substr(space + 1));
        }
        case path_place::first_name:
            return name_in(argument, 0);
        case path_place::second_name:
            return name_in(argument, 1);
        case path_place::with_times: {
            const auto dated = parse_utime(argument);
            return dated ? std::string(dated->name) : std::string();
        }
    }
    return {};
}

/// MDTM with a time sets it and answers as MFMT does: a change, of the name behind the time.
bool sets_time(std::string_view verb, const reply& answer) noexcept {
    return verb == "MDTM" && answer.code == 213 && answer.text.starts_with("Modify=");
}

/// The name in the whole tree of `path` as the client sent it; that itself where it is no name.
std::string target_of(const session& user, std::string_view path) {
    if (path.empty()) {
        return {};
    }
    const auto seen = locate(user, path);
    return seen ? name_in_tree(user, *seen) : std::string(path);
}

/// The same of a name that begins at the user's home.
std::string target_below_home(const session& user, std::string_view path) {
    const auto stored = user.names.to_stored(path);
    const auto seen = stored ? vfs::path().resolve(*stored) : failure(stored.error());
    return seen ? name_below(user.user.home_root, *seen) : std::string(path);
}

transfer_counts& counts_of(counters& all, std::string_view verb) noexcept {
    if (receives(verb)) {
        return all.uploads;
    }
    return verb == "RETR" ? all.downloads : all.listings;
}

}  // namespace

command_log::command_log(session& user, std::string_view verb, std::string_view argument)
    : user_(user),
      verb_(verb),
      argument_(argument),
      began_at_(read_wall_clock()),
      began_(user.here.now()) {
    user.moved = {};
    if (verb == "PASS") {
        claimed_name_ = user.user.claimed_name.value_or("");
    }
}

/// Adds the command to what is counted.
void command_log::count(const reply& answer) const noexcept {
    auto& counted = user_.shared.counted;
    counted.took.add(user_.here.now() - began_);
    const bool is_good = answer.code < 400;
    if (user_.moved.is_announced) {
        auto& transfers = counts_of(counted, verb_);
        ++(is_good ? transfers.complete : transfers.failed);
    }
    if (answer.code == 230 ||
        answer.code == 232) {  // 232: by a certificate (RFC 2228 section 5.1).
        ++counted.logins;
    } else if (verb_ == "PASS" && answer.code == 530) {
        ++counted.logins_failed;
    }
}

void command_log::finish(const reply& answer) const {
    count(answer);
    auto& log = user_.shared.access_log;
    if (!log.wants_records()) {
        return;
    }
    auto argument = argument_;
    const auto* const row = find_row(verb_, argument);
    const bool changes_time = sets_time(verb_, answer);
    if (row == nullptr ||
        (row->when == logged::when_refused && answer.code < 400 && !changes_time)) {
        return;
    }
    const auto& moved = user_.moved;
    const auto place = changes_time ? path_place::second_word : row->where;
    const auto path = path_in(place, argument);
    const bool is_below_home = place == path_place::below_home && user_.is_logged_in();
    const auto target = !moved.name.empty() ? moved.name
                        : is_below_home     ? target_below_home(user_, path)
                                            : target_of(user_, path);
    const auto peer = net::format_address(user_.control.peer());
    const auto& identity = user_.user.identity;
    access_record record{.peer = peer,
                         .user = identity ? std::string_view(identity->name) : claimed_name_,
                         .when = began_at_,
                         .method = row->verb,
                         .target = target,
                         .protocol = "FTP",
                         .status = static_cast<std::uint16_t>(answer.code),
                         .body_bytes = moved.bytes,
                         .referer = {},
                         .user_agent = {}};
    record.duration =
        std::chrono::duration_cast<std::chrono::microseconds>(user_.here.now() - began_);
    (receives(verb_) ? record.received_bytes : record.sent_bytes) = moved.bytes;
    record.connection = user_.number;
    record.peer_port = user_.control.peer().port;
    record.local_port = user_.control.local().port;
    record.scheme = user_.control.is_secure() ? "ftps" : "ftp";
    record.tls_version = user_.security.version;
    record.tls_cipher = user_.security.cipher;
    record.is_broken_off = moved.is_announced && answer.code >= 400;
    log.record(record);
}

}  // namespace ferry::ftp
