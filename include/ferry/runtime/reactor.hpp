#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>

#include "ferry/runtime/intrusive_list.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/timers.hpp"

namespace ferry::runtime {

/// A message to a core from any thread. Lives with its sender until `deliver` has run on the
/// target.
struct posted {
    using function = void (*)(posted&) noexcept;

    explicit posted(function on_delivery) noexcept : deliver(on_delivery) {}

    function deliver;        ///< Called on the target core, in its loop, exactly once a post.
    posted* next = nullptr;  ///< The queue's own.
};

/// A coroutine waiting for its turn on this core. Lives in its frame.
struct ready_node : list_node {
    std::coroutine_handle<> waiting;
};

/// Whether an operation is under way or already over.
enum class submission : std::uint8_t {
    pending,  ///< `op::complete` will be called, in a later turn.
    done,     ///< `op::result` is set; `op::complete` will not be called.
};

/// What a reactor has seen since it was made. Plain counters, read on its own core.
struct reactor_counters {
    std::uint64_t turns = 0;
    std::uint64_t submitted = 0;
    std::uint64_t completed = 0;
    std::uint64_t completion_overflows =
        0;                                ///< Times the completion queue was full (none was lost).
    std::uint64_t buffers_exhausted = 0;  ///< Receives that found no buffer and were re-armed.
    std::uint64_t submissions_full = 0;   ///< Times the submission queue had no room (R2).
    std::uint64_t cold_reads = 0;         ///< Spans of files brought into memory before sending.
    std::uint64_t stalls = 0;             ///< Turns of more than 10 ms (R11).
};

/// The narrow seam between ferry and a machine: one per core, all of it on that core's thread,
/// except `post`. Backends: `uring` (io_uring), `epoll` for where that is not to be had. Everything
/// above speaks in `op`s and runs on any of them.
class reactor {
  public:
    explicit reactor(time_point start) noexcept : timers_(start), now_(start) {}
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    virtual ~reactor() = default;

    /// Begins `what`. It completes exactly once, or as multishot says; never inside this call.
    /// Never fails: what the system refuses arrives as a negative result.
    [[nodiscard]] virtual submission submit(op& what) noexcept = 0;

    /// Asks `what` to end early. It still completes, with -ECANCELED if nothing was done, or with
    /// its ordinary result if it was too late. A cancelled accept or open never leaks a descriptor:
    /// if the result is one, the caller owns it. Harmless when `what` is not in flight.
    virtual void cancel(op& what) noexcept = 0;

    /// Runs the loop on the calling thread until `quit`.
    virtual void run() noexcept = 0;

    /// Wakes the loop from any thread; the one member that is thread-safe. Called after `post` has
    /// queued a message into an empty inbox.
    virtual void wake() noexcept = 0;

    /// The time of this turn: read once a turn, so equal within it. Cost: a load.
    [[nodiscard]] time_point now() const noexcept { return now_; }

    /// Deadlines of this core.
    [[nodiscard]] timer_wheel& timers() noexcept { return timers_; }

    /// A number that grows before whoever waits for octets from a peer is resumed with some, and
    /// when an operation has ended that may change files: what is looked at while it stays the same
    /// is no older than the request that is being answered, or than what this core did for the one
    /// before it.
    [[nodiscard]] std::uint64_t arrivals() const noexcept { return arrivals_; }
    /// For a backend, and who brings octets past it: some have been received by now.
    void note_arrival() noexcept { ++arrivals_; }

    /// Resumes `node.waiting` after what was made ready before it. What a ready coroutine makes
    /// ready, itself above all, has its turn after the reactor has looked for completions.
    void make_ready(ready_node& node) noexcept { ready_.push_back(node); }

    /// Queues `message` for this core from any thread, in order per sender, and wakes it. Wait-free
    /// but for the wake-up. The message must stay alive until delivered.
    void post(posted& message) noexcept;

    /// Takes back a message that is posted and not delivered, for one that must die early. On this
    /// core's thread, or when its loop will not run any more; the others keep their order.
    /// Cost: one pass over what waits.
    void withdraw(posted& message) noexcept;

    /// Makes `run` return at the end of the current turn.
    void quit() noexcept { quit_ = true; }

    [[nodiscard]] const reactor_counters& counters() const noexcept { return counters_; }

  protected:
    /// For a backend, of each operation that is over.
    void note_end_of(const op& what) noexcept {
        ++counters_.completed;
        if (may_change_files(what.code)) {
            note_arrival();
        }
    }

    /// Runs posted messages, due timers and the coroutines that are ready by then, at most
    /// `ready_per_turn_max` of these, so that a busy core still polls. Returns true when more are
    /// waiting: do not sleep.
    bool run_turn_work() noexcept;

    /// Forgets an earlier `quit` and the time of an earlier turn: a backend's first act in `run`.
    void begin_run(time_point now) noexcept {
        quit_ = false;
        now_ = now;
    }
    void set_now(time_point now) noexcept { now_ = now; }
    [[nodiscard]] bool has_ready() const noexcept { return !ready_.empty(); }
    [[nodiscard]] bool quit_requested() const noexcept { return quit_; }

    reactor_counters counters_;

  private:
    static constexpr std::size_t ready_per_turn_max = 1'024;

    void collect_inbox() noexcept;

    timer_wheel timers_;
    time_point now_;
    std::uint64_t arrivals_ = 0;
    intrusive_list<ready_node> ready_;
    posted* oldest_ = nullptr;  ///< Taken out of the inbox and not delivered, in order.
    posted* newest_ = nullptr;
    bool quit_ = false;
    // On a line of its own: other cores write it.
    alignas(64) std::atomic<posted*> inbox_{nullptr};
};

}  // namespace ferry::runtime
