#include "ferry/runtime/token_bucket.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "ferry/base/random.hpp"

using namespace ferry;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

constexpr time_point first_draw{1'000s};

}  // namespace

TEST_CASE("token_bucket: begins full, then each pays for those before it") {
    token_bucket bucket;
    constexpr std::uint64_t rate = 8'000;  // An eighth of a second is 1,000 octets.
    CHECK(bucket.draw(first_draw, 600, rate) <= first_draw);
    CHECK(bucket.draw(first_draw, 400, rate) <= first_draw);
    CHECK(bucket.draw(first_draw, 800, rate) == first_draw);  // The last that waits for nobody.
    CHECK(bucket.draw(first_draw, 80, rate) == first_draw + 100ms);
    CHECK(bucket.draw(first_draw, 80, rate) == first_draw + 110ms);
    CHECK(bucket.draw(first_draw + 50ms, 1, rate) == first_draw + 120ms);
}

TEST_CASE("token_bucket: saves an eighth of a second and no more") {
    token_bucket bucket;
    constexpr std::uint64_t rate = 8'000;
    static_cast<void>(bucket.draw(first_draw, 1'000, rate));
    const auto later = first_draw + 1h;
    CHECK(bucket.draw(later, 1'000, rate) <= later);
    CHECK(bucket.draw(later, 1, rate) <= later);
    CHECK(bucket.draw(later, 1, rate) > later);
}

// Goal: whatever is drawn and however late its drawers come, no more moves in the end than the rate
// gives, beside what was saved, and no less where they keep coming.
TEST_CASE("token_bucket: the rate holds in the long run") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        ferry::random rng(seed);
        token_bucket bucket;
        const std::uint64_t rate = 1'024 << rng.below(20);
        const auto quantum = token_bucket::quantum(rate);
        auto now = first_draw;
        std::uint64_t moved = 0;
        for (int i = 0; i < 2'000; ++i) {
            const auto octets = 1 + rng.below(quantum);
            const auto when = bucket.draw(now, octets, rate);
            now = std::max(now, when) + duration(static_cast<std::int64_t>(rng.below(2'000'000)));
            moved += octets;
            const auto most = static_cast<double>(rate) *
                              (std::chrono::duration<double>(now - first_draw).count() + 0.125);
            REQUIRE(static_cast<double>(moved) <= most + static_cast<double>(quantum) + 1);
        }
        // A quantum takes 62 ms and nobody was more than 2 ms late: nothing is lost.
        if (quantum == rate / 16) {
            CHECK(static_cast<double>(moved) >=
                  static_cast<double>(rate) *
                      std::chrono::duration<double>(now - first_draw).count() * 0.98);
        }
    }
}

TEST_CASE("token_bucket: what is put back is there again") {
    token_bucket bucket;
    constexpr std::uint64_t rate = 8'000;
    static_cast<void>(bucket.draw(first_draw, 1'800, rate));
    bucket.put_back(800, rate);
    CHECK(bucket.draw(first_draw, 1, rate) == first_draw);
    bucket.put_back(1'000'000, rate);
    static_cast<void>(bucket.draw(first_draw, 1'000, rate));
    CHECK(bucket.draw(first_draw, 1, rate) == first_draw);  // No more than it holds.
}

TEST_CASE("token_bucket: threads draw each their own") {
    token_bucket bucket;
    constexpr std::uint64_t rate = 1'000'000;
    constexpr int draws = 20'000;
    std::vector<std::vector<time_point>> drawn(4);
    {
        std::vector<std::jthread> threads;
        for (auto& mine : drawn) {
            threads.emplace_back([&bucket, &mine] {
                for (int i = 0; i < draws; ++i) {
                    mine.push_back(bucket.draw(first_draw, 10, rate));
                }
            });
        }
    }
    std::vector<time_point> all;
    for (const auto& mine : drawn) {
        CHECK(std::ranges::is_sorted(mine));
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::ranges::sort(all);
    CHECK(std::ranges::adjacent_find(all) == all.end());
    CHECK(all.back() - all.front() == (all.size() - 1) * 10us);
}

TEST_CASE("token_bucket: a quantum is a sixteenth of a second, within bounds") {
    CHECK(token_bucket::quantum(1) == 1);
    CHECK(token_bucket::quantum(16'384) == 1'024);
    CHECK(token_bucket::quantum(1'000'000'000'000) == 256 * 1'024);
}

TEST_CASE("token_bucket: draw_one gives what is there, and says how long until there is more") {
    token_bucket bucket;
    for (int i = 0; i < 5; ++i) {
        CHECK(bucket.draw_one(first_draw, 10, 5) == 0ns);
    }
    CHECK(bucket.draw_one(first_draw, 10, 5) == 100ms);
    CHECK(bucket.draw_one(first_draw, 10, 5) == 100ms);  // Who is refused has drawn nothing.
    CHECK(bucket.draw_one(first_draw + 60ms, 10, 5) == 40ms);
    CHECK(bucket.draw_one(first_draw + 100ms, 10, 5) == 0ns);
    CHECK(bucket.draw_one(first_draw + 100ms, 10, 5) == 100ms);
    CHECK_FALSE(bucket.is_paid_for(first_draw + 100ms));
    CHECK(bucket.is_paid_for(first_draw + 200ms));
    // After a pause as many as are saved, and no more.
    for (int i = 0; i < 5; ++i) {
        CHECK(bucket.draw_one(first_draw + 1h, 10, 5) == 0ns);
    }
    CHECK(bucket.draw_one(first_draw + 1h, 10, 5) > 0ns);
}

TEST_CASE("token_bucket: draw_one with nothing saved gives one a period") {
    token_bucket bucket;
    CHECK(bucket.draw_one(first_draw, 1, 1) == 0ns);
    CHECK(bucket.draw_one(first_draw + 999ms, 1, 1) == 1ms);
    CHECK(bucket.draw_one(first_draw + 1s, 1, 1) == 0ns);
}
