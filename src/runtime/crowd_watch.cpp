#include "ferry/runtime/crowd_watch.hpp"

#include "ferry/runtime/frame_pool.hpp"

namespace ferry::runtime {

crowd_watch::look_timer::look_timer(crowd_watch& of) noexcept
    : timer([](timer& self) noexcept { static_cast<look_timer&>(self).owner.look(); }), owner(of) {}

crowd_watch::~crowd_watch() {
    if (has_crowd_) {
        finish();
    }
}

void crowd_watch::mind(time_point now) noexcept {
    if (has_crowd_ || memory_.much_is_freed == nullptr) {
        return;
    }
    has_crowd_ = true;
    at_last_ = members_;
    memory_.much_is_freed();
    here_.io().timers().arm(looks_, now + settings_.window);
}

void crowd_watch::look() noexcept {
    if (members_ + settings_.crowd <= at_last_) {
        at_last_ = members_;
        here_.io().timers().arm(looks_, here_.now() + settings_.window);
    } else {
        finish();
    }
}

void crowd_watch::finish() noexcept {
    has_crowd_ = false;
    // What is kept for the next is for a crowd of them.
    keep_frames(false);
    keep_frames(true);
    memory_.much_was_freed();
}

}  // namespace ferry::runtime
