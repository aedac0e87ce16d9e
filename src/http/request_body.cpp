#include "http/request_body.hpp"

#include <algorithm>
#include <utility>

#include "ferry/base/units.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::http {

using runtime::task;

namespace {

// A body that comes in drips must not hold the memory of one that comes fast (threats.md, H4).
constexpr std::size_t first_piece_bytes = 16_KiB;
// What one receive may bring (datapath.md, 12).
constexpr std::size_t piece_bytes = 256_KiB;

constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

request_body::request_body(net::stream& peer, const request& asked, std::string_view at_hand,
                           const body_limits& limits) noexcept
    : peer_(peer),
      at_hand_(at_hand),
      limits_(limits),
      is_chunked_(asked.framing == body_framing::chunked),
      waits_for_continue_(asked.expect_continue),
      chunks_(limits.chunks) {
    if (asked.framing == body_framing::length) {
        left_bytes_ = asked.content_length;
    }
    is_over_ = !is_chunked_ && left_bytes_ == 0;
}

bool request_body::lets_go_on() const noexcept {
    if (is_over_) {
        return true;
    }
    // A client that was not told to go on may send the content or not: nobody could tell it from
    // the next request. Of chunks nobody knows how many there are.
    return !failed_ && !is_chunked_ && !waits_for_continue_ &&
           left_bytes_ <= limits_.drain_bytes_max;
}

task<result<std::span<const std::byte>>> request_body::next() {
    if (failed_) {
        co_return failure(*failed_);
    }
    if (is_over_) {
        co_return std::span<const std::byte>();
    }
    if (limits_.content_bytes_max != 0 && left_bytes_ > limits_.content_bytes_max) {
        failed_ = errc::too_large;
        co_return failure(*failed_);
    }
    const auto ahead = co_await go_ahead();
    if (!ahead) {
        failed_ = ahead.error().code;
        co_return failure(ahead.error());
    }
    const auto got = co_await next_octets();
    if (!got) {
        failed_ = got.error().code;
        co_return failure(got.error());
    }
    content_bytes_ += got->size();
    if (limits_.content_bytes_max != 0 && content_bytes_ > limits_.content_bytes_max) {
        failed_ = errc::too_large;
        co_return failure(*failed_);
    }
    co_return std::as_bytes(std::span(*got));
}

task<result<void>> request_body::tell(std::string_view interim) {
    const auto sent = co_await peer_.send(std::as_bytes(std::span(interim)), limits_.stall_timeout);
    co_return sent;
}

task<result<void>> request_body::skip() {
    deadline_ = peer_.here().now() + limits_.drain_timeout;
    while (!is_over_) {
        const auto got = co_await next_octets();
        if (!got) {
            failed_ = got.error().code;
            co_return failure(got.error());
        }
    }
    co_return result<void>{};
}

/// Lets a client go on that waits for it; not where it has begun already (RFC 9110 section 10.1.1).
task<result<void>> request_body::go_ahead() {
    if (!std::exchange(waits_for_continue_, false) || !at_hand_.empty()) {
        co_return result<void>{};
    }
    const auto sent = co_await peer_.send(std::as_bytes(std::span(go_on)), limits_.stall_timeout);
    co_return sent;
}

task<result<std::string_view>> request_body::next_octets() {
    if (is_chunked_) {
        const auto got = co_await next_by_chunks();
        co_return got;
    }
    const auto got = co_await next_by_length();
    co_return got;
}

task<result<std::string_view>> request_body::next_by_length() {
    std::string_view piece;
    if (used_ < at_hand_.size()) {
        piece = at_hand_.substr(used_, static_cast<std::size_t>(std::min<std::uint64_t>(
                                           left_bytes_, at_hand_.size() - used_)));
        used_ += piece.size();
        received_bytes_ += piece.size();
    } else {
        const auto got = co_await receive(left_bytes_);
        if (!got) {
            co_return failure(got.error());
        }
        piece = *got;
    }
    left_bytes_ -= piece.size();
    is_over_ = left_bytes_ == 0;
    co_return piece;
}

task<result<std::string_view>> request_body::next_by_chunks() {
    for (;;) {  // Bounded by the peer: each turn takes octets of the body.
        const bool is_at_hand = used_ < at_hand_.size();
        if (!is_at_hand && received_.empty()) {
            const auto got = co_await receive(piece_bytes);
            if (!got) {
                co_return failure(got.error());
            }
            received_ = *got;
        }
        const auto taken = chunks_.decode(is_at_hand ? at_hand_.substr(used_) : received_);
        if (is_at_hand) {
            used_ += taken.consumed_bytes;
            received_bytes_ += taken.consumed_bytes;
        } else {
            received_.remove_prefix(taken.consumed_bytes);
        }
        if (chunks_.is_refused()) {
            co_return failure(errc::invalid);
        }
        if (chunks_.is_complete()) {
            is_over_ = true;
            following_ = received_;
            received_bytes_ -= following_.size();
            co_return std::string_view();
        }
        if (!taken.content.empty()) {
            co_return taken.content;
        }
    }
}

/// Receives at least one octet into `memory_`, all that was there is used up.
task<result<std::string_view>> request_body::receive(std::uint64_t most) {
    if (memory_bytes_ == 0 ||
        (was_filled_ && memory_bytes_ < piece_bytes && most > memory_bytes_)) {
        memory_bytes_ = static_cast<std::size_t>(
            std::min<std::uint64_t>(most, memory_bytes_ == 0 ? first_piece_bytes : piece_bytes));
        memory_.reset();
        memory_ = std::make_unique_for_overwrite<std::byte[]>(memory_bytes_);
    }
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(most, memory_bytes_));
    const auto until = std::min(deadline_, peer_.here().now() + limits_.stall_timeout);
    runtime::stop_scope scope(&co_await runtime::current_scope());
    if (limits_.ending != nullptr) {
        scope.follow(*limits_.ending);
    }
    const auto got = co_await peer_.receive(std::span(memory_.get(), room), until).in_scope(scope);
    if (!got) {
        co_return failure(got.error());
    }
    if (*got == 0) {
        co_return failure(errc::closed);
    }
    was_filled_ = *got == memory_bytes_;
    received_bytes_ += *got;
    co_return std::string_view(static_cast<const char*>(static_cast<const void*>(memory_.get())),
                               *got);
}

}  // namespace ferry::http
