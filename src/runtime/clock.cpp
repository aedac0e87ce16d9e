#include "runtime/clock.hpp"

#include <time.h>

namespace ferry::runtime {

time_point read_clock() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return time_point(std::chrono::seconds(now.tv_sec) + duration(now.tv_nsec));
}

}  // namespace ferry::runtime
