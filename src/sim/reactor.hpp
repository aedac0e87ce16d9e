#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "ferry/runtime/buffers.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/reactor.hpp"
#include "sim/host.hpp"

namespace ferry::sim {

struct reactor_options {
    unsigned receive_buffers = 64;
    unsigned receive_buffer_bytes = 4'096;
    /// A thread outside the simulation may post to it: with nothing left to happen `run` waits for
    /// that instead of ending the program as stuck.
    bool has_outside_posters = false;
    /// Pages of files are sometimes not in memory, and a send_file waits for the disk.
    bool has_cold_pages = true;
};

/// The simulated backend: every operation is a plan of what happens when, in virtual time, on the
/// simulated host whose code runs on it. What is left open by the contract of `runtime::reactor` is
/// chosen by the seed: whether an operation is done at once or later, in which order completions
/// come, when a cancel takes hold, how much a transfer moves; and, as the host's faults have it,
/// whether it fails.
class reactor final : public runtime::reactor, private runtime::buffer_source {
  public:
    reactor(host& on, const reactor_options& options);
    ~reactor() override;

    [[nodiscard]] runtime::submission submit(runtime::op& what) noexcept override;
    void cancel(runtime::op& what) noexcept override;
    void wake() noexcept override;

    /// Lets the whole world go on until this reactor quits.
    void run() noexcept override;

    /// What `run` does first. From then on the agenda brings its turns, whoever steps it; for a
    /// world of several reactors on one thread.
    void begin() noexcept;
    /// False before `begin` and once it has quit.
    [[nodiscard]] bool is_running() const noexcept { return is_running_; }

    /// Operations in flight, buffers lent: both 0 when all is over.
    [[nodiscard]] std::size_t count_flights() const noexcept { return flights_.size(); }
    [[nodiscard]] std::size_t count_leases() const noexcept {
        return buffer_count_ - free_buffers_.size();
    }
    /// The most operations that were submitted in one turn: a bound on how long a core is held.
    [[nodiscard]] std::uint64_t submitted_per_turn_max() const noexcept {
        return submitted_per_turn_max_;
    }
    /// Operations whose descriptor was closed before their last completion (threats.md, R5).
    [[nodiscard]] std::uint64_t closed_under_operations() const noexcept {
        return closed_under_operations_;
    }

    /// Leases that outlived the coroutine's next suspension, which no lease may (buffers.hpp).
    [[nodiscard]] std::uint64_t leases_kept() const noexcept { return leases_kept_; }

    /// Its host loses power: every operation ends with EIO, every further one does at once. What
    /// ran here then unwinds without a trace on the host, and can be destroyed.
    void lose_power();

  private:
    using serial = std::uint64_t;

    /// An operation between submission and its last completion.
    struct flight {
        runtime::op* what;
        std::uint16_t generation;
        description held{};  ///< The kernel keeps what it works on, closed or not.
        watch_token watched = 0;
        std::int64_t moved = 0;              ///< Octets of a transfer so far.
        runtime::time_point completed_at{};  ///< When its latest completion is handed out.
        bool has_begun = false;
        bool is_over = false;  ///< Its last completion is queued.
        bool is_connecting = false;
        bool is_warm = false;             ///< send_file: the pages are in memory now.
        std::uint64_t quantum_bytes = 0;  ///< send_file: of the file, at most.
    };
    struct completion {
        serial of;
        std::uint64_t order;  ///< In which it came about.
        std::int64_t result;
        bool more;
        runtime::time_point ready_at;
        std::int32_t buffer = -1;  ///< Of a provided receive.
        std::uint32_t buffer_bytes = 0;
    };

    void give_back(std::uint16_t buffer) noexcept override;

    // Turns.
    void schedule_turn(runtime::time_point when);
    void take_turn(std::uint64_t token);
    void turn();
    void deliver();
    void deliver_one(const completion& came);

    // The life of an operation.
    void begin_flight(serial of);
    void attempt(serial of);
    void perform_later(serial of);
    void watch(serial of, flight& each);
    void wake_flight(serial of);
    void complete(serial of, std::int64_t result, bool more = false);
    void complete_with_buffer(serial of, std::int64_t result, bool more, std::uint16_t buffer);
    void end(serial of, std::int64_t failed_with);
    template <void (reactor::*Step)(std::uint64_t)>
    void later(runtime::duration delay, serial of);
    void take_hold_of_cancel(serial of);
    [[nodiscard]] flight* find(serial of) noexcept;

    // What they do.
    [[nodiscard]] bool try_at_once(serial of, flight& each);
    [[nodiscard]] int drawn_errno(const runtime::op& what) noexcept;
    [[nodiscard]] std::int64_t perform(runtime::op& what);
    [[nodiscard]] std::int64_t open(const runtime::op& what);
    [[nodiscard]] std::int64_t link(const runtime::op& what);
    [[nodiscard]] std::int64_t list(runtime::op& what);
    void attempt_accept(serial of, flight& each);
    void attempt_connect(serial of, flight& each);
    void attempt_receive(serial of, flight& each);
    void attempt_receive_provided(serial of, flight& each);
    void attempt_send(serial of, flight& each);
    void attempt_send_file(serial of, flight& each);
    [[nodiscard]] std::optional<std::int64_t> advance_send_file(serial of, flight& each);
    void attempt_read_or_write(serial of, flight& each);
    /// As much as one step of a transfer may move, at least 1.
    [[nodiscard]] std::size_t some_of(std::size_t size_bytes);
    [[nodiscard]] description described(int fd) const;

    host& host_;
    world& world_;
    decltype(std::this_thread::get_id()) home_;
    std::atomic<bool> poked_{false};  ///< By `wake` on another thread.
    bool has_outside_posters_;
    bool has_cold_pages_;
    bool is_running_ = false;
    std::uint64_t turn_token_ = 0;  ///< Of the turn that is scheduled; older ones are void.
    runtime::time_point turn_at_ = runtime::never;
    std::uint64_t submitted_this_turn_ = 0;
    std::uint64_t submitted_per_turn_max_ = 0;
    std::uint64_t closed_under_operations_ = 0;
    std::uint64_t leases_kept_ = 0;
    bool has_power_ = true;

    serial last_serial_ = 0;
    std::uint64_t last_order_ = 0;
    std::uint16_t last_generation_ = 0;
    std::unordered_map<serial, flight> flights_;  // Looked up, never walked.
    std::vector<completion> completions_;
    std::vector<serial> starved_;
    std::vector<serial> woken_;  ///< Their sockets have changed.

    unsigned buffer_bytes_;
    unsigned buffer_count_;
    std::vector<std::byte> buffers_;
    std::vector<std::uint16_t> free_buffers_;
    void** anchor_;  ///< Where events find the reactor, or that it is gone. The world's.
    std::vector<std::byte> piece_;  ///< What send_file has read and not sent.
};

/// A pool without threads: what is submitted runs later, in virtual time, on `on`.
class pool final : public runtime::offload_pool {
  public:
    explicit pool(host& on) noexcept : host_(on) {}
    void submit(runtime::offload_job& job) noexcept override;

    /// Jobs not yet run.
    [[nodiscard]] std::size_t count_waiting() const noexcept { return *waiting_; }

  private:
    host& host_;
    std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);
};

}  // namespace ferry::sim
