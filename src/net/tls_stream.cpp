#include "ferry/net/tls_stream.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/wait.hpp"
#include "net/kernel_tls.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_session.hpp"

namespace ferry::net {

using runtime::op;
using runtime::op_wait;
using runtime::opcode;
using runtime::task;

namespace {

/// What is read of a file, sealed and sent in one go: 64 to 256 KiB cost the same (datapath.md,
/// 11), and while it is sealed the core serves nobody else.
constexpr std::size_t quantum_bytes = 112_KiB;
/// Of a file that is worth telling the kernel the key for: more than goes in one quantum.
constexpr std::uint64_t kernel_file_bytes_min = 128_KiB;
/// And of which a key protects all (RFC 8446 section 5.5), for the kernel does not renew it.
constexpr std::uint64_t kernel_file_bytes_max = 128 * 1'024 * 1_MiB;
/// From so much on what is sealed is sent from where it lies, while it is in the processor's cache:
/// through the ring it would leave behind what all others seal in the same turn.
constexpr std::size_t large_bytes_min = 16_KiB;
/// What is received at a time for who receives in bulk; more than a record.
constexpr std::size_t bulk_bytes = 64_KiB;
/// Of what is opened at once: content, its kind and its padding.
constexpr std::size_t record_bytes_max = 16_KiB + 256;
/// Of content that is opened, whatever little has come.
constexpr std::size_t opening_bytes_min = 256;

/// With the headers of the records that it comes in, be they as small as they like.
constexpr std::size_t unfinished_hello_bytes_max = 24_KiB;

/// Of what is left of a handshake's time: when its client has said nothing for so long, it stalls.
constexpr int part_to_wait = 8;
/// When a server drains, a client that has said nothing yet begins within this or not at all.
constexpr auto last_hello_time_max = std::chrono::milliseconds(500);
/// For the little that the peer is told when all else is over.
constexpr auto goodbye_time_max = std::chrono::seconds(2);
/// For the answers of TLS itself to what the peer sends.
constexpr auto answer_time_max = std::chrono::seconds(30);

std::span<const std::byte> octets_of(std::string_view text) noexcept {
    return std::as_bytes(std::span(text));
}

std::span<std::byte> room_at(char* text, std::size_t size_bytes) noexcept {
    return std::as_writable_bytes(std::span(text, size_bytes));
}

std::span<std::byte> room_in(std::string& text) noexcept {
    return room_at(text.data(), text.size());
}

}  // namespace

tls_stream::tls_stream(stream& below) noexcept : below_(below), sent_(below.here().io()) {}

tls_stream::tls_stream(std::unique_ptr<stream> below) noexcept
    : own_(std::move(below)), below_(*own_), sent_(below_.here().io()) {}

tls_stream::~tls_stream() = default;

tls_facts tls_stream::facts() const {
    FERRY_ASSERT(is_secure());
    return {.version = session_->version(),
            .cipher = session_->cipher(),
            .is_resumed = session_->is_resumed(),
            .resumed_mark = std::string(session_->resumed_mark()),
            .client_name = session_->client_common_name(),
            .client_subject = session_->client_subject()};
}

std::string_view tls_stream::why() const noexcept {
    return session_ ? session_->why() : std::string_view();
}

// ----------------------------------------------------------------------------------- the handshake

task<result<void>> tls_stream::accept(tls_terms terms) {
    auto* const counts = terms.counts;
    const auto begun = co_await begin(std::move(terms));
    if (counts != nullptr && !begun) {
        ++counts->failed;
    } else if (counts != nullptr) {
        ++(session_->is_resumed() ? counts->resumed : counts->full);
    }
    co_return begun;
}

task<result<void>> tls_stream::begin(tls_terms terms) {
    FERRY_ASSERT(!is_secure());
    const auto deadline = here().now() + terms.timeout;
    const auto heard = co_await wait_for_hello(deadline, terms.draining);
    if (!heard) {
        co_return failure(heard.error());
    }
    const bool seals_in_kernel = terms.by->inside().seals_in_kernel;
    auto made = tls_session::make(std::move(terms.by), {.protocol = terms.protocol,
                                                        .mark = std::move(terms.mark),
                                                        .usual_name = std::move(terms.usual_name),
                                                        .gives_ticket = terms.gives_ticket,
                                                        .gives_more = terms.gives_more});
    if (!made) {
        co_return failure(made.error());
    }
    session_ = std::move(*made);
    may_seal_in_kernel_ = seals_in_kernel;
    buffers_ = terms.buffers;
    const auto shaken = co_await shake_hands(terms.turns, deadline);
    if (!shaken) {
        is_broken_ = shaken.error() != errc::invalid;
        end_with(shaken.error());
        if (!is_broken_) {
            // Why it is over; whether it arrives makes no difference.
            static_cast<void>(co_await flush(goodbye_time_max));
            is_broken_ = true;
        }
    }
    co_return shaken;
}

/// Waits until the client has said all of what begins a handshake: one that stalls there costs no
/// more than what it has sent (threats.md, T3). `draining` may be null.
task<result<void>> tls_stream::wait_for_hello(runtime::time_point deadline,
                                              runtime::stop_scope* draining) {
    tls_client_hello_watch hello;
    std::size_t seen = 0;
    for (;;) {  // Bounded by the deadline, and by how long a hello may be.
        const auto come = below_.input();
        // Records of TLS begin with control octets (RFC 8446 section 5.1).
        if (!come.empty() && come.front() >= ' ' && come.front() <= '~') {
            heard_clear_text_ = true;
            co_return failure(errc::invalid);
        }
        const bool is_good = hello.take(come.substr(seen));
        seen = come.size();
        if (hello.is_whole() || !is_good || seen > unfinished_hello_bytes_max) {
            co_return result<void>{};  // What is wrong with it finds out who answers it.
        }
        result<void> filled;
        if (draining != nullptr && come.empty()) {
            filled = co_await below_.fill(deadline).in_scope(*draining);
            if (!filled && filled.error() == errc::cancelled) {
                // Its hello may be on the way.
                filled =
                    co_await below_.fill(std::min(deadline, here().now() + last_hello_time_max));
            }
        } else {
            filled = co_await below_.fill(deadline);
        }
        if (!filled) {
            co_return failure(filled.error());
        }
    }
}

task<result<void>> tls_stream::shake_hands(runtime::permits* turns, runtime::time_point deadline) {
    for (;;) {  // Bounded by the deadline.
        if (tls_session::whole_records(below_.input()) > 0) {
            const auto done = co_await compute(turns, deadline);
            if (!done) {
                co_return failure(done.error());
            }
            if (!session_->to_send().empty()) {
                const auto left = deadline - here().now();
                if (left <= runtime::duration::zero()) {
                    co_return failure(errc::timed_out);
                }
                const auto sent = co_await flush(left);
                if (!sent) {
                    co_return failure(sent.error());
                }
            }
            if (*done) {
                co_return result<void>{};
            }
            continue;
        }
        const auto now = here().now();
        auto filled = co_await below_.fill(now + (deadline - now) / part_to_wait);
        if (!filled && filled.error() == errc::timed_out) {
            give_buffers_back();
            session_->give_pages_back();
            const auto late = co_await below_.fill(deadline);
            filled = late;
        }
        if (!filled) {
            co_return failure(filled.error());
        }
    }
}

/// One step of the handshake, when its turn has come; true after the last one. Everybody else on
/// the core has a turn before the next handshake has one.
task<result<bool>> tls_stream::compute(runtime::permits* turns, runtime::time_point deadline) {
    std::optional<runtime::permits::permit> turn;
    if (turns != nullptr) {
        auto given = co_await turns->take(deadline);
        if (!given) {
            co_return failure(given.error());
        }
        turn.emplace(std::move(*given));
    }
    session_->offer(below_.input());
    const auto how = session_->shake_hands();
    below_.consume(session_->taken());
    session_->offer({});
    if (turn) {
        co_await here().yield();
        turn->give_back();
    }
    if (!how) {
        co_return failure(how.error());
    }
    co_return *how == tls_session::progress::done;
}

// ----------------------------------------------------------------------------------------- reading

std::string_view tls_stream::input() const noexcept {
    return is_secure() ? std::string_view(input_).substr(consumed_) : below_.input();
}

void tls_stream::take_input(std::string& into) {
    if (!is_secure()) {
        below_.take_input(into);
        return;
    }
    if (into.empty() && consumed_ == 0) {
        into.swap(input_);  // The usual case costs no copy.
    } else {
        into.append(input());
    }
    forget_input();
}

void tls_stream::consume(std::size_t octets) noexcept {
    if (!is_secure()) {
        below_.consume(octets);
        return;
    }
    consumed_ += octets;
    FERRY_ASSERT(consumed_ <= input_.size());
    if (consumed_ == input_.size()) {
        forget_input();
    }
}

void tls_stream::forget_input() noexcept {
    input_.clear();
    consumed_ = 0;
    has_news_ = false;
}

void tls_stream::end_with(const error& why) noexcept {
    if (!has_ended_) {
        has_ended_ = true;
        end_ = why;
    }
}

/// Opens some of what has come: 0 where nothing is there, and after the end.
result<std::size_t> tls_stream::open_into(std::span<std::byte> into) {
    for (const bool is_bulk : {true, false}) {
        const auto sealed = is_bulk ? std::string_view(bulk_).substr(bulk_used_) : below_.input();
        if (is_bulk && sealed.empty() && session_->pending() == 0) {
            continue;
        }
        session_->offer(sealed);
        const auto read = session_->read(into);
        if (is_bulk) {
            bulk_used_ += session_->taken();
        } else {
            below_.consume(session_->taken());
        }
        session_->offer({});
        if (!read) {
            end_with(read.error());
            return failure(read.error());
        }
        if (read->how == tls_session::progress::ended) {
            end_with({.code = errc::closed});
            return std::size_t{0};
        }
        if (read->octets > 0) {
            return read->octets;
        }
    }
    return std::size_t{0};
}

void tls_stream::open_into_input() {
    try {
        if (consumed_ > 0) {
            input_.erase(0, consumed_);
            consumed_ = 0;
        }
        while (!has_ended_ && input_.size() < input_bytes_max) {
            const auto had = input_.size();
            const auto sealed = below_.input().size() + bulk_.size() - bulk_used_;
            const auto most = std::clamp(std::max(sealed, session_->pending()), opening_bytes_min,
                                         record_bytes_max);
            std::size_t opened = 0;
            input_.resize_and_overwrite(had + most, [&](char* octets, std::size_t) noexcept {
                opened =
                    open_into(std::as_writable_bytes(std::span(octets + had, most))).value_or(0);
                return had + opened;
            });
            if (opened == 0) {
                break;
            }
            has_news_ = true;
        }
    } catch (const std::bad_alloc&) {
        end_with({.code = errc::exhausted});
    }
}

/// Sends what TLS itself has to say to what was read: that keys are renewed, or why it is over.
task<result<void>> tls_stream::send_what_reading_made() {
    if (is_sending_ || !session_->has_to_say()) {
        co_return result<void>{};  // Who sends takes it along.
    }
    const auto sent = co_await flush(answer_time_max);
    co_return sent;
}

void tls_stream::give_buffers_back() noexcept {
    if (input_.empty()) {
        std::string().swap(input_);
    }
    if (bulk_used_ == bulk_.size()) {
        std::string().swap(bulk_);
        bulk_used_ = 0;
    }
    if (!is_sending_) {
        std::string().swap(sending_);
        session_->give_buffers_back();
    }
}

task<result<void>> tls_stream::fill(runtime::time_point deadline) {
    if (!is_secure()) {
        const auto filled = co_await below_.fill(deadline);
        co_return filled;
    }
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
        open_into_input();
        if (has_news_) {
            continue;
        }
        if (session_->has_to_say()) {
            const auto sent = co_await send_what_reading_made();
            if (!sent) {
                end_with(sent.error());
            }
        }
        if (has_ended_) {
            continue;
        }
        if (is_ending_ && !is_sending_) {
            below_.shut_down_sending();
        }
        give_buffers_back();
        const auto filled = co_await below_.fill(deadline);
        if (filled) {
            continue;
        }
        switch (filled.error().code) {
            case errc::timed_out:
            case errc::cancelled:
                co_return failure(filled.error());
            case errc::closed:  // Without a word: it may have been cut off.
                end_with({.code = errc::reset});
                break;
            default:
                end_with(filled.error());
        }
    }
}

task<result<std::size_t>> tls_stream::receive(std::span<std::byte> into,
                                              runtime::time_point deadline) {
    FERRY_ASSERT(!into.empty());
    if (!is_secure()) {
        const auto got = co_await below_.receive(into, deadline);
        co_return got;
    }
    if (const auto waiting = input(); !waiting.empty()) {
        const auto taken = std::min(waiting.size(), into.size());
        std::memcpy(into.data(), waiting.data(), taken);
        consume(taken);
        co_return taken;
    }
    std::size_t received = 0;
    for (;;) {  // Bounded by the peer, who sends something each time, and by the deadline.
        while (!has_ended_ && received < into.size()) {
            const auto opened = open_into(into.subspan(received));
            if (!opened || *opened == 0) {
                break;
            }
            received += *opened;
        }
        if (session_->has_to_say()) {
            const auto sent = co_await send_what_reading_made();
            if (!sent) {
                end_with(sent.error());
            }
        }
        if (received > 0) {
            co_return received;
        }
        if (has_ended_) {
            if (end_.code == errc::closed) {
                co_return std::size_t{0};
            }
            co_return failure(end_);
        }
        if (is_ending_ && !is_sending_) {
            below_.shut_down_sending();
        }
        // Not zeroed, for it is written to next.
        bulk_.resize_and_overwrite(bulk_bytes, [](char*, std::size_t size) { return size; });
        bulk_used_ = bulk_bytes;
        const auto got = co_await below_.receive(room_in(bulk_), deadline);
        if (!got) {
            co_return failure(got.error());
        }
        if (*got == 0) {
            end_with({.code = errc::reset});  // Without a word: it may have been cut off.
            continue;
        }
        bulk_.resize(*got);
        bulk_used_ = 0;
    }
}

// ----------------------------------------------------------------------------------------- sending

void tls_stream::give_ticket() noexcept {
    if (session_ && !kernel_seals_ && !is_broken_) {
        session_->give_ticket();
    }
}

/// Waits until nobody else is sending.
task<result<void>> tls_stream::wait_for_turn() {
    while (is_sending_) {
        const auto woken = co_await sent_.wait();
        if (!woken) {
            co_return failure(woken.error());
        }
    }
    if (is_broken_) {
        co_return failure(errc::reset);
    }
    co_return result<void>{};
}

task<result<void>> tls_stream::flush(runtime::duration stall_timeout) {
    if (is_sending_ || is_broken_) {
        const auto ready = co_await wait_for_turn();
        if (!ready) {
            co_return failure(ready.error());
        }
    }
    const turn mine(*this);
    while (!session_->to_send().empty()) {
        sending_.clear();
        sending_.swap(session_->to_send());
        auto left = octets_of(sending_);
        const bool is_large = left.size() >= large_bytes_min;
        if (is_large) {
            left = left.subspan(below_.send_at_once(left));
        }
        try {
            if (!left.empty()) {
                const auto sent = co_await below_.send(left, stall_timeout);
                if (!sent) {
                    is_broken_ = true;  // No record begins in the middle of another.
                    co_return failure(sent.error());
                }
            }
            sending_.clear();
            if (is_large && buffers_ != nullptr) {
                buffers_->give_back(sending_);
            }
        } catch (const std::bad_alloc&) {
            is_broken_ = true;  // Nor behind one that is lost.
            co_return failure(errc::exhausted);
        }
    }
    if (kernel_seals_ && session_->alert()) {
        const auto sent =
            co_await below_.send_record(alert_record, *session_->alert(), stall_timeout);
        if (!sent) {
            co_return failure(sent.error());  // Nothing of it has gone: it can be tried again.
        }
        session_->forget_alert();
    }
    co_return result<void>{};
}

/// Has the kernel seal what is sent from here on, if it does.
task<result<void>> tls_stream::go_over_to_kernel(runtime::duration stall_timeout) {
    may_seal_in_kernel_ = false;  // Asked once.
    do {                          // All that is sealed goes before.
        const auto sent = co_await flush(stall_timeout);
        if (!sent) {
            co_return failure(sent.error());
        }
    } while (is_sending_ || session_->has_to_say());
    const auto key = session_->sealing_key();
    if (key && below_.seal_in_kernel(*key)) {
        session_->hand_over_sealing();
        kernel_seals_ = true;
    }
    co_return result<void>{};
}

/// Sends some of what the kernel seals, and then what TLS has to say, if that came up meanwhile.
task<result<std::uint64_t>> tls_stream::send_by_kernel(file_message message,
                                                       runtime::duration stall_timeout) {
    const auto ready = co_await wait_for_turn();
    if (!ready) {
        co_return failure(ready.error());
    }
    message.body.size_bytes = std::min<std::uint64_t>(message.body.size_bytes, quantum_bytes);
    if (!session_->note_sealed(message.head.size() + message.body.size_bytes)) {
        co_return failure(errc::reset);
    }
    patience_ = stall_timeout;
    std::uint64_t octets = message.head.size();
    try {
        const turn mine(*this);
        result<void> passed;
        if (message.body.size_bytes > 0) {
            const auto sent = co_await below_.send_file(message, stall_timeout);
            octets = sent.value_or(0);
            passed = sent ? result<void>{} : failure(sent.error());
        } else {
            const auto sent = co_await below_.send(message.head, stall_timeout);
            passed = sent;
        }
        if (!passed) {
            is_broken_ = true;
            co_return failure(passed.error());
        }
    } catch (const std::bad_alloc&) {
        is_broken_ = true;  // How much of it has gone nobody knows.
        co_return failure(errc::exhausted);
    }
    if (session_->has_to_say()) {
        const auto said = co_await flush(stall_timeout);
        if (!said) {
            co_return failure(said.error());
        }
    }
    co_return octets;
}

task<result<void>> tls_stream::send(std::span<const std::byte> octets,
                                    runtime::duration stall_timeout) {
    if (!is_secure()) {
        const auto sent = co_await below_.send(octets, stall_timeout);
        co_return sent;
    }
    try {
        while (!octets.empty()) {
            const auto part = octets.first(std::min(octets.size(), quantum_bytes));
            octets = octets.subspan(part.size());
            if (kernel_seals_) {
                const file_message message{.head = part, .body = {}};
                const auto passed = co_await send_by_kernel(message, stall_timeout);
                if (!passed) {
                    co_return failure(passed.error());
                }
                continue;
            }
            const auto sealed = seal(part);
            if (!sealed) {
                co_return failure(sealed.error());
            }
            const auto sent = co_await flush(stall_timeout);
            if (!sent) {
                co_return failure(sent.error());
            }
        }
    } catch (const std::bad_alloc&) {
        // What is sealed may go yet: who says it again would have said it twice.
        is_broken_ = true;
        co_return failure(errc::exhausted);
    }
    co_return result<void>{};
}

/// Seals one quantum at most, for `flush`.
result<void> tls_stream::seal(std::span<const std::byte> octets) {
    auto& sealed = session_->to_send();
    if (buffers_ != nullptr && octets.size() >= large_bytes_min && sealed.empty() &&
        sealed.capacity() < octets.size()) {
        sealed = buffers_->take();
    }
    const auto written = session_->write(octets);
    if (!written) {
        return failure(written.error() == errc::exhausted ? errc::exhausted : errc::reset);
    }
    return {};
}

task<result<std::uint64_t>> tls_stream::send_file(file_message message,
                                                  runtime::duration stall_timeout) {
    if (!is_secure()) {
        const auto sent = co_await below_.send_file(message, stall_timeout);
        co_return sent;
    }
    if (may_seal_in_kernel_ && message.body.size_bytes >= kernel_file_bytes_min &&
        message.body.size_bytes <= kernel_file_bytes_max) {
        const auto ready = co_await go_over_to_kernel(stall_timeout);
        if (!ready) {
            co_return failure(ready.error());
        }
    }
    if (kernel_seals_) {
        const auto sent = co_await send_by_kernel(message, stall_timeout);
        co_return sent;
    }
    if (message.head.size() >= quantum_bytes) {
        const auto part = message.head.first(quantum_bytes);
        const auto sent = co_await send(part, stall_timeout);
        if (!sent) {
            co_return failure(sent.error());
        }
        co_return part.size();
    }
    // The head goes into the same records as the file.
    const auto head_bytes = message.head.size();
    const auto wanted = static_cast<std::size_t>(
        std::min<std::uint64_t>(message.body.size_bytes, quantum_bytes - head_bytes));
    std::size_t octets = head_bytes;
    {
        seal_buffers::lease clear(buffers_);
        clear.text.resize_and_overwrite(head_bytes + wanted, [&](char* text, std::size_t size) {
            std::ranges::copy(message.head, room_at(text, head_bytes).begin());
            return size;
        });
        if (wanted > 0) {
            auto* const into = room_in(clear.text).data() + head_bytes;
            const auto read = co_await op_wait(
                here().io(), opcode::read, message.body.fd, runtime::never, [&](op& fresh) {
                    fresh.args.read = {
                        .data = into, .size_bytes = wanted, .offset = message.body.offset};
                });
            if (!read) {
                co_return failure(read.error());
            }
            if (*read == 0) {
                co_return failure(errc::closed);
            }
            octets += static_cast<std::size_t>(*read);
        }
        const auto sealed = seal(octets_of(clear.text).first(octets));
        if (!sealed) {
            co_return failure(sealed.error());
        }
    }
    const auto sent = co_await flush(stall_timeout);
    if (!sent) {
        co_return failure(sent.error());
    }
    co_return octets;
}

void tls_stream::shut_down_sending() noexcept {
    if (!is_secure()) {
        below_.shut_down_sending();
        return;
    }
    session_->end();
    is_ending_ = true;
}

// -------------------------------------------------------------------------------------------
// ending

task<result<void>> tls_stream::go_back_to_clear(runtime::time_point deadline) {
    FERRY_ASSERT(is_secure());
    if (kernel_seals_) {
        co_return failure(errc::invalid);  // It does not stop.
    }
    session_->end();
    const auto told = co_await flush(answer_time_max);
    if (!told) {
        co_return failure(told.error());
    }
    for (;;) {  // Bounded by the deadline. What came before the end was asked under TLS: dropped.
        const auto more = co_await fill(deadline);
        if (!more && more.error() == errc::closed) {
            break;
        }
        if (!more) {
            co_return failure(more.error());
        }
        consume(input().size());
    }
    session_.reset();
    has_ended_ = false;
    has_news_ = false;
    std::string().swap(input_);
    std::string().swap(bulk_);
    consumed_ = 0;
    bulk_used_ = 0;
    co_return result<void>{};
}

task<> tls_stream::say_goodbye(runtime::duration stall_timeout) {
    session_->end();
    static_cast<void>(co_await flush(stall_timeout));
}

task<> tls_stream::close(farewell how) {
    if (is_secure() && how != farewell::abort && !is_broken_) {
        runtime::stop_scope deaf;  // Bounded by `goodbye_time_max` instead.
        try {
            if (kernel_seals_) {
                // What it holds back is content, which has content's time, unless all is to stop.
                co_await say_goodbye(patience_);
            }
            if (!kernel_seals_ || session_->has_to_say()) {
                co_await say_goodbye(goodbye_time_max).in_scope(deaf);
            }
        } catch (const std::bad_alloc&) {
            // Out of memory: it parts without a word, which the peer takes for what it is.
        }
    }
    co_await below_.close(how);
}

}  // namespace ferry::net
