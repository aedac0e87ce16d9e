#include "ferry/runtime/offload.hpp"

#include <csignal>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace ferry::runtime {

namespace {

/// Jobs of one length, in order of arrival.
class lane {
  public:
    void push(offload_job& job) noexcept {
        job.next = nullptr;
        (last_ == nullptr ? first_ : last_->next) = &job;
        last_ = &job;
    }
    offload_job& pop() noexcept {
        offload_job& job = *first_;
        first_ = job.next;
        last_ = first_ == nullptr ? nullptr : last_;
        return job;
    }
    [[nodiscard]] const offload_job* first() const noexcept { return first_; }

  private:
    offload_job* first_ = nullptr;
    offload_job* last_ = nullptr;
};

}  // namespace

struct offload_pool::state {
    explicit state(std::size_t count) noexcept : lengthy_max(count - 1) {}

    std::mutex lock;
    std::condition_variable arrived;
    lane brief;
    lane lengthy;
    std::uint64_t submitted = 0;
    std::uint64_t begun = 0;
    std::size_t running = 0;
    std::size_t lengthy_running = 0;
    const std::size_t lengthy_max;
    bool closing = false;
    std::vector<std::thread> threads;

    /// The lane whose turn it is; null: nothing may be begun. Whoever ends a lengthy job asks
    /// again, so what may not be begun is not forgotten.
    lane* next_lane() noexcept {
        const bool may_be_lengthy = lengthy.first() != nullptr && lengthy_running < lengthy_max;
        if (brief.first() == nullptr) {
            return may_be_lengthy ? &lengthy : nullptr;
        }
        return may_be_lengthy && lengthy.first()->number < brief.first()->number ? &lengthy
                                                                                 : &brief;
    }

    void serve() noexcept {
        std::unique_lock holding(lock);
        for (;;) {
            lane* from = nullptr;
            arrived.wait(holding, [&] { return (from = next_lane()) != nullptr || closing; });
            if (from == nullptr) {
                return;
            }
            offload_job& job = from->pop();
            lengthy_running += from == &lengthy ? 1U : 0U;
            ++begun;
            ++running;
            holding.unlock();
            job.run(job);  // The job may be dead after this.
            holding.lock();
            --running;
            lengthy_running -= from == &lengthy ? 1U : 0U;
        }
    }
};

offload_pool::offload_pool(std::size_t threads)
    : state_(std::make_unique<state>(std::max(threads, threads_min))) {
    // Signals are for the core that reads them from a descriptor: no pool thread may take one.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (std::size_t i = 0; i < std::max(threads, threads_min); ++i) {
        state_->threads.emplace_back([pool = state_.get()] { pool->serve(); });
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

offload_pool::offload_pool() noexcept = default;

offload_pool::~offload_pool() {
    if (state_ == nullptr) {
        return;
    }
    {
        const std::lock_guard holding(state_->lock);
        state_->closing = true;
    }
    state_->arrived.notify_all();
    for (auto& thread : state_->threads) {
        thread.join();
    }
}

offload_pool::load offload_pool::look() const noexcept {
    if (state_ == nullptr) {
        return {};
    }
    const std::lock_guard holding(state_->lock);
    return {.threads = state_->threads.size(),
            .running = state_->running,
            .waiting = static_cast<std::size_t>(state_->submitted - state_->begun)};
}

void offload_pool::submit(offload_job& job) noexcept {
    {
        const std::lock_guard holding(state_->lock);
        job.number = state_->submitted++;
        (job.length == job_length::lengthy ? state_->lengthy : state_->brief).push(job);
    }
    state_->arrived.notify_one();
}

}  // namespace ferry::runtime
