#include "ferry/runtime/reactor.hpp"

namespace ferry::runtime {

void reactor::post(posted& message) noexcept {
    posted* head = inbox_.load(std::memory_order_relaxed);
    do {
        message.next = head;
    } while (!inbox_.compare_exchange_weak(head, &message, std::memory_order_release,
                                           std::memory_order_relaxed));
    if (head == nullptr) {
        wake();
    }
}

bool reactor::run_turn_work() noexcept {
    // The inbox is a stack; turned over, it is in the order of posting.
    posted* newest = inbox_.exchange(nullptr, std::memory_order_acquire);
    posted* oldest = nullptr;
    while (newest != nullptr) {
        posted* next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != nullptr) {
        posted* next = oldest->next;  // Delivery may end the message's life.
        oldest->deliver(*oldest);
        oldest = next;
    }

    timers_.advance(now_);

    for (std::size_t resumed = 0; resumed < ready_per_turn_max; ++resumed) {
        ready_node* node = ready_.pop_front();
        if (node == nullptr) {
            return false;
        }
        node->waiting.resume();
    }
    return !ready_.empty();
}

}  // namespace ferry::runtime
