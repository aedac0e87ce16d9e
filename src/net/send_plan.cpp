#include "ferry/net/send_plan.hpp"

#include <algorithm>
#include <atomic>

namespace ferry::net {

using runtime::task;

namespace {

/// Others may look at the count meanwhile, from other cores.
void add(std::uint64_t& sent_bytes, std::uint64_t more) noexcept {
    std::atomic_ref(sent_bytes).store(sent_bytes + more, std::memory_order_relaxed);
}

/// Sends `head` (may be empty) and then all of `body`.
task<result<void>> send_with_file(stream& peer, stream::file_message left, send_limits limits,
                                  std::uint64_t& sent_bytes) {
    for (;;) {
        const auto sent = co_await peer.send_file(left, limits.stall_timeout);
        if (!sent) {
            co_return failure(sent.error());
        }
        add(sent_bytes, *sent);
        const auto of_head = std::min<std::uint64_t>(*sent, left.head.size());
        left.head = left.head.subspan(static_cast<std::size_t>(of_head));
        left.body.offset += *sent - of_head;
        left.body.size_bytes -= *sent - of_head;
        if (left.body.size_bytes == 0 && left.head.empty()) {
            co_return result<void>{};
        }
        co_await peer.here().yield();
    }
}

}  // namespace

task<result<void>> execute(stream& peer, const send_plan& plan, send_limits limits,
                           std::uint64_t& sent_bytes) {
    std::span<const std::byte> head;  // Memory not sent yet: it leaves with the file behind it.
    for (const auto& each : plan.segments()) {
        if (const auto* file = std::get_if<runtime::file_span>(&each)) {
            const auto done =
                co_await send_with_file(peer, {.head = head, .body = *file}, limits, sent_bytes);
            if (!done) {
                co_return failure(done.error());
            }
            head = {};
            continue;
        }
        if (!head.empty()) {
            const auto ahead = peer.send_ahead(head);  // One packet with what is behind it.
            add(sent_bytes, ahead);
            head = head.subspan(ahead);
        }
        if (!head.empty()) {
            const auto done = co_await peer.send(head, limits.stall_timeout);
            if (!done) {
                co_return failure(done.error());
            }
            add(sent_bytes, head.size());
        }
        head = std::get<std::span<const std::byte>>(each);
    }
    if (!head.empty()) {
        const auto done = co_await peer.send(head, limits.stall_timeout);
        if (!done) {
            co_return failure(done.error());
        }
        add(sent_bytes, head.size());
    }
    co_return result<void>{};
}

}  // namespace ferry::net
