#include "ferry/net/paced_stream.hpp"

#include <algorithm>

#include "ferry/base/assert.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::net {

using runtime::task;

pacer::pacer(rate own, rate shared) noexcept : pacer(own, shared, {}) {}

pacer::pacer(rate own, rate shared, rate of_address) noexcept {
    set({own, shared, of_address});
}

void pacer::go_over_to(rate of_address) noexcept {
    put_back();
    allowed_ = 0;
    set({rates_[0], rates_[1], of_address});
}

void pacer::set(const std::array<rate, 3>& rates) noexcept {
    rates_ = rates;
    quantum_ = 0;
    for (rate& each : rates_) {
        if (each.bucket == nullptr || each.octets_per_second == 0) {
            each = {};
            continue;
        }
        const auto quantum = runtime::token_bucket::quantum(each.octets_per_second);
        quantum_ = quantum_ == 0 ? quantum : std::min(quantum_, quantum);
    }
}

task<result<std::uint64_t>> pacer::allow(runtime::core& here, std::uint64_t wanted) {
    FERRY_ASSERT(wanted > 0);
    if (!is_limited()) {
        co_return wanted;
    }
    if (allowed_ > 0) {
        co_return std::min(wanted, allowed_);
    }
    const auto drawn = std::min(wanted, quantum_);
    // One after the other, so that nobody draws from the shared one before its own lets it go.
    for (const rate& each : rates_) {
        if (each.bucket == nullptr) {
            continue;
        }
        const auto when = each.bucket->draw(here.now(), drawn, each.octets_per_second);
        if (when > here.now()) {
            const auto slept = co_await runtime::sleep_until(here, when);
            if (!slept) {
                each.bucket->put_back(drawn, each.octets_per_second);
                co_return failure(slept.error());
            }
        }
    }
    allowed_ = drawn;
    co_return drawn;
}

void pacer::moved(std::uint64_t octets) noexcept {
    if (is_limited()) {
        FERRY_ASSERT(octets <= allowed_);
        allowed_ -= octets;
    }
}

void pacer::put_back() noexcept {
    for (const rate& each : rates_) {
        if (each.bucket != nullptr && allowed_ > 0) {
            each.bucket->put_back(allowed_, each.octets_per_second);
        }
    }
}

task<result<void>> paced_stream::fill(runtime::time_point deadline) {
    const auto filled = co_await below_.fill(deadline);
    co_return filled;
}

task<result<std::size_t>> paced_stream::receive(std::span<std::byte> into,
                                                runtime::time_point deadline) {
    const auto began = here().now();
    const auto may = co_await receiving_.allow(here(), into.size());
    if (!may) {
        co_return failure(may.error());
    }
    if (deadline != runtime::never) {
        deadline += here().now() - began;
    }
    const auto got = co_await below_.receive(into.first(static_cast<std::size_t>(*may)), deadline);
    if (got) {
        receiving_.moved(*got);
    }
    co_return got;
}

// What failed may have gone for the most part: were it put back, whoever resets each connection in
// the middle of a quantum would be sent more than the rate.
task<result<void>> paced_stream::send(std::span<const std::byte> octets,
                                      runtime::duration stall_timeout) {
    if (is_torn_) {
        co_return failure(errc::reset);
    }
    const auto whole_bytes = octets.size();
    while (!octets.empty()) {
        const auto may = co_await sending_.allow(here(), octets.size());
        if (!may) {
            is_torn_ = octets.size() != whole_bytes;
            co_return failure(may.error());
        }
        const auto part = static_cast<std::size_t>(*may);
        const auto sent = co_await below_.send(octets.first(part), stall_timeout);
        sending_.moved(part);
        if (!sent) {
            is_torn_ = octets.size() != whole_bytes;
            co_return failure(sent.error());
        }
        octets = octets.subspan(part);
    }
    co_return result<void>{};
}

task<result<std::uint64_t>> paced_stream::send_file(file_message message,
                                                    runtime::duration stall_timeout) {
    if (is_torn_) {
        co_return failure(errc::reset);
    }
    const auto may = co_await sending_.allow(here(), message.head.size() + message.body.size_bytes);
    if (!may) {
        co_return failure(may.error());
    }
    if (*may <= message.head.size()) {
        const auto part = static_cast<std::size_t>(*may);
        const auto sent = co_await below_.send(message.head.first(part), stall_timeout);
        sending_.moved(part);
        if (!sent) {
            co_return failure(sent.error());
        }
        co_return *may;
    }
    message.body.size_bytes =
        std::min<std::uint64_t>(message.body.size_bytes, *may - message.head.size());
    const auto sent = co_await below_.send_file(message, stall_timeout);
    sending_.moved(sent ? *sent : *may);
    co_return sent;
}

task<> paced_stream::close(farewell how) {
    co_await below_.close(how);
}

}  // namespace ferry::net
