#include "server/start_up.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <expected>
#include <iterator>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/http/host_names.hpp"
#include "ferry/net/kernel_tls.hpp"
#include "ferry/net/listener.hpp"
#include "ferry/runtime/epoll.hpp"
#include "ferry/vfs/mount_table.hpp"
#include "server/access_log.hpp"
#include "server/admin_server.hpp"
#include "server/confinement.hpp"
#include "server/directory_of.hpp"
#include "server/file_calls.hpp"
#include "server/flag_values.hpp"
#include "server/flags.hpp"
#include "server/rules_file.hpp"
#include "server/silent_peers.hpp"
#include "server/tls_sealer.hpp"
#include "server/user_accounts.hpp"

namespace ferry::server {
namespace {

// Descriptors that are neither connections nor their files: logs, the root, what libraries open.
constexpr std::size_t descriptors_reserved = 64;
// Of the admin server: its reactor and its connections.
constexpr std::size_t descriptors_of_admin = 2 + admin_connections_max;
// Of each core: its ring, what wakes it, its two of inotify; its listening sockets come on top.
constexpr std::size_t descriptors_of_core = 4;

std::string no_such_congestion(const std::string& name) {
    return fmt::format(
        "--tcp-congestion: \"{}\" is not in this kernel "
        "(sysctl net.ipv4.tcp_available_congestion_control lists them)",
        name);
}

std::string cannot_listen(std::string_view scheme, const net::endpoint& at, const error& refused,
                          const std::string& congestion) {
    const auto what = fmt::format("cannot listen on {}://{}", scheme, net::format_endpoint(at));
    switch (refused.code) {
        case errc::in_use:
            return fmt::format(
                "{}: the port is in use: another server, or another ferry, has it "
                "(ss -ltnp shows which)",
                what);
        case errc::denied:
            if (at.port == 0 || at.port >= 1'024) {  // Few systems have others that are privileged.
                return fmt::format(
                    "{}: permission denied: the port, or --tcp-congestion \"{}\", takes a "
                    "privilege",
                    what, congestion);
            }
            return fmt::format(
                "{}: permission denied: ports below 1024 need root or "
                "CAP_NET_BIND_SERVICE",
                what);
        case errc::unavailable:
            return fmt::format("{}: no interface here has this address", what);
        case errc::not_found:
            return fmt::format("{}: {}", what, no_such_congestion(congestion));
        default:
            return fmt::format(
                "{}: {}", what,
                refused.os_errno != 0 ? std::strerror(refused.os_errno) : describe(refused.code));
    }
}

/// Gives each core a socket: those that a manager gave are shared by as many as there are cores.
/// False: no descriptor is left.
bool duplicate_for_all(listening& made, std::size_t cores) {
    for (std::size_t core = made.sockets.size(); core < cores; ++core) {
        unique_fd another(
            ::fcntl(made.sockets[core % made.sockets.size()].get(), F_DUPFD_CLOEXEC, 0));
        if (!another) {
            return false;
        }
        made.sockets.push_back(std::move(another));
    }
    return true;
}

/// Takes the sockets over that an endpoint has already, all of them, whatever the number of cores:
/// somebody may have connected to each.
void take_over(listening& made, std::vector<handed_socket> handed) {
    made.is_given = handed.front().is_given;
    made.at = handed.front().at;
    for (auto& each : handed) {
        made.sockets.push_back(std::move(each.socket));
    }
}

/// Opens one endpoint on every core. SO_REUSEPORT would let two servers share a port by mistake, so
/// an exclusive socket asks for it first.
std::expected<listening, std::string> listen_everywhere(const config& settings, listening made,
                                                        std::size_t cores,
                                                        std::vector<handed_socket> handed) {
    const auto at = made.at;
    const auto refused = [&](const error& why) {
        return std::unexpected(cannot_listen(scheme_of(made.speaks, made.is_secure), at, why,
                                             settings.tcp_congestion));
    };
    if (!handed.empty()) {
        take_over(made, std::move(handed));
        for (const auto& each : made.sockets) {
            if (const auto set = net::set_up_listener(each.get(), settings.tcp_congestion); !set) {
                return refused(set.error());
            }
        }
        if (made.is_given && !duplicate_for_all(made, cores)) {
            return refused(failure_from_errno(errno).error());
        }
    } else if (at.port != 0) {
        const auto exclusive =
            net::open_listener({.at = at, .congestion = settings.tcp_congestion});
        if (!exclusive) {
            return refused(exclusive.error());
        }
    }
    for (std::size_t core = made.sockets.size(); core < cores; ++core) {
        auto socket = net::open_listener(
            {.at = made.at, .share_port = true, .congestion = settings.tcp_congestion});
        if (!socket) {
            return refused(socket.error());
        }
        if (core == 0) {
            const auto bound = net::local_endpoint(socket->get());
            if (!bound) {
                return refused(bound.error());
            }
            made.at.port = bound->port;
        }
        made.sockets.push_back(std::move(*socket));
    }
    return made;
}

/// The same for a socket of the file system. There is no SO_REUSEPORT for these: all cores accept
/// from one, and whoever is awake takes the connection.
std::expected<listening, std::string> listen_locally_everywhere(const local_door& door,
                                                                std::size_t cores,
                                                                std::vector<handed_socket> handed,
                                                                std::vector<local_name>& names) {
    listening made{.speaks = protocol::http,
                   .is_secure = false,
                   .at = {.family = net::address_family::local},
                   .path = door.path,
                   .sockets = {}};
    if (!handed.empty()) {
        take_over(made, std::move(handed));
        if (auto name = name_of_listening(door.path); name && !made.is_given) {
            names.push_back(std::move(*name));
        }
    } else {
        auto first = listen_locally(door, net::listen_options().backlog);
        if (!first) {
            return std::unexpected(std::move(first.error()));
        }
        names.push_back(std::move(first->name));
        made.sockets.push_back(std::move(first->socket));
    }
    if (!duplicate_for_all(made, cores)) {
        return std::unexpected(
            fmt::format("no descriptor for {}: {}", in_quotes(door.path), std::strerror(errno)));
    }
    return made;
}

/// Half of the descriptors for connections, half for the files they read: a connection that was
/// accepted can always open its file (threats.md, H6). Of those a quarter at most for files that
/// stay open unasked, and an eighth for the homes of those who have logged in over HTTP.
void fit_descriptors(const config& settings, std::size_t cores, prepared& ready) {
    rlimit limit{};
    ready.connections_max = settings.connections_max;
    ready.file_cache_entries = settings.file_cache_entries;
    ready.logins_kept = http::options().logins_kept_max;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    // Refused only where it would not help: the present limit is then what counts.
    static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    static_cast<void>(::getrlimit(RLIMIT_NOFILE, &limit));
    const std::size_t descriptors = limit.rlim_cur;
    const auto admin_doors = settings.admin.size() + settings.admin_local.size();
    const std::size_t reserved =
        descriptors_reserved + settings.mounts.size() +
        (admin_doors == 0 ? 0 : 2 * admin_doors + descriptors_of_admin) +
        cores * (descriptors_of_core +
                 // Twice: a successor is handed them.
                 2 * (settings.http.size() + settings.http_local.size() + settings.ftp.size() +
                      settings.https.size() + settings.ftps.size()));
    const std::size_t room = descriptors > reserved + 2 ? (descriptors - reserved) / 2 : 1;
    // A default that does not fit is fitted in silence; a wish that cannot be met is not.
    if (room < settings.connections_max && settings.connections_max != config{}.connections_max) {
        ready.warnings.push_back(
            fmt::format("--connections-max is {}, serving at most {}: the limit of {} open files "
                        "(ulimit -n) holds no more",
                        settings.connections_max, room, descriptors));
    }
    ready.connections_max = std::min(room, settings.connections_max);
    ready.file_cache_entries = std::min(room / 4 / cores, settings.file_cache_entries);
    ready.logins_kept = std::min(room / 8 / cores, ready.logins_kept);
}

/// What `--pin` names and this process may not use, as a message; empty when all are there.
std::string missing_cpu(const pinning& pin) {
    if (pin.mode != pin_mode::list) {
        return {};
    }
    const auto usable = usable_cpus();
    for (const auto cpu : pin.cpus) {
        if (std::ranges::find(usable, cpu) == usable.end()) {
            return fmt::format(
                "--pin: CPU {} is not one of the {} this process may use (taskset -p "
                "shows them)",
                cpu, usable.size());
        }
    }
    return {};
}

/// How long whoever takes nothing is borne with, and some more: it is not for TCP to end that
/// first.
std::chrono::milliseconds patience_of(const config& settings, protocol speaks) noexcept {
    constexpr std::chrono::seconds more{30};
    return more +
           (speaks == protocol::http ? settings.send_timeout : settings.ftp_transfer_stall_timeout);
}

constexpr int log_file_flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
constexpr mode_t log_file_mode = 0640;

std::string cannot_open_log(const std::string& file) {
    return fmt::format("cannot open the access log \"{}\": {}", file, std::strerror(errno));
}

/// Opens where the access log goes. Returns what was refused, or nothing.
std::string open_access_log(const config& settings, prepared& ready) {
    if (settings.access_log.kind == access_log_kind::standard_output) {
        ready.access_log_fd = STDOUT_FILENO;
        struct stat status{};
        if (::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode)) {
            // Cores that write where the file stands would write over each other.
            static_cast<void>(
                ::fcntl(STDOUT_FILENO, F_SETFL, ::fcntl(STDOUT_FILENO, F_GETFL) | O_APPEND));
        }
    } else if (settings.access_log.kind == access_log_kind::file) {
        ready.access_log.reset(
            ::open(settings.access_log.file.c_str(), log_file_flags, log_file_mode));
        if (!ready.access_log) {
            return cannot_open_log(settings.access_log.file);
        }
        ready.access_log_fd = ready.access_log.get();
    }
    return {};
}

using opened_tree = std::expected<std::unique_ptr<vfs::tree>, std::string>;

opened_tree open_directory(const std::string& directory, const vfs::tree_options& options) {
    auto files = vfs::open_local_tree(directory.c_str(), options);
    if (!files) {
        return std::unexpected(files.error().os_errno != 0
                                   ? std::strerror(files.error().os_errno)
                                   : std::string(describe(files.error().code)));
    }
    if (auto why = why_no_files(directory.c_str()); !why.empty()) {
        return std::unexpected(std::move(why));
    }
    return std::move(*files);
}

/// Opens every directory that is served, and makes one tree of them.
opened_tree open_files(const config& settings) {
    std::vector<vfs::mount> mounts;
    if (!settings.root.empty()) {
        auto files = open_directory(settings.root, {});
        if (!files) {
            return std::unexpected(
                fmt::format("cannot serve {}: {}", in_quotes(settings.root), files.error()));
        }
        if (settings.mounts.empty()) {
            return files;
        }
        mounts.push_back({.at = {}, .files = std::move(*files)});
    }
    for (const auto& each : settings.mounts) {
        auto files = open_directory(each.directory, each.options);
        const auto at = vfs::path::parse(each.path);
        FERRY_ASSERT(at.has_value());  // As `config` promises.
        if (!files) {
            return std::unexpected(fmt::format("cannot serve {} as {}: {}",
                                               in_quotes(each.directory), in_quotes(each.path),
                                               files.error()));
        }
        if (settings.mounts.size() == 1 && at->is_root()) {
            return files;
        }
        mounts.push_back({.at = *at, .files = std::move(*files), .names = each.options.names});
    }
    return vfs::make_mount_table(std::move(mounts));
}

bool has_ftp(const config& settings) noexcept {
    return !settings.ftp.empty() || !settings.ftps.empty();
}

/// What SIGHUP reads.
std::vector<std::string> files_read_anew(const config& settings) {
    std::vector<std::string> all = settings.tls_certs;
    all.insert(all.end(), settings.tls_keys.begin(), settings.tls_keys.end());
    all.insert(all.end(), settings.tls_ocsp.begin(), settings.tls_ocsp.end());
    all.insert(all.end(), {settings.tls_ticket_keys, settings.tls_client_ca, settings.users_file,
                           settings.rules_file});
    std::erase_if(all, [](const std::string& each) { return each.empty(); });
    return all;
}

/// Those of them that this process may not read.
std::vector<std::string> unreadable_files(const config& settings) {
    auto all = files_read_anew(settings);
    std::erase_if(all, [](const std::string& each) {
        return ::faccessat(AT_FDCWD, each.c_str(), R_OK, AT_EACCESS) == 0;
    });
    return all;
}

/// Where the access log cannot be opened anew; empty if it can, or there is none.
std::string closed_log_directory(const config& settings) {
    if (settings.access_log.kind != access_log_kind::file) {
        return {};
    }
    const auto directory = directory_of(settings.access_log.file);
    const bool is_open = ::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
    return is_open ? std::string() : directory;
}

/// What root has made in this process and `who` is to open, write and remove from now on.
void hand_over(const system_account& who, const prepared& ready) noexcept {
    // Where that is refused, as in a file system without owners, a warning tells what is missing.
    if (ready.access_log && is_file(ready.access_log.get())) {
        static_cast<void>(::fchown(ready.access_log.get(), who.user, who.group));
    }
    for (const auto& each : ready.local_names) {
        each.give_to(who.user, who.group);
    }
}

/// Why the access log could not be opened; empty: it can be, or there is none. Makes nothing.
std::string why_no_access_log(const config& settings) {
    if (settings.access_log.kind != access_log_kind::file) {
        return {};
    }
    const auto& file = settings.access_log.file;
    const bool is_there = ::faccessat(AT_FDCWD, file.c_str(), F_OK, AT_EACCESS) == 0;
    const auto place = is_there ? file : directory_of(file);
    const int wanted = is_there ? W_OK : W_OK | X_OK;
    return ::faccessat(AT_FDCWD, place.c_str(), wanted, AT_EACCESS) == 0 ? std::string()
                                                                         : cannot_open_log(file);
}

/// The same of the sockets of the file system.
std::string why_no_local_door(const config& settings) {
    for (const auto* doors : {&settings.http_local, &settings.admin_local}) {
        for (const auto& each : *doors) {
            const auto directory = directory_of(each.path);
            if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
                return fmt::format("cannot listen on http://unix:{}: {}", in_quotes(each.path),
                                   std::strerror(errno));
            }
        }
    }
    return {};
}

/// The same of what listens, as far as it can be told without a port.
std::string why_no_listener(const config& settings) {
    const unique_fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) {
        return {};  // IPv6 alone: it shows at the start.
    }
    const auto set = net::set_up_listener(socket.get(), settings.tcp_congestion);
    return set || set.error() == errc::denied ? std::string()  // To be tried with a port.
                                              : no_such_congestion(settings.tcp_congestion);
}

/// What rules name and is not there. The server itself says so when it serves, too.
void look_for_files_of(const config& settings, prepared& ready) {
    if (!ready.rules) {
        return;
    }
    for (const auto& each : http::files_of(*ready.rules)) {
        const auto place = place_on_host(settings, each.name.text());
        if (!place) {
            continue;
        }
        struct stat status{};
        const bool is_there = ::stat(place->c_str(), &status) == 0;
        if (!is_there || S_ISDIR(status.st_mode) != each.name.wants_directory()) {
            ready.warnings.push_back(
                fmt::format("rules: {}: {}: {}", each.what, in_quotes(each.name.text()),
                            is_there ? "of another kind" : std::strerror(errno)));
        }
    }
}

/// What would be refused later, of what a check does not do.
std::string why_no_start(const config& settings) {
    for (const auto& why :
         {why_no_access_log(settings), why_no_local_door(settings), why_no_listener(settings)}) {
        if (!why.empty()) {
            return why;
        }
    }
    return {};
}

bool is_seen_from_outside(const config& settings) {
    const auto is_outside = [](const net::endpoint& at) { return !net::is_loopback(at); };
    return std::ranges::any_of(settings.http, is_outside) ||
           std::ranges::any_of(settings.https, is_outside) ||
           std::ranges::any_of(settings.ftp, is_outside) ||
           std::ranges::any_of(settings.ftps, is_outside);
}

/// Tells of directories that accounts may upload into and this user may not write in.
void warn_of_closed_directories(const config& settings, prepared& ready) {
    if (!ready.users->may_anywhere(auth::right::create)) {
        return;
    }
    const auto look_at = [&ready](const std::string& directory) {
        if (::faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) {
            ready.warnings.push_back(
                fmt::format("accounts may upload, but ferry itself may not write in {}: {}",
                            in_quotes(directory), std::strerror(errno)));
        }
    };
    if (!settings.root.empty()) {
        look_at(settings.root);
    }
    for (const auto& each : settings.mounts) {
        if (!each.options.is_read_only) {
            look_at(each.directory);
        }
    }
}

/// What a process needs that serves as `settings` say.
reach reach_of(const config& settings, const prepared& ready) {
    reach needed;
    needed.files_read = files_read_anew(settings);
    needed.connects = has_ftp(settings);
    if (!settings.root.empty()) {
        needed.trees.push_back(settings.root);
    }
    for (const auto& each : settings.mounts) {
        auto& trees = each.options.is_read_only ? needed.read_only_trees : needed.trees;
        trees.push_back(each.directory);
        needed.has_paths_elsewhere =
            needed.has_paths_elsewhere || each.options.links == vfs::link_policy::trusted;
    }
    // What is no regular file is not opened anew.
    if (ready.access_log && is_file(ready.access_log.get())) {
        needed.files_made.push_back(settings.access_log.file);
    }
    for (const auto* doors : {&settings.http_local, &settings.admin_local}) {
        for (const auto& each : *doors) {
            needed.files_removed.push_back(each.path);
        }
    }
    needed.files_removed.insert(needed.files_removed.end(), ready.paths_left.begin(),
                                ready.paths_left.end());
    return needed;
}

/// The first directory that is to be served and that this process may not read; empty if there is
/// none.
std::string unreadable_directory(const config& settings) {
    const auto is_closed = [](const std::string& directory) {
        return ::faccessat(AT_FDCWD, directory.c_str(), R_OK | X_OK, AT_EACCESS) != 0;
    };
    if (!settings.root.empty() && is_closed(settings.root)) {
        return settings.root;
    }
    const auto found =
        std::ranges::find_if(settings.mounts, is_closed, &mounted_directory::directory);
    return found != settings.mounts.end() ? found->directory : std::string();
}

/// Opens where the admin server listens. Returns what was refused, or nothing.
std::string listen_for_admin(const config& settings, prepared& ready, handed_sockets& handed) {
    constexpr std::size_t cores = 1;  // It has a thread of its own.
    for (const auto& at : settings.admin) {
        auto opened = listen_everywhere(settings, {.at = at, .path = {}, .sockets = {}}, cores,
                                        handed.take(admin_scheme, at, settings.admin));
        if (!opened) {
            return fmt::format("--admin: {}", opened.error());
        }
        ready.admin.push_back(std::move(*opened));
    }
    for (const auto& door : settings.admin_local) {
        auto opened = listen_locally_everywhere(door, cores, handed.take(admin_scheme, door),
                                                ready.local_names);
        if (!opened) {
            return fmt::format("--admin: {}", opened.error());
        }
        ready.admin.push_back(std::move(*opened));
    }
    return {};
}

/// Says which admin addresses are open to more than this machine.
void warn_of_open_admin(const config& settings, std::vector<std::string>& warnings) {
    for (const auto& at : settings.admin) {
        if (!net::is_loopback(at)) {
            warnings.push_back(
                fmt::format("--admin {}: whoever reaches that address sees names of files and "
                            "users: no password protects it",
                            net::format_endpoint(at)));
        }
    }
}

// The kernel's own limit; with the most submissions there may be it is still four times as many
// (R1).
constexpr unsigned completion_entries_max = 65'536;

runtime::uring_options ring_sizes(const config& settings) noexcept {
    const auto entries = static_cast<unsigned>(settings.ring_entries);
    return {.submission_entries = entries,
            .completion_entries = std::min(entries * 16, completion_entries_max),
            .receive_buffers = static_cast<unsigned>(settings.receive_buffers)};
}

}  // namespace

std::string_view scheme_of(protocol speaks, bool is_secure) noexcept {
    if (speaks == protocol::http) {
        return is_secure ? "https" : "http";
    }
    return is_secure ? "ftps" : "ftp";
}

std::expected<unique_fd, std::string> reopen_log_file(const std::string& name) {
    // Nobody may read from what is a pipe now.
    unique_fd opened(::open(name.c_str(), log_file_flags | O_NONBLOCK, log_file_mode));
    if (!opened) {
        return std::unexpected(fmt::format("\"{}\": {}", name, std::strerror(errno)));
    }
    struct stat status{};
    if (::fstat(opened.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return std::unexpected(fmt::format("\"{}\" is no regular file", name));
    }
    if (::fcntl(opened.get(), F_SETFL, O_APPEND) != 0) {
        return std::unexpected(fmt::format("\"{}\": {}", name, std::strerror(errno)));
    }
    return opened;
}

result<std::unique_ptr<runtime::reactor>> make_reactor(const config& settings, prepared& ready,
                                                       unsigned core,
                                                       runtime::offload_pool& offload) {
    switch (ready.io.uses) {
        case io_backend::uring:
            return runtime::make_uring_reactor(std::move(ready.rings[core]), offload);
        case io_backend::epoll:
            return runtime::make_epoll_reactor(
                {.receive_buffers = static_cast<unsigned>(settings.receive_buffers)}, offload);
    }
    return failure(errc::unsupported);
}

std::vector<std::size_t> usable_cpus() {
    std::vector<std::size_t> cpus;
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (::sched_getaffinity(0, sizeof usable, &usable) == 0) {
        for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &usable)) {
                cpus.push_back(cpu);
            }
        }
    }
    return cpus;
}

std::size_t count_cores(const config& settings) {
    if (settings.cores != 0) {
        return settings.cores;
    }
    return std::max<std::size_t>(usable_cpus().size(), 1);
}

std::expected<void, std::string> give_up_privileges(const config& settings, prepared& ready) {
    give_up_new_privileges();
    if (!ready.runs_as && ::geteuid() == 0 && is_seen_from_outside(settings)) {
        ready.warnings.emplace_back(
            "it serves as root: --run-as USER gives that up once the ports are open");
    }
    if (ready.runs_as) {
        if (!settings.check) {
            hand_over(*ready.runs_as, ready);
        }
        if (auto done = become(*ready.runs_as, has_ftp(settings)); !done) {
            return std::unexpected(fmt::format("--run-as: {}", done.error()));
        }
        if (const auto closed = unreadable_directory(settings); !closed.empty()) {
            return std::unexpected(fmt::format("--run-as {}: cannot serve {}: {}", settings.run_as,
                                               in_quotes(closed), std::strerror(errno)));
        }
        for (const auto& each : unreadable_files(settings)) {
            ready.warnings.push_back(fmt::format(
                "--run-as {}: {} stays as it is now: that user cannot read it at SIGHUP",
                settings.run_as, in_quotes(each)));
        }
        if (const auto log = closed_log_directory(settings); !log.empty()) {
            ready.warnings.push_back(fmt::format(
                "--run-as {}: the access log cannot be opened anew at SIGUSR1: that user cannot "
                "write in {}",
                settings.run_as, in_quotes(log)));
        }
    }
    if (settings.check) {
        look_for_files_of(settings, ready);  // As who reads them.
    }
    warn_of_closed_directories(settings, ready);
    const bool tells_nothing = settings.check && settings.confine != confinement::required;
    if (settings.confine == confinement::off || tells_nothing) {
        return {};
    }
    give_up_foreign_rights();
    const auto lacking = confine(reach_of(settings, ready));
    if (settings.confine == confinement::required && !lacking.empty()) {
        return std::unexpected(fmt::format("--confine require: {}", fmt::join(lacking, "; ")));
    }
    ready.warnings.insert(ready.warnings.end(), lacking.begin(), lacking.end());
    return {};
}

std::expected<prepared, std::string> prepare(const config& settings, std::size_t cores,
                                             handed_sockets& handed) {
    prepared ready;
    ready.warnings = settings.warnings;
    std::ranges::move(idle_flags(settings), std::back_inserter(ready.warnings));
    auto shown = resolve_public_addresses(settings.public_addresses);
    if (!shown) {
        return std::unexpected(std::move(shown.error()));
    }
    ready.public_addresses = std::move(*shown);
    if (!settings.run_as.empty()) {
        auto found = find_system_account(settings.run_as);
        if (!found) {
            return std::unexpected(fmt::format("--run-as: {}", found.error()));
        }
        if (auto may = may_become(*found); !may) {
            return std::unexpected(fmt::format("--run-as: {}", may.error()));
        }
        ready.runs_as = std::move(*found);
    }
    auto files = open_files(settings);
    if (!files) {
        return std::unexpected(std::move(files.error()));
    }
    ready.files = std::move(*files);
    if (auto missing = missing_cpu(settings.pin); !missing.empty()) {
        return std::unexpected(std::move(missing));
    }
    auto accounts = load_accounts(settings);
    if (!accounts) {
        return std::unexpected(std::move(accounts.error()));
    }
    ready.users = std::move(accounts->users);
    std::ranges::move(accounts->warnings, std::back_inserter(ready.warnings));
    auto rules = load_rules(settings);
    if (!rules) {
        return std::unexpected(std::move(rules.error()));
    }
    ready.rules = std::move(*rules);
    if (settings.ftp_refuse_no_host && settings.rules_file.empty()) {
        return std::unexpected(
            "--ftp-without-host refuse: without --rules there is no host that could be named");
    }
    if (wants_tls(settings)) {
        auto sealer = choose_sealer(settings.tls_kernel, net::why_no_kernel_tls());
        if (!sealer) {
            return std::unexpected(std::move(sealer.error()));
        }
        ready.sealer_notice = std::move(sealer->notice);
        ready.tls_files = std::make_unique<tls_loader>(settings, sealer->is_kernel);
        auto tls = ready.tls_files->load();
        if (!tls) {
            return std::unexpected(std::move(tls.error()));
        }
        ready.tls = std::move(tls->server);
        std::ranges::move(tls->warnings, std::back_inserter(ready.warnings));
        if (settings.check) {
            for (const auto& each : ready.tls_files->would_make()) {
                ready.warnings.push_back(
                    fmt::format("--tls-cert: {} is not there: --tls-self-signed makes it at the "
                                "start",
                                in_quotes(each)));
            }
        }
    }
    fit_descriptors(settings, cores, ready);
    warn_of_open_admin(settings, ready.warnings);
    std::string why_no_uring;
    if (settings.io != io_wish::epoll) {
        auto granted = runtime::grant_urings(ring_sizes(settings), cores);
        if (granted) {
            ready.rings = std::move(*granted);
        } else {
            why_no_uring = std::move(granted.error());
        }
    }
    auto io = choose_io(settings.io, why_no_uring);
    if (!io) {
        return std::unexpected(std::move(io.error()));
    }
    ready.io = std::move(*io);
    if (settings.check) {
        if (auto refused = why_no_start(settings); !refused.empty()) {
            return std::unexpected(std::move(refused));
        }
        return ready;  // A check leaves no trace and does not mind a server that runs already.
    }
    if (auto refused = open_access_log(settings, ready); !refused.empty()) {
        return std::unexpected(std::move(refused));
    }
    struct kind {
        protocol speaks;
        bool is_secure;
        const std::vector<net::endpoint>& endpoints;
    };
    for (const auto& each :
         {kind{protocol::http, false, settings.http}, kind{protocol::http, true, settings.https},
          kind{protocol::ftp, false, settings.ftp}, kind{protocol::ftp, true, settings.ftps}}) {
        for (const auto& at : each.endpoints) {
            auto opened = listen_everywhere(
                settings,
                {.speaks = each.speaks,
                 .is_secure = each.is_secure,
                 .at = at,
                 .path = {},
                 .sockets = {}},
                cores, handed.take(scheme_of(each.speaks, each.is_secure), at, each.endpoints));
            if (!opened) {
                return std::unexpected(std::move(opened.error()));
            }
            for (const auto& socket : opened->sockets) {
                end_silent_peers(socket.get(), patience_of(settings, each.speaks));
            }
            ready.listeners.push_back(std::move(*opened));
        }
    }
    for (const auto& door : settings.http_local) {
        auto opened = listen_locally_everywhere(
            door, cores, handed.take(scheme_of(protocol::http, false), door), ready.local_names);
        if (!opened) {
            return std::unexpected(std::move(opened.error()));
        }
        ready.listeners.push_back(std::move(*opened));
    }
    if (auto refused = listen_for_admin(settings, ready, handed); !refused.empty()) {
        return std::unexpected(std::move(refused));
    }
    ready.paths_left = handed.paths_left();
    if (!ready.admin.empty()) {
        ready.system = process_files::open();
    }
    return ready;
}

}  // namespace ferry::server
