#include "server/access_log.hpp"

#include <fmt/format.h>

#include <new>
#include <span>

#include "ferry/base/log.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/stop.hpp"

namespace ferry::server {

using runtime::task;

namespace {

constexpr auto flush_interval = std::chrono::seconds(1);
// At the end a pipe that nobody reads must not keep the process.
constexpr auto last_write_time_max = std::chrono::seconds(2);

}  // namespace

access_log::access_log(runtime::core& here, int fd, std::size_t buffer_bytes)
    : here_(here), fd_(fd), buffer_bytes_(buffer_bytes), half_full_(here.io()) {}

void access_log::record(const access_record& what) noexcept {
    if (fd_ < 0) {
        return;
    }
    if (gathered_.size() >= buffer_bytes_) {
        ++dropped_;
        return;
    }
    const std::size_t before = gathered_.size();
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

task<> access_log::run() {
    if (fd_ < 0) {
        co_return;
    }
    for (bool stopping = false; !stopping;) {
        const auto woken = co_await half_full_.wait(here_.now() + flush_interval);
        stopping = !woken && woken.error() == errc::cancelled;
        runtime::stop_scope deaf;  // What was gathered is written even when the server stops.
        co_await write_gathered().in_scope(deaf);
    }
}

task<> access_log::write_gathered() {
    announced_ = false;
    if (dropped_ != 0) {
        log::warning(fmt::format("access log: {} lines dropped: its buffer of {} octets was full",
                                 std::exchange(dropped_, 0), buffer_bytes_));
    }
    writing_.clear();
    writing_.swap(gathered_);
    std::span<const std::byte> left = std::as_bytes(std::span(writing_));
    while (!left.empty()) {
        const auto written = co_await runtime::op_wait(
            here_.io(), runtime::opcode::write, fd_, here_.now() + last_write_time_max,
            [&](runtime::op& fresh) {
                fresh.args.write = {
                    .data = left.data(), .size_bytes = left.size(), .offset = runtime::at_position};
            });
        if (!written) {
            log::warning(fmt::format("access log: {} octets lost: {}", left.size(),
                                     describe(written.error().code)));
            co_return;
        }
        left = left.subspan(static_cast<std::size_t>(*written));
    }
}

}  // namespace ferry::server
