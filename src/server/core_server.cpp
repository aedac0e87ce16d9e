#include "server/core_server.hpp"

#include <fmt/format.h>
#include <algorithm>

#include <chrono>
#include <functional>
#include <new>
#include <optional>
#include <string>

#include "ferry/auth/escapes.hpp"
#include "ferry/base/log.hpp"
#include "ferry/base/units.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/runtime/wait.hpp"
#include "server/accept_all.hpp"

namespace ferry::server {

using runtime::task;

namespace {

// Who has waited to be drained and is told that nothing comes of it.
constexpr auto last_words_time_max = std::chrono::milliseconds(500);

/// The same, counted apart: every request takes a pointer, and cores that shared the count would
/// take its cache line from each other.
std::shared_ptr<const http::sites> with_own_count(std::shared_ptr<const http::sites> shared) {
    const auto* const rules = shared.get();
    return {std::make_shared<std::shared_ptr<const http::sites>>(std::move(shared)), rules};
}

/// The name in the tree: of HTTP a target that has been answered, so its escapes are right.
std::string name_of(const net::shown_transfer& what, protocol speaks) {
    const auto plain = speaks == protocol::http ? auth::unescape(what.name) : std::nullopt;
    return plain.value_or(std::string(what.name));
}

transfer_reading read_transfer(const net::shown_transfer& what, protocol speaks,
                               runtime::time_point now) {
    return {.protocol = std::string(what.protocol),
            .peer = net::format_address(what.peer),
            .user = std::string(what.user),
            .name = name_of(what, speaks),
            .is_upload = what.is_upload,
            .whole_bytes = what.whole_bytes,
            .moved_bytes = *what.moved_bytes,
            .connection = what.connection,
            .age = std::chrono::duration_cast<std::chrono::milliseconds>(now - what.began)};
}

}  // namespace

/// What a connection is told that is not served.
struct core_server::refusal {
    std::uint16_t code = 0;
    std::string_view words;
};

struct core_server::refusals_of {
    refusal forbidden;
    refusal overload;
};

const core_server::refusals_of& core_server::refusals(protocol speaks) noexcept {
    static constexpr refusals_of http{.forbidden = {403, http::forbidden_answer},
                                      .overload = {503, http::overload_answer}};
    static constexpr refusals_of ftp{.forbidden = {421, ftp::forbidden_answer},
                                     .overload = {421, ftp::overload_answer}};
    return speaks == protocol::http ? http : ftp;
}

place_taken::place_taken(connection_counts& counts, protocol speaks) noexcept : speaks_(speaks) {
    if (counts.connections.fetch_add(1) >= counts.connections_max) {
        counts.connections.fetch_sub(1);
        return;
    }
    if (speaks == protocol::ftp && counts.ftp_sessions.fetch_add(1) >= counts.ftp_sessions_max) {
        counts.ftp_sessions.fetch_sub(1);
        counts.connections.fetch_sub(1);
        return;
    }
    counts_ = &counts;
}

place_taken::~place_taken() {
    if (counts_ == nullptr) {
        return;
    }
    counts_->connections.fetch_sub(1);
    if (speaks_ == protocol::ftp) {
        counts_->ftp_sessions.fetch_sub(1);
    }
}

core_server::drain_timer::drain_timer(core_server& of) noexcept
    : timer([](timer& self) noexcept { static_cast<drain_timer&>(self).owner.end_wait(); }),
      owner(of) {}

core_server::core_server(unsigned index, const shared_parts& parts, std::vector<door> doors)
    : index_(index),
      parts_(parts),
      doors_(std::move(doors)),
      http_options_(parts.http),
      types_(parts.types),
      users_(parts.users),
      tls_(parts.tls),
      retire_message_(*this,
                      [](runtime::posted& self) noexcept {
                          static_cast<message&>(self).owner.begin_retirement();
                      }),
      drain_message_(
          *this,
          [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.begin_drain(); }),
      stop_message_(
          *this,
          [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.stop_now(); }),
      users_message_(
          *this,
          [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.take_users(); }),
      rules_message_(
          *this,
          [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.take_rules(); }),
      tls_message_(
          *this,
          [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.take_tls(); }),
      log_message_(
          *this,
          [](runtime::posted& self) noexcept { static_cast<message&>(self).owner.take_log(); }),
      beat_message_(*this,
                    [](runtime::posted& self) noexcept {
                        static_cast<message&>(self).owner.beat_awaited_ = false;
                    }),
      drain_timer_(*this) {}

core_server::~core_server() = default;

result<void> core_server::open() {
    auto made = parts_.make_reactor(index_);
    if (!made) {
        return failure(made.error());
    }
    io_ = std::move(*made);
    here_ = std::make_unique<runtime::core>(index_, *io_, ferry::random(seed_from_kernel()));
    // One: others have their turn between any two.
    handshakes_ = std::make_unique<runtime::permits>(*here_, 1);
    log_ = std::make_unique<access_log>(*here_, parts_.access_log_fd,
                                        parts_.access_log_buffer_bytes, parts_.log_format);
    kept_listings_ = std::make_unique<vfs::listing_cache>(*here_, parts_.kept_listings);
    listings_ = std::make_unique<vfs::listing_bounds>(*here_, parts_.listings);
    listings_->kept = kept_listings_.get();
    digests_ = std::make_unique<vfs::digests>(*here_, parts_.digests);
    open_files_ = std::make_unique<vfs::file_cache>(*here_, parts_.files, parts_.open_files);
    if (parts_.open_files.entries_max != 0 && !open_files_->keeps_files()) {
        log::warning(
            fmt::format("core {}: files are opened for each request: inotify cannot be had "
                        "(/proc/sys/fs/inotify/max_user_instances)",
                        index_));
    }
    counter_ = std::make_unique<vfs::home_counter>(*here_, parts_.files, parts_.homes, *listings_);
    visitors_ = parts_.usages.of(auth::name_of_visitors);
    const http::account_services accounts{.users = users_,
                                          .usages = parts_.usages,
                                          .failures = parts_.failures,
                                          .homes = parts_.homes,
                                          .counter = *counter_};
    http_ = std::make_unique<http::service>(*here_, http_options_, parts_.files, *open_files_,
                                            *listings_, *digests_, parts_.types, *log_, draining_,
                                            visitors_.get(), &accounts, parts_.uploads);
    if (parts_.rules) {
        auto rules = with_own_count(parts_.rules);
        hosts_.use(rules);
        http_->use_rules(std::move(rules));
    }
    serving_ = std::make_unique<runtime::crowd_watch>(*here_, parts_.memory);
    silent_ = std::make_unique<net::waiting_room>(*here_, draining_, http::last_request_time_max);
    ftp_ = std::make_unique<ftp::service>(ftp::service{.here = *here_,
                                                       .settings = parts_.ftp,
                                                       .files = parts_.files,
                                                       .listings = *listings_,
                                                       .digests = *digests_,
                                                       .users = users_,
                                                       .sessions = parts_.sessions,
                                                       .logged_in = parts_.logged_in,
                                                       .usages = parts_.usages,
                                                       .failures = parts_.failures,
                                                       .homes = parts_.homes,
                                                       .counter = *counter_,
                                                       .access_log = *log_,
                                                       .draining = draining_,
                                                       .tls = &tls_,
                                                       .handshakes = handshakes_.get(),
                                                       .sealing = &sealing_,
                                                       .hosts = &hosts_,
                                                       .types = &types_,
                                                       .open_files = open_files_.get()});
    return {};
}

void core_server::run() {
    begin();
    io_->run();
    has_ended_ = true;
}

void core_server::begin() {
    tasks_.emplace(*here_, never_stopped_);
    tasks_->start(&core_server::serve, std::ref(*this));
}

task<> core_server::serve(runtime::nursery& bottom, core_server& self) {
    bottom.start(
        [](core_server& owner) -> task<> {
            co_await owner.log_->run().in_scope(owner.background_);
        },
        std::ref(self));
    try {
        bottom.start(
            [](core_server& owner) -> task<> {
                co_await owner.open_files_->run().in_scope(owner.background_);
            },
            std::ref(self));
        bottom.start(
            [](core_server& owner) -> task<> {
                co_await owner.kept_listings_->run().in_scope(owner.background_);
            },
            std::ref(self));
        bottom.start(
            [](core_server& owner) -> task<> {
                co_await owner.counter_->run().in_scope(owner.background_);
            },
            std::ref(self));
        if (self.parts_.leftovers && self.index_ == 0) {
            bottom.start(&core_server::remove_leftovers, std::ref(self));
        }
        if (self.parts_.rules && self.index_ == 0) {
            bottom.start(&core_server::look_for_files_of, std::ref(self), self.parts_.rules);
        }
        co_await runtime::with_nursery(*self.here_, &core_server::serve_doors, std::ref(self));
    } catch (const std::bad_alloc&) {
        log::error("a core serves nobody: memory is out");
    }
    self.connections_ = nullptr;
    self.drain_timer_.unlink();
    self.open_files_->stop_keeping();
    self.kept_listings_->stop_keeping();
    self.http_->forget_logins();
    self.draining_.request_stop();  // Who was replaced has nobody left and was not drained.
    self.background_.request_stop();
}

task<> core_server::remove_leftovers(core_server& self) {
    co_await self.keep_looking_for_leftovers().in_scope(self.draining_);
}

task<> core_server::keep_looking_for_leftovers() {
    const auto found = co_await look_for_leftovers();
    const bool keeps_parts = parts_.parts_kept > runtime::duration::zero();
    // Ages are whole seconds: looking more often finds nothing more.
    const auto parts_pause =
        std::max<runtime::duration>(parts_.parts_kept, std::chrono::seconds(1));
    auto again_for_parts = keeps_parts ? here_->now() + parts_pause : runtime::never;
    auto again_for_others = runtime::never;
    if (found.undecided != 0) {
        const auto pause = vfs::leftovers_look_again;
        again_for_others = here_->now() + pause;
        log::info(
            fmt::format("{} unfinished upload{} may be in use by another machine that shares the "
                        "file system: looking again in {} minutes",
                        found.undecided, found.undecided == 1 ? "" : "s",
                        std::chrono::ceil<std::chrono::minutes>(pause).count()));
    }
    for (;;) {
        const auto next = std::min(again_for_parts, again_for_others);
        if (next == runtime::never) {
            co_return;
        }
        const auto slept = co_await runtime::sleep_until(*here_, next);
        if (!slept) {
            co_return;
        }
        static_cast<void>(co_await look_for_leftovers());
        if (next == again_for_others) {
            again_for_others = runtime::never;
        }
        if (keeps_parts) {
            again_for_parts = here_->now() + parts_pause;
        }
    }
}

/// Removes what there is to remove now, and says so.
task<vfs::leftovers_found> core_server::look_for_leftovers() {
    const auto found =
        co_await parts_.files.remove_leftovers(*here_, *listings_, *parts_.leftovers);
    if (found.removed != 0) {
        log::info(fmt::format("removed {} unfinished upload{} that a crash had left", found.removed,
                              found.removed == 1 ? "" : "s"));
    }
    if (found.parts_removed != 0) {
        log::info(fmt::format("removed {} part{} of uploads that nobody went on with",
                              found.parts_removed, found.parts_removed == 1 ? "" : "s"));
    }
    if (found.passed_over != 0) {
        log::warning(fmt::format(
            "unfinished uploads may be left in {} director{} that nobody looked into: the names of "
            "those still to be read take more than {} KiB, or they lie too deep",
            found.passed_over, found.passed_over == 1 ? "y" : "ies",
            vfs::leftovers_ahead_bytes_max / 1_KiB));
    }
    co_return found;
}

task<> core_server::serve_doors(runtime::nursery& connections, core_server& self) {
    self.connections_ = &connections;
    if (self.stopping_) {
        connections.request_stop();
    }
    for (auto& each : self.doors_) {
        connections.start(&core_server::accept_all, std::ref(self), std::ref(connections),
                          std::move(each));
    }
    co_return;
}

task<> core_server::accept_all(core_server& self, runtime::nursery& connections, door at) {
    auto listening = std::move(at.socket);
    reception by{.take =
                     [&](unique_fd came) {
                         ++self.counted_[static_cast<std::size_t>(at.speaks)].accepted;
                         self.admit(connections, at, std::move(came));
                     },
                 .pauses =
                     [&self](errc why) {
                         ++self.accept_pauses_;
                         log::warning(why == errc::exhausted
                                          ? "accepting pauses: no descriptor or memory is left "
                                            "(ulimit -n)"
                                          : "accepting pauses: the listening socket fails");
                     }};
    co_await server::accept_all(*self.here_, self.accepting_, std::move(listening), std::move(by));
}

/// A connection that is not served is a line of the access log without a request.
void core_server::report_refusal(const door& at, int socket, const refusal& why) {
    if (!log_->wants_records()) {
        return;
    }
    const auto from = net::peer_endpoint(socket).value_or(net::endpoint{});
    const auto peer = net::format_address(from);
    access_record record{.peer = peer,
                         .user = {},
                         .when = read_wall_clock(),
                         .method = {},
                         .target = {},
                         .protocol = at.speaks == protocol::http ? "" : "FTP",
                         .status = why.code,
                         .referer = {},
                         .user_agent = {}};
    const bool has_words = at.speaks == protocol::http && !at.is_secure;
    record.sent_bytes = has_words ? why.words.size() : 0;
    record.scheme = scheme_of(at.speaks, at.is_secure);
    record.connection = here_->number_connection();
    record.peer_port = from.port;
    record.local_port = net::local_endpoint(socket).value_or(net::endpoint{}).port;
    log_->record(record);
}

void core_server::refuse(const door& at, unique_fd socket, const refusal& why) {
    ++counted_[static_cast<std::size_t>(at.speaks)].refused;
    report_refusal(at, socket.get(), why);
    // Who waits for TLS could read no words, and hands are shaken with nobody who is refused.
    net::refuse(std::move(socket), at.is_secure ? std::string_view() : why.words);
}

/// TLS as `at` has it; none where it begins in clear.
net::tls_terms core_server::terms_for(const door& at) {
    if (!at.is_secure) {
        return {};
    }
    return {
        .by = tls_,
        .turns = handshakes_.get(),
        .timeout = parts_.tls_handshake_timeout,
        .protocol = at.speaks == protocol::http ? "http/1.1" : "",
        .mark = {},
        .usual_name = {},
        .counts = at.speaks == protocol::http ? &http_->handshakes() : &ftp_->counted.handshakes,
        .buffers = &sealing_};
}

/// What the address of a connection says: errors are those of `net::access_policy::admit`.
result<net::arrival> core_server::receive(protocol speaks, int socket) const {
    const auto& policy = speaks == protocol::http ? parts_.http.addresses : parts_.ftp.addresses;
    net::arrival how;
    if (policy.empty()) {
        return how;
    }
    FERRY_TRY(from, net::peer_endpoint(socket));
    how.has_proxy_header = net::contains(policy.proxy_senders, from);
    if (!how.has_proxy_header) {
        FERRY_TRY(place, policy.admit(from, here_->now()));
        how.place = std::move(place);
    }
    return how;
}

/// Begins to serve one connection, or refuses it: for its address, or when the process has as many
/// as it may.
void core_server::admit(runtime::nursery& connections, const door& at, unique_fd socket) {
    auto how = receive(at.speaks, socket.get());
    if (!how) {
        const auto& why = refusals(at.speaks);
        refuse(at, std::move(socket), how.error() == errc::denied ? why.forbidden : why.overload);
        return;
    }
    place_taken place(parts_.counts, at.speaks);
    if (!place) {
        refuse(at, std::move(socket), refusals(at.speaks).overload);
        return;
    }
    how->tls = terms_for(at);
    try {
        connections.start(&core_server::run_connection, std::ref(*this), at.speaks,
                          std::move(socket), std::move(place), std::move(*how));
    } catch (const std::bad_alloc&) {
        log::warning("a connection was dropped: memory is out");
    }
}

task<> core_server::run_connection(core_server& self, protocol speaks, unique_fd&& socket,
                                   [[maybe_unused]] place_taken&& place, net::arrival&& how) {
    const runtime::crowd_watch::member one(*self.serving_);
    switch (speaks) {
        case protocol::http: {
            http::idle_connection between;
            co_await http::serve_connection(*self.http_, std::move(socket), std::move(how),
                                            &between);
            if (between.socket) {
                self.let_wait(std::move(place), std::move(between));
            }
            break;
        }
        case protocol::ftp: {
            ftp::idle_session between;
            co_await ftp::serve_session(*self.ftp_, std::move(socket), std::move(how), &between);
            if (between.socket) {
                self.let_wait(std::move(place), std::move(between));
            }
            break;
        }
    }
}

/// Who waits has neither coroutine nor stream.
class core_server::silent_client final : public net::waiting_room::guest {
  public:
    silent_client(core_server& of, place_taken place, http::idle_connection between) noexcept
        : owner_(of),
          place_(std::move(place)),
          address_place_(std::move(between.place)),
          number_(between.number),
          requests_(between.requests) {}

  private:
    void go_on(unique_fd socket, std::string octets) override {
        http::idle_connection between{.socket = std::move(socket),
                                      .place = std::move(address_place_),
                                      .number = number_,
                                      .requests = requests_,
                                      .said = std::move(octets)};
        owner_.connections_->start(&core_server::go_on, std::ref(owner_), std::move(place_),
                                   std::move(between));
    }

    core_server& owner_;
    place_taken place_;
    net::address_place address_place_;
    std::uint64_t number_;
    std::size_t requests_;
};

void core_server::let_wait(place_taken place, http::idle_connection between) {
    const auto until = between.until;
    auto socket = std::move(between.socket);
    silent_->take(*connections_,
                  std::make_unique<silent_client>(*this, std::move(place), std::move(between)),
                  std::move(socket), until);
}

/// The same of FTP: who is told 421 before he is closed.
class core_server::silent_session final : public net::waiting_room::guest {
  public:
    silent_session(core_server& of, place_taken place, ftp::idle_session between) noexcept
        : guest(net::waiting_room::last_act::go_on),
          owner_(of),
          place_(std::move(place)),
          between_(std::move(between)) {}

  private:
    void go_on(unique_fd socket, std::string octets) override {
        between_.socket = std::move(socket);
        between_.said = std::move(octets);
        owner_.connections_->start(&core_server::go_on_with_session, std::ref(owner_),
                                   std::move(place_), std::move(between_));
    }

    core_server& owner_;
    place_taken place_;
    ftp::idle_session between_;
};

void core_server::let_wait(place_taken place, ftp::idle_session between) {
    const auto until = between.until;
    auto socket = std::move(between.socket);
    silent_->take(*connections_,
                  std::make_unique<silent_session>(*this, std::move(place), std::move(between)),
                  std::move(socket), until);
}

task<> core_server::go_on_with_session(core_server& self, place_taken&& place,
                                       ftp::idle_session&& between) {
    const runtime::crowd_watch::member one(*self.serving_);
    net::arrival how;
    how.place = std::move(between.place);
    auto socket = std::move(between.socket);
    co_await ftp::serve_session(*self.ftp_, std::move(socket), std::move(how), &between);
    if (between.socket) {
        self.let_wait(std::move(place), std::move(between));
    }
}

task<> core_server::go_on(core_server& self, place_taken&& place, http::idle_connection&& between) {
    const runtime::crowd_watch::member one(*self.serving_);
    net::arrival how;
    how.place = std::move(between.place);
    auto socket = std::move(between.socket);
    co_await http::serve_connection(*self.http_, std::move(socket), std::move(how), &between);
    if (between.socket) {
        self.let_wait(std::move(place), std::move(between));
    }
}

void core_server::replace_users(std::shared_ptr<const auth::accounts> fresh) noexcept {
    const bool is_told = fresh_users_.use([&fresh](fresh_accounts& waiting) noexcept {
        waiting.users = std::move(fresh);
        return std::exchange(waiting.is_told, true);
    });
    if (!is_told) {
        io_->post(users_message_);
    }
}

void core_server::take_users() noexcept {
    users_ = fresh_users_.use([](fresh_accounts& waiting) noexcept {
        waiting.is_told = false;
        return std::move(waiting.users);
    });
    // Who reads the accounts anew may have made room, too.
    parts_.homes.question_all();
}

void core_server::replace_rules(const std::shared_ptr<const http::sites>& fresh) {
    auto own = with_own_count(fresh);
    const bool is_told = fresh_rules_.use([&own](fresh_rules& waiting) noexcept {
        waiting.rules = std::move(own);
        return std::exchange(waiting.is_told, true);
    });
    if (!is_told) {
        io_->post(rules_message_);
    }
}

void core_server::take_rules() noexcept {
    auto fresh = fresh_rules_.use([](fresh_rules& waiting) noexcept {
        waiting.is_told = false;
        return std::move(waiting.rules);
    });
    http_->use_rules(fresh);
    hosts_.use(fresh);
    if (index_ == 0 && connections_ != nullptr) {
        try {
            connections_->start(&core_server::look_for_files_of, std::ref(*this), std::move(fresh));
        } catch (const std::bad_alloc&) {
            // Requests see what is there all the same.
        }
    }
}

/// Tells which files are not there that rules name: a request would show no more than ferry's own
/// page.
task<> core_server::look_for_files_of(core_server& self, std::shared_ptr<const http::sites> rules) {
    for (const auto& each : http::files_of(*rules)) {
        const auto found = co_await self.parts_.files.status(*self.here_, each.name);
        const bool is_directory = found && found->kind == vfs::file_kind::directory;
        if (!found || is_directory != each.name.wants_directory()) {
            log::warning(fmt::format("rules: {}: {:?}: {}", each.what, each.name.text(),
                                     found ? "of another kind" : describe(found.error().code)));
        }
    }
}

void core_server::replace_tls(std::shared_ptr<const net::tls_server> fresh) noexcept {
    const bool is_told = fresh_tls_.use([&fresh](fresh_tls& waiting) noexcept {
        waiting.server = std::move(fresh);
        return std::exchange(waiting.is_told, true);
    });
    if (!is_told) {
        io_->post(tls_message_);
    }
}

void core_server::take_tls() noexcept {
    tls_ = fresh_tls_.use([](fresh_tls& waiting) noexcept {
        waiting.is_told = false;
        return std::move(waiting.server);
    });
}

void core_server::replace_log(log_successor next) noexcept {
    const bool is_told = fresh_log_.use([&next](fresh_log& waiting) noexcept {
        const bool had_one = waiting.next.has_value();
        join_successor(waiting.next, std::move(next));
        return had_one;
    });
    if (!is_told) {
        io_->post(log_message_);
    }
}

void core_server::take_log() noexcept {
    auto next = fresh_log_.use(
        [](fresh_log& waiting) noexcept { return std::exchange(waiting.next, std::nullopt); });
    log_->go_over_to(std::move(*next));
}

void core_server::tell(core_reading& into) const {
    into.is_there = true;
    into.io = io_->counters();
    into.http = http_->counted();
    into.ftp = ftp_->counted;
    into.doors = counted_;
    into.accept_pauses = accept_pauses_;
    into.files = open_files_->counted();
    into.open_files = open_files_->size();
    into.listings = kept_listings_->counted();
    into.kept_listings = kept_listings_->size();
    into.log_lines_dropped = log_->dropped();
    into.transfers.clear();
    into.downloads_under_way = {};
    into.uploads_under_way = {};
    const auto now = here_->now();
    for (const auto speaks : {protocol::http, protocol::ftp}) {
        const auto& all = speaks == protocol::http ? http_->transfers() : *ftp_->transfers;
        const auto index = static_cast<std::size_t>(speaks);
        all.for_each([&](const net::shown_transfer& each) {
            ++(each.is_upload ? into.uploads_under_way : into.downloads_under_way)[index];
            if (into.transfers.size() < core_reading::transfers_max) {
                into.transfers.push_back(read_transfer(each, speaks, now));
            }
            return true;
        });
    }
}

bool core_server::look_alive() noexcept {
    if (has_ended_) {
        return true;
    }
    if (beat_awaited_.exchange(true)) {
        return false;
    }
    io_->post(beat_message_);
    return true;
}

void core_server::begin_retirement() noexcept {
    if (draining_.stop_requested()) {
        return;  // Which ends sooner.
    }
    stage_ = stage::retiring;
    accepting_.request_stop();
    http_options_.requests_per_connection_max = 1;  // Which every next answer reaches.
    wait_for(parts_.retirement_timeout);
}

/// Arms the timer, while there is anybody to wait for.
void core_server::wait_for(runtime::duration most) noexcept {
    if (connections_ != nullptr) {
        io_->timers().arm(drain_timer_, io_->now() + most);
    }
}

/// Of the timer: who is retired is drained, who is drained is told, who was told is stopped.
void core_server::end_wait() noexcept {
    switch (stage_) {
        case stage::serving:
        case stage::retiring:
            begin_drain();
            break;
        case stage::draining:
            begin_parting();
            break;
        case stage::parting:
            stop_now();
            break;
    }
}

void core_server::begin_drain() noexcept {
    stage_ = stage::draining;
    accepting_.request_stop();
    draining_.request_stop();
    wait_for(parts_.drain_timeout);
}

/// What is not finished by now is cut off; who could be told in an answer is told.
void core_server::begin_parting() noexcept {
    stage_ = stage::parting;
    http_->end_uploads();
    wait_for(last_words_time_max);
}

void core_server::stop_now() noexcept {
    stopping_ = true;
    accepting_.request_stop();
    draining_.request_stop();
    if (connections_ != nullptr) {
        connections_->request_stop();
    }
}

}  // namespace ferry::server
