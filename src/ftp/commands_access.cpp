#include "ftp/commands_access.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/log.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/account_home.hpp"
#include "ftp/commands_tls.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// Too many answers to this address are put off: said whatever the password is.
reply refuse_login(session& user) {
    user.is_leaving = true;
    return {421, "Too many failed logins from your address, try again later"};
}

/// Waits until the answer to a password may be given: the session's frame does, no thread. Not
/// while the server drains, which nobody must be able to hold up by guessing, nor for a client that
/// has left: many would keep their places among the sessions at no cost.
task<result<void>> wait_to_answer(session& user, runtime::time_point when) {
    if (when <= user.here.now()) {
        co_return result<void>{};
    }
    const auto slept = co_await runtime::sleep_until(user.here, when);
    co_return slept;
}

/// Said in the place of an answer that nobody waits for, whatever the password is.
reply break_off(session& user) {
    user.is_leaving = true;
    return {421, user.idle.stop_requested() ? "The server is shutting down, closing"
                                            : "Closing the control connection"};
}

/// Answers a wrong password at `when`.
task<reply> refuse_login(session& user, const std::string& name, runtime::time_point when) {
    ++user.failed_logins;
    if (log::enabled(log::level::info)) {
        log::info(fmt::format("ftp {}: login of {:?} refused, try {} of {}",
                              net::format_address(user.control.peer()), name, user.failed_logins,
                              user.shared.settings.login_tries_max));
    }
    const auto waited = co_await wait_to_answer(user, when).in_scope(user.heard);
    if (!waited) {
        co_return break_off(user);
    }
    if (user.failed_logins >= user.shared.settings.login_tries_max) {
        user.is_leaving = true;
        co_return reply{421, "Too many failed logins, closing the control connection"};
    }
    co_return reply{530, "Login incorrect"};
}

/// Gives who has not said HOST the host that is for them. False: there is none.
bool take_usual_host(session& user) {
    const auto& name = user.shared.settings.host_without_name;
    if (!user.host.name.empty() || (name.empty() && !user.shared.settings.needs_host)) {
        return true;
    }
    const auto* const hosts = user.shared.hosts;
    auto root =
        name.empty() || hosts == nullptr ? std::optional<vfs::path>() : hosts->root_of_known(name);
    if (!root) {
        return false;
    }
    user.host = {.name = name, .root = std::move(*root)};
    return true;
}

/// A name of letters, digits, '-' and '.', or an address in brackets (RFC 7151 section 3.1).
bool is_host_name(std::string_view name) noexcept {
    constexpr std::size_t name_bytes_max = 253;  // RFC 1035 section 2.3.4.
    if (name.starts_with('[') && name.ends_with(']')) {
        return net::parse_address(name.substr(1, name.size() - 2)).has_value();
    }
    return !name.empty() && name.size() <= name_bytes_max && std::ranges::all_of(name, [](char c) {
        return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '.';
    });
}

/// Leaves of a home at `home_root` what belongs to the host, counted as part of the home.
task<result<void>> narrow_to_host(session& user, vfs::account_home& home,
                                  const vfs::path& home_root, const auth::identity& who) {
    const vfs::tree& files = home.files ? *home.files : user.shared.files;
    auto below = co_await files.subtree(user.here, user.host.root.seen_from(home_root));
    if (!below) {
        co_return failure(below.error());
    }
    if (home.counted) {
        const auto held = co_await (*below)->hold_to(
            user.here,
            {.where = home.counted, .most = quota_of(who.bounds), .counter = &user.shared.counter});
        if (!held) {
            co_return failure(held.error());
        }
    }
    home.files = std::move(*below);
    co_return result<void>{};
}

/// Opens what an account is to see: from here on `who` is logged in, or the reply says why not.
task<reply> enter(session& user, auth::identity who, reply done) {
    auto place = user.shared.sessions.take(who, net::format_address(user.control.peer()));
    if (!place) {
        co_return reply{530, place.error() == auth::full::sessions
                                 ? "Too many sessions of this account"
                                 : "Too many sessions of this account from your address"};
    }
    auto root = vfs::path::parse(who.root);
    if (!root) {
        co_return reply{530, "The home directory of this account is not usable"};
    }
    const bool is_of_host = root->is_within(user.host.root) || user.host.root.is_within(*root);
    if (!is_of_host) {
        co_return reply{530, "This account is of another host"};
    }
    auto home = co_await vfs::open_account_home(
        user.here,
        {.files = user.shared.files, .homes = user.shared.homes, .counter = user.shared.counter},
        *root, quota_of(who.bounds));
    if (!home) {
        log::warning(fmt::format("ftp: {:?} cannot log in: its directory {:?}: {}", who.name,
                                 root->text(), describe(home.error().code)));
        co_return reply{530, "The home directory of this account is not usable"};
    }
    if (user.host.root != *root && user.host.root.is_within(*root)) {
        const auto narrowed = co_await narrow_to_host(user, *home, *root, who);
        if (!narrowed) {
            log::warning(fmt::format("ftp: {:?} cannot log in: the root of host {:?}, {:?}: {}",
                                     who.name, user.host.name, user.host.root.text(),
                                     describe(narrowed.error().code)));
            co_return reply{530, "The directory of this host is not usable"};
        }
        root = user.host.root;
    }
    user.user.own_files = std::move(home->files);
    user.user.home = std::move(home->counted);
    if (who.bounds.together != auth::rates{}) {
        user.user.usage = user.shared.usages.of(who.name);
    }
    user.user.home_root = *root;
    user.user.root = std::move(*root);
    user.user.identity = std::move(who);
    user.user.place = std::move(*place);
    user.user.listed =
        user.shared.logged_in.add({.account = user.user.identity->name,
                                   .address = net::format_address(user.control.peer()),
                                   .host = user.host.name,
                                   .is_secure = user.control.is_secure(),
                                   .since = read_wall_clock()});
    user.user.listed.doing()->rest(user.here.now());
    co_return done;
}

/// Whether the client's certificate says that it is `name`. Not behind CCC: whoever is in between
/// may speak in its place then.
bool is_certified(const session& user, std::string_view name) noexcept {
    return user.shared.settings.certificates_log_in && user.control.is_secure() && !name.empty() &&
           name == user.security.client_name;
}

}  // namespace

task<> begin_again(session& user) {
    user.data.forget_offer();
    co_await user.data.drop_kept();
    user.user = {};
    user.host = {};
    user.settings = settings_at_first(user.shared.settings);
    user.names.speak_utf8(false);
}

std::string name_below(const vfs::path& root, const vfs::path& seen) {
    if (root.is_root()) {
        return seen.text();
    }
    return seen.is_root() ? root.text() : root.text() + seen.text();
}

/// USER: the same answer for names that exist and names that do not (threats.md, F10). When logged
/// in, the old user's rights end here (RFC 959 section 4.1.1).
task<reply> do_user(session& user, std::string_view name) {
    user.data.forget_offer();
    co_await user.data.drop_kept();
    user.user = {};
    if (needs_tls_to_log_in(user, name)) {
        co_return reply{530, "Not without TLS: send AUTH TLS first"};
    }
    if (!take_usual_host(user)) {
        co_return reply{530, "Not without a host: send HOST first"};
    }
    if (is_certified(user, name)) {
        if (auto who = user.shared.users->identity_of(name)) {
            auto answer =
                co_await enter(user, std::move(*who), {232, "Logged in by your certificate"});
            co_return answer;
        }
    }
    user.user.claimed_name = std::string(name);
    if (user.shared.users->is_anonymous_name(name)) {
        co_return reply{331, "Anonymous login: any password will do"};
    }
    co_return reply{331, "Password required"};
}

task<reply> do_pass(session& user, std::string_view password) {
    if (!user.user.claimed_name) {
        co_return reply{503, "Send USER first"};
    }
    const auto name = *std::exchange(user.user.claimed_name, std::nullopt);
    const auto customer = net::customer_of(user.control.peer());
    const auth::origin from{.prefix = customer.prefix, .is_v6 = customer.is_v6};
    const bool is_visitor = user.shared.users->is_anonymous_name(name);
    if (!is_visitor && !user.shared.failures.is_heard(from, user.here.now())) {
        co_return refuse_login(user);
    }
    auto checked = co_await auth::log_in(user.here, user.shared.users, name, std::string(password));
    if (!checked) {
        user.is_leaving = checked.error() == errc::cancelled;
        co_return reply{421, "Logins are not possible just now, try again later"};
    }
    auto& identity = *checked;
    if (!is_visitor) {
        const auto when = user.shared.failures.judge(from, user.here.now(), identity.has_value());
        if (!when) {
            co_return refuse_login(user);
        }
        if (!identity) {
            auto refused = co_await refuse_login(user, name, *when);
            co_return refused;
        }
        const auto waited = co_await wait_to_answer(user, *when).in_scope(user.heard);
        if (!waited) {
            co_return break_off(user);
        }
    }
    auto answer = co_await enter(user, std::move(*identity), {230, "Logged in"});
    co_return answer;
}

/// ACCT: there are no accounts besides users (RFC 959 section 4.2.2: 202).
task<reply> do_acct(session&, std::string_view) {
    co_return reply{202, "No account is needed"};
}

/// HOST: which name the client has for this server, before anybody logs in (RFC 7151 section 3):
/// logins then begin in the directory of that host, and see nothing but what is there.
task<reply> do_host(session& user, std::string_view name) {
    if (user.is_logged_in()) {  // Section 3.1: not any more.
        co_return reply{503, "HOST comes before USER"};
    }
    if (!is_host_name(name)) {
        co_return reply{501, "Wanted: the name of a host, or an address in brackets"};
    }
    const auto& settings = user.shared.settings;
    const auto* const hosts = user.shared.hosts;
    std::optional<vfs::path> root;
    if (settings.needs_host || !settings.host_without_name.empty()) {
        // The whole tree is for nobody then, by whatever name.
        root = hosts == nullptr ? std::nullopt : hosts->root_of_known(name);
    } else {
        root = hosts == nullptr ? std::optional<vfs::path>(std::in_place) : hosts->root_of(name);
    }
    if (!root) {
        co_return reply{504, "There is no host of that name"};
    }
    user.user = {};  // What USER has said was said to another host.
    user.host = {.name = std::string(name), .root = std::move(*root)};
    co_return reply{220, "Host is " + std::string(name)};
}

/// SMNT: a directory of the home becomes the root, "/" the home itself again (RFC 959
/// section 4.1.1). Names and links then end there.
task<reply> do_smnt(session& user, std::string_view argument) {
    const auto stored = user.names.to_stored(argument);
    const auto where = stored ? vfs::path().resolve(*stored) : failure(stored.error());
    if (!where) {
        co_return reply_for(where.error(), file_use::existing);
    }
    auto& who = user.user;
    std::unique_ptr<vfs::tree> mounted;
    if (!where->is_root()) {
        const auto in_tree = name_below(who.home_root, *where);
        if (who.identity->allowed.at(in_tree) == auth::rights{}) {
            co_return reply_for({.code = errc::denied}, file_use::existing);
        }
        const vfs::tree& home = who.own_files ? *who.own_files : user.shared.files;
        auto opened = co_await home.subtree(user.here, *where);
        if (!opened) {
            co_return reply_for(opened.error(), file_use::existing);
        }
        mounted = std::move(*opened);
        if (who.home) {
            const auto held =
                co_await mounted->hold_to(user.here, {.where = who.home,
                                                      .most = quota_of(who.identity->bounds),
                                                      .counter = &user.shared.counter});
            if (!held) {
                co_return reply_for(held.error(), file_use::existing);
            }
        }
    }
    auto root = vfs::path::parse(name_below(who.home_root, *where));
    if (!root) {
        co_return reply_for(root.error(), file_use::existing);
    }
    who.mounted = std::move(mounted);
    who.root = std::move(*root);
    who.directory = {};
    who.part.reset();
    co_return reply{250, quote_pathname(where->text()) + " is the root"};
}

/// REIN: as a new connection, but failed logins still count (RFC 959 section 4.1.1) and TLS goes
/// on.
task<reply> do_rein(session& user, std::string_view) {
    co_await begin_again(user);
    user.security.has_buffer_size = false;
    user.security.protects_data = user.security.begins_protected;
    user.idle_timeout = user.shared.settings.idle_timeout;
    co_return reply{220, "Ready for a new user"};
}

task<reply> do_quit(session& user, std::string_view) {
    user.is_leaving = true;
    co_return reply{221, "Goodbye"};
}

}  // namespace ferry::ftp
