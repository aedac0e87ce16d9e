#include "server/access_log.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>
#include <new>
#include <span>
#include <utility>

#include "ferry/base/background_writer.hpp"
#include "ferry/base/kernel.hpp"
#include "ferry/base/log.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"

namespace ferry::server {

using runtime::task;

namespace {

constexpr auto flush_interval = std::chrono::seconds(1);
// At the end a log that nobody reads must not keep the process.
constexpr auto write_time_max = std::chrono::seconds(2);
// While lines are dropped, that is told this often.
constexpr auto report_interval = std::chrono::minutes(1);

}  // namespace

bool is_file(int fd) noexcept {
    struct stat status{};
    return kernel::fstat(fd, status) == 0 && S_ISREG(status.st_mode);
}

access_log::access_log(runtime::core& here, int fd, std::size_t buffer_bytes,
                       access_log_format format)
    : here_(here),
      fd_(fd),
      buffer_bytes_(buffer_bytes),
      format_(std::move(format)),
      half_full_(here.io()),
      is_file_(is_file(fd)) {}

void access_log::record(const access_record& what) noexcept {
    if (fd_ < 0) {
        return;
    }
    const std::size_t before = gathered_.size();
    if (before + (writing_.size() - written_) >= buffer_bytes_) {
        ++dropped_;
        return;
    }
    try {
        format_.append(gathered_, what);
    } catch (const std::bad_alloc&) {
        gathered_.resize(before);
        ++dropped_;
        return;
    }
    if (gathered_.size() >= buffer_bytes_ / 2 && !announced_) {
        announced_ = true;
        half_full_.announce();
    }
}

void join_successor(std::optional<log_successor>& waiting, log_successor next) noexcept {
    if (waiting) {
        waiting->fd = next.fd;
    } else {
        waiting = std::move(next);
    }
}

void access_log::go_over_to(log_successor next) noexcept {
    join_successor(next_, std::move(next));
    if (!announced_) {
        announced_ = true;
        half_full_.announce();
    }
}

/// The rest of a line that was begun is for nobody.
void access_log::go_over() {
    if (is_in_line()) {
        written_ = writing_.find('\n', written_) + 1;
        ++dropped_;
    }
    fd_ = next_->fd;
    is_file_ = true;
    next_.reset();
    if (std::exchange(is_failing_, false)) {
        report_drops();
    }
}

task<> access_log::run() {
    if (fd_ < 0) {
        co_return;
    }
    for (bool is_last = false; !is_last;) {
        const auto woken = co_await half_full_.wait(here_.now() + flush_interval);
        is_last = !woken && woken.error() == errc::cancelled;
        const auto until = here_.now() + write_time_max;
        try {
            if (is_last) {
                runtime::stop_scope deaf;  // What was gathered is written all the same.
                co_await write_gathered(until).in_scope(deaf);
                dropped_ += static_cast<std::uint64_t>(std::ranges::count(gathered_, '\n'));
                drop_unwritten();
                report_drops();
            } else {
                co_await write_gathered(until);
                if (!is_failing_ && here_.now() >= report_after_) {
                    report_drops();  // Its reader may never go on.
                }
            }
        } catch (const std::bad_alloc&) {
            // The lines are where they were: the next turn writes them, if there is one.
        }
    }
}

/// Writes what has gathered. What is not written by `until`, or before a stop, stays for the next
/// time.
task<> access_log::write_gathered(runtime::time_point until) {
    announced_ = false;
    for (;;) {  // Bounded by `until`.
        if (next_ && !is_in_line()) {
            go_over();
        }
        if (written_ == writing_.size()) {
            writing_.clear();
            written_ = 0;
            writing_.swap(gathered_);
        }
        const auto piece = std::as_bytes(std::span(next_piece()));
        if (piece.empty()) {
            co_return;
        }
        const auto put = co_await runtime::op_wait(
            here_.io(), is_file_ ? runtime::opcode::write : runtime::opcode::send, fd_, until,
            [&](runtime::op& fresh) {
                if (is_file_) {
                    fresh.args.write = {.data = piece.data(),
                                        .size_bytes = piece.size(),
                                        .offset = runtime::at_position};
                } else {
                    fresh.args.send = {.data = piece.data(), .size_bytes = piece.size()};
                }
            });
        if (put) {
            written_ += static_cast<std::size_t>(*put);
            if (std::exchange(is_failing_, false) || here_.now() >= report_after_) {
                report_drops();
            }
            continue;
        }
        if (next_) {
            go_over();
            continue;
        }
        if (put.error() == errc::timed_out || put.error() == errc::cancelled ||
            put.error() == errc::busy) {
            co_return;
        }
        drop_unwritten();
        if (!std::exchange(is_failing_, true)) {
            log::warning(fmt::format("access log: lines are lost: {}", describe(put.error().code)));
        }
        co_return;
    }
}

/// What to write at once, from `written_` on.
std::string_view access_log::next_piece() const noexcept {
    const auto left = std::string_view(writing_).substr(written_);
    if (is_file_ || left.size() <= PIPE_BUF) {
        return left;
    }
    // As many lines as a pipe takes as one; of a line longer than that, as much as a message holds.
    const auto last_end = left.substr(0, PIPE_BUF).rfind('\n');
    const auto end = last_end != std::string_view::npos ? last_end : left.find('\n');
    return left.substr(0, std::min(end + 1, background_writer::message_bytes_max));
}

/// Gives up what is not written, but for the rest of a line that was begun: the next line must not
/// become its end.
void access_log::drop_unwritten() noexcept {
    const auto kept = is_in_line() ? writing_.find('\n', written_) + 1 : written_;
    const auto lost = std::string_view(writing_).substr(kept);
    dropped_ += static_cast<std::uint64_t>(std::ranges::count(lost, '\n'));
    writing_.resize(kept);
}

void access_log::report_drops() {
    if (dropped_ != 0) {
        report_after_ = here_.now() + report_interval;
        log::warning(
            fmt::format("access log: {} lines were dropped: they came faster than they "
                        "could be written",
                        dropped_));
        told_ += std::exchange(dropped_, 0);
    }
}

}  // namespace ferry::server
