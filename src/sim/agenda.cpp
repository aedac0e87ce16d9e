#include "sim/agenda.hpp"

#include <algorithm>
#include <utility>

namespace ferry::sim {

void agenda::at(runtime::time_point when, happening what) {
    heap_.push_back(
        {.when = std::max(when, now_), .order = next_order_++, .what = std::move(what)});
    std::ranges::push_heap(heap_, &agenda::is_later);
}

bool agenda::step(runtime::time_point until) {
    if (heap_.empty() || heap_.front().when > until) {
        if (until != runtime::never) {
            now_ = std::max(now_, until);
        }
        return false;
    }
    std::ranges::pop_heap(heap_, &agenda::is_later);
    entry next = std::move(heap_.back());
    heap_.pop_back();
    now_ = std::max(now_, next.when);
    next.what();
    return true;
}

}  // namespace ferry::sim
