#pragma once

#include <cstddef>
#include <memory>

namespace ferry::runtime {

/// One piece of work for the pool. Lives with its sender until `run` has returned.
struct offload_job {
    using function = void (*)(offload_job&) noexcept;

    explicit offload_job(function work) noexcept : run(work) {}

    function run;                 ///< Called once, on a pool thread.
    offload_job* next = nullptr;  ///< The queue's own.
};

/// A few threads for what would block a core and has no ring operation: listing directories,
/// copying between files, hashing. Shared by all cores; the one place where ferry takes a lock. A
/// simulated one derives from it and has no threads.
class offload_pool {
  public:
    /// Starts `threads` (at least 1) with every signal blocked.
    explicit offload_pool(std::size_t threads);
    offload_pool(const offload_pool&) = delete;
    offload_pool& operator=(const offload_pool&) = delete;

    /// Finishes what is queued, then joins the threads. No core may submit any more.
    virtual ~offload_pool();

    /// Queues `job`, first come first served. From any thread. The queue is as long as the
    /// operations in flight, which their owners bound.
    virtual void submit(offload_job& job) noexcept;

  protected:
    offload_pool() noexcept;  ///< Without threads, for one that has its own `submit`.

  private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace ferry::runtime
