#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ferry::runtime {

/// How long a pool thread may be gone with a job.
enum class job_length : std::uint8_t {
    brief,    ///< What a healthy disk ends in milliseconds: opens, renames, a batch of a listing.
    lengthy,  ///< What may take seconds even so: a sync, a copy, a hash, freeing a large file.
};

/// One piece of work for the pool. Lives with its sender until `run` has returned.
struct offload_job {
    using function = void (*)(offload_job&) noexcept;

    explicit offload_job(function work, job_length takes = job_length::brief) noexcept
        : run(work), length(takes) {}

    function run;  ///< Called once, on a pool thread.
    job_length length;
    std::uint64_t number = 0;     ///< The queue's own: the order of arrival.
    offload_job* next = nullptr;  ///< The queue's own.
};

/// A few threads for what would block a core and has no ring operation: listing directories,
/// copying between files, hashing. Shared by all cores, under a lock. A simulated one derives from
/// it and has no threads.
///
/// First come, first served, but lengthy jobs never have the last thread: while all others are with
/// lengthy jobs, a further one waits, and brief ones pass it. So neither keeps the other waiting
/// for longer than there is work before it.
class offload_pool {
  public:
    static constexpr std::size_t threads_min = 2;  ///< One for lengthy jobs, one that is not.

    /// Starts `threads` with every signal blocked; fewer than `threads_min` are that many.
    explicit offload_pool(std::size_t threads);
    offload_pool(const offload_pool&) = delete;
    offload_pool& operator=(const offload_pool&) = delete;

    /// Finishes what is queued, then joins the threads. No core may submit any more.
    virtual ~offload_pool();

    /// Queues `job`. From any thread. The queue is as long as the operations in flight, which their
    /// owners bound.
    virtual void submit(offload_job& job) noexcept;

    /// What there is to do at this moment.
    struct load {
        std::size_t threads = 0;
        std::size_t running = 0;  ///< Jobs that have a thread.
        std::size_t waiting = 0;  ///< Jobs that have none yet.
    };
    /// From any thread. Of one without threads: nothing.
    [[nodiscard]] load look() const noexcept;

  protected:
    offload_pool() noexcept;  ///< Without threads, for one that has its own `submit`.

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::runtime
