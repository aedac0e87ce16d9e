#include "ftp/session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "ferry/base/log.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/net/urgent.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ftp/commands.hpp"
#include "ftp/commands_tls.hpp"
#include "ftp/line_parser.hpp"
#include "ftp/transfer.hpp"

namespace ferry::ftp {

using runtime::task;

namespace {

/// Where only a number is asked for; storing waits longer.
constexpr auto count_wait_max = std::chrono::seconds(5);

// ------------------------------------------------------------------------------------- the reader

/// Ends the transfer under way, and those of commands read before `sequence`.
void abort_transfers(session& user, std::uint64_t sequence) noexcept {
    user.abort_before = sequence;
    if (user.transfer != nullptr) {
        user.transfer->scope().request_stop();
    }
}

/// Takes one line into the queue and does at once what cannot wait for its turn.
task<> take_line(session& user, queued_command next) {
    const auto parsed = parse_command(next.line);
    if (parsed.verb() == "ABOR") {
        abort_transfers(user, next.sequence);
    } else if (parsed.verb() == "QUIT") {
        user.quit_seen = true;
    }
    // Anything in front has its answer first, so that answers stay in order.
    const bool is_status = parsed.verb() == "STAT" && parsed.argument.empty();
    if (is_status && user.commands.empty() && user.transfer != nullptr &&
        user.transfer->is_announced) {
        const auto written = co_await user.replies.write(describe_session(user));
        if (!written) {
            user.life.request_stop();
        }
        co_return;
    }
    user.commands.push(std::move(next));
}

/// The control connection brings nothing more.
void end_of_input(session& user, const error& why) noexcept {
    user.heard.request_stop();
    if (why != errc::closed) {
        user.life.request_stop();
    } else if (!user.quit_seen) {
        // Without QUIT it is as ABOR and QUIT (RFC 959 section 4.1.1); what was asked is answered.
        abort_transfers(user, std::numeric_limits<std::uint64_t>::max());
    }
    user.commands.end(why);
}

/// Ends a session that nobody reads for any more, whatever was thrown.
class reading {
  public:
    explicit reading(session& user) noexcept : user_(user) {}
    reading(const reading&) = delete;
    reading& operator=(const reading&) = delete;
    ~reading() {
        if (!has_ended_) {
            user_.life.request_stop();
        }
    }

    /// The client has said all; what it has asked is still to be answered.
    void end(const error& why) noexcept {
        has_ended_ = true;
        end_of_input(user_, why);
    }

  private:
    session& user_;
    bool has_ended_ = false;
};

/// Reads command lines for as long as there are any. During a transfer, too: that is how ABOR and
/// STAT are heard.
task<> read_commands(session& user) {
    reading until(user);
    line_parser lines(user.shared.settings.line_bytes_max);
    std::uint64_t sequence = 0;
    for (;;) {  // Bounded by the session, which stops it.
        user.is_between_lines = lines.is_between_lines();
        const auto arrived = co_await user.control.fill(runtime::never);
        if (user.has_paused) {
            co_return;
        }
        user.is_between_lines = false;
        if (!arrived) {
            if (arrived.error() != errc::cancelled) {
                until.end(arrived.error());
            }
            co_return;
        }
        while (!user.control.input().empty()) {
            auto input = user.control.input();
            const auto had = input.size();
            const auto event = lines.next(input);
            user.control.consume(had - input.size());
            if (event == line_event::none) {
                continue;
            }
            const auto room = co_await user.commands.wait_for_room();
            if (!room) {
                co_return;
            }
            const bool was_secure = user.control.is_secure();
            const bool is_decisive = decides_control(user, parse_command(lines.line()).verb());
            co_await take_line(user, {.sequence = ++sequence,
                                      .overlong = event == line_event::overlong,
                                      .line = std::string(lines.line())});
            if (is_decisive) {
                const auto decided = co_await user.control_decided.wait();
                if (!decided) {
                    co_return;
                }
                if (user.control.is_secure() != was_secure) {
                    lines.reset();
                }
            }
        }
        const auto answers = lines.take_answers();
        if (!answers.empty()) {
            const auto written = co_await user.replies.write_octets(answers);
            if (!written) {
                co_return;
            }
        }
    }
}

// --------------------------------------------------------------------------------- the dispatcher

// How long a session may still go on with what it has begun when the server drains.
constexpr auto last_command_time_max = std::chrono::milliseconds(500);

/// How a session ended, for its last words and the log.
struct session_end {
    int code = 0;  ///< Of the last words; 0: there are none.
    std::string_view words;
    net::farewell how = net::farewell::linger;
    std::string_view why;
};

/// The client cannot be told: it has gone, or has part of a reply and takes no more of it.
session_end broken_off() {
    return {.words = {}, .how = net::farewell::abort, .why = "broken off"};
}

/// What ended the wait for a command.
session_end end_for(const session& user, const error& why) {
    if (user.life.stop_requested() ||
        (why != errc::cancelled && why != errc::timed_out && why != errc::closed)) {
        return broken_off();
    }
    if (why == errc::closed) {
        return {.words = {}, .how = net::farewell::orderly, .why = "closed by the client"};
    }
    if (why == errc::timed_out) {
        return {.code = 421, .words = "Nothing heard for too long, closing", .why = "idle"};
    }
    return {.code = 421, .words = "The server is shutting down, closing", .why = "shut down"};
}

/// True between commands that belong together: PASV and STOR, REST and RETR, RNFR and RNTO.
bool is_in_the_middle(const session& user) noexcept {
    const bool has_offer = user.data.is_set_up() && !user.data.is_kept();
    return has_offer || user.user.restart.offset != 0 || user.user.rename_from.has_value() ||
           user.user.copy_from.has_value();
}

/// The next command. errc::cancelled: the session ends, or the server drains; who is in the middle
/// of something then, and so may be sending it at this moment, is heard for
/// `last_command_time_max`.
task<result<queued_command>> next_command(session& user, runtime::time_point deadline) {
    if (!user.idle.stop_requested()) {
        auto next = co_await user.commands.pop(deadline).in_scope(user.idle);
        if (next || next.error() != errc::cancelled) {
            co_return next;
        }
    }
    if (user.life.stop_requested() || !is_in_the_middle(user)) {
        co_return failure(errc::cancelled);
    }
    if (!user.heard_until) {  // Once for all of them: else one every moment would go on for ever.
        user.heard_until = user.here.now() + last_command_time_max;
    }
    auto last = co_await user.commands.pop(std::min(deadline, *user.heard_until));
    if (!last && last.error() == errc::timed_out) {
        co_return failure(errc::cancelled);
    }
    co_return last;
}

/// Whether what is known of it is all in `session_memory`.
bool can_pause(const session& user) noexcept {
    return user.is_between_lines && user.commands.empty() && !is_in_the_middle(user) &&
           !user.data.is_set_up() && !user.control.is_secure() && !user.security.was_cleared;
}

/// The same as `next_command`, but a session that may pause does so instead of waiting for long:
/// errc::timed_out and `has_paused`.
task<result<queued_command>> next_command_or_pause(session& user, runtime::time_point deadline) {
    const auto patience = user.here.now() + user.shared.settings.pause_after;
    if (user.may_pause && patience < deadline) {
        auto next = co_await next_command(user, patience);
        if (next || next.error() != errc::timed_out) {
            co_return next;
        }
        user.has_paused = can_pause(user);
        if (user.has_paused) {
            co_return next;
        }
    }
    auto next = co_await next_command(user, deadline);
    co_return next;
}

/// Adds a final reply to what is counted.
void count_reply(session& user, const reply& answer) noexcept {
    const auto kind = static_cast<std::size_t>(answer.code / 100 - 1);
    ++user.shared.counted.replies[std::min(kind, counters::classes - 1)];
}

/// Carries out one command after the other, each with its answer before the next begins.
task<session_end> carry_out_commands(session& user) {
    if (!std::exchange(user.is_greeted, true)) {
        const auto greeted = co_await user.replies.write({220, "ferry FTP server ready"});
        if (!greeted) {
            co_return broken_off();
        }
        user.waiting_since = user.here.now();
    }
    for (;;) {  // Bounded by the client: each turn costs it a line.
        const auto deadline = user.waiting_since + user.idle_timeout;
        const bool is_heard = user.is_logged_in() && !user.commands.empty();
        if (user.here.now() >= deadline && !is_heard) {
            co_return end_for(user, {.code = errc::timed_out});
        }
        const auto next = co_await next_command_or_pause(user, deadline);
        if (user.has_paused) {
            co_return session_end{.words = {}, .why = "silent"};
        }
        if (!next) {
            co_return end_for(user, next.error());
        }
        renew_ticket(user);
        user.sequence = next->sequence;
        reply answer{500, "Line too long"};
        if (!next->overlong) {
            auto performed = co_await perform(user, next->line);
            answer = std::move(performed);
        }
        count_reply(user, answer);
        if (!std::exchange(user.is_answered, false)) {
            const auto written = co_await user.replies.write(answer);
            if (!written) {
                user.life.request_stop();
                co_return broken_off();
            }
        }
        if (user.is_leaving) {
            co_return session_end{.words = {}, .why = answer.code == 221 ? "quit" : "refused"};
        }
        if (user.is_logged_in()) {  // Else any command would keep a stranger's session for ever.
            user.waiting_since = user.here.now();
        }
    }
}

task<session_end> converse(runtime::nursery& children, session& user) {
    children.start(read_commands, std::ref(user));
    auto end = co_await carry_out_commands(user).in_scope(user.life);
    if (end.code != 0) {
        const auto told =
            co_await user.replies.write({end.code, std::string(end.words)}).in_scope(user.life);
        if (!told) {
            end = broken_off();
        }
    }
    children.request_stop();
    co_return end;
}

void log_end(const session& user, std::string_view why) {
    if (log::enabled(log::level::debug)) {
        log::debug(fmt::format("ftp {}: session of {:?} ended: {}",
                               net::format_address(user.control.peer()),
                               user.is_logged_in() ? user.user.identity->name : "", why));
    }
}

/// Tells a connection that a proxy has passed on why it is not served. Gives how to part. Not
/// inline: its frame would become a part of that of every session.
[[gnu::noinline]] task<net::farewell> turn_away(service& shared, net::stream& connection,
                                                const error& why) {
    if (why != errc::denied && why != errc::exhausted) {
        if (why == errc::invalid) {
            log::info(fmt::format("ftp: what came from {} does not begin with a PROXY header",
                                  net::format_address(connection.peer())));
        }
        co_return net::farewell::abort;
    }
    if (shared.access_log.wants_records()) {
        const auto peer = net::format_address(connection.peer());
        access_record record{.peer = peer,
                             .user = {},
                             .when = read_wall_clock(),
                             .method = {},
                             .target = {},
                             .protocol = "FTP",
                             .status = 421,
                             .referer = {},
                             .user_agent = {}};
        record.connection = shared.here.number_connection();
        record.peer_port = connection.peer().port;
        record.local_port = connection.local().port;
        shared.access_log.record(record);
    }
    const auto words = why == errc::denied ? forbidden_answer : overload_answer;
    const auto told = co_await connection.send(std::as_bytes(std::span(words)),
                                               shared.settings.transfer_stall_timeout);
    co_return told ? net::farewell::linger : net::farewell::abort;
}

/// One session, or what remains of one that has paused, until it is over or pauses: then `memory`
/// has it. Gives how to part.
task<net::farewell> hold(service& shared, net::tls_stream& connection, net::arrival& arrived,
                         std::unique_ptr<session_memory>& memory, bool may_pause) {
    const bool begins_protected = arrived.tls.by != nullptr;
    session user(shared, connection, co_await runtime::current_scope(),
                 memory ? std::move(*memory) : session_memory(shared));
    memory.reset();
    user.is_proxied = arrived.has_proxy_header;
    user.may_pause = may_pause && !begins_protected && !arrived.has_proxy_header;
    if (begins_protected) {
        arrived.tls.draining = &user.idle;
        const auto begun =
            co_await begin_protected(connection, std::move(arrived.tls), user.security);
        if (!begun) {
            co_return net::farewell::orderly;
        }
    }
    auto how = net::farewell::abort;
    std::exception_ptr caught;
    try {
        const auto end = co_await runtime::with_nursery(shared.here, converse, std::ref(user));
        how = end.how;
        if (user.has_paused) {
            memory =
                std::make_unique<session_memory>(std::move(static_cast<session_memory&>(user)));
            co_return how;
        }
        log_end(user, end.why);
    } catch (...) {
        caught = std::current_exception();
    }
    for (bool is_dropped = false; !is_dropped;) {  // As in `serve_session`.
        try {
            co_await user.data.drop_kept();
            is_dropped = true;
        } catch (const std::bad_alloc&) {
            // Again, once others have had their turn.
        }
        if (!is_dropped) {
            co_await shared.here.yield();
        }
    }
    if (caught) {
        std::rethrow_exception(caught);
    }
    co_return how;
}

/// Serves a connection until it is to be closed. Gives how to part; nothing: it is left in
/// `between`.
task<std::optional<net::farewell>> attend(service& shared, net::plain_stream& tcp,
                                          net::tls_stream& connection, net::arrival& arrived,
                                          idle_session* between) {
    if (!tcp.knows_peer()) {
        co_return net::farewell::abort;
    }
    if (arrived.has_proxy_header) {
        auto admitted = co_await net::admit_proxied(tcp, shared.settings.addresses);
        if (!admitted && arrived.tls.by != nullptr) {  // There is nothing to say a word in.
            co_return net::farewell::abort;
        }
        if (!admitted) {
            const auto how = co_await turn_away(shared, connection, admitted.error());
            co_return how;
        }
        arrived.place = std::move(*admitted);
    }
    std::unique_ptr<session_memory> memory;
    if (between != nullptr && between->memory) {
        memory = std::move(between->memory);
        tcp.begin_with(std::move(between->said));
    }
    for (;;) {  // Bounded by the client, who has said something each time.
        const auto how = co_await hold(shared, connection, arrived, memory, between != nullptr);
        if (!memory) {
            co_return how;
        }
        auto socket = co_await tcp.give_away();
        if (socket) {
            between->until = memory->waiting_since + memory->idle_timeout;
            between->socket = std::move(socket);
            between->place = std::move(arrived.place);
            between->memory = std::move(memory);
            co_return std::nullopt;
        }
        tcp.announce_again();
    }
}

}  // namespace

session_memory::session_memory(service& server) noexcept
    : names(server.settings.charset.get()),
      settings(settings_at_first(server.settings)),
      idle_timeout(server.settings.idle_timeout),
      waiting_since(server.here.now()),
      number(server.here.number_connection()) {}

session::session(service& server, net::tls_stream& connection, runtime::stop_scope& enclosing,
                 session_memory&& remembered) noexcept
    : session_memory(std::move(remembered)),
      shared(server),
      control(connection),
      here(server.here),
      life(&enclosing),
      idle(&life),
      heard(&idle),
      replies(connection, names, server.settings.transfer_stall_timeout),
      commands(server.here),
      data(server.here, server.settings, &server.counted.octets),
      control_decided(server.here.io()) {
    idle.follow(server.draining);
}

idle_session::idle_session() noexcept = default;
idle_session::idle_session(idle_session&& other) noexcept = default;
idle_session& idle_session::operator=(idle_session&& other) noexcept = default;
idle_session::~idle_session() = default;

task<> serve_session(service& shared, unique_fd control, net::arrival&& arrived,
                     idle_session* between) {
    net::receive_urgent_inline(control.get());
    net::plain_stream tcp(shared.here, std::move(control),
                          {.sending = shared.settings.transfer_rate_min, .receiving = {}},
                          &shared.counted.octets);
    net::tls_stream connection(tcp);
    auto how = net::farewell::abort;
    std::exception_ptr caught;
    try {
        const auto parting = co_await attend(shared, tcp, connection, arrived, between);
        if (!parting) {
            co_return;
        }
        how = *parting;
    } catch (...) {
        caught = std::current_exception();  // Of a library, out of memory: this session's end only.
    }
    for (bool is_closed = false; !is_closed;) {  // Even a close takes a little memory (R14).
        try {
            co_await connection.close(how);
            is_closed = true;
        } catch (const std::bad_alloc&) {
            how = net::farewell::abort;
        }
        if (!is_closed) {
            co_await shared.here.yield();
        }
    }
    if (caught) {
        std::rethrow_exception(caught);
    }
}

transfer_settings settings_at_first(const options& numbers) noexcept {
    transfer_settings made;
    made.details.code_page = numbers.ebcdic;
    return made;
}

result<vfs::path> locate(const session& user, std::string_view name) {
    FERRY_TRY(stored, user.names.to_stored(name));
    return user.user.directory.resolve(stored);
}

auth::rights session::rights_at(const vfs::path& seen) const {
    return user.identity ? user.identity->allowed.at(name_in_tree(*this, seen)) : auth::rights{};
}

std::string_view media_type_of(const session& user, std::string_view name) noexcept {
    const auto* const types = user.shared.types;
    const bool is_told = types != nullptr && user.settings.facts.contains(fact::media_type);
    return is_told ? types->of(name) : std::string_view();
}

std::string_view part_owner_at(const session& user, const vfs::path& seen) {
    const auto& how = user.settings.how;
    const bool goes_on = keeps_offsets(how) || marks_ends(how.mode);
    return goes_on ? part_remover_at(user, seen) : std::string_view();
}

std::string_view part_remover_at(const session& user, const vfs::path& seen) {
    const auto& who = user.user.identity;
    const bool has_parts = who && !who->anonymous && user.rights_at(seen).has(auth::right::replace);
    return has_parts ? std::string_view(who->name) : std::string_view();
}

task<vfs::replacement> replacement_at(const session& user, const vfs::path& seen) {
    const auto found =
        co_await user.files().replacement_of(user.here, seen, user.user.identity->name);
    co_return found.value_or(vfs::replacement::none);
}

std::optional<reply> why_not_to_go_on(vfs::replacement state) {
    switch (state) {
        case vfs::replacement::none:
            break;
        case vfs::replacement::under_way:
            return reply{450, "An upload of this whole file is under way"};
        case vfs::replacement::cut_off:
            return reply{550,
                         "An upload of this file was cut off and the old file stands: "
                         "send the whole file"};
        case vfs::replacement::forgotten:
            return reply{550, "Too many uploads were cut off: send the whole file"};
    }
    return std::nullopt;
}

vfs::quota quota_of(const auth::limits& bounds) noexcept {
    return {.octets_max = bounds.home_octets_max, .files_max = bounds.home_files_max};
}

std::string describe_quota(const session& user) {
    const auto use = user.shared.homes.use_of(*user.user.home);
    const auto most = quota_of(user.user.identity->bounds);
    const auto part = [&use](std::uint64_t used, std::uint64_t of, std::string_view what) {
        const std::string number = use.is_counted ? fmt::to_string(used) : "not counted yet";
        return of == 0 ? fmt::format("{} {}", number, what)
                       : fmt::format("{} of {} {}", number, of, what);
    };
    return part(use.used.octets, most.octets_max, "octets") + ", " +
           part(use.used.files, most.files_max, "files");
}

std::uint64_t left_of_quota(const session& user) {
    constexpr auto no_end = std::numeric_limits<std::uint64_t>::max();
    if (!user.user.home) {
        return no_end;
    }
    const auto use = user.shared.homes.use_of(*user.user.home);
    const auto most = quota_of(user.user.identity->bounds);
    if (most.files_max != 0 && use.used.files >= most.files_max) {
        return 0;
    }
    if (most.octets_max == 0) {
        return no_end;
    }
    return most.octets_max - std::min(use.used.octets, most.octets_max);
}

task<bool> wait_for_count(session& user) {
    if (!user.user.home) {
        co_return true;
    }
    const auto known =
        co_await user.shared.counter.wait_for(user.user.home, count_wait_max).in_scope(user.heard);
    co_return known.has_value();
}

reply refusal(const session& user, const error& what, file_use use) {
    auto answer = reply_for(what, use);
    // The file system's own quota has an errno.
    if (what == errc::over_quota && what.os_errno == 0 && user.user.home) {
        answer.text += ": " + describe_quota(user);
    }
    return answer;
}

std::string name_in_tree(const session& user, const vfs::path& seen) {
    if (user.user.root.is_root()) {
        return seen.text();
    }
    return seen.is_root() ? user.user.root.text() : user.user.root.text() + seen.text();
}

reply describe_session(const session& user) {
    reply answer{211, "ferry FTP server status"};
    auto& lines = answer.lines;
    lines.push_back("Connected from " + net::format_address(user.control.peer()));
    lines.push_back(user.is_logged_in() ? "Logged in as " + user.user.identity->name
                                        : std::string("Not logged in"));
    if (user.control.is_secure()) {
        lines.push_back(fmt::format("Over {}; data connections {}", user.security.version,
                                    user.security.protects_data ? "too" : "in clear"));
    }
    const auto& how = user.settings.how;
    lines.push_back(fmt::format("TYPE: {}; STRUcture: {}; MODE: {}", describe_type(how),
                                describe(how.structure), describe(how.mode)));
    if (user.transfer != nullptr) {
        lines.push_back(fmt::format("{}: {} octets transferred", user.transfer->verb(),
                                    user.transfer->moved_bytes.value()));
    } else {
        lines.emplace_back(user.data.is_set_up() ? "Data connection expected"
                                                 : "No data connection");
    }
    return answer;
}

}  // namespace ferry::ftp
