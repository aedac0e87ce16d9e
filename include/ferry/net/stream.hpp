#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/endpoint.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/file_span.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"

namespace ferry::net {

/// How `stream::close` parts from the peer.
enum class farewell : std::uint8_t {
    orderly,  ///< What was sent arrives; nothing more is read. For a peer that has nothing under
              ///< way; where octets wait unread all the same, as `linger`.
    linger,  ///< Ends our side, reads and drops what still comes for a short while, then closes, so
             ///< that the last answer is not destroyed by a reset (RFC 9112 section 9.6).
    abort,   ///< At once, and the peer sees a reset: what it got is not to be taken for whole.
};

struct record_key;

/// One connection as the protocols see it: octets in, octets out, files out. Plain TCP or TLS; they
/// cannot tell. One reader and one writer at a time, which may be different coroutines.
///
/// Every wait heeds the scope of the coroutine that awaits and gives errc::cancelled on a stop.
/// Must be closed (`co_await close(...)`) before it dies.
class stream {
  public:
    virtual ~stream() = default;

    /// What has arrived and is not consumed. Valid until the next suspension or `consume`.
    [[nodiscard]] virtual std::string_view input() const noexcept = 0;

    /// Appends all of `input()` to `into` and consumes it: for who must keep octets over a
    /// suspension.
    virtual void take_input(std::string& into) = 0;

    /// Drops the first `octets` of `input()`.
    virtual void consume(std::size_t octets) noexcept = 0;

    /// Waits until `input()` holds octets that no `fill` has announced: at once when they came
    /// while nobody waited. Reading ahead is bounded: past `input_bytes_max` the stream takes
    /// nothing from the network, so consume before asking again.
    ///
    /// Errors: errc::closed (the peer has ended its side: answer what was asked, then close),
    /// errc::reset, timed_out (input is kept; another `fill` goes on), exhausted (`input()` is
    /// full). Octets that are there come before any of them, and before a stop.
    [[nodiscard]] virtual runtime::task<result<void>> fill(runtime::time_point deadline) = 0;

    /// Receives into the caller's memory: what `input()` holds first, then from the network as much
    /// as is there, at least one octet. 0 is end of stream; `into` must not be empty. For bulk; do
    /// not mix with a waiting `fill`. Errors: errc::reset, timed_out.
    [[nodiscard]] virtual runtime::task<result<std::size_t>> receive(
        std::span<std::byte> into, runtime::time_point deadline) = 0;

    /// Sends all of `octets`. `stall_timeout`: the longest time without any progress.
    /// Errors: errc::reset, timed_out. Where some of `octets` had left by then, or of what
    /// `send_at_once` and `send_ahead` were given and they are the rest of, the peer waits for what
    /// is missing: every send from then on fails, with errc::reset.
    [[nodiscard]] virtual runtime::task<result<void>> send(std::span<const std::byte> octets,
                                                           runtime::duration stall_timeout) = 0;

    /// Sends as many of `octets` as there is room for at once, and gives how many: 0 also where a
    /// stream cannot, or the connection has failed, which the next `send` says. Never suspends.
    [[nodiscard]] virtual std::size_t send_at_once(std::span<const std::byte> octets) noexcept {
        static_cast<void>(octets);
        return 0;
    }

    /// The same of what more follows at once: it leaves together with that.
    [[nodiscard]] virtual std::size_t send_ahead(std::span<const std::byte> octets) noexcept {
        static_cast<void>(octets);
        return 0;
    }

    /// What to send from memory and then from a file, in one go.
    struct file_message {
        std::span<const std::byte> head;  ///< May be empty.
        runtime::file_span body;
    };
    /// Sends some of `message`, at least one octet and at most one quantum, without copying the
    /// file; gives how much (head first). Errors: as `send`; errc::closed when the file is shorter
    /// than its span: what was promised cannot be kept, so abort.
    [[nodiscard]] virtual runtime::task<result<std::uint64_t>> send_file(
        file_message message, runtime::duration stall_timeout) = 0;

    /// From now on what is sent is content of TLS, and the kernel seals it by `key`. False: it does
    /// not do it, on this stream or by this cipher, and nothing has changed.
    [[nodiscard]] virtual bool seal_in_kernel(const record_key& key) noexcept {
        static_cast<void>(key);
        return false;
    }
    /// Where the kernel seals: sends `octets`, at most 2^14, as one record of another `kind` than
    /// content (RFC 8446 section 5.1). When it is over all that was sent before is TCP's, too.
    /// Errors: as of `send`.
    [[nodiscard]] virtual runtime::task<result<void>> send_record(std::uint8_t kind,
                                                                  std::span<const std::byte> octets,
                                                                  runtime::duration stall_timeout);

    /// Ends our side of the conversation; the peer reads end of stream. Reading goes on.
    virtual void shut_down_sending() noexcept = 0;

    /// Parts from the peer and gives everything back. Deaf to stop requests, bounded in time. At
    /// most once, and nothing else may be waiting on this stream.
    [[nodiscard]] virtual runtime::task<> close(farewell how) = 0;

    [[nodiscard]] virtual const endpoint& peer() const noexcept = 0;
    [[nodiscard]] virtual const endpoint& local() const noexcept = 0;
    [[nodiscard]] virtual runtime::core& here() noexcept = 0;
};

inline constexpr std::size_t input_bytes_max = 64 * 1024;

}  // namespace ferry::net
