#include "ftp/commands_tls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/log.hpp"
#include "ftp/commands_access.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

constexpr auto clear_again_time_max = std::chrono::seconds(10);

/// Told apart from those of all other sessions, also of other servers with the same ticket keys; it
/// is sealed within tickets, so nobody can choose one.
std::string make_mark(runtime::core& here) {
    return fmt::format("ftp {:016x}{:016x}", here.rng().next(), here.rng().next());
}

net::tls_terms terms_of(const session& user, std::string mark) {
    return {.by = user.security.by,
            .turns = user.shared.handshakes,
            .timeout = user.shared.settings.tls_handshake_timeout,
            .protocol = {},
            .mark = std::move(mark),
            .usual_name = user.security.host,
            .gives_more = true,
            .counts = &user.shared.counted.handshakes,
            .buffers = user.shared.sealing};
}

/// Behind the handshake there is a ticket.
void note_agreement(session_security& made, const net::tls_facts& facts, runtime::time_point now) {
    made.ticket_since = now;
    made.version = facts.version;
    made.cipher = facts.cipher;
    made.client_name = facts.client_name;
}

void give_ticket(session& user) noexcept {
    user.control.give_ticket();
    user.security.ticket_since = user.here.now();
}

void log_no_handshake(const net::tls_stream& on, std::string_view what, const error& why) {
    if (log::enabled(log::level::debug)) {
        log::debug(fmt::format("ftp {}: no TLS on the {} connection: {}",
                               net::format_address(on.peer()), what,
                               on.why().empty() ? describe(why.code) : on.why()));
    }
}

/// The last reply has been sent already.
reply leave(session& user, std::string_view why) {
    user.is_answered = true;
    user.is_leaving = true;
    return {421, std::string(why)};
}

}  // namespace

control_decision::~control_decision() {
    if (is_one_) {
        user_.control_decided.announce();
    }
}

bool decides_control(const session& user, std::string_view verb) noexcept {
    return user.shared.has_tls() && (verb == "AUTH" || verb == "CCC");
}

task<result<void>> begin_protected(net::tls_stream& connection, net::tls_terms terms,
                                   session_security& made) {
    made.by = terms.by;
    made.mark = make_mark(connection.here());
    made.begins_protected = true;
    made.protects_data = true;
    terms.mark = made.mark;
    terms.gives_more = true;
    const auto shaken = co_await connection.accept(std::move(terms));
    if (!shaken) {
        log_no_handshake(connection, "control", shaken.error());
        co_return failure(shaken.error());
    }
    note_agreement(made, connection.facts(), connection.here().now());
    co_return result<void>{};
}

void renew_ticket(session& user) noexcept {
    const auto age = user.here.now() - user.security.ticket_since;
    if (user.control.is_secure() && age >= user.shared.settings.ticket_renewed_after) {
        give_ticket(user);
    }
}

bool needs_tls_to_log_in(const session& user, std::string_view name) noexcept {
    if (user.control.is_secure() || !user.shared.has_tls()) {
        return false;
    }
    switch (user.shared.settings.needs_tls) {
        case tls_policy::allow:
            return false;
        case tls_policy::login:
            return !user.shared.users->is_anonymous_name(name);
        case tls_policy::require:
            return true;
    }
    return true;
}

bool needs_protected_data(const session& user) noexcept {
    return user.shared.settings.needs_tls == tls_policy::require && user.shared.has_tls() &&
           !user.security.protects_data;
}

/// AUTH: TLS begins behind the 234 (RFC 4217 section 4). Whatever the client, or somebody in
/// between, has sent behind it by then is dropped unread, and the session begins anew: nothing that
/// was said in clear counts (threats.md, T5). The reader waits meanwhile.
task<reply> do_auth(session& user, std::string_view mechanism) {
    if (user.control.is_secure()) {
        co_return reply{503, "TLS is in place"};
    }
    if (user.security.was_cleared) {
        co_return reply{503, "Not behind CCC"};
    }
    constexpr auto known = std::to_array<std::string_view>({"TLS", "TLS-C", "SSL", "TLS-P"});
    if (std::ranges::none_of(known, [mechanism](std::string_view each) {
            return ascii::equal_ignoring_case(each, mechanism);
        })) {
        co_return reply{504, "There is AUTH TLS"};
    }
    user.control.consume(user.control.input().size());
    const auto told = co_await user.replies.write({234, "TLS begins"});
    if (!told) {
        co_return leave(user, "Broken off");
    }
    auto host = std::move(user.host.name);
    co_await begin_again(user);
    user.security = {};
    user.security.by = *user.shared.tls;
    user.security.mark = make_mark(user.here);
    user.security.host = std::move(host);
    auto terms = terms_of(user, user.security.mark);
    terms.draining = &user.idle;
    const auto shaken = co_await user.control.accept(std::move(terms));
    if (!shaken) {
        log_no_handshake(user.control, "control", shaken.error());
        co_return leave(user, "TLS did not come about");
    }
    user.is_answered = true;
    note_agreement(user.security, user.control.facts(), user.here.now());
    co_return reply{234, "TLS begins"};
}

/// CCC: commands go in clear from here on, as firewalls want that read them; data connections stay
/// as they are (RFC 4217 section 12.3).
task<reply> do_ccc(session& user, std::string_view) {
    if (!user.control.is_secure()) {
        co_return reply{533, "There is no TLS to end"};
    }
    const auto& settings = user.shared.settings;
    if (!settings.may_clear_control || settings.needs_tls == tls_policy::require) {
        co_return reply{534, "Commands go over TLS here"};
    }
    const auto told = co_await user.replies.write({200, "Commands in clear from here on"});
    if (!told) {
        co_return leave(user, "Broken off");
    }
    const auto cleared =
        co_await user.control.go_back_to_clear(user.here.now() + clear_again_time_max)
            .in_scope(user.idle);
    if (!cleared) {
        co_return leave(user, "TLS did not end");
    }
    user.is_answered = true;
    user.security.was_cleared = true;
    user.security.version.clear();
    user.security.cipher.clear();
    co_return reply{200, "Commands in clear from here on"};
}

/// PBSZ: TLS has its own buffers, so all sizes are 0 (RFC 4217 section 9).
task<reply> do_pbsz(session& user, std::string_view size) {
    if (!user.control.is_secure()) {
        co_return reply{503, "Send AUTH TLS first"};
    }
    constexpr std::size_t digits_max = 10;  // RFC 2228 section 3: 32 bits.
    if (size.size() > digits_max || !std::ranges::all_of(size, ascii::is_digit)) {
        co_return reply{501, "Wanted: PBSZ <sp> 0"};
    }
    user.security.has_buffer_size = true;
    co_return reply{200, "PBSZ=0"};
}

/// PROT: whether data connections go over TLS, too (RFC 2228 section 3, RFC 4217 section 9).
task<reply> do_prot(session& user, std::string_view level) {
    if (!user.control.is_secure()) {
        co_return reply{503, "Send AUTH TLS first"};
    }
    if (!user.security.has_buffer_size) {
        co_return reply{503, "Send PBSZ 0 first"};
    }
    const char which = level.size() == 1 ? ascii::to_lower(level.front()) : ' ';
    if (which == 's' || which == 'e') {
        co_return reply{536, "TLS has P or nothing"};
    }
    if (which != 'p' && which != 'c') {
        co_return reply{504, "There are PROT P and PROT C"};
    }
    if (which == 'c' && user.shared.settings.needs_tls == tls_policy::require) {
        co_return reply{534, "Data connections go over TLS here"};
    }
    if (user.security.protects_data != (which == 'p')) {
        co_await user.data.drop_kept();
    }
    user.security.protects_data = which == 'p';
    co_return reply{200,
                    which == 'p' ? "Data connections go over TLS" : "Data connections go in clear"};
}

task<std::optional<reply>> protect_data(session& user, std::unique_ptr<net::stream>& data,
                                        file_use what) {
    auto& security = user.security;
    try {
        auto secure = std::make_unique<net::tls_stream>(std::move(data));
        auto& on = *secure;
        data = std::move(secure);
        auto terms = terms_of(user, security.mark);
        terms.gives_more = false;
        // Who only sends, and closes, has not read a ticket: TCP resets such a connection, and what
        // of the file was still on its way is lost (RFC 9293 section 3.6.1). But many use each
        // ticket once (RFC 8446 appendix C.4): another comes with the final reply.
        const bool is_upload = what == file_use::content && user.control.is_secure();
        terms.gives_ticket = !is_upload;
        const auto shaken = co_await on.accept(std::move(terms));
        if (!shaken) {
            log_no_handshake(on, "data", shaken.error());
            co_return shaken.error() == errc::cancelled
                ? reply{426, "Transfer aborted, data connection closed"}
                : reply{425, "TLS on the data connection did not come about"};
        }
        if (is_upload) {
            give_ticket(user);
        }
        if (user.shared.settings.reuse == tls_reuse::off ||
            on.facts().resumed_mark == security.mark) {
            co_return std::nullopt;
        }
    } catch (const std::bad_alloc&) {
        co_return reply{425, "Not enough memory for the data connection"};
    }
    if (user.shared.settings.reuse == tls_reuse::require) {
        give_ticket(user);  // Its own may be too old to resume anything.
        co_return reply{522, "The data connection must resume the TLS session of this one"};
    }
    if (!std::exchange(security.has_warned_of_reuse, true)) {
        log::warning(fmt::format(
            "ftp {}: a data connection does not resume the TLS session of its control connection",
            net::format_address(user.control.peer())));
    }
    co_return std::nullopt;
}

}  // namespace ferry::ftp
