#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "ferry/base/result.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "ferry/runtime/stop.hpp"
#include "ferry/runtime/timers.hpp"
#include "ferry/runtime/uring.hpp"

namespace ferry::load {

/// How far a thread is, for the line that shows progress: written by that thread alone.
struct alignas(64) progress {
    std::atomic<std::uint64_t> operations{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> octets{0};
};

/// Adds to a number that one thread writes and others read.
inline void add(std::atomic<std::uint64_t>& to, std::uint64_t what) noexcept {
    to.store(to.load(std::memory_order_relaxed) + what, std::memory_order_relaxed);
}

/// How many of `total` are the part of the `which`th of `parts`.
[[nodiscard]] constexpr std::uint64_t part_of(std::uint64_t total, std::uint64_t which,
                                              std::uint64_t parts) noexcept {
    return total / parts + (which < total % parts ? 1 : 0);
}

/// What a thread of a load is made with.
struct worker_place {
    std::size_t index = 0;
    std::optional<runtime::uring_grant> ring;           ///< None: epoll.
    runtime::offload_pool* offload = nullptr;           ///< Outlives it.
    std::optional<std::chrono::milliseconds> duration;  ///< None: until its work is done.
};

/// One thread of a load: a core of its own, and its part of the connections. Nothing of it is for
/// other threads but `ask_to_stop` and `so_far`, until `run` has returned.
class worker {
  public:
    explicit worker(worker_place place) noexcept;
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    virtual ~worker() = default;

    /// Makes the reactor and what else it needs. On the thread that will `run`. Errors: what the
    /// system refused.
    [[nodiscard]] result<void> open();

    /// Until every connection has done its part, the time is over, or `ask_to_stop`.
    void run();

    /// From any thread, after `open` and before `run` has returned, at most once.
    void ask_to_stop() noexcept { reactor_->post(stop_message_); }

    [[nodiscard]] const progress& so_far() const noexcept { return so_far_; }
    [[nodiscard]] runtime::time_point began() const noexcept { return began_; }
    [[nodiscard]] runtime::time_point ended() const noexcept { return ended_; }

  protected:
    /// What `open` makes besides.
    [[nodiscard]] virtual result<void> prepare() { return {}; }
    /// Starts the coroutines of the connections.
    virtual void start(runtime::nursery& bottom) = 0;

    [[nodiscard]] std::size_t index() const noexcept { return place_.index; }
    [[nodiscard]] runtime::core& here() noexcept { return *here_; }
    [[nodiscard]] progress& counts() noexcept { return so_far_; }

  private:
    struct message : runtime::posted {
        explicit message(worker& of) noexcept
            : posted([](posted& self) noexcept {
                  static_cast<message&>(self).owner.stop_.request_stop();
              }),
              owner(of) {}
        worker& owner;
    };
    struct end_timer : runtime::timer {
        explicit end_timer(worker& of) noexcept
            : timer([](timer& self) noexcept {
                  static_cast<end_timer&>(self).owner.stop_.request_stop();
              }),
              owner(of) {}
        worker& owner;
    };

    static runtime::task<> begin(runtime::nursery& bottom, worker& self);

    worker_place place_;
    std::unique_ptr<runtime::reactor> reactor_;
    std::unique_ptr<runtime::core> here_;
    runtime::stop_scope stop_;
    message stop_message_{*this};
    end_timer end_timer_{*this};
    progress so_far_;
    runtime::time_point began_{};
    runtime::time_point ended_{};
};

}  // namespace ferry::load
