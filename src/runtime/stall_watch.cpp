#include "runtime/stall_watch.hpp"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <string>

#include "ferry/base/log.hpp"

namespace ferry::runtime {
namespace {

constexpr duration told_at_once_min = std::chrono::seconds(1);
constexpr duration told_again_after = std::chrono::minutes(1);

std::string milliseconds(duration what) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(what).count());
}

}  // namespace

void stall_watch::note_stall(duration lasted, time_point ended) noexcept {
    ++counted_;
    longest_ = std::max(longest_, lasted);
    if (lasted < told_at_once_min && ended - told_ < told_again_after) {
        return;
    }
    try {
        log::warning("the core of thread " + std::to_string(::gettid()) + " stood still " +
                     describe_stalls(counted_ - told_stalls_, longest_) +
                     ": the machine is too busy, or a disk or a bug holds it up");
        ++lines_;
    } catch (const std::exception&) {
        return;  // Without memory there is no telling: the next one is told of both.
    }
    told_ = ended;
    longest_ = duration::zero();
    told_stalls_ = counted_;
}

std::string describe_stalls(std::uint64_t times, duration longest) {
    if (times == 1) {
        return "for " + milliseconds(longest) + " ms";
    }
    return std::to_string(times) + " times for more than " + milliseconds(stall_watch::turn_max) +
           " ms, for " + milliseconds(longest) + " ms at most";
}

}  // namespace ferry::runtime
