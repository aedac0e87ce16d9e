#include "ftp/command_queue.hpp"

#include <utility>

#include "ferry/base/assert.hpp"

namespace ferry::ftp {

using runtime::task;

void command_queue::push(queued_command next) {
    FERRY_ASSERT(!is_full());
    const auto octets = next.line.size();
    waiting_.push_back(std::move(next));
    waiting_octets_ += octets;
    arrived_.announce();
}

void command_queue::end(error why) {
    ended_ = why;
    arrived_.announce();
}

queued_command command_queue::pop_now() {
    FERRY_ASSERT(!waiting_.empty());
    queued_command next = std::move(waiting_.front());
    waiting_octets_ -= next.line.size();
    if (waiting_.size() == 1) {
        std::vector<queued_command>().swap(waiting_);  // Idle sessions hold nothing.
    } else {
        waiting_.erase(waiting_.begin());
    }
    taken_.announce();
    return next;
}

task<result<queued_command>> command_queue::pop(runtime::time_point deadline) {
    for (;;) {
        if (!waiting_.empty()) {
            co_return pop_now();
        }
        if (ended_) {
            co_return failure(*ended_);
        }
        const auto woken = co_await arrived_.wait(deadline);
        if (!woken) {
            co_return failure(woken.error());
        }
    }
}

task<result<void>> command_queue::wait_for_room() {
    while (is_full()) {
        const auto woken = co_await taken_.wait();
        if (!woken) {
            co_return failure(woken.error());
        }
    }
    co_return result<void>{};
}

}  // namespace ferry::ftp
