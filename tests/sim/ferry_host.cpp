#include "ferry_host.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "client_context.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/http/upload_turns.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/net/tls_server.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/mount_table.hpp"
#include "sim/scope.hpp"

namespace ferry::sim::test {

using runtime::task;

namespace {

constexpr std::uint16_t http_port = 80;
constexpr std::uint16_t ftp_port = 21;
constexpr std::uint16_t https_port = 443;
constexpr std::uint16_t ftps_port = 990;
constexpr std::size_t access_log_buffer_bytes = 64 * 1024;
constexpr const char* access_log_path = "access.log";

/// Opens `at` on every core.
std::vector<unique_fd> listen_everywhere(net::endpoint at, std::size_t cores) {
    std::vector<unique_fd> sockets;
    for (std::size_t core = 0; core < cores; ++core) {
        auto socket = net::open_listener({.at = at, .share_port = true});
        FERRY_ASSERT(socket.has_value());
        sockets.push_back(std::move(*socket));
    }
    return sockets;
}

/// The served tree, and the host knows when it is gone through for what a crash has left.
class watched_tree final : public vfs::tree {
  public:
    watched_tree(std::unique_ptr<vfs::tree> real, sim::host& machine)
        : real_(std::move(real)), machine_(machine) {}

    void close_on(runtime::offload_pool& pool) noexcept override { real_->close_on(pool); }
    void keep_parts(runtime::duration age_max) noexcept override { real_->keep_parts(age_max); }
    void count_for(vfs::home_table& homes, const vfs::path& at) override {
        real_->count_for(homes, at);
    }
    void note_replacements(vfs::replacement_table& table) noexcept override {
        real_->note_replacements(table);
    }
    task<result<vfs::replacement>> replacement_of(runtime::core& here, const vfs::path& name,
                                                  std::string_view account) const override {
        return real_->replacement_of(here, name, account);
    }
    task<result<void>> hold_to(runtime::core& here, vfs::held_to limit) override {
        return real_->hold_to(here, std::move(limit));
    }
    task<vfs::measured> measure(runtime::core& here, vfs::listing_bounds& turns,
                                std::span<const vfs::directory_id> apart) const override {
        return real_->measure(here, turns, apart);
    }
    task<result<std::uint64_t>> free_octets(runtime::core& here,
                                            const vfs::path& name) const override {
        return real_->free_octets(here, name);
    }
    task<result<vfs::metadata>> part_status(runtime::core& here, const vfs::path& name,
                                            std::string_view owner) const override {
        return real_->part_status(here, name, owner);
    }
    task<result<void>> remove_part(runtime::core& here, const vfs::path& name,
                                   std::string_view owner) const override {
        return real_->remove_part(here, name, owner);
    }
    task<result<vfs::node>> open(runtime::core& here, const vfs::path& name) const override {
        return real_->open(here, name);
    }
    task<result<vfs::metadata>> status(runtime::core& here, const vfs::path& name) const override {
        return real_->status(here, name);
    }
    std::optional<vfs::machine_place> place_of(const vfs::path& name) const override {
        return real_->place_of(name);
    }
    task<result<vfs::listing>> list(runtime::core& here, vfs::node directory, const vfs::path& name,
                                    vfs::listing_options options) const override {
        return real_->list(here, std::move(directory), name, options);
    }
    task<result<vfs::upload>> begin_upload(runtime::core& here, const vfs::path& name,
                                           vfs::upload_options options) const override {
        return real_->begin_upload(here, name, options);
    }
    task<result<void>> remove_file(runtime::core& here, const vfs::path& name,
                                   const vfs::metadata* expected) const override {
        return real_->remove_file(here, name, expected);
    }
    task<result<void>> remove_directory(runtime::core& here, const vfs::path& name) const override {
        return real_->remove_directory(here, name);
    }
    task<result<void>> make_directory(runtime::core& here, const vfs::path& name) const override {
        return real_->make_directory(here, name);
    }
    task<result<void>> make_link(runtime::core& here, link_names names) const override {
        return real_->make_link(here, names);
    }
    task<result<void>> rename(runtime::core& here, rename_names names) const override {
        return real_->rename(here, names);
    }
    task<result<std::unique_ptr<vfs::tree>>> subtree(runtime::core& here,
                                                     const vfs::path& name) const override {
        return real_->subtree(here, name);
    }
    task<result<void>> set_modified(runtime::core& here, const vfs::path& name,
                                    wall_time modified) const override {
        return real_->set_modified(here, name, modified);
    }
    task<result<void>> set_permissions(runtime::core& here, const vfs::path& name,
                                       std::uint32_t permissions) const override {
        return real_->set_permissions(here, name, permissions);
    }
    task<vfs::leftovers_found> remove_leftovers(runtime::core& here, vfs::listing_bounds& turns,
                                                vfs::leftover_kinds what) const override {
        const runtime::stop_scope& scope = co_await runtime::current_scope();
        sim::host::search under_way(machine_, served_directory);
        const auto found = co_await real_->remove_leftovers(here, turns, what);
        if (!scope.stop_requested()) {
            under_way.finish();
        }
        co_return found;
    }

  private:
    std::unique_ptr<vfs::tree> real_;
    sim::host& machine_;
};

net::endpoint at_port(std::uint16_t port) {
    return net::parse_endpoint(fmt::format("10.0.0.1:{}", port)).value();
}

/// Terms of TLS for one life: tickets of another are no good, as their keys are gone.
std::shared_ptr<const net::tls_server> make_tls(const net::tls_identity& identity) {
    net::tls_settings terms{.identities = {identity},
                            .tickets = std::make_shared<net::tls_ticket_keys>()};
    return net::tls_server::make(terms).value();
}

std::unique_ptr<vfs::tree> open_served(const ferry_settings& settings) {
    auto root = vfs::open_local_tree(served_directory).value();
    if (settings.mounts.empty()) {
        return root;
    }
    std::vector<vfs::mount> mounts;
    mounts.push_back({.at = {}, .files = std::move(root)});
    for (const auto& each : settings.mounts) {
        mounts.push_back(
            {.at = vfs::path::parse(each).value(),
             .files = vfs::open_local_tree((served_directory + each).c_str()).value()});
    }
    return vfs::make_mount_table(std::move(mounts));
}

bool is_regular(disk& files, const std::string& name) {
    open_file_ptr opened;
    struct stat status{};
    const open_how how{.flags = O_PATH | O_NOFOLLOW, .mode = 0, .resolve = 0};
    return files.open(files.root(), name.c_str(), how, opened) == 0 &&
           files.status(opened, status) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

struct ferry_host::life {
    life(sim::host& machine, const ferry_settings& settings, const net::tls_identity& identity)
        : offload(machine),
          users(std::make_shared<const auth::accounts>(settings.users, settings.anonymous)),
          types(http::media_types::built_in()),
          counts{.connections_max = settings.connections_max,
                 .ftp_sessions_max = settings.ftp_sessions_max},
          files(std::make_unique<watched_tree>(open_served(settings), machine)) {
        files->close_on(offload);
        files->keep_parts(settings.parts_kept);
        files->count_for(homes, {});
        files->note_replacements(replacements);
        if (settings.has_access_log) {
            sim::open_file_ptr log;
            const open_how how{.flags = O_WRONLY | O_APPEND | O_CREAT, .mode = 0640, .resolve = 0};
            FERRY_ASSERT(machine.files().open(machine.files().root(), access_log_path, how, log) ==
                         0);
            access_log.reset(machine.install(std::move(log), O_WRONLY | O_APPEND));
        }
        parts.emplace(server::shared_parts{
            .files = *files,
            .users = users,
            .sessions = sessions,
            .logged_in = logged_in,
            .usages = usages,
            .failures = failures,
            .digests = known_digests,
            .homes = homes,
            .types = types,
            .http = settings.http,
            .uploads = settings.parts_kept > runtime::duration::zero() ? &uploads : nullptr,
            .rules = settings.sites,
            .tls = settings.has_tls ? make_tls(identity) : nullptr,
            .ftp = settings.ftp,
            .listings = settings.listings,
            .open_files = settings.open_files,
            .kept_listings = settings.kept_listings,
            .make_reactor = [this, &machine,
                             &settings](unsigned) -> result<std::unique_ptr<runtime::reactor>> {
                auto made = std::make_unique<sim::reactor>(machine, settings.reactor);
                reactors.push_back(made.get());
                return made;
            },
            .drain_timeout = settings.drain_timeout,
            .leftovers = vfs::leftover_kinds::all,
            .parts_kept = settings.parts_kept,
            .counts = counts,
            .access_log_fd = access_log.get(),
            .access_log_buffer_bytes = access_log_buffer_bytes});
    }

    /// As a process that has ended does.
    void close_files() noexcept {
        files.reset();
        access_log.reset();
    }

    sim::pool offload;
    std::shared_ptr<const auth::accounts> users;
    auth::session_counts sessions;
    ftp::session_list logged_in;
    auth::usage_table usages;
    vfs::digest_cache known_digests;
    auth::failed_logins failures{{.delay_max = failed_login_delay_max}};
    vfs::home_table homes;
    vfs::replacement_table replacements{{}};
    http::upload_turns uploads{{}};
    http::media_types types;
    server::connection_counts counts;
    std::unique_ptr<vfs::tree> files;
    unique_fd access_log;
    std::optional<server::shared_parts> parts;
    std::vector<sim::reactor*> reactors;  // Owned by the cores.
    std::vector<std::unique_ptr<server::core_server>> cores;
};

ferry_host::ferry_host(sim::world& in, ferry_settings settings)
    : settings_(std::move(settings)), machine_(in) {
    if (settings_.has_tls) {
        const sim::host::in_use here(machine_);
        identity_ = net::make_self_signed({"ferry.example"}, read_wall_clock().seconds).value();
    }
}

ferry_host::~ferry_host() {
    const sim::host::in_use here(machine_);
    lives_.clear();
}

net::endpoint ferry_host::http_address() {
    return at_port(http_port);
}

net::endpoint ferry_host::ftp_address() {
    return at_port(ftp_port);
}

net::endpoint ferry_host::https_address() {
    return at_port(https_port);
}

net::endpoint ferry_host::ftps_address() {
    return at_port(ftps_port);
}

void ferry_host::start() {
    FERRY_ASSERT(has_ended());
    const sim::host::in_use here(machine_);
    stop_sent_ = false;
    drain_sent_ = false;
    has_others_ = false;
    if (!lives_.empty()) {
        lives_.back()->close_files();
    }
    auto& born = *lives_.emplace_back(std::make_unique<life>(machine_, settings_, identity_));
    struct place {
        server::protocol speaks;
        bool is_secure;
        net::endpoint at;
    };
    std::vector<place> places{{server::protocol::http, false, http_address()},
                              {server::protocol::ftp, false, ftp_address()}};
    if (settings_.has_tls) {
        places.push_back({server::protocol::http, true, https_address()});
        places.push_back({server::protocol::ftp, true, ftps_address()});
    }
    std::vector<std::vector<unique_fd>> sockets;
    for (const auto& each : places) {
        sockets.push_back(listen_everywhere(each.at, settings_.cores));
    }
    for (std::size_t core = 0; core < settings_.cores; ++core) {
        std::vector<server::door> doors;
        for (std::size_t i = 0; i < places.size(); ++i) {
            doors.push_back({.speaks = places[i].speaks,
                             .is_secure = places[i].is_secure,
                             .socket = std::move(sockets[i][core])});
        }
        auto& made = born.cores.emplace_back(std::make_unique<server::core_server>(
            static_cast<unsigned>(core), *born.parts, std::move(doors)));
        FERRY_ASSERT(made->open().has_value());
        made->begin();
    }
    for (sim::reactor* each : born.reactors) {
        each->begin();
    }
}

void ferry_host::drain() noexcept {
    if (!lives_.empty() && !std::exchange(drain_sent_, true)) {
        for (auto& each : lives_.back()->cores) {
            each->drain();
        }
    }
}

void ferry_host::stop() noexcept {
    drain();  // As the first signal does.
    if (!lives_.empty() && !std::exchange(stop_sent_, true)) {
        for (auto& each : lives_.back()->cores) {
            each->stop();
        }
    }
}

bool ferry_host::has_ended() const noexcept {
    return lives_.empty() ||
           std::ranges::none_of(lives_.back()->reactors, &sim::reactor::is_running);
}

void ferry_host::crash(const sim::crash_weather& weather) {
    machine_.crash(weather);
    for (sim::reactor* each : lives_.back()->reactors) {
        each->lose_power();
    }
    stop();
}

std::vector<std::string> ferry_host::leftovers() {
    FERRY_ASSERT(has_ended());
    std::vector<std::string> found;
    std::size_t known = 0;
    if (!lives_.empty()) {
        life& last = *lives_.back();
        for (const sim::reactor* each : last.reactors) {
            if (each->count_flights() != 0) {
                found.push_back(fmt::format("{} operations in flight", each->count_flights()));
            }
            if (each->leases_kept() != 0) {
                found.push_back(
                    fmt::format("{} receive buffers kept over a wait", each->leases_kept()));
            }
            if (each->count_leases() != 0) {
                found.push_back(fmt::format("{} receive buffers lent", each->count_leases()));
            }
        }
        if (last.logged_in.look(0).all != 0) {
            found.push_back(fmt::format("{} listed sessions", last.logged_in.look(0).all));
        }
        if (last.sessions.size() != 0) {
            found.push_back(fmt::format("{} sessions of accounts", last.sessions.size()));
        }
        check_homes(last, found);
        if (last.offload.count_waiting() != 0) {
            found.push_back(fmt::format("{} jobs of the pool", last.offload.count_waiting()));
        }
        if (last.counts.connections != 0 || last.counts.ftp_sessions != 0) {
            found.push_back(fmt::format("{} connections counted, {} of them FTP's",
                                        last.counts.connections.load(),
                                        last.counts.ftp_sessions.load()));
        }
        // The tree's root, the mounts, the log.
        known = 1 + settings_.mounts.size() + (last.access_log ? 1U : 0U);
    }
    if (machine_.count_descriptors() != known) {
        found.push_back(
            fmt::format("{} descriptors open, {} expected", machine_.count_descriptors(), known));
    }
    return found;
}

/// What is counted in homes is what is in them, where that can be known (threats.md, V13).
void ferry_host::check_homes(life& last, std::vector<std::string>& found) {
    disk& files = machine_.files();
    for (const auto& home : last.homes.all()) {
        const auto use = last.homes.use_of(*home);
        if (use.under_way != vfs::amount{}) {
            found.push_back(fmt::format("{} octets and {} files set aside in {}",
                                        use.under_way.octets, use.under_way.files,
                                        home->at().text()));
        }
        if (!use.is_exact || has_others_) {
            continue;
        }
        const auto above =
            std::string(served_directory) + home->at().text() + (home->at().is_root() ? "" : "/");
        vfs::amount truth;
        for (const auto& name : files.names()) {
            std::string octets;
            const bool counts = name.starts_with(above) && name.size() > above.size() &&
                                !name.contains("/.ferry-upload-");
            truth.files += counts ? 1 : 0;
            truth.octets += counts && is_regular(files, name) && files.content(name, octets)
                                ? octets.size()
                                : 0;
        }
        if (truth != use.used) {
            found.push_back(fmt::format("{} has {} octets in {} files, counted are {} in {}",
                                        home->at().text(), truth.octets, truth.files,
                                        use.used.octets, use.used.files));
        }
        ++homes_checked_;
    }
}

std::size_t ferry_host::connections() const noexcept {
    return lives_.empty() ? 0 : lives_.back()->counts.connections.load();
}

std::size_t ferry_host::ftp_sessions() const noexcept {
    return lives_.empty() ? 0 : lives_.back()->counts.ftp_sessions.load();
}

bool ferry_host::has_failed_logins() const {
    return !lives_.empty() && lives_.back()->failures.size() != 0;
}

std::uint64_t ferry_host::operations() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : lives_) {
        for (const sim::reactor* reactor : each->reactors) {
            sum += reactor->counters().submitted;
        }
    }
    return sum;
}

std::uint64_t ferry_host::submitted_per_turn_max() const noexcept {
    std::uint64_t most = 0;
    for (const auto& each : lives_) {
        for (const sim::reactor* reactor : each->reactors) {
            most = std::max(most, reactor->submitted_per_turn_max());
        }
    }
    return most;
}

std::uint64_t ferry_host::closed_under_operations() const noexcept {
    std::uint64_t sum = 0;
    for (const auto& each : lives_) {
        for (const sim::reactor* reactor : each->reactors) {
            sum += reactor->closed_under_operations();
        }
    }
    return sum;
}

}  // namespace ferry::sim::test
