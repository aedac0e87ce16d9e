#include "sim/world.hpp"

namespace ferry::sim {

namespace {

// A machine that has been up for a while: time 0 would hide what confuses it with "never".
constexpr auto uptime_at_start = std::chrono::hours(1);

}  // namespace

world::world(std::uint64_t seed)
    : events_(runtime::time_point(uptime_at_start)), rng_(seed), wires_(events_, rng_) {}

runtime::duration world::between(runtime::duration low, runtime::duration high) noexcept {
    return low + runtime::duration(static_cast<std::int64_t>(
                     rng_.below(static_cast<std::uint64_t>((high - low).count()) + 1)));
}

void** world::make_anchor(void* about) {
    return &anchors_.emplace_back(about);
}

}  // namespace ferry::sim
