#include "ferry/net/plain_stream.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include "ferry/base/kernel.hpp"
#include "ferry/base/units.hpp"
#include "net/kernel_tls.hpp"

namespace ferry::net {

using runtime::op;
using runtime::op_wait;
using runtime::opcode;
using runtime::task;

namespace {

// Lingering: enough for what a client had under way, too little to be worth attacking.
constexpr auto linger_time_max = std::chrono::seconds(2);
constexpr std::size_t linger_bytes_max = 256_KiB;

// How often to look, in the time of one timeout, whether a peer whose socket is full takes any of
// it: who stops is found out after a timeout and a quarter. And never so often that it costs.
constexpr int looks_a_timeout = 4;
constexpr auto look_pause_min = std::chrono::milliseconds(20);

endpoint address_of(int socket, int (*ask)(int, sockaddr*, socklen_t*) noexcept) noexcept {
    sockaddr_storage storage{};
    socklen_t size_bytes = sizeof storage;
    auto* address = static_cast<sockaddr*>(static_cast<void*>(&storage));
    if (ask(socket, address, &size_bytes) != 0) {
        return {};
    }
    return from_sockaddr(address, size_bytes).value_or(endpoint{});
}

/// True when octets wait in the kernel: closing over them is a reset (RFC 9293 section 3.10.4),
/// which may destroy at the peer what it has not read yet.
bool has_unread_octets(int socket) noexcept {
    int waiting = 0;
    return kernel::count_unread(socket, waiting) == 0 && waiting > 0;
}

}  // namespace

plain_stream::plain_stream(runtime::core& here, unique_fd socket, minimum_rates least,
                           octet_counts* counts) noexcept
    : here_(here),
      socket_(std::move(socket)),
      peer_(address_of(socket_.get(), &kernel::getpeername)),
      local_(address_of(socket_.get(), &kernel::getsockname)),
      arrived_(here.io()),
      counts_(counts),
      sending_(least.sending),
      receiving_(least.receiving) {}

plain_stream::plain_stream(runtime::core& here, unique_fd socket, const end_addresses& ends,
                           minimum_rates least, octet_counts* counts) noexcept
    : here_(here),
      socket_(std::move(socket)),
      peer_(ends.peer),
      local_(ends.local),
      arrived_(here.io()),
      counts_(counts),
      sending_(least.sending),
      receiving_(least.receiving) {}

plain_stream::~plain_stream() {
    FERRY_ASSERT(!receive_.in_flight);
}

void plain_stream::take_input(std::string& into) {
    if (into.empty() && consumed_ == 0) {
        into.swap(input_);  // The usual case costs no copy.
    } else {
        into.append(input());
    }
    forget_input();
}

void plain_stream::forget_input() noexcept {
    input_.clear();
    consumed_ = 0;
    has_news_ = false;
}

void plain_stream::consume(std::size_t octets) noexcept {
    consumed_ += octets;
    FERRY_ASSERT(consumed_ <= input_.size());
    if (consumed_ == input_.size()) {
        forget_input();
    }
}

void plain_stream::arm() noexcept {
    receive_.fd = socket_.get();
    receive_.args.receive_provided = {.multishot = receives_ > 0};
    ++receives_;
    if (here_.io().submit(receive_) == runtime::submission::done) {
        take(receive_);
    }
}

void plain_stream::on_receive(op& arrived) noexcept {
    auto& self = static_cast<receive_op&>(arrived).owner;
    self.take(arrived);
    self.arrived_.announce_and_resume();  // May end this stream's life when nothing is in flight.
}

void plain_stream::take(op& arrived) noexcept {
    if (has_ended_) {
        // What comes after octets that were lost must not be taken for their continuation.
    } else if (arrived.result > 0) {
        const auto octets = arrived.lease.octets();
        note_received(octets.size());
        try {
            if (consumed_ > 0) {
                input_.erase(0, consumed_);
                consumed_ = 0;
            }
            input_.append(static_cast<const char*>(static_cast<const void*>(octets.data())),
                          octets.size());
            has_news_ = true;
        } catch (const std::bad_alloc&) {
            has_ended_ = true;
            end_ = {.code = errc::exhausted, .os_errno = ENOMEM};
        }
        // Back-pressure: what is not read here stays in the kernel's buffer, then at the peer.
        if (arrived.more && (has_ended_ || input_.size() >= input_bytes_max)) {
            here_.io().cancel(receive_);
        }
    } else if (arrived.result == 0) {
        has_ended_ = true;
        end_ = {.code = errc::closed};
    } else if (arrived.result != -ECANCELED) {
        has_ended_ = true;
        end_ = error_from_errno(static_cast<int>(-arrived.result));
    }
    arrived.lease.release();
}

task<result<void>> plain_stream::fill(runtime::time_point deadline) {
    for (;;) {
        if (std::exchange(has_news_, false)) {
            co_return result<void>{};
        }
        if (has_ended_) {
            co_return failure(end_);
        }
        if (input().size() >= input_bytes_max) {
            co_return failure(errc::exhausted);
        }
        if (input().empty()) {
            std::string().swap(input_);  // Idle connections hold no memory for input.
        }
        if (!receive_.in_flight) {
            arm();
            if (!receive_.in_flight) {
                continue;  // Over at once: nothing will be announced.
            }
        }
        const auto woken = co_await arrived_.wait(deadline);
        if (!woken && !has_news_) {  // What came between a stop and its turn is not to be lost.
            co_return failure(woken.error());
        }
    }
}

task<result<std::size_t>> plain_stream::receive(std::span<std::byte> into,
                                                runtime::time_point deadline) {
    FERRY_ASSERT(!into.empty());
    here_.io().cancel(receive_);
    while (receive_.in_flight) {  // What it still brings is in `input_` afterwards.
        static_cast<void>(co_await arrived_.wait_through_stop());
    }
    if (const auto waiting = input(); !waiting.empty()) {
        const auto taken = std::min(waiting.size(), into.size());
        std::memcpy(into.data(), waiting.data(), taken);
        consume(taken);
        co_return taken;
    }
    if (has_ended_) {
        if (end_.code == errc::closed) {
            co_return std::size_t{0};
        }
        co_return failure(end_);
    }
    const auto began = here_.now();
    const auto got = co_await op_wait(
        here_.io(), opcode::receive, socket_.get(), std::min(deadline, receiving_.deadline(began)),
        [&](op& fresh) { fresh.args.receive = {.data = into.data(), .size_bytes = into.size()}; });
    receiving_.waited(here_.now() - began, got ? static_cast<std::uint64_t>(*got) : 0);
    if (!got) {
        co_return failure(got.error());
    }
    note_received(static_cast<std::size_t>(*got));
    co_return static_cast<std::size_t>(*got);
}

/// When to look at the peer, at the latest, if the operation that begins now is not over.
runtime::time_point plain_stream::begin_turn(send_wait& wait) const noexcept {
    wait.began = here_.now();
    const auto stalled = wait.last_progress + wait.stall_timeout;
    const auto next_look = wait.began + std::max<runtime::duration>(
                                            wait.stall_timeout / looks_a_timeout, look_pause_min);
    const auto until = std::min(stalled, next_look);
    if (!sending_.is_set()) {
        return until;
    }
    const auto left = sending_.patience() - std::min(sending_.patience(), unjudged_);
    return std::min(until, wait.began + std::max<runtime::duration>(left, look_pause_min));
}

/// What an operation has sent. errc::timed_out when it is the peer that has been too slow; 0 when
/// it is only to be tried again.
result<std::uint64_t> plain_stream::end_turn(send_wait& wait,
                                             const result<std::int64_t>& sent) noexcept {
    if (!sent && sent.error() != errc::timed_out) {
        return failure(sent.error());
    }
    const auto moved = sent ? static_cast<std::uint64_t>(*sent) : 0;
    const auto now = here_.now();
    note_given(moved);
    unjudged_ += now - wait.began;
    if (moved > 0) {
        wait.last_progress = now;
    }
    // Looking is a system call: none as long as the peer is quick.
    if (moved == 0 || (sending_.is_set() && unjudged_ >= sending_.patience() / 4)) {
        if (look_at_peer()) {
            wait.last_progress = now;
        }
        if (now - wait.last_progress >= wait.stall_timeout || sending_.is_below()) {
            return failure(errc::timed_out);
        }
    }
    return moved;
}

/// Judges the time waited so far by what the peer has taken meanwhile. The kernel says that a
/// socket has room when a third of its buffer is free, which may be megabytes: who takes them
/// slowly is not who takes none. False: it has taken nothing of what is there.
bool plain_stream::look_at_peer() noexcept {
    int waiting = 0;
    const bool is_known = kernel::count_unacknowledged(socket_.get(), waiting) == 0 && waiting >= 0;
    const auto left = is_known ? std::min(static_cast<std::uint64_t>(waiting), given_) : 0;
    const auto taken = std::max(given_ - left, taken_);
    const auto moved = taken - std::exchange(taken_, taken);
    // With nothing under way it is the disk that is waited for.
    const auto waited = std::exchange(unjudged_, {});
    sending_.waited(left > 0 || !is_known ? waited : runtime::duration::zero(), moved);
    return moved > 0 || (is_known && left == 0);
}

task<result<void>> plain_stream::send(std::span<const std::byte> octets,
                                      runtime::duration stall_timeout) {
    if (is_torn_) {
        co_return failure(errc::reset);
    }
    auto wait = begin_wait(stall_timeout);
    const auto given_before = given_;
    while (!octets.empty()) {
        // The kernel's TLS takes no MSG_WAITALL, which a send has: a send_file of no file has none.
        const auto sent = co_await op_wait(
            here_.io(), is_sealed_ ? opcode::send_file : opcode::send, socket_.get(),
            begin_turn(wait), [&](op& fresh) {
                if (is_sealed_) {
                    fresh.args.send_file = {.head = octets.data(), .head_bytes = octets.size()};
                } else {
                    fresh.args.send = {.data = octets.data(), .size_bytes = octets.size()};
                }
            });
        const auto moved = end_turn(wait, sent);
        if (!moved) {
            is_torn_ = is_midway_ || given_ != given_before;
            co_return failure(moved.error());
        }
        octets = octets.subspan(static_cast<std::size_t>(*moved));
    }
    is_midway_ = false;
    co_return result<void>{};
}

std::size_t plain_stream::send_at_once(std::span<const std::byte> octets) noexcept {
    return send_now(octets, 0);
}

std::size_t plain_stream::send_ahead(std::span<const std::byte> octets) noexcept {
    return send_now(octets, MSG_MORE);
}

/// As much as there is room for, with these flags of send(2) besides those it always has.
std::size_t plain_stream::send_now(std::span<const std::byte> octets, int flags) noexcept {
    if (is_torn_) {
        return 0;
    }
    const auto sent = kernel::send(socket_.get(), octets.data(), octets.size(),
                                   flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    const auto moved = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    note_given(moved);
    const bool is_whole = moved == octets.size() && (flags & MSG_MORE) == 0;
    is_midway_ = !is_whole && (is_midway_ || moved > 0);
    return moved;
}

task<result<std::uint64_t>> plain_stream::send_file(file_message message,
                                                    runtime::duration stall_timeout) {
    if (is_torn_) {
        co_return failure(errc::reset);
    }
    auto wait = begin_wait(stall_timeout);
    for (;;) {  // Bounded by the peer: it has taken something in each turn, or it is over.
        const auto sent = co_await op_wait(
            here_.io(), opcode::send_file, socket_.get(), begin_turn(wait), [&](op& fresh) {
                fresh.args.send_file = {.head = message.head.data(),
                                        .head_bytes = message.head.size(),
                                        .file = message.body.fd,
                                        .identity = message.body.identity,
                                        .offset = message.body.offset,
                                        .size_bytes = message.body.size_bytes};
            });
        if (sent && *sent == 0) {
            co_return failure(errc::closed);
        }
        const auto moved = end_turn(wait, sent);
        if (!moved) {
            co_return failure(moved.error());
        }
        if (*moved > 0) {
            co_return *moved;
        }
    }
}

bool plain_stream::seal_in_kernel(const record_key& key) noexcept {
    is_sealed_ = begin_sealing(socket_.get(), key);
    return is_sealed_;
}

task<result<void>> plain_stream::send_record(std::uint8_t kind, std::span<const std::byte> octets,
                                             runtime::duration stall_timeout) {
    FERRY_ASSERT(is_sealed_);
    if (is_torn_) {
        co_return failure(errc::reset);
    }
    auto wait = begin_wait(stall_timeout);
    for (;;) {  // Bounded by the peer, who makes room, and by the timeout.
        // The kernel's TLS may hold the end of a record that there was no room for, and loses it
        // when our side ends; what is sent next takes it along. A socket that is writable has a
        // third of its buffer free, which is more than that and this.
        const auto room =
            co_await op_wait(here_.io(), opcode::send_file, socket_.get(), begin_turn(wait),
                             [](op& fresh) { fresh.args.send_file = {}; });
        const auto waited = end_turn(wait, room);
        if (!waited) {
            co_return failure(waited.error());
        }
        if (!room) {
            continue;  // It was only looked at the peer.
        }
        const auto sent = kernel::send_record(socket_.get(), kind, octets.data(), octets.size());
        if (sent > 0) {  // Of a record all or nothing.
            given_ += static_cast<std::uint64_t>(sent);
            co_return result<void>{};
        }
        if (errno != EAGAIN) {
            co_return failure(error_from_errno(errno));
        }
        co_await here_.yield();
    }
}

void plain_stream::begin_with(std::string octets) noexcept {
    note_received(octets.size());
    input_ = std::move(octets);
    consumed_ = 0;
    announce_again();
}

task<unique_fd> plain_stream::give_away() {
    here_.io().cancel(receive_);
    while (receive_.in_flight) {
        static_cast<void>(co_await arrived_.wait_through_stop());
    }
    if (has_news_ || has_ended_ || !input().empty()) {
        co_return unique_fd();
    }
    co_return std::move(socket_);
}

void plain_stream::shut_down_sending() noexcept {
    // Fails only when the peer is gone already, which the next read will say.
    static_cast<void>(kernel::shutdown(socket_.get(), SHUT_WR));
}

task<> plain_stream::linger() {
    shut_down_sending();
    const auto until = here_.now() + linger_time_max;
    std::size_t dropped = input().size();
    consume(dropped);
    while (dropped < linger_bytes_max) {
        const auto more = co_await fill(until);
        if (!more) {
            break;
        }
        dropped += input().size();
        consume(input().size());
    }
}

task<> plain_stream::close(farewell how) {
    if (how == farewell::orderly && has_unread_octets(socket_.get())) {
        how = farewell::linger;  // More was under way than the caller knew.
    }
    if (how == farewell::linger && !has_ended_) {
        runtime::stop_scope deaf;  // Bounded by `linger_time_max` instead.
        try {
            co_await linger().in_scope(deaf);
        } catch (const std::bad_alloc&) {
            // Out of memory: it parts without lingering.
        }
    }
    if (how == farewell::abort) {
        // No time to linger means a reset on close (RFC 9293 section 3.10.7.4 by SO_LINGER).
        const ::linger reset{.l_onoff = 1, .l_linger = 0};
        static_cast<void>(
            kernel::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    }
    here_.io().cancel(receive_);
    while (receive_.in_flight) {
        // The receive's last completion is what ends this wait: there is no other outcome.
        static_cast<void>(co_await arrived_.wait_through_stop());
    }
    socket_.reset();
}

}  // namespace ferry::net
