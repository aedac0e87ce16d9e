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

/// Moves what was posted behind what was collected before, in the order of posting.
void reactor::collect_inbox() noexcept {
    // The inbox is a stack: its top is the newest.
    posted* top = inbox_.exchange(nullptr, std::memory_order_acquire);
    if (top == nullptr) {
        return;
    }
    posted* const last = top;
    posted* first = nullptr;
    while (top != nullptr) {
        posted* below = top->next;
        top->next = first;
        first = top;
        top = below;
    }
    (oldest_ == nullptr ? oldest_ : newest_->next) = first;
    newest_ = last;
}

void reactor::withdraw(posted& message) noexcept {
    collect_inbox();
    posted* before = nullptr;
    for (posted* each = oldest_; each != nullptr; before = each, each = each->next) {
        if (each == &message) {
            (before == nullptr ? oldest_ : before->next) = each->next;
            if (newest_ == each) {
                newest_ = before;
            }
            return;
        }
    }
}

bool reactor::run_turn_work() noexcept {
    collect_inbox();
    while (oldest_ != nullptr) {
        posted* const message = oldest_;
        oldest_ = message->next;  // Delivery may end the message's life.
        message->deliver(*message);
    }

    timers_.advance(now_);

    // Only what was ready by now: what yields while others run is next after the reactor has looked
    // for completions, or one busy coroutine would keep everybody else's away.
    intrusive_list<ready_node> turn;
    turn.append(ready_);
    for (std::size_t resumed = 0; resumed < ready_per_turn_max; ++resumed) {
        ready_node* node = turn.pop_front();
        if (node == nullptr) {
            break;
        }
        node->waiting.resume();
    }
    turn.append(ready_);
    ready_.append(turn);
    return !ready_.empty();
}

}  // namespace ferry::runtime
