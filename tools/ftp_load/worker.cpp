#include "worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include "ferry/runtime/wait.hpp"
#include "runtime/clock.hpp"

namespace ferry::ftp_load {

using runtime::task;

namespace {

/// After a session has broken: a server that is down is not asked as fast as it can refuse.
constexpr auto pause_after_failure = std::chrono::milliseconds(100);

/// How often a session looks whether it may begin.
constexpr auto first_login_look = std::chrono::milliseconds(1);

/// What all buffers of a thread may take together, and what one is at least and at most.
constexpr std::size_t buffers_bytes = 32 * 1024 * 1024;
constexpr std::size_t buffer_bytes_min = 16 * 1024;
constexpr std::size_t buffer_bytes_max = 512 * 1024;

/// Between two operations of one connection with --rate; 0 without.
runtime::duration interval_of(const load_options& options) noexcept {
    if (options.rate == 0) {
        return runtime::duration(0);
    }
    const double seconds =
        static_cast<double>(options.connections) / static_cast<double>(options.rate);
    return std::chrono::duration_cast<runtime::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

worker::worker(load::worker_place place, const load_plan& plan,
               std::atomic<first_login>& first) noexcept
    : load::worker(std::move(place)), plan_(plan), first_(first) {
    for (const auto& each : plan_.options.workload) {
        weights_ += each.weight;
    }
}

result<void> worker::prepare() {
    if (plan_.options.security() != tls_mode::never) {
        auto tls = tls_client::make();
        if (!tls) {
            return failure(tls.error());
        }
        tls_ = std::move(*tls);
    }
    return {};
}

void worker::start(runtime::nursery& bottom) {
    for (auto i = index(); i < plan_.options.connections; i += plan_.threads) {
        bottom.start(&worker::drive, std::ref(*this), i);
    }
}

task<> worker::drive(worker& self, std::size_t connection) {
    const auto& options = self.plan_.options;
    const auto budget = options.operations
                            ? load::part_of(*options.operations, connection, options.connections)
                            : ~std::uint64_t{0};
    std::vector<std::byte> buffer(
        std::clamp(buffers_bytes * self.plan_.threads / options.connections, buffer_bytes_min,
                   buffer_bytes_max));
    const auto interval = interval_of(options);
    auto due = self.began() + interval * static_cast<std::int64_t>(connection) /
                                  static_cast<std::int64_t>(options.connections);
    runtime::stop_scope& scope = co_await runtime::current_scope();
    if (connection != 0) {
        const bool goes_on = co_await self.wait_for_first_login();
        if (!goes_on) {
            co_return;
        }
    }
    client session(self.here(), self.plan_.server, options, self.tls_.get());
    for (std::uint64_t turn = 0; turn < budget && !scope.stop_requested(); ++turn) {
        const auto what = self.choose();
        auto begin = due;
        if (options.rate != 0) {
            const auto waited = co_await runtime::sleep_until(self.here(), due);
            if (!waited) {
                break;
            }
            due += interval;
        }
        outcome<void> ended;
        if (what != operation::login && !session.is_logged_in()) {
            ended = co_await session.log_in();
            self.heed_login(connection, ended);
            if (ended) {
                ended = co_await session.prepare_transfers();
            }
        }
        if (options.rate == 0) {
            begin = runtime::read_clock();
        }
        if (ended) {
            ended = co_await self.perform(session, what, connection + turn * options.connections,
                                          buffer);
        }
        if (!ended && ended.error().was_cancelled) {
            break;
        }
        self.record(what, ended, begin);
        self.heed_login(connection, ended);
        if (!self.refusal_.empty()) {
            break;
        }
        if (!ended && ended.error().ends_session) {
            co_await session.close();
            if (turn + 1 == budget) {
                break;
            }
            const auto waited =
                co_await runtime::sleep_until(self.here(), self.here().now() + pause_after_failure);
            if (!waited) {
                break;
            }
        }
    }
    if (session.is_logged_in() && !scope.stop_requested()) {
        // The work is done and counted: how the server takes leave changes none of it.
        static_cast<void>(co_await session.quit());
    }
    co_await session.close();
}

task<bool> worker::wait_for_first_login() {
    while (first_.load(std::memory_order_acquire) == first_login::pending) {
        const auto waited = co_await runtime::sleep_until(here(), here().now() + first_login_look);
        if (!waited) {
            co_return false;
        }
    }
    co_return first_.load(std::memory_order_acquire) == first_login::over;
}

/// The first session's first login lets the others begin, or ends it all: where it is refused, the
/// server will not say anything else to the next one.
void worker::heed_login(std::size_t connection, const outcome<void>& ended) {
    if (connection != 0 || first_.load(std::memory_order_relaxed) != first_login::pending) {
        return;
    }
    const bool is_refused = !ended && ended.error().refuses_login;
    if (is_refused) {
        refusal_ = fmt::format("{}: {}", ended.error().what, ended.error().said);
    }
    first_.store(is_refused ? first_login::refused : first_login::over, std::memory_order_release);
}

operation worker::choose() noexcept {
    const auto& workload = plan_.options.workload;
    if (workload.size() == 1) {
        return workload.front().what;
    }
    auto drawn = here().rng().below(weights_);
    for (const auto& each : workload) {
        if (drawn < each.weight) {
            return each.what;
        }
        drawn -= each.weight;
    }
    return workload.back().what;
}

task<outcome<void>> worker::perform(client& session, operation what, std::uint64_t number,
                                    std::span<std::byte> buffer) {
    const auto& options = plan_.options;
    auto& octets = results_.of(what).octets;
    number %= options.files;
    switch (what) {
        case operation::login: {
            co_await session.close();  // Of another operation's session.
            auto ended = co_await session.log_in();
            if (ended) {
                ended = co_await session.quit();
            }
            if (ended) {
                co_await session.close();
            }
            co_return ended;
        }
        case operation::retr: {
            auto ended = co_await retrieve(session, numbered(options.where.path, number), buffer);
            co_return ended;
        }
        case operation::stor: {
            const auto path = numbered(options.upload_path, number);
            auto ended = co_await session.upload("STOR " + path, plan_.content, octets);
            co_return ended;
        }
        case operation::list:
        case operation::nlst:
        case operation::mlsd:
            break;
    }
    const auto directory = directory_of(options.where.path);
    std::string command(what == operation::list   ? "LIST"
                        : what == operation::nlst ? "NLST"
                                                  : "MLSD");
    if (!directory.empty()) {
        command += " " + directory;
    }
    const auto mark = co_await session.download(std::move(command), buffer, octets);
    if (!mark) {
        co_return std::unexpected(mark.error());
    }
    co_return outcome<void>();
}

task<outcome<void>> worker::retrieve(client& session, std::string path,
                                     std::span<std::byte> buffer) {
    auto known = results_.marks.find(path);
    std::optional<std::uint64_t> size;
    if (known == results_.marks.end() && !plan_.options.is_ascii) {
        // Asked once for each name: what must come. Of text it is too little with many servers, who
        // tell the size of the file whatever the TYPE is (against RFC 3659 section 4).
        const auto said = co_await session.size(path);
        if (!said) {
            co_return std::unexpected(said.error());
        }
        size = *said;
    }
    const auto mark =
        co_await session.download("RETR " + path, buffer, results_.of(operation::retr).octets);
    if (!mark) {
        co_return std::unexpected(mark.error());
    }
    known = results_.marks.find(path);  // Another connection may have been first.
    if (known == results_.marks.end()) {
        if (size && *size != mark->octets) {
            co_return std::unexpected(problem{.what = "another length than SIZE said",
                                              .ends_session = false,
                                              .was_cancelled = false});
        }
        results_.marks.emplace(std::move(path), *mark);
        co_return outcome<void>();
    }
    if (known->second.octets != mark->octets) {
        co_return std::unexpected(problem{.what = "another length than the first download",
                                          .ends_session = false,
                                          .was_cancelled = false});
    }
    if (known->second != *mark) {
        co_return std::unexpected(problem{.what = "other content than the first download",
                                          .ends_session = false,
                                          .was_cancelled = false});
    }
    co_return outcome<void>();
}

void worker::record(operation what, const outcome<void>& ended, runtime::time_point begin) {
    auto& row = results_.of(what);
    if (ended) {
        const auto took = runtime::read_clock() - begin;
        row.latency.record(
            static_cast<std::uint64_t>(std::max<runtime::duration::rep>(took.count(), 0)));
        load::add(counts().operations, 1);
    } else {
        ++row.failed;
        results_.count_error(fmt::format("{}: {}", name_of(what), ended.error().what),
                             ended.error().said);
        load::add(counts().failed, 1);
    }
    const auto octets = results_.octets();
    counts().octets.store(octets, std::memory_order_relaxed);
}

}  // namespace ferry::ftp_load
