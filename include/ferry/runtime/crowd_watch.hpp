#pragma once

#include <chrono>
#include <cstddef>

#include "ferry/base/memory_advice.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/time.hpp"
#include "ferry/runtime/timers.hpp"

namespace ferry::runtime {

/// Sees on one core when a crowd of coroutines ends, and has the memory that they leave given back:
/// behind the last of them nothing happens that would make the allocator think of it. So it is told
/// while they still end.
///
/// Cost: two or three comparisons for each that begins or ends; for a crowd what `memory_advice`
/// says.
class crowd_watch {
  public:
    struct numbers {
        /// So many fewer than there were within `window` are a crowd that ends; when so many fewer
        /// no more are within another it is over.
        std::size_t crowd = 256;
        duration window = std::chrono::seconds(1);
    };

    /// On the core's thread, as everything else but the destructor, which runs behind it.
    crowd_watch(core& here, memory_advice memory, numbers settings) noexcept
        : here_(here), memory_(memory), settings_(settings) {}
    crowd_watch(core& here, memory_advice memory) noexcept : crowd_watch(here, memory, numbers()) {}
    crowd_watch(const crowd_watch&) = delete;
    crowd_watch& operator=(const crowd_watch&) = delete;
    ~crowd_watch();

    /// One that is watched, for as long as this lives: a local of the coroutine. Must not outlive
    /// the watch.
    class member {
      public:
        explicit member(crowd_watch& of) noexcept : of_(of) { of_.begin(); }
        member(const member&) = delete;
        member& operator=(const member&) = delete;
        ~member() { of_.end(); }

      private:
        crowd_watch& of_;
    };

    [[nodiscard]] std::size_t members() const noexcept { return members_; }

  private:
    struct look_timer : timer {
        explicit look_timer(crowd_watch& of) noexcept;
        crowd_watch& owner;
    };

    void begin() noexcept {
        if (++members_ > most_) {
            most_ = members_;
        }
    }
    void end() noexcept {
        const auto now = here_.now();
        if (now - since_ >= settings_.window) {
            most_ = members_;
            since_ = now;
        }
        --members_;
        if (most_ - members_ >= settings_.crowd) {
            mind(now);
        }
    }
    void mind(time_point now) noexcept;
    void look() noexcept;
    void finish() noexcept;

    core& here_;
    memory_advice memory_;
    numbers settings_;
    std::size_t members_ = 0;
    std::size_t most_ = 0;  ///< There were at once since `since_`.
    time_point since_{};
    bool has_crowd_ = false;   ///< One ends just now.
    std::size_t at_last_ = 0;  ///< When it was last looked at.
    look_timer looks_{*this};
};

}  // namespace ferry::runtime
