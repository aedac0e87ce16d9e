#include "ferry/runtime/offload.hpp"

#include <csignal>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace ferry::runtime {

struct offload_pool::state {
    std::mutex lock;
    std::condition_variable arrived;
    offload_job* first = nullptr;
    offload_job* last = nullptr;
    bool closing = false;
    std::vector<std::thread> threads;

    void serve() noexcept {
        std::unique_lock holding(lock);
        for (;;) {
            arrived.wait(holding, [this] { return first != nullptr || closing; });
            if (first == nullptr) {
                return;
            }
            offload_job* job = first;
            first = job->next;
            if (first == nullptr) {
                last = nullptr;
            }
            holding.unlock();
            job->run(*job);  // The job may be dead after this.
            holding.lock();
        }
    }
};

offload_pool::offload_pool(std::size_t threads) : state_(std::make_unique<state>()) {
    // Signals are for the core that reads them from a descriptor: no pool thread may take one.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i) {
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

void offload_pool::submit(offload_job& job) noexcept {
    {
        const std::lock_guard holding(state_->lock);
        job.next = nullptr;
        if (state_->last == nullptr) {
            state_->first = &job;
        } else {
            state_->last->next = &job;
        }
        state_->last = &job;
    }
    state_->arrived.notify_one();
}

}  // namespace ferry::runtime
