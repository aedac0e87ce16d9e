// ferry-ftp-load: puts an FTP server under load (tools/ferry-ftp-load --help). As many threads as
// asked for, each a core of ferry's runtime with its part of the connections; what they found is
// put together when all have ended.

#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <expected>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "ferry/base/log.hpp"
#include "ferry/base/random.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "options.hpp"
#include "report.hpp"
#include "worker.hpp"

namespace ferry::ftp_load {
namespace {

constexpr int progress_interval_ms = 500;
constexpr std::size_t content_bytes_max = 1024 * 1024;
constexpr std::size_t line_bytes = 64;  ///< Of a line of text, CR LF included.

int give_up(const std::string& why) {
    std::fputs(fmt::format("ferry-ftp-load: {}\n", why).c_str(), stderr);
    return 1;
}

/// The first address of `where`, from the resolver. Blocking.
std::expected<net::endpoint, std::string> resolve(const target& where) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int refused =
        ::getaddrinfo(where.host.c_str(), fmt::format("{}", where.port).c_str(), &hints, &found);
    if (refused != 0) {
        return std::unexpected(fmt::format("{}: {}", where.host, ::gai_strerror(refused)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
    const auto made = net::from_sockaddr(all->ai_addr, all->ai_addrlen);
    if (!made) {
        return std::unexpected(fmt::format("{}: no address of IPv4 or IPv6", where.host));
    }
    return *made;
}

std::vector<std::byte> make_content(const load_options& options) {
    std::vector<std::byte> made(std::min<std::uint64_t>(options.upload_bytes, content_bytes_max));
    ferry::random rng(seed_from_kernel());
    for (std::size_t i = 0; i < made.size(); ++i) {
        const auto column = i % line_bytes;
        if (!options.is_ascii) {
            made[i] = static_cast<std::byte>(rng.next());
        } else if (column < line_bytes - 2) {
            made[i] = static_cast<std::byte>('a' + rng.below(26));
        } else {
            made[i] = static_cast<std::byte>(column == line_bytes - 2 ? '\r' : '\n');
        }
    }
    return made;
}

std::size_t usable_cpus() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    const bool is_known = ::sched_getaffinity(0, sizeof usable, &usable) == 0;
    return is_known ? static_cast<std::size_t>(std::max(CPU_COUNT(&usable), 1)) : 1;
}

/// As many descriptors as the system lets us have: two a connection are needed.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        // Refused only where it would not help; then connections say what is missing.
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    }
}

/// The threads of a run: started together, joined before it ends.
class load {
  public:
    load(const load_plan& plan, std::vector<runtime::uring_grant> rings)
        : opened_(static_cast<std::ptrdiff_t>(plan.threads)), ended_fd_(::eventfd(0, EFD_CLOEXEC)) {
        const bool has_rings = !rings.empty();
        for (std::size_t i = 0; i < plan.threads; ++i) {
            workers_.push_back(std::make_unique<worker>(
                i, plan,
                has_rings ? std::optional<runtime::uring_grant>(std::move(rings[i])) : std::nullopt,
                offload_, is_anybody_in_));
            failures_.emplace_back();
        }
        for (std::size_t i = 0; i < plan.threads; ++i) {
            threads_.emplace_back([this, i] { work(i); });
        }
        opened_.wait();
    }
    load(const load&) = delete;
    load& operator=(const load&) = delete;
    ~load() { join(); }

    [[nodiscard]] std::string failure() const {
        const auto at =
            std::ranges::find_if(failures_, [](const auto& each) { return !each.empty(); });
        return at == failures_.end() ? std::string() : *at;
    }
    /// Lets the threads work, or end at once.
    void go(bool working) noexcept {
        working_ = working;
        go_.count_down();
    }
    void stop() noexcept {
        if (working_) {  // Else they have ended, and one may have no reactor.
            for (auto& each : workers_) {
                each->ask_to_stop();
            }
        }
    }
    void join() noexcept {
        for (auto& each : threads_) {
            if (each.joinable()) {
                each.join();
            }
        }
    }
    [[nodiscard]] int ended_fd() const noexcept { return ended_fd_.get(); }
    [[nodiscard]] const std::vector<std::unique_ptr<worker>>& workers() const noexcept {
        return workers_;
    }

  private:
    void work(std::size_t which) {
        if (const auto opened = workers_[which]->open(); !opened) {
            failures_[which] =
                fmt::format("thread {} cannot be set up: {}", which, describe(opened.error().code));
        }
        opened_.count_down();
        go_.wait();
        if (working_) {
            workers_[which]->run();
        }
        if (ended_.fetch_add(1) + 1 == workers_.size()) {
            const std::uint64_t one = 1;
            // An eventfd at 0 takes a 1.
            static_cast<void>(::write(ended_fd_.get(), &one, sizeof one));
        }
        stopped_.wait();  // A message that comes late needs a reactor to come to.
    }

  public:
    /// No `stop` comes any more: the threads may end.
    void release() noexcept { stopped_.count_down(); }

  private:
    runtime::offload_pool offload_{runtime::offload_pool::threads_min};
    std::atomic<bool> is_anybody_in_{false};
    std::vector<std::unique_ptr<worker>> workers_;
    std::vector<std::string> failures_;
    std::latch opened_;
    std::latch go_{1};
    std::latch stopped_{1};
    bool working_ = false;
    std::atomic<std::size_t> ended_{0};
    unique_fd ended_fd_;
    std::vector<std::thread> threads_;
};

/// One line that is written over and over, on a terminal only.
class progress_line {
  public:
    progress_line() noexcept : is_shown_(::isatty(STDERR_FILENO) == 1) {}
    ~progress_line() {
        if (is_shown_) {
            std::fputs("\r\033[K", stderr);
        }
    }
    void show(const load& running, double seconds) {
        if (!is_shown_) {
            return;
        }
        std::uint64_t operations = 0;
        std::uint64_t failed = 0;
        std::uint64_t octets = 0;
        for (const auto& each : running.workers()) {
            const auto& now = each->so_far();
            operations += now.operations.load(std::memory_order_relaxed);
            failed += now.failed.load(std::memory_order_relaxed);
            octets += now.octets.load(std::memory_order_relaxed);
        }
        std::fputs(
            fmt::format("\r\033[K{:.0f}s: {} done, {:.0f}/s, {} failed, {} MiB", seconds,
                        operations, static_cast<double>(operations) / seconds, failed, octets >> 20)
                .c_str(),
            stderr);
    }

  private:
    bool is_shown_;
};

/// Waits until all threads have ended. Returns whether a signal had to make them.
bool supervise(load& running, int signals) {
    progress_line line;
    bool interrupted = false;
    for (int turns = 1;; ++turns) {
        pollfd waited[2] = {{.fd = signals, .events = POLLIN, .revents = 0},
                            {.fd = running.ended_fd(), .events = POLLIN, .revents = 0}};
        if (::poll(waited, 2, progress_interval_ms) < 0 && errno != EINTR) {
            return interrupted;
        }
        if ((waited[1].revents & POLLIN) != 0) {
            return interrupted;
        }
        if ((waited[0].revents & POLLIN) != 0) {
            signalfd_siginfo came{};
            if (::read(signals, &came, sizeof came) == sizeof came) {
                if (interrupted) {
                    std::_Exit(130);  // Asked twice: at once.
                }
                interrupted = true;
                running.stop();
            }
        }
        line.show(running, turns * progress_interval_ms / 1e3);
    }
}

bool write_file(const std::string& name, const std::string& text) {
    std::FILE* const file = std::fopen(name.c_str(), "we");
    if (file == nullptr) {
        return false;
    }
    const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return std::fclose(file) == 0 && is_written;
}

int run(load_options wanted) {
    sigset_t ending_signals;
    ::sigemptyset(&ending_signals);
    ::sigaddset(&ending_signals, SIGINT);
    ::sigaddset(&ending_signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &ending_signals, nullptr);
    const unique_fd signals(::signalfd(-1, &ending_signals, SFD_CLOEXEC));
    raise_descriptor_limit();

    const auto server = resolve(wanted.where);
    if (!server) {
        return give_up(server.error());
    }
    const auto threads =
        std::min(wanted.connections, wanted.threads != 0 ? wanted.threads : usable_cpus());
    load_plan plan{
        .options = std::move(wanted), .server = *server, .threads = threads, .content = {}};
    plan.content = make_content(plan.options);
    std::vector<runtime::uring_grant> rings;
    if (plan.options.io != io_wish::epoll) {
        auto granted = runtime::grant_urings({}, threads);
        if (granted) {
            rings = std::move(*granted);
        } else if (plan.options.io == io_wish::uring) {
            return give_up(granted.error());
        }
    }
    const std::string_view backend = rings.empty() ? "epoll" : "io_uring";
    load running(plan, std::move(rings));
    const auto refused = running.failure();
    tally results;
    run_facts facts{.options = plan.options,
                    .results = results,
                    .threads = threads,
                    .seconds = 0,
                    .backend = backend,
                    .interrupted = false};
    if (refused.empty()) {
        std::fputs(introduction(facts).c_str(), stdout);
        std::fflush(stdout);
    }
    running.go(refused.empty());
    facts.interrupted = supervise(running, signals.get());
    running.release();
    running.join();
    if (!refused.empty()) {
        return give_up(refused);
    }
    auto began = running.workers().front()->began();
    auto ended = running.workers().front()->ended();
    for (const auto& each : running.workers()) {
        results.add(each->results());
        began = std::min(began, each->began());
        ended = std::max(ended, each->ended());
    }
    facts.seconds = std::chrono::duration<double>(ended - began).count();
    std::fputs(report(facts).c_str(), stdout);
    if (!plan.options.json.empty() && !write_file(plan.options.json, report_json(facts))) {
        return give_up(fmt::format("{}: {}", plan.options.json, std::strerror(errno)));
    }
    const auto turned_away = std::ranges::find_if(
        running.workers(), [](const auto& each) { return !each->refusal().empty(); });
    if (turned_away != running.workers().end()) {
        return give_up((*turned_away)->refusal());
    }
    return results.done() == 0 ? 1 : 0;
}

}  // namespace
}  // namespace ferry::ftp_load

int main(int argc, char** argv) {
    auto wanted = ferry::ftp_load::parse_options(argc, argv);
    if (!wanted) {
        const auto& ending = wanted.error();
        std::fputs(ending.text.c_str(), ending.status == 0 ? stdout : stderr);
        return ending.status;
    }
    return ferry::ftp_load::run(std::move(*wanted));
}
