#pragma once

#include <cstdint>
#include <deque>

#include "ferry/base/random.hpp"
#include "ferry/runtime/time.hpp"
#include "sim/agenda.hpp"
#include "sim/network.hpp"
#include "sim/trace.hpp"

namespace ferry::sim {

/// Everything that simulated hosts share: one time, one source of chance, one network, one record
/// of what happened. Lives on one thread; a run is a function of its seed.
class world {
  public:
    explicit world(std::uint64_t seed);
    world(const world&) = delete;
    world& operator=(const world&) = delete;

    [[nodiscard]] agenda& events() noexcept { return events_; }
    [[nodiscard]] ferry::random& rng() noexcept { return rng_; }
    [[nodiscard]] network& wires() noexcept { return wires_; }
    [[nodiscard]] trace& record() noexcept { return record_; }
    [[nodiscard]] runtime::time_point now() const noexcept { return events_.now(); }

    void note(const char* what, std::int64_t subject = 0, std::int64_t value = 0) noexcept {
        record_.note({.when = now(), .what = what, .subject = subject, .value = value});
    }

    /// True once in `of` times.
    [[nodiscard]] bool chance(std::uint64_t of) noexcept { return rng_.below(of) == 0; }
    /// A duration between the two, both included.
    [[nodiscard]] runtime::duration between(runtime::duration low, runtime::duration high) noexcept;

    /// A place for the address of something that events are about and may outlive: it sets the
    /// place to null when it dies. As long-lived as the world.
    [[nodiscard]] void** make_anchor(void* about);

  private:
    agenda events_;
    ferry::random rng_;
    trace record_;
    network wires_;
    std::deque<void*> anchors_;
};

}  // namespace ferry::sim
