#include "worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <utility>

#include "ferry/base/error.hpp"
#include "ferry/base/random.hpp"
#include "ferry/net/connect.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/op.hpp"
#include "runtime/clock.hpp"

namespace ferry::http_load {

using runtime::task;

namespace {

/// After a connection has broken: a server that is down is not asked as fast as it can refuse.
constexpr auto pause_after_failure = std::chrono::milliseconds(100);

/// What all buffers of a thread may take together, and what one is at least and at most.
constexpr std::size_t buffers_bytes = 32 * 1024 * 1024;
constexpr std::size_t buffer_bytes_min = 16 * 1024;
constexpr std::size_t buffer_bytes_max = 256 * 1024;

/// With --rate: a moment farther away than this is slept for, up to this much before it comes.
/// Timers go by ticks of a millisecond, which is too coarse to send by.
constexpr auto spin_time = std::chrono::milliseconds(3);

constexpr std::uint64_t unknown_length = ~std::uint64_t{0};

/// A limit for what is remembered by file: beyond it lengths are taken as they come.
constexpr std::uint64_t remembered_files_max = 1'000'000;

}  // namespace

worker::worker(load::worker_place place, const load_plan& plan)
    : load::worker(std::move(place)),
      plan_(plan),
      lengths_(std::min(plan.options.files, remembered_files_max), unknown_length) {
    if (plan_.requests.is_constant()) {
        plan_.requests.append(constant_batch_, {});
        constant_bytes_ = constant_batch_.size();
        for (std::size_t i = 1; i < plan_.options.pipeline; ++i) {
            plan_.requests.append(constant_batch_, {});
        }
    }
}

void worker::start(runtime::nursery& bottom) {
    if (plan_.options.rate != 0) {
        bottom.start(&worker::pace, std::ref(*this));
    }
    for (auto i = index(); i < plan_.options.connections; i += plan_.threads) {
        bottom.start(&worker::drive, std::ref(*this), i);
    }
}

runtime::time_point worker::deadline() noexcept {
    return here().now() + plan_.options.timeout;
}

task<> worker::drive(worker& self, std::size_t which) {
    const auto& options = self.plan_.options;
    const bool is_paced = options.rate != 0;
    auto left = options.operations && !is_paced
                    ? load::part_of(*options.operations, which, options.connections)
                    : ~std::uint64_t{0};
    connection on(std::clamp(buffers_bytes * self.plan_.threads / options.connections,
                             buffer_bytes_min, buffer_bytes_max),
                  options.method != "HEAD");
    runtime::stop_scope& scope = co_await runtime::current_scope();
    runtime::event turn(self.here().io());
    while (left > 0 && !scope.stop_requested()) {
        auto begin = runtime::time_point{};
        if (is_paced) {
            const bool has_turn = co_await self.wait_until_due(turn, begin);
            if (!has_turn) {
                break;
            }
        }
        if (!is_paced) {
            begin = runtime::read_clock();
        }
        const auto requests =
            static_cast<std::size_t>(std::min<std::uint64_t>(options.pipeline, left));
        left -= requests;
        std::size_t answered = 0;
        const auto ended = co_await self.exchange(on, requests, answered, begin);
        if (ended) {
            if (options.closes) {
                co_await close(on);
            }
            continue;
        }
        if (ended.error() == errc::cancelled) {
            break;
        }
        self.fail(describe(ended.error().code), requests - answered);
        co_await close(on);
        const auto waited =
            co_await runtime::sleep_until(self.here(), self.here().now() + pause_after_failure);
        if (!waited) {
            break;
        }
    }
    co_await close(on);
}

/// Gives a request to a connection at every moment that one is due, to the oldest that is due
/// first.
task<> worker::pace(worker& self) {
    const auto& options = self.plan_.options;
    const auto threads = self.plan_.threads;
    const auto interval = std::chrono::duration<double>(static_cast<double>(threads) /
                                                        static_cast<double>(options.rate));
    const auto in_all = options.operations
                            ? load::part_of(*options.operations, self.index(), threads)
                            : ~std::uint64_t{0};
    runtime::stop_scope& scope = co_await runtime::current_scope();
    for (std::uint64_t number = 0; number < in_all; ++number) {
        const auto due = self.began() + std::chrono::duration_cast<runtime::duration>(
                                            interval * static_cast<double>(number));
        if (due - self.here().now() > spin_time) {
            static_cast<void>(co_await runtime::sleep_until(self.here(), due - spin_time));
        }
        while (runtime::read_clock() < due && !scope.stop_requested()) {
            static_cast<void>(co_await runtime::op_wait(self.here().io(), runtime::opcode::nop, -1,
                                                        runtime::never, [](runtime::op&) {}));
        }
        if (scope.stop_requested()) {
            co_return;  // Who waits for a turn has been told, too.
        }
        self.due_.push_back(due);
        if (!self.free_.empty()) {
            self.free_.back()->announce();
            self.free_.pop_back();
        }
    }
    self.has_paced_all_ = true;
    for (auto* const each : std::exchange(self.free_, {})) {
        each->announce();
    }
}

/// The moment of a request that this connection is to send. False: there is none any more.
task<bool> worker::wait_until_due(runtime::event& turn, runtime::time_point& due) {
    while (due_.empty()) {
        if (has_paced_all_) {
            co_return false;
        }
        free_.push_back(&turn);
        const auto waited = co_await turn.wait();
        if (!waited) {
            co_return false;
        }
    }
    due = due_.front();
    due_.pop_front();
    co_return true;
}

task<result<void>> worker::open(connection& on) {
    auto socket = co_await net::connect(here(), {.to = plan_.server}, deadline());
    if (!socket) {
        co_return failure(socket.error());
    }
    on.stream = std::make_unique<net::plain_stream>(here(), std::move(*socket));
    on.reader = response_reader(plan_.options.method != "HEAD");
    on.begin = 0;
    on.end = 0;
    ++results_.connections;
    co_return result<void>{};
}

task<> worker::close(connection& on) {
    if (on.stream) {
        co_await on.stream->close(net::farewell::orderly);
        on.stream.reset();
    }
}

void worker::make_batch(connection& on, std::size_t requests) {
    on.batch.clear();
    on.numbers.clear();
    const auto& options = plan_.options;
    for (std::size_t i = 0; i < requests; ++i) {
        request_choice which;
        if (options.files > 1) {
            which.number = here().rng().below(options.files);
        }
        if (options.range_bytes != 0) {
            which.range_offset = here().rng().below(options.range_of - options.range_bytes + 1);
        }
        plan_.requests.append(on.batch, which);
        on.numbers.push_back(which.number);
    }
}

/// Sends a batch of requests and reads the answers; `answered` tells how many came.
task<result<void>> worker::exchange(connection& on, std::size_t requests, std::size_t& answered,
                                    runtime::time_point begin) {
    if (!on.stream) {
        const auto opened = co_await open(on);
        if (!opened) {
            co_return failure(opened.error());
        }
    }
    const bool is_constant = plan_.requests.is_constant();
    if (!is_constant) {
        make_batch(on, requests);
    }
    auto octets =
        std::as_bytes(is_constant ? std::span(constant_batch_).first(constant_bytes_ * requests)
                                  : std::span<char>(on.batch));
    octets = octets.subspan(on.stream->send_at_once(octets));
    if (!octets.empty()) {
        const auto sent = co_await on.stream->send(octets, plan_.options.timeout);
        if (!sent) {
            co_return failure(sent.error());
        }
    }
    while (answered < requests) {
        const auto read = co_await read_answer(on);
        if (!read) {
            co_return failure(read.error());
        }
        judge(on.reader.current(), is_constant ? 0 : on.numbers[answered], begin);
        ++answered;
        if (on.reader.current().ends_connection && !plan_.options.closes) {
            co_await close(on);
            if (answered < requests) {
                co_return failure(errc::closed);
            }
        }
    }
    co_return result<void>{};
}

/// Until one answer is whole. Errors: as of the stream; errc::invalid: no HTTP; errc::exhausted: a
/// head larger than the buffer.
task<result<void>> worker::read_answer(connection& on) {
    for (;;) {  // Bounded by the peer: each turn gets octets, or it is over.
        std::size_t taken = 0;
        const auto* const first =
            static_cast<const char*>(static_cast<const void*>(on.buffer.data() + on.begin));
        const auto reading = on.reader.take({first, on.end - on.begin}, taken);
        on.begin += taken;
        results_.octets += taken;
        if (on.begin == on.end) {
            on.begin = 0;
            on.end = 0;
        }
        if (reading == response_reading::complete) {
            co_return result<void>{};
        }
        if (reading == response_reading::malformed) {
            co_return failure(errc::invalid);
        }
        if (on.begin > 0) {
            std::memmove(on.buffer.data(), on.buffer.data() + on.begin, on.end - on.begin);
            on.end -= on.begin;
            on.begin = 0;
        }
        if (on.end == on.buffer.size()) {
            co_return failure(errc::exhausted);
        }
        const auto got =
            co_await on.stream->receive(std::span(on.buffer).subspan(on.end), deadline());
        if (!got) {
            co_return failure(got.error());
        }
        if (*got == 0) {
            if (on.reader.take_end() == response_reading::complete) {
                co_return result<void>{};
            }
            co_return failure(errc::closed);
        }
        on.end += *got;
    }
}

/// How much content an answer of the wanted status has to have: as told, or as the first one had.
std::uint64_t worker::wanted_length(const response& answer, std::uint64_t number) {
    const auto& options = plan_.options;
    if (options.body_bytes || number >= lengths_.size()) {
        return options.body_bytes.value_or(answer.body_bytes);
    }
    auto& known = lengths_[number];
    if (known == unknown_length) {
        known = answer.body_bytes;
    }
    return known;
}

void worker::judge(const response& answer, std::uint64_t number, runtime::time_point begin) {
    if (answer.status != plan_.options.status) {
        fail(fmt::format("status {}", answer.status));
    } else if (const auto wanted = wanted_length(answer, number); answer.body_bytes != wanted) {
        fail(fmt::format("{} octets of content, not {}", answer.body_bytes, wanted));
    } else {
        const auto took = runtime::read_clock() - begin;
        results_.latency.record(
            static_cast<std::uint64_t>(std::max<runtime::duration::rep>(took.count(), 0)));
        load::add(counts().operations, 1);
    }
    counts().octets.store(results_.octets, std::memory_order_relaxed);
}

void worker::fail(std::string_view what, std::uint64_t times) {
    if (times == 0) {
        return;
    }
    results_.failed += times;
    results_.count_error(what, times);
    load::add(counts().failed, times);
}

}  // namespace ferry::http_load
