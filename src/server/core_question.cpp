#include "server/core_question.hpp"

#include <new>
#include <utility>

namespace ferry::server {

void core_question::ask() noexcept {
    if (!is_under_way_ && !asked_.has_ended()) {
        is_under_way_ = true;
        asked_.ask(there_);
    }
}

/// On the core that is asked.
void core_question::answer() noexcept {
    try {
        asked_.tell(fresh_);
    } catch (const std::bad_alloc&) {
        // Transfers are missing, then; what is counted needs no memory.
    }
    asker_.post(back_);
}

/// On the core that has asked.
void core_question::take() noexcept {
    std::swap(told_, fresh_);
    is_under_way_ = false;
    answered_.announce();
}

}  // namespace ferry::server
