#include "server/wiring.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "ferry/base/background_writer.hpp"
#include "ferry/base/log.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/http/upload_turns.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/vfs/digest.hpp"
#include "server/access_log.hpp"
#include "server/admin_server.hpp"
#include "server/core_server.hpp"
#include "server/flag_values.hpp"
#include "server/handed_sockets.hpp"
#include "server/invocation.hpp"
#include "server/rules_file.hpp"
#include "server/service_manager.hpp"
#include "server/start_up.hpp"
#include "server/starter.hpp"
#include "server/upgrade.hpp"
#include "server/user_accounts.hpp"

namespace ferry::server {
namespace {

int refuse_to_start(const std::string& why) {
    std::fputs(fmt::format("ferry: {}\n", why).c_str(), stderr);
    return 1;
}

/// The blocks of those rules that hold for a protocol.
std::vector<net::address_block> blocks_of(const std::vector<access_rule>& rules, protocol speaks) {
    std::vector<net::address_block> made;
    for (const auto& each : rules) {
        if (speaks == protocol::http ? each.is_for_http : each.is_for_ftp) {
            made.push_back(each.who);
        }
    }
    return made;
}

net::address_limits address_limits_of(const config& settings) noexcept {
    return {.connections_max = settings.address_connections_max,
            .requests_per_second = settings.address_requests_rate,
            .requests_saved_max = settings.address_requests_burst,
            .sent_octets_per_second = settings.address_send_rate_max};
}

/// `table` outlives it, and counts only if it has a limit.
net::access_policy policy_of(const config& settings, protocol speaks, net::address_table& table) {
    return {.rules = {.allowed = blocks_of(settings.allow, speaks),
                      .denied = blocks_of(settings.deny, speaks)},
            .proxy_senders = settings.proxy_protocol,
            .proxy_header_timeout = settings.header_timeout,
            .trusted_proxies = speaks == protocol::http ? settings.trusted_proxies
                                                        : std::vector<net::address_block>(),
            .table = table.limits().empty() ? nullptr : &table};
}

vfs::durability to_vfs(upload_durability level) noexcept {
    switch (level) {
        case upload_durability::none:
            return vfs::durability::none;
        case upload_durability::data:
            return vfs::durability::data;
        case upload_durability::full:
            return vfs::durability::full;
    }
    return vfs::durability::full;
}

std::string strict_transport_of(const config& settings) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(settings.http_hsts);
    return seconds.count() == 0 ? std::string() : fmt::format("max-age={}", seconds.count());
}

/// Where `--http-redirect-to-https` sends requests; 0: nowhere.
std::uint16_t port_of_https(const config& settings, const std::vector<listening>& listeners) {
    const auto found = std::ranges::find_if(listeners, [](const listening& each) {
        return each.speaks == protocol::http && each.is_secure;
    });
    return settings.http_redirect_to_https && found != listeners.end() ? found->at.port
                                                                       : std::uint16_t{0};
}

/// Whether no name finds what is spelled otherwise.
bool finds_exact_names(const config& settings) noexcept {
    return std::ranges::none_of(settings.mounts, [](const mounted_directory& each) {
        return each.options.names.are_any();
    });
}

http::options http_options(const config& settings, const prepared& ready,
                           net::address_table& table) {
    return {.addresses = policy_of(settings, protocol::http, table),
            .proxies_say = settings.forwarded_field,
            .head_bytes_max = settings.head_bytes_max,
            .target_bytes_max = settings.target_bytes_max,
            .fields_max = settings.fields_max,
            .header_timeout = settings.header_timeout,
            .idle_timeout = settings.idle_timeout,
            .send_timeout = settings.send_timeout,
            .send_rate_min = {.octets_per_second = settings.send_rate_min,
                              .window = settings.rate_window},
            .receive_rate_min = {.octets_per_second = settings.receive_rate_min,
                                 .window = settings.rate_window},
            .requests_per_connection_max = settings.requests_per_connection_max,
            .body_drain_bytes_max = settings.body_drain_bytes_max,
            .body_timeout = settings.body_timeout,
            .upload_bytes_max = settings.http_upload_max,
            .durability = to_vfs(settings.durability),
            .visitors = settings.http_anonymous.value_or(
                settings.anonymous.value_or(auth::rights::read_only())),
            .connection_rates = settings.anonymous_limits.each_session,
            .visitors_rates = settings.anonymous_limits.together,
            .logins_kept_max = ready.logins_kept,
            .list_sorted_max = settings.list_sorted_max,
            .list_wait_timeout = settings.list_wait_timeout,
            .archives_max = settings.http_archives_max,
            .packing = {.codings = settings.http_compress,
                        .size_bytes_max = settings.http_compress_max,
                        .cache_bytes_max = settings.http_compress_cache_bytes,
                        .uses_files_beside = settings.http_precompressed},
            .answer_cache_bytes = settings.answer_cache_bytes,
            .digest_bytes_max = settings.http_digest_max,
            .certificates_log_in = settings.tls_client_accounts,
            .logins_need_tls = settings.http_tls == http_tls_policy::login,
            .redirect_to_tls_port = port_of_https(settings, ready.listeners),
            .strict_transport = strict_transport_of(settings)};
}

ftp::options ftp_options(const config& settings, net::address_table& table,
                         std::shared_ptr<const vfs::name_charset> charset,
                         ftp::public_addresses shown) {
    const auto ports = settings.passive_ports.value_or(port_range{});
    return {.addresses = policy_of(settings, protocol::ftp, table),
            .line_bytes_max = settings.ftp_line_bytes_max,
            .login_tries_max = settings.ftp_login_tries_max,
            .idle_timeout = settings.ftp_idle_timeout,
            .transfer_stall_timeout = settings.ftp_transfer_stall_timeout,
            .transfer_rate_min = {.octets_per_second = settings.ftp_transfer_rate_min,
                                  .window = settings.rate_window},
            .data_connect_timeout = settings.ftp_data_connect_timeout,
            .upload_grace = settings.ftp_upload_grace,
            .passive_port_first = ports.first,
            .passive_port_last = ports.last,
            .public_address = std::move(shown),
            .congestion = settings.tcp_congestion,
            .charset = charset,
            .ebcdic = settings.ftp_ebcdic == ebcdic_page::cp1047 ? vfs::ebcdic::code_page::cp1047
                                                                 : vfs::ebcdic::code_page::cp037,
            .list_sorted_max = settings.list_sorted_max,
            .list_wait_timeout = settings.list_wait_timeout,
            .durability = to_vfs(settings.durability),
            .host_without_name = settings.ftp_without_host,
            .needs_host = settings.ftp_refuse_no_host,
            .needs_tls = settings.ftp_tls,
            .reuse = settings.ftp_tls_reuse,
            .certificates_log_in = settings.tls_client_accounts,
            .may_clear_control = settings.ftp_tls_ccc,
            .tls_handshake_timeout = settings.tls_handshake_timeout};
}

/// Binds the calling thread as `--pin` says. A refusal is a warning: it costs speed, not service.
void pin_thread(const pinning& pin, std::size_t core, const std::vector<std::size_t>& usable) {
    if (pin.mode == pin_mode::off || usable.empty()) {
        return;
    }
    const auto cpu = pin.mode == pin_mode::list ? pin.cpus[core % pin.cpus.size()]
                                                : usable[core % usable.size()];
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    const int refused = ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
    if (refused != 0) {
        log::warning(
            fmt::format("core {} is not pinned to CPU {}: {}", core, cpu, std::strerror(refused)));
    }
}

/// The threads of all cores: started together, joined together.
class cores {
  public:
    cores(const config& settings, const shared_parts& parts, std::vector<listening> listeners,
          std::size_t count)
        : opened_(static_cast<std::ptrdiff_t>(count)), ended_fd_(::eventfd(0, EFD_CLOEXEC)) {
        const auto usable = usable_cpus();
        for (std::size_t core = 0; core < count; ++core) {
            std::vector<door> doors;
            for (auto& each : listeners) {
                for (std::size_t i = core; i < each.sockets.size(); i += count) {
                    doors.push_back({.speaks = each.speaks,
                                     .is_secure = each.is_secure,
                                     .socket = std::move(each.sockets[i])});
                }
            }
            servers_.push_back(std::make_unique<core_server>(static_cast<unsigned>(core), parts,
                                                             std::move(doors)));
            failures_.emplace_back();
        }
        for (std::size_t core = 0; core < count; ++core) {
            try {
                threads_.emplace_back([this, &settings, core, usable] {
                    pin_thread(settings.pin, core, usable);
                    serve(core);
                });
            } catch (const std::system_error& refused) {
                failures_[core] = fmt::format("core {}: no thread: {}", core, refused.what());
                opened_.count_down(static_cast<std::ptrdiff_t>(count - core));
                break;
            }
        }
        opened_.wait();
    }
    cores(const cores&) = delete;
    cores& operator=(const cores&) = delete;
    ~cores() { join(); }

    /// What kept a core from starting; empty when all are ready.
    [[nodiscard]] std::string failure() const {
        if (!ended_fd_) {
            return "no descriptor is left to wait for the cores";
        }
        for (const auto& each : failures_) {
            if (!each.empty()) {
                return each;
            }
        }
        return {};
    }

    /// Lets the threads serve, or end at once.
    void go(bool serving) noexcept {
        serving_ = serving;
        go_.count_down();
    }

    void replace_users(const std::shared_ptr<const auth::accounts>& fresh) noexcept {
        for (auto& each : servers_) {
            each->replace_users(fresh);
        }
    }
    void replace_rules(const std::shared_ptr<const http::sites>& fresh) {
        for (auto& each : servers_) {
            each->replace_rules(fresh);
        }
    }
    void replace_tls(const std::shared_ptr<const net::tls_server>& fresh) noexcept {
        for (auto& each : servers_) {
            each->replace_tls(fresh);
        }
    }
    void replace_log(const log_successor& next) noexcept {
        for (auto& each : servers_) {
            each->replace_log(next);
        }
    }
    /// Whether every core has answered since this was asked last, and asks them anew.
    [[nodiscard]] bool look_alive() noexcept {
        bool alive = true;
        for (auto& each : servers_) {
            alive = each->look_alive() && alive;
        }
        return alive;
    }
    void retire() noexcept {
        for (auto& each : servers_) {
            each->retire();
        }
    }
    [[nodiscard]] std::span<const std::unique_ptr<core_server>> servers() const noexcept {
        return servers_;
    }
    void drain() noexcept {
        for (auto& each : servers_) {
            each->drain();
        }
    }
    void stop() noexcept {
        for (auto& each : servers_) {
            each->stop();
        }
    }

    /// Readable once every core has ended.
    [[nodiscard]] int ended_fd() const noexcept { return ended_fd_.get(); }

    void join() noexcept {
        for (auto& each : threads_) {
            if (each.joinable()) {
                each.join();
            }
        }
    }

  private:
    static std::string why(const error& refused) {
        return refused.os_errno != 0 ? std::strerror(refused.os_errno)
                                     : std::string(describe(refused.code));
    }

    void serve(std::size_t core) {
        if (const auto opened = servers_[core]->open(); !opened) {
            failures_[core] =
                fmt::format("core {}: cannot be set up: {}", core, why(opened.error()));
        }
        opened_.count_down();
        go_.wait();
        if (serving_) {
            servers_[core]->run();
        }
        if (ended_.fetch_add(1) + 1 == servers_.size()) {
            const std::uint64_t one = 1;
            // An eventfd at 0 takes a 1.
            static_cast<void>(::write(ended_fd_.get(), &one, sizeof one));
        }
    }

    std::vector<std::unique_ptr<core_server>> servers_;
    std::vector<std::string> failures_;
    std::latch opened_;
    std::latch go_{1};
    bool serving_ = false;
    std::atomic<std::size_t> ended_{0};
    unique_fd ended_fd_;
    std::vector<std::thread> threads_;
};

/// Rules that cannot be read leave those in force that there are.
void read_rules_anew(cores& running, const config& settings) {
    auto loaded = load_rules(settings);
    if (!loaded) {
        log::error(fmt::format("the rules stay as they were: {}", loaded.error()));
        return;
    }
    running.replace_rules(*loaded);
    log::info(fmt::format("{}: its rules hold from now on", settings.rules_file));
}

/// Accounts that cannot be read leave those in force that there are.
void read_users_anew(cores& running, const config& settings) {
    auto loaded = load_accounts(settings);
    if (!loaded) {
        log::error(fmt::format("the accounts stay as they were: {}", loaded.error()));
        return;
    }
    for (const auto& each : loaded->warnings) {
        log::warning(each);
    }
    log::info(
        fmt::format("{}: {} accounts from now on", settings.users_file, loaded->users->size()));
    running.replace_users(loaded->users);
}

/// Certificates that cannot be read leave those in force that there are; connections keep theirs.
void read_certificates_anew(cores& running, tls_loader& files) {
    auto loaded = files.load();
    if (!loaded) {
        log::error(fmt::format("the certificates stay as they were: {}", loaded.error()));
        return;
    }
    for (const auto& each : loaded->warnings) {
        log::warning(each);
    }
    running.replace_tls(loaded->server);
    log::info(fmt::format("TLS: {}, from now on", loaded->summary));
}

void read_files_anew(cores& running, const config& settings, tls_loader* tls_files) {
    if (settings.users_file.empty() && settings.rules_file.empty() && tls_files == nullptr) {
        log::info(
            "SIGHUP: there is no --users-file, there are no --rules and no certificates to read "
            "anew");
    }
    if (tls_files != nullptr) {
        read_certificates_anew(running, *tls_files);
    }
    if (!settings.users_file.empty()) {
        read_users_anew(running, settings);
    }
    if (!settings.rules_file.empty()) {
        read_rules_anew(running, settings);
    }
}

/// The file of the access log, and those before it that a core may still write to.
class log_files {
  public:
    log_files(const config& settings, unique_fd first)
        : name_(settings.access_log.file),
          current_(std::make_shared<const unique_fd>(std::move(first))) {}

    /// Opens the name anew, for whoever rotates logs. What cannot be opened leaves the file in use.
    void reopen(cores& running) {
        if (name_.empty() || !is_file(current_->get())) {
            log::info("SIGUSR1: the access log is no file that could be opened anew");
            return;
        }
        auto opened = reopen_log_file(name_);
        if (!opened) {
            log::error(
                fmt::format("the access log stays with the file it has: {}", opened.error()));
            return;
        }
        auto next = std::make_shared<const unique_fd>(std::move(*opened));
        running.replace_log({.fd = next->get(), .previous = current_});
        left_.push_back(std::exchange(current_, std::move(next)));
        log::info(fmt::format("the access log goes to \"{}\" opened anew", name_));
    }

    /// Closes what no core writes to any more. Here, for the last close of a file that was removed
    /// may take its time.
    void close_left() {
        std::erase_if(left_, [](const auto& each) { return each.use_count() == 1; });
    }
    [[nodiscard]] bool has_left() const noexcept { return !left_.empty(); }

  private:
    std::string name_;  ///< Empty: it has none.
    std::shared_ptr<const unique_fd> current_;
    std::vector<std::shared_ptr<const unique_fd>> left_;
};

/// How long to wait at most before a beat is due: -1 if the manager wants none. It is told of a
/// sign of life when the next is asked for: a quarter of its limit, twice, is in good time.
int beat_interval_ms(const service_manager& manager) {
    if (!manager.watchdog()) {
        return -1;
    }
    const auto quarter =
        std::chrono::duration_cast<std::chrono::milliseconds>(*manager.watchdog() / 4).count();
    return static_cast<int>(std::clamp<std::int64_t>(quarter, 1, 60'000));
}

// How often to look whether every core lives where no manager wants to know more often.
constexpr int life_look_interval_ms = 5'000;

/// Tells of cores that are stuck, and of the end of that.
void tell_of_life(bool alive, bool& was_alive) {
    if (alive != std::exchange(was_alive, alive)) {
        log::write(alive ? log::level::info : log::level::error,
                   alive ? "every core answers again"
                         : "a core gives no sign of life: who is connected there waits, the others "
                           "are served");
    }
}

// How often to look whether the cores have gone over to another file.
constexpr int log_look_interval_ms = 200;

/// What signals and other processes are about.
struct supervised {
    const config& settings;
    tls_loader* tls_files = nullptr;  ///< Null: there is no TLS.
    log_files& logs;
    vfs::home_table& homes;
    int signals = -1;
    const service_manager& manager;
    upgrade& next;
    admin_server* admin = nullptr;  ///< Null: nobody is told how it fares.
};

/// Waits for signals until every core has ended: the first drains, the second ends it now (R13).
/// SIGHUP reads the users file, the rules and the certificates anew, SIGUSR1 opens the access log
/// anew, SIGUSR2 has a new process take over.
void supervise(cores& running, const supervised& what) {
    const auto& [settings, tls_files, logs, homes, signals, manager, next, admin] = what;
    int seen = 0;
    bool alive = true;
    const int beat_ms = beat_interval_ms(manager);
    for (;;) {
        pollfd waited[] = {{.fd = signals, .events = POLLIN, .revents = 0},
                           {.fd = running.ended_fd(), .events = POLLIN, .revents = 0},
                           {.fd = next.successor_fd(), .events = POLLIN, .revents = 0},
                           {.fd = next.predecessor_fd(), .events = POLLIN, .revents = 0}};
        const int look_ms = beat_ms < 0 ? life_look_interval_ms : beat_ms;
        const int wait_ms = logs.has_left() ? std::min(look_ms, log_look_interval_ms) : look_ms;
        const int came_at_all = ::poll(waited, std::size(waited), wait_ms);
        if (came_at_all < 0 && errno != EINTR) {
            return;
        }
        const bool is_due = came_at_all == 0 && wait_ms == look_ms;  // All had time to answer.
        const bool answered = (beat_ms <= 0 && !is_due) || running.look_alive();
        if (is_due) {
            tell_of_life(answered, alive);
        }
        if (beat_ms > 0 && answered) {  // Told only while every core lives.
            manager.say("WATCHDOG=1");
        }
        logs.close_left();
        if ((waited[1].revents & POLLIN) != 0) {
            return;
        }
        if (waited[2].revents != 0 && next.hear_successor() && seen == 0) {
            running.retire();
            if (admin != nullptr) {
                admin->retire();
            }
        }
        if (waited[3].revents != 0 && next.hear_predecessor()) {
            homes.question_all();  // It has stored files that were not counted here.
        }
        signalfd_siginfo came{};
        if ((waited[0].revents & POLLIN) == 0 ||
            ::read(signals, &came, sizeof came) != static_cast<ssize_t>(sizeof came)) {
            continue;
        }
        if (came.ssi_signo == SIGHUP) {
            manager.say("RELOADING=1");
            read_files_anew(running, settings, tls_files);
            manager.say("READY=1");
            continue;
        }
        if (came.ssi_signo == SIGUSR1) {
            logs.reopen(running);
            continue;
        }
        if (came.ssi_signo == SIGUSR2) {
            next.begin();
            continue;
        }
        ++seen;
        if (seen == 1) {
            manager.say("STOPPING=1\nSTATUS=Finishing what is under way.");
            if (admin != nullptr) {
                admin->note_draining();
            }
            log::info("stopping: finishing what is under way; a second signal ends it now");
            next.close_doors();
            running.drain();
        } else if (seen == 2) {
            log::info("stopping now");
            running.stop();
        }
    }
}

/// Begins to tell how the process fares, if somebody is to be told.
std::unique_ptr<admin_server> start_admin(const config& settings, prepared& ready,
                                          admin_parts with) {
    if (ready.admin.empty()) {
        return nullptr;
    }
    for (auto& each : ready.admin) {
        std::ranges::move(each.sockets, std::back_inserter(with.sockets));
    }
    // There are few connections, and whoever wants one to stay asks again soon.
    constexpr std::chrono::seconds header_timeout_max{2};
    constexpr std::chrono::seconds idle_timeout_max{5};
    with.numbers.header_timeout =
        std::min<runtime::duration>(settings.header_timeout, header_timeout_max);
    with.numbers.idle_timeout =
        std::min<runtime::duration>(settings.idle_timeout, idle_timeout_max);
    with.numbers.send_timeout = settings.send_timeout;
    with.files = std::move(ready.system);
    with.io = ready.io.uses == io_backend::uring ? "io_uring" : "epoll";
    return std::make_unique<admin_server>(std::move(with));
}

/// A line for each endpoint.
std::string describe_listeners(const prepared& ready) {
    std::string lines;
    const auto add = [&lines](std::string_view what, const listening& each) {
        const auto scheme = scheme_of(each.speaks, each.is_secure);
        lines += each.path.empty()
                     ? fmt::format("{} {}://{}/\n", what, scheme, net::format_endpoint(each.at))
                     : fmt::format("{} {}://unix:{}\n", what, scheme, in_quotes(each.path));
    };
    for (const auto& each : ready.listeners) {
        add("listening on", each);
    }
    for (const auto& each : ready.admin) {
        add("telling how it fares on", each);
    }
    return lines;
}

unique_fd block_signals() {
    sigset_t handled;
    sigemptyset(&handled);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGHUP);
    sigaddset(&handled, SIGUSR1);
    sigaddset(&handled, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &handled, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    // Where this is process 1 of a container, others leave it what they have started.
    std::signal(SIGCHLD, SIG_IGN);
    // A write over RLIMIT_FSIZE is then EFBIG, an answer, and not the end of the process.
    std::signal(SIGXFSZ, SIG_IGN);
    return unique_fd(::signalfd(-1, &handled, SFD_CLOEXEC));
}

// At the end a log that nobody reads must not keep the process.
constexpr auto finish_time_max = std::chrono::milliseconds(500);
// Of a file that is kept in memory whole: what is there leaves with its head in one send, which up
// to here costs less than sendfile(2) beside it (bench/NOTES.md, 2026-11-27).
constexpr std::size_t kept_body_bytes_max = 16'384;

void tell_failed_write(int os_errno) noexcept {
    try {
        log::warning(fmt::format("access log: lines are lost: {}", std::strerror(os_errno)));
    } catch (const std::bad_alloc&) {
        // Without memory there is no telling.
    }
}

void tell_lost_lines(std::uint64_t lines) noexcept {
    try {
        log::warning(fmt::format("access log: {} lines were lost", lines));
    } catch (const std::bad_alloc&) {
        // Without memory there is no telling.
    }
}

/// Prints `lines`, and goes on without them when whoever reads standard output has stopped.
void print(const std::string& lines) {
    if (!is_file(STDOUT_FILENO)) {
        if (auto writer = background_writer::open(STDOUT_FILENO, {})) {
            static_cast<void>(writer->offer(lines) && writer->finish(finish_time_max));
            return;
        }
    }
    std::fputs(lines.c_str(), stdout);
    std::fflush(stdout);
}

/// Ends what wrote the log; what is not written by then is lost.
void finish(std::optional<background_writer>& log_writer) {
    if (log_writer && !log_writer->finish(finish_time_max)) {
        log::warning("access log: the last lines are lost: whoever reads it has stopped");
    }
}

/// That an upload was cut off is worth remembering where none is kept, too.
vfs::replacement_table::numbers replacement_numbers(const config& settings) noexcept {
    vfs::replacement_table::numbers made;
    if (settings.upload_part_keep > runtime::duration::zero()) {
        made.memory = settings.upload_part_keep;
    }
    return made;
}

/// What is removed of uploads: nothing where nobody uploads, over either protocol.
std::optional<vfs::leftover_kinds> what_is_left(const config& settings,
                                                const auth::accounts& users) {
    const bool may_visitors_over_http =
        (!settings.http.empty() || !settings.http_local.empty()) && settings.http_anonymous &&
        settings.http_anonymous->has_anywhere({auth::right::create});
    if (!users.may_anywhere(auth::right::create) && !may_visitors_over_http) {
        return std::nullopt;
    }
    return settings.leftovers == leftovers_policy::remove ? vfs::leftover_kinds::all
                                                          : vfs::leftover_kinds::parts;
}

/// The listening sockets once more, for whoever takes over: cores close theirs when they like.
std::vector<handed_group> copy_doors(const prepared& ready) {
    std::vector<handed_group> all;
    const auto add = [&all](const listening& each, std::string_view scheme) {
        handed_group made{
            .name = fmt::format("{}{}", each.is_given ? "" : handed_sockets::own_prefix, scheme),
            .sockets = {}};
        for (const auto& socket : each.sockets) {
            made.sockets.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0));
        }
        all.push_back(std::move(made));
    };
    for (const auto& each : ready.listeners) {
        add(each, scheme_of(each.speaks, each.is_secure));
    }
    for (const auto& each : ready.admin) {
        add(each, admin_scheme);
    }
    return all;
}

}  // namespace

int run(const config& given, char* const* arguments, memory_advice memory) {
    config settings = given;
    std::optional<starter> beside;
    handed_sockets handed;
    if (!settings.check) {
        if (settings.upgrade_drain_timeout > runtime::duration::zero()) {
            auto begun = starter::begin(arguments);
            if (!begun) {
                return refuse_to_start(begun.error());
            }
            beside.emplace(std::move(*begun));
        }
        auto came = handed_sockets::from_environment();
        if (!came) {
            return refuse_to_start(came.error());
        }
        handed = std::move(*came);
        if (const auto put = handed.put_into(settings); !put) {
            return refuse_to_start(put.error());
        }
        if (const auto wrong = contradiction_in_listeners(settings); !wrong.empty()) {
            return refuse_to_start(wrong);
        }
    }
    const std::size_t core_count = count_cores(settings);
    auto ready = prepare(settings, core_count, handed);
    if (!ready) {
        return refuse_to_start(ready.error());
    }
    const auto manager = service_manager::from_environment();
    if (const auto done = give_up_privileges(settings, *ready); !done) {
        return refuse_to_start(done.error());
    }
    for (const auto& each : ready->warnings) {
        log::warning(each);
    }
    if (settings.check) {
        std::fputs(describe(settings, ready->io.notice, *ready->users).c_str(), stdout);
        if (!ready->sealer_notice.empty()) {
            std::fputs((ready->sealer_notice + '\n').c_str(), stdout);
        }
        return 0;
    }
    log::write(ready->io.is_second_best ? log::level::warning : log::level::info, ready->io.notice);
    if (!ready->sealer_notice.empty()) {
        log::info(ready->sealer_notice);
    }
    const unique_fd signals = block_signals();
    if (!signals) {
        return refuse_to_start(fmt::format("cannot wait for signals: {}", std::strerror(errno)));
    }

    std::optional<log::in_background> diagnostics(std::in_place);
    const auto refuse = [&](const std::string& why) {
        diagnostics.reset();  // What is told already comes first.
        return refuse_to_start(why);
    };
    std::optional<background_writer> log_writer;
    if (ready->access_log_fd >= 0 && !is_file(ready->access_log_fd)) {
        auto made = background_writer::open(
            ready->access_log_fd, {.failed = &tell_failed_write, .lost = &tell_lost_lines});
        if (!made) {
            return refuse(
                fmt::format("no thread for the access log: {}", describe(made.error().code)));
        }
        log_writer.emplace(std::move(*made));
    }
    auto log_format = access_log_format::read(settings.access_log_format);
    if (!log_format) {  // It was one when the flag was read.
        return refuse(fmt::format("--access-log-format: {}", log_format.error()));
    }
    std::shared_ptr<const vfs::name_charset> charset;
    if (!settings.ftp_charset.empty()) {
        auto opened = vfs::name_charset::open(settings.ftp_charset);
        if (!opened) {  // It was there when the flag was read.
            return refuse(fmt::format("--ftp-charset {}: {}", settings.ftp_charset,
                                      describe(opened.error().code)));
        }
        charset = std::make_shared<const vfs::name_charset>(std::move(*opened));
    }
    net::address_table addresses(address_limits_of(settings));
    auth::session_counts sessions;
    ftp::session_list logged_in;
    auth::usage_table usages;
    vfs::digest_cache known_digests;
    vfs::home_table homes;
    auth::failed_logins failures({.delay_max = settings.ftp_login_delay_max});
    vfs::replacement_table replacements(replacement_numbers(settings));
    http::upload_turns uploads({.memory = settings.upload_part_keep});
    const auto types = http::media_types::load();
    runtime::offload_pool offload(
        count_offload_threads(settings.offload_threads, ready->io.uses, core_count));
    ready->files->close_on(offload);
    ready->files->keep_parts(settings.upload_part_keep);
    ready->files->count_for(homes, {});
    ready->files->note_replacements(replacements);
    connection_counts counts{.connections_max = ready->connections_max,
                             .ftp_sessions_max = settings.ftp_sessions_max};
    const shared_parts parts{
        .files = *ready->files,
        .users = ready->users,
        .sessions = sessions,
        .logged_in = logged_in,
        .usages = usages,
        .failures = failures,
        .digests = known_digests,
        .homes = homes,
        .types = *types,
        .http = http_options(settings, *ready, addresses),
        .uploads = settings.upload_part_keep > runtime::duration::zero() ? &uploads : nullptr,
        .rules = ready->rules,
        .tls = ready->tls,
        .tls_handshake_timeout = settings.tls_handshake_timeout,
        .ftp = ftp_options(settings, addresses, std::move(charset),
                           std::move(ready->public_addresses)),
        .listings = {.reads_max = settings.list_reads_max, .held_max = settings.list_held_max},
        .open_files = {.entries_max = ready->file_cache_entries,
                       .body_bytes_max = kept_body_bytes_max,
                       .bodies_bytes_max = settings.file_cache_bytes,
                       .keeps_absence = finds_exact_names(settings),
                       .idle_max = settings.file_cache_idle_timeout},
        .kept_listings = {.bytes_max = settings.listing_cache_bytes,
                          .idle_max = settings.file_cache_idle_timeout},
        .make_reactor =
            [&settings, &ready, &offload](unsigned core) {
                return make_reactor(settings, *ready, core, offload);
            },
        .drain_timeout = settings.drain_timeout,
        .retirement_timeout = settings.upgrade_drain_timeout,
        .leftovers = what_is_left(settings, *ready->users),
        .parts_kept = settings.upload_part_keep,
        .counts = counts,
        .memory = memory,
        .access_log_fd = log_writer ? log_writer->inlet() : ready->access_log_fd,
        .access_log_buffer_bytes = settings.access_log_buffer_bytes,
        .log_format = std::move(*log_format)};

    if (ready->tls) {
        log::info(fmt::format("TLS: {}", ready->tls_files->summary()));
    }
    const auto lines = describe_listeners(*ready);
    log_files logs(settings, std::move(ready->access_log));
    upgrade next({.by = beside ? &*beside : nullptr,
                  .doors = beside ? copy_doors(*ready) : std::vector<handed_group>(),
                  .names = std::move(ready->local_names),
                  .predecessor = std::move(handed.predecessor),
                  .manager = manager});
    cores running(settings, parts, std::move(ready->listeners), core_count);
    if (const auto why = running.failure(); !why.empty()) {
        running.go(false);
        return refuse(why);
    }
    const auto admin = start_admin(settings, *ready,
                                   {.sockets = {},
                                    .cores = running.servers(),
                                    .numbers = {},
                                    .types = *types,
                                    .offload = offload,
                                    .counts = counts,
                                    .files = {},
                                    .io = {}});
    if (admin && !admin->failed().empty()) {
        running.go(false);
        running.join();
        return refuse(admin->failed());
    }
    print(lines);
    running.go(true);
    handed.drop_rest();
    next.serves(fmt::format("READY=1\nSTATUS=Serving {}.",
                            settings.root.empty() ? "what is mounted" : in_quotes(settings.root)));
    supervise(running, {.settings = settings,
                        .tls_files = ready->tls_files.get(),
                        .logs = logs,
                        .homes = homes,
                        .signals = signals.get(),
                        .manager = manager,
                        .next = next,
                        .admin = admin.get()});
    running.join();
    finish(log_writer);
    return 0;
}

}  // namespace ferry::server
