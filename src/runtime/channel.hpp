#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "ferry/base/assert.hpp"
#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/task.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/wait.hpp"

namespace ferry::runtime {

/// Values on their way from any thread to one coroutine of one core: a fixed number of places, no
/// lock, no allocation after it is made.
///
/// Values of one sender arrive in their order. A full channel refuses, so a sender decides what is
/// to be done about a receiver that does not keep up: drop, count, answer "busy".
///
/// Life: made, received from and destroyed on its home core's thread, before its reactor dies; and
/// no sender may still be in a call, or make another, when it is destroyed. What nobody received
/// dies with it.
template <class T>
class channel {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "a value half moved could be neither delivered nor refused");

  public:
    /// `capacity`: values at most on their way, rounded up to a power of two.
    channel(core& home, std::size_t capacity)
        : io_(home.io()),
          places_(std::make_unique<place[]>(std::bit_ceil(capacity))),
          place_bits_(static_cast<unsigned>(std::countr_zero(std::bit_ceil(capacity)))),
          arrived_(home.io()) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
        if (wake_up_.under_way.load(std::memory_order_acquire)) {
            io_.withdraw(wake_up_);
        }
        while (try_receive()) {}
    }

    /// Sends `value`, which is moved from only if it was taken. From any thread; never waits.
    /// False: full (later there may be room) or closed (`is_closed`: there never will be). Cost:
    /// two atomic exchanges; and a system call when the home core has nothing else to do.
    [[nodiscard]] bool try_send(T&& value) noexcept {
        std::uint64_t end = end_.load(std::memory_order_relaxed);
        for (;;) {  // Bounded by the other senders' progress: one of them has advanced `end_`.
            if ((end & closed_bit) != 0) {
                return false;
            }
            place& next = place_of(end);
            const std::uint64_t turn = next.turn.load(std::memory_order_acquire);
            if (turn == free_turn(end)) {
                if (end_.compare_exchange_weak(end, end + 1, std::memory_order_relaxed)) {
                    // The place is this sender's alone until its turn is counted on.
                    ::new (static_cast<void*>(next.memory)) T(std::move(value));
                    next.turn.store(turn + 1, std::memory_order_release);
                    wake();
                    return true;
                }
            } else if (turn < free_turn(end)) {
                return false;  // Still holds the value of a lap ago.
            } else {
                end = end_.load(std::memory_order_relaxed);
            }
        }
    }
    [[nodiscard]] bool try_send(const T& value) noexcept
        requires std::is_nothrow_copy_constructible_v<T>
    {
        return try_send(T(value));
    }

    /// Refuses further values; those accepted still arrive. From any thread; idempotent.
    void close() noexcept {
        end_.fetch_or(closed_bit, std::memory_order_acq_rel);
        wake();
    }

    [[nodiscard]] bool is_closed() const noexcept {
        return (end_.load(std::memory_order_acquire) & closed_bit) != 0;
    }

    /// The next value, waiting for it if need be. On the home core, one receiver at a time.
    ///
    /// Errors: errc::closed (closed, and all that was sent has been received), errc::timed_out,
    /// errc::cancelled. A value that is there comes before any of them, so nothing accepted is
    /// lost.
    [[nodiscard]] task<result<T>> receive(time_point deadline = never) {
        for (;;) {
            if (auto value = try_receive()) {
                co_return std::move(*value);
            }
            if (end_.load(std::memory_order_acquire) == (begin_ | closed_bit)) {
                co_return failure(errc::closed);
            }
            const auto woken = co_await arrived_.wait(deadline);
            if (!woken) {
                co_return failure(woken.error());
            }
        }
    }

    /// The next value if it is there. On the home core; never suspends.
    [[nodiscard]] std::optional<T> try_receive() noexcept {
        place& first = place_of(begin_);
        if (first.turn.load(std::memory_order_acquire) != free_turn(begin_) + 1) {
            return std::nullopt;
        }
        T& sent = *std::launder(static_cast<T*>(static_cast<void*>(first.memory)));
        std::optional<T> value(std::move(sent));
        sent.~T();
        first.turn.store(free_turn(begin_) + 2, std::memory_order_release);
        ++begin_;
        return value;
    }

  private:
    /// Room for one value. `turn` counts: even, free for the lap turn / 2; odd, holding its value.
    struct place {
        std::atomic<std::uint64_t> turn{0};
        alignas(T) std::byte memory[sizeof(T)];
    };
    /// What tells the home core, at most one at a time.
    struct wake_up : posted {
        explicit wake_up(event& tells) noexcept : posted(&wake_up::deliver_it), arrived(tells) {}
        static void deliver_it(posted& self) noexcept {
            auto& me = static_cast<wake_up&>(self);
            // Before the receiver looks: whoever sends from here on posts again.
            me.under_way.exchange(false, std::memory_order_acq_rel);
            me.arrived.announce();
        }
        event& arrived;
        std::atomic<bool> under_way{false};
    };

    static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63U;

    [[nodiscard]] place& place_of(std::uint64_t index) const noexcept {
        return places_[index & ((std::uint64_t{1} << place_bits_) - 1)];
    }
    [[nodiscard]] std::uint64_t free_turn(std::uint64_t index) const noexcept {
        return 2 * (index >> place_bits_);
    }
    void wake() noexcept {
        // An exchange even if it is set: only so does the delivery that clears it see this value.
        if (!wake_up_.under_way.exchange(true, std::memory_order_acq_rel)) {
            io_.post(wake_up_);
        }
    }

    reactor& io_;
    std::unique_ptr<place[]> places_;
    unsigned place_bits_;
    event arrived_;
    std::uint64_t begin_ = 0;  ///< The next to be received; the home core's own.
    alignas(64) std::atomic<std::uint64_t> end_{0};  ///< The next to be sent, and `closed_bit`.
    alignas(64) wake_up wake_up_{arrived_};
};

}  // namespace ferry::runtime
