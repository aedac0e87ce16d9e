#include "crew.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <thread>
#include <utility>

#include "ferry/base/error.hpp"

namespace ferry::load {
namespace {

constexpr int progress_interval_ms = 500;

/// The threads of a run: started together, joined before it ends.
class crew {
  public:
    explicit crew(std::span<worker* const> workers)
        : workers_(workers),
          failures_(workers.size()),
          opened_(static_cast<std::ptrdiff_t>(workers.size())),
          ended_fd_(::eventfd(0, EFD_CLOEXEC)) {
        for (std::size_t i = 0; i < workers.size(); ++i) {
            threads_.emplace_back([this, i] { work(i); });
        }
        opened_.wait();
    }
    crew(const crew&) = delete;
    crew& operator=(const crew&) = delete;
    ~crew() {
        stopped_.count_down();  // No `stop` comes any more: the threads may end.
        for (auto& each : threads_) {
            each.join();
        }
    }

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
            for (auto* each : workers_) {
                each->ask_to_stop();
            }
        }
    }
    [[nodiscard]] int ended_fd() const noexcept { return ended_fd_.get(); }

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

    std::span<worker* const> workers_;
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
    progress_line(const progress_line&) = delete;
    progress_line& operator=(const progress_line&) = delete;
    ~progress_line() {
        if (is_shown_) {
            std::fputs("\r\033[K", stderr);
        }
    }
    void show(std::span<worker* const> workers, double seconds) {
        if (!is_shown_) {
            return;
        }
        std::uint64_t operations = 0;
        std::uint64_t failed = 0;
        std::uint64_t octets = 0;
        for (const auto* each : workers) {
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
bool supervise(crew& running, std::span<worker* const> workers, int signals) {
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
        line.show(workers, turns * progress_interval_ms / 1e3);
    }
}

}  // namespace

unique_fd take_ending_signals() {
    sigset_t ending_signals;
    ::sigemptyset(&ending_signals);
    ::sigaddset(&ending_signals, SIGINT);
    ::sigaddset(&ending_signals, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &ending_signals, nullptr);
    return unique_fd(::signalfd(-1, &ending_signals, SFD_CLOEXEC));
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        // Refused only where it would not help; then connections say what is missing.
        static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
    }
}

std::size_t usable_cpus() {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    const bool is_known = ::sched_getaffinity(0, sizeof usable, &usable) == 0;
    return is_known ? static_cast<std::size_t>(std::max(CPU_COUNT(&usable), 1)) : 1;
}

std::expected<std::vector<runtime::uring_grant>, std::string> grant_rings(io_wish wanted,
                                                                          std::size_t threads) {
    if (wanted == io_wish::epoll) {
        return {};
    }
    auto granted = runtime::grant_urings({}, threads);
    if (granted) {
        return std::move(*granted);
    }
    if (wanted == io_wish::uring) {
        return std::unexpected(granted.error());
    }
    return {};
}

std::expected<bool, std::string> work_together(std::span<worker* const> workers,
                                               const unique_fd& signals,
                                               const std::function<void()>& begin) {
    crew running(workers);
    auto refused = running.failure();
    if (refused.empty()) {
        begin();
    }
    running.go(refused.empty());
    const bool interrupted = supervise(running, workers, signals.get());
    if (!refused.empty()) {
        return std::unexpected(std::move(refused));
    }
    return interrupted;
}

double seconds_of(std::span<worker* const> workers) {
    auto began = workers.front()->began();
    auto ended = workers.front()->ended();
    for (const auto* each : workers) {
        began = std::min(began, each->began());
        ended = std::max(ended, each->ended());
    }
    return std::chrono::duration<double>(ended - began).count();
}

bool write_file(const std::string& name, std::string_view text) {
    std::FILE* const file = std::fopen(name.c_str(), "we");
    if (file == nullptr) {
        return false;
    }
    const bool is_written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
    return std::fclose(file) == 0 && is_written;
}

}  // namespace ferry::load
