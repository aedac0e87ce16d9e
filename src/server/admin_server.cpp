#include "server/admin_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <system_error>
#include <utility>

#include "ferry/base/access_sink.hpp"
#include "ferry/base/ascii.hpp"
#include "ferry/base/log.hpp"
#include "ferry/base/random.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/runtime/epoll.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/mount_table.hpp"
#include "server/accept_all.hpp"
#include "server/metrics.hpp"
#include "server/status_page.hpp"
#include "server/version.hpp"

namespace ferry::server {

using runtime::task;

namespace {

/// A core that has not answered by then is stuck.
constexpr auto answer_time_max = std::chrono::seconds(2);
/// What was read is good for as long: cores are not asked more often.
constexpr auto fresh_for = std::chrono::milliseconds(100);
/// For who is being answered when another process tells from there on.
constexpr auto last_answers_time_max = std::chrono::seconds(3);
constexpr unsigned receive_buffers = 64;

/// The page's own script and style, and what it asks this server for; nothing from elsewhere.
constexpr std::string_view page_policy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src "
    "'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is asked here is in no log.
class no_log final : public access_sink {
  public:
    void record(const access_record&) noexcept override {}
    [[nodiscard]] bool wants_records() const noexcept override { return false; }
};

double seconds_since_1970() noexcept {
    const auto now = read_wall_clock();
    return static_cast<double>(now.seconds) + static_cast<double>(now.nanoseconds) / 1e9;
}

http::page text_page(std::string text, bool is_good) {
    return {.is_unavailable = !is_good,
            .content_type = "text/plain; charset=utf-8",
            .content = std::move(text)};
}

/// Whether a name that no resolver is asked for, or none at all; `host` may have a port.
bool is_own_name(std::string_view host) {
    if (host.empty() || host.starts_with('[')) {
        return true;
    }
    const auto name = host.substr(0, host.find(':'));
    return ascii::equal_ignoring_case(name, "localhost") || net::parse_address(name).has_value();
}

/// `asked` is for formats.
using page_maker = http::page (*)(const reading& from, const http::page_request& asked);

http::page make_health(const reading& from, const http::page_request&) {
    std::string stuck;
    for (std::size_t i = 0; i < from.cores.size(); ++i) {
        if (!from.cores[i].is_fresh) {
            stuck += fmt::format("core {} does not answer\n", i);
        }
    }
    return text_page(stuck.empty() ? "alive\n" : stuck, stuck.empty());
}

http::page make_readiness(const reading& from, const http::page_request&) {
    return text_page(from.process.is_draining ? "draining\n" : "ready\n",
                     !from.process.is_draining);
}

http::page make_metrics(const reading& from, const http::page_request& asked) {
    const auto format = format_for(asked.accept);
    return {.content_type = std::string(content_type_of(format)),
            .content = write_metrics(from, format)};
}

http::page make_status(const reading& from, const http::page_request&) {
    return {.content_type = "application/json", .content = write_status(from)};
}

http::page make_status_page(const reading&, const http::page_request&) {
    return {.content_type = "text/html; charset=utf-8",
            .content_security_policy = std::string(page_policy),
            .content = std::string(status_page)};
}

struct page_row {
    std::string_view path;
    page_maker make;
};
constexpr auto pages = std::to_array<page_row>({
    {"/", make_status_page},
    {"/healthz", make_health},
    {"/metrics", make_metrics},
    {"/readyz", make_readiness},
    {"/status.json", make_status},
});

}  // namespace

admin_server::end_timer::end_timer(admin_server& of) noexcept
    : timer([](timer& self) noexcept { static_cast<end_timer&>(self).owner.stop_.request_stop(); }),
      owner(of) {}

admin_server::admin_server(admin_parts parts)
    : parts_(std::move(parts)),
      started_(seconds_since_1970()),
      io_(failure(errc::unavailable)),
      retire_message_(*this,
                      [](runtime::posted& self) noexcept {
                          static_cast<message&>(self).owner.begin_retirement();
                      }),
      stop_message_(*this,
                    [](runtime::posted& self) noexcept {
                        static_cast<message&>(self).owner.stop_.request_stop();
                    }),
      last_moment_(*this) {
    try {
        thread_ = std::thread([this] { run(); });
    } catch (const std::system_error& refused) {
        failure_ = fmt::format("--admin: no thread: {}", refused.what());
        return;
    }
    opened_.wait();
    if (!io_) {
        failure_ = fmt::format("--admin: {}", describe(io_.error().code));
    }
}

admin_server::~admin_server() {
    if (io_ && !is_retired_) {
        (*io_)->post(stop_message_);
    }
    if (thread_.joinable()) {
        thread_.join();
    }
}

void admin_server::retire() noexcept {
    is_retired_ = true;
    (*io_)->post(retire_message_);
}

void admin_server::begin_retirement() noexcept {
    retiring_.request_stop();
    here_->io().timers().arm(last_moment_, here_->io().now() + last_answers_time_max);
}

void admin_server::run() {
    io_ = runtime::make_epoll_reactor({.receive_buffers = receive_buffers}, parts_.offload);
    opened_.count_down();
    if (!io_) {
        return;
    }
    runtime::core here(static_cast<unsigned>(parts_.cores.size()), **io_,
                       ferry::random(seed_from_kernel()));
    // What a service is made of that serves a tree; this one has nothing in it.
    const auto files = vfs::make_mount_table({});
    vfs::file_cache open_files(here, *files, {.entries_max = 0});
    vfs::listing_bounds listings(here, {});
    vfs::digest_cache known_digests;
    vfs::digests digests(here, known_digests);
    no_log log;
    http::service service(here, parts_.numbers, *files, open_files, listings, digests, parts_.types,
                          log, retiring_, nullptr, nullptr, nullptr, this);
    runtime::permits turns(here, 1);
    runtime::event answered(**io_);
    here_ = &here;
    service_ = &service;
    turns_ = &turns;
    answered_ = &answered;
    for (const auto& each : parts_.cores) {
        questions_.push_back(std::make_unique<core_question>(*each, **io_, answered));
    }
    runtime::run_core(here, stop_, &admin_server::serve, std::ref(*this));
    last_moment_.unlink();
}

task<> admin_server::serve(runtime::nursery& all, admin_server& self) {
    for (auto& each : self.parts_.sockets) {
        all.start(&admin_server::receive_all, std::ref(self), std::ref(all), std::move(each));
    }
    co_return;
}

task<> admin_server::receive_all(admin_server& self, runtime::nursery& connections,
                                 unique_fd socket) {
    reception by{.take = [&](unique_fd client) {
        if (connections.children() < admin_connections_max) {
            connections.start(
                [](admin_server& owner, unique_fd of_client) -> task<> {
                    co_await http::serve_connection(*owner.service_, std::move(of_client));
                },
                std::ref(self), std::move(client));
        }
    }};
    co_await accept_all(*self.here_, self.retiring_, std::move(socket), std::move(by));
}

task<std::optional<http::page>> admin_server::make(http::page_request asked) {
    if (net::is_loopback(asked.reached) && !is_own_name(asked.host)) {
        co_return http::page{.is_misdirected = true, .content_type = {}, .content = {}};
    }
    const auto row = std::ranges::find(pages, asked.path, &page_row::path);
    if (row == pages.end()) {
        co_return std::nullopt;
    }
    const auto seen = co_await look();
    if (!seen) {
        co_return text_page("ending\n", false);
    }
    co_return row->make(*seen, asked);
}

task<std::shared_ptr<const reading>> admin_server::look() {
    const auto turn = co_await turns_->take(runtime::never);
    if (!turn) {
        co_return nullptr;
    }
    if (latest_ && here_->now() < latest_at_ + fresh_for) {
        co_return latest_;
    }
    for (const auto& each : questions_) {
        each->ask();
    }
    const auto deadline = here_->now() + answer_time_max;
    while (!std::ranges::all_of(questions_, &core_question::is_answered)) {
        const auto came = co_await answered_->wait(deadline);
        if (!came && came.error() == errc::cancelled) {
            co_return nullptr;
        }
        if (!came) {
            break;
        }
    }
    latest_ = std::make_shared<const reading>(read());
    latest_at_ = here_->now();
    co_return latest_;
}

/// What is known now.
reading admin_server::read() const {
    reading made;
    auto& process = made.process;
    process.version = version;
    process.io = parts_.io;
    process.started = started_;
    process.now = seconds_since_1970();
    parts_.files.read(process);
    process.connections = parts_.counts.connections;
    process.connections_max = parts_.counts.connections_max;
    process.ftp_sessions = parts_.counts.ftp_sessions;
    process.ftp_sessions_max = parts_.counts.ftp_sessions_max;
    process.offload = parts_.offload.look();
    process.is_draining = is_draining_;
    for (const auto& each : questions_) {
        made.cores.push_back(each->told());
        made.cores.back().is_fresh = each->is_answered();
    }
    return made;
}

}  // namespace ferry::server
