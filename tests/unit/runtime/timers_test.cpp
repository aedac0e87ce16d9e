#include "ferry/runtime/timers.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "ferry/base/random.hpp"

using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

time_point at(duration since_zero) {
    return time_point(since_zero);
}

struct recording_timer : timer {
    recording_timer(std::vector<recording_timer*>& into)
        : timer([](timer& self) noexcept {
              auto& me = static_cast<recording_timer&>(self);
              me.fired.push_back(&me);
          }),
          fired(into) {}
    std::vector<recording_timer*>& fired;
};

}  // namespace

TEST_CASE("timers: fire in the order of their moments, never early, at most a tick late") {
    ferry::random rng(7);
    for (int round = 0; round < 50; ++round) {
        const auto start = at(duration(static_cast<std::int64_t>(rng.below(1'000'000'000'000))));
        timer_wheel wheel(start);
        std::vector<recording_timer*> fired;
        std::vector<std::unique_ptr<recording_timer>> timers;
        for (int i = 0; i < 300; ++i) {
            timers.push_back(std::make_unique<recording_timer>(fired));
            const auto spread = std::int64_t{1}
                                << rng.below(42);  // Up to 73 minutes: beyond the rim.
            wheel.arm(*timers.back(),
                      start + duration(static_cast<std::int64_t>(
                                  rng.below(static_cast<std::uint64_t>(spread)) + 1)));
        }
        auto now = start;
        std::size_t seen = 0;
        while (fired.size() < timers.size()) {
            const auto wake = wheel.next_wake();
            REQUIRE(wake != never);
            REQUIRE(wake > now);
            const auto earliest = (*std::ranges::min_element(timers, {}, [&](const auto& each) {
                                      return each->is_linked() ? each->when() : never;
                                  }))->when();
            REQUIRE(wake <= earliest + 1'048'576ns);
            now = wake;
            wheel.advance(now);
            for (; seen < fired.size(); ++seen) {
                REQUIRE(fired[seen]->when() <= now);
                REQUIRE(now - fired[seen]->when() <= 2ms);
                if (seen > 0) {
                    REQUIRE(fired[seen - 1]->when() <= fired[seen]->when());
                }
            }
        }
        CHECK(wheel.next_wake() == never);
    }
}

TEST_CASE("timers: one long advance fires everything due, in order") {
    timer_wheel wheel(at(0s));
    std::vector<recording_timer*> fired;
    std::vector<std::unique_ptr<recording_timer>> timers;
    for (const auto delay : {5h, 1h, 3h}) {
        timers.push_back(std::make_unique<recording_timer>(fired));
        wheel.arm(*timers.back(), at(delay));
    }
    timers.push_back(std::make_unique<recording_timer>(fired));
    wheel.arm(*timers.back(), at(7h));
    CHECK(wheel.advance(at(6h)) == 3);
    REQUIRE(fired.size() == 3);
    CHECK(fired[0]->when() == at(1h));
    CHECK(fired[2]->when() == at(5h));
    CHECK(timers.back()->is_linked());
}

TEST_CASE("timers: disarming, re-arming and dying before the moment") {
    timer_wheel wheel(at(0s));
    std::vector<recording_timer*> fired;
    recording_timer kept(fired);
    recording_timer disarmed(fired);
    wheel.arm(kept, at(1s));
    wheel.arm(disarmed, at(1s));
    wheel.arm(disarmed, never);
    {
        recording_timer dead(fired);
        wheel.arm(dead, at(1s));
    }
    wheel.arm(kept, at(3s));
    CHECK(wheel.advance(at(2s)) == 0);
    CHECK(wheel.advance(at(4s)) == 1);
    CHECK(fired == std::vector{&kept});
}

TEST_CASE("timers: a moment already past fires in the next advance, not in arm") {
    timer_wheel wheel(at(10s));
    std::vector<recording_timer*> fired;
    recording_timer past(fired);
    wheel.arm(past, at(1s));
    CHECK(fired.empty());
    CHECK(wheel.next_wake() <= at(10s) + 3ms);
    wheel.advance(at(10s) + 3ms);
    CHECK(fired.size() == 1);
}

TEST_CASE("timers: a callback may disarm one that is due as well, and arm itself again") {
    timer_wheel wheel(at(0s));
    struct chain : timer {
        explicit chain(timer_wheel& where)
            : timer([](timer& self) noexcept {
                  auto& me = static_cast<chain&>(self);
                  ++me.count;
                  if (me.victim != nullptr) {
                      me.victim->unlink();
                  }
                  me.wheel.arm(me, me.when() + 1s);
              }),
              wheel(where) {}
        timer_wheel& wheel;
        timer* victim = nullptr;
        int count = 0;
    };
    chain first(wheel);
    chain second(wheel);
    first.victim = &second;
    wheel.arm(first, at(1s));
    wheel.arm(second, at(1s));
    wheel.advance(at(1s) + 2ms);
    CHECK(first.count == 1);
    CHECK(second.count == 0);
    wheel.advance(at(2s) + 2ms);
    CHECK(first.count == 2);
}
