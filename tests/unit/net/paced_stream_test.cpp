#include "ferry/net/paced_stream.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ferry/base/units.hpp"
#include "ferry/net/send_plan.hpp"
#include "virtual_clock.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// A peer that takes and gives everything at once, and remembers when.
class ready_stream final : public stream {
  public:
    explicit ready_stream(core& home) noexcept : here_(home) {}

    struct move {
        time_point when;
        std::uint64_t octets = 0;
    };

    [[nodiscard]] std::string_view input() const noexcept override { return {}; }
    void take_input(std::string&) override {}
    void consume(std::size_t) noexcept override {}
    [[nodiscard]] task<result<void>> fill(time_point) override { co_return result<void>{}; }
    [[nodiscard]] task<result<std::size_t>> receive(std::span<std::byte> into,
                                                    time_point deadline) override {
        if (deadline <= here_.now()) {
            co_return failure(errc::timed_out);
        }
        moves.push_back({.when = here_.now(), .octets = into.size()});
        co_return into.size();
    }
    [[nodiscard]] task<result<void>> send(std::span<const std::byte> octets, duration) override {
        if (breaks) {
            co_return failure(errc::reset);
        }
        moves.push_back({.when = here_.now(), .octets = octets.size()});
        co_return result<void>{};
    }
    [[nodiscard]] task<result<std::uint64_t>> send_file(file_message message, duration) override {
        if (breaks) {
            co_return failure(errc::reset);
        }
        // As a socket does that takes no more just now.
        const auto all = message.head.size() + message.body.size_bytes;
        const auto some = std::min<std::uint64_t>(all, most_at_once);
        moves.push_back({.when = here_.now(), .octets = some});
        co_return some;
    }
    void shut_down_sending() noexcept override {}
    [[nodiscard]] task<> close(farewell) override { co_return; }
    [[nodiscard]] const endpoint& peer() const noexcept override { return nowhere_; }
    [[nodiscard]] const endpoint& local() const noexcept override { return nowhere_; }
    [[nodiscard]] core& here() noexcept override { return here_; }

    [[nodiscard]] std::uint64_t octets() const {
        std::uint64_t sum = 0;
        for (const move& each : moves) {
            sum += each.octets;
        }
        return sum;
    }

    std::vector<move> moves;
    std::uint64_t most_at_once = 1_GiB;
    bool breaks = false;  ///< Takes some octets of each send, nobody knows how many, and resets.

  private:
    core& here_;
    endpoint nowhere_;
};

struct paced_scene {
    virtual_core machine;
    core& here = machine.here;
    time_point began = machine.here.now();
    token_bucket own;
    token_bucket shared;
    ready_stream first{machine.here};
    ready_stream second{machine.here};

    [[nodiscard]] duration took() const noexcept { return here.now() - began; }

    template <class Body, class... Arguments>
    void run(Body body, Arguments... arguments) {
        machine.run(body, std::ref(*this), std::move(arguments)...);
    }
};

/// Sends `octets` over `below`, no faster than `pace` lets it.
task<> send_memory(stream& below, pacer& pace, std::size_t octets) {
    const std::string content(octets, 'x');
    pacer none;
    paced_stream paced(below, pace, none);
    const auto sent = co_await paced.send(std::as_bytes(std::span(content)), 1s);
    CHECK(sent.has_value());
}

}  // namespace

TEST_CASE("paced_stream: without a rate everything goes at once") {
    paced_scene on;
    on.run([](nursery&, paced_scene& my) -> task<> {
        pacer pace({}, {});
        CHECK_FALSE(pace.is_limited());
        pacer no_bucket({.bucket = nullptr, .octets_per_second = 5},
                        {.bucket = &my.shared, .octets_per_second = 0});
        CHECK_FALSE(no_bucket.is_limited());
        co_await send_memory(my.first, pace, 1_MiB);
    });
    CHECK(on.first.moves.size() == 1);
    CHECK(on.took() == 0ns);
}

TEST_CASE("paced_stream: a mebibyte at 512 KiB/s, evenly") {
    paced_scene on;
    on.run([](nursery&, paced_scene& my) -> task<> {
        pacer pace({.bucket = &my.own, .octets_per_second = 512_KiB}, {});
        co_await send_memory(my.first, pace, 1_MiB);
    });
    CHECK(on.first.octets() == 1_MiB);
    // Two seconds less the eighth that was saved and the last quantum, for which nobody waits.
    CHECK(on.took() >= 2'000ms - 125ms - 63ms);
    CHECK(on.took() <= 2'000ms);
    auto before = on.began;
    for (const auto& each : on.first.moves) {
        CHECK(each.octets <= 32_KiB);
        CHECK(each.when - before <= 65ms);  // A quantum's time, and the timers' tick.
        before = each.when;
    }
}

TEST_CASE("paced_stream: two that share a rate have half of it each") {
    paced_scene on;
    on.run([](nursery& tasks, paced_scene& my) -> task<> {
        for (ready_stream* each : {&my.first, &my.second}) {
            tasks.start(
                [](paced_scene& of, stream& below) -> task<> {
                    token_bucket alone;
                    pacer pace({.bucket = &alone, .octets_per_second = 10_MiB},
                               {.bucket = &of.shared, .octets_per_second = 1_MiB});
                    co_await send_memory(below, pace, 1_MiB);
                },
                std::ref(my), std::ref(static_cast<stream&>(*each)));
        }
        co_return;
    });
    CHECK(on.took() >= 1'750ms);
    CHECK(on.took() <= 2'000ms);
    // The first had all that was saved.
    CHECK(std::chrono::abs(on.first.moves.back().when - on.second.moves.back().when) <= 260ms);
}

TEST_CASE("paced_stream: the slower of two rates decides") {
    for (const bool is_own_slower : {true, false}) {
        CAPTURE(is_own_slower);
        paced_scene on;
        on.run(
            [](nursery&, paced_scene& my, bool own_slower) -> task<> {
                pacer pace({.bucket = &my.own, .octets_per_second = own_slower ? 1_MiB : 9_MiB},
                           {.bucket = &my.shared, .octets_per_second = own_slower ? 9_MiB : 1_MiB});
                co_await send_memory(my.first, pace, 2_MiB);
            },
            is_own_slower);
        CHECK(on.took() >= 1'750ms);
        CHECK(on.took() <= 2'000ms);
    }
}

TEST_CASE("paced_stream: a file goes by the same rate, whatever the socket takes at once") {
    for (const std::uint64_t at_once : {100ULL, 5'000ULL, 1ULL << 30U}) {
        CAPTURE(at_once);
        paced_scene on;
        on.first.most_at_once = at_once;
        on.run([](nursery&, paced_scene& my) -> task<> {
            pacer pace({.bucket = &my.own, .octets_per_second = 64_KiB}, {});
            pacer none;
            paced_stream paced(my.first, pace, none);
            send_plan plan;
            const std::string head(10'000, 'h');  // More than a quantum.
            plan.add(std::as_bytes(std::span(head)));
            plan.add(file_span{.fd = 0, .offset = 0, .size_bytes = 128_KiB});
            std::uint64_t sent_bytes = 0;
            const auto sent = co_await execute(paced, plan, {.stall_timeout = 1s}, sent_bytes);
            CHECK(sent.has_value());
            CHECK(sent_bytes == head.size() + 128_KiB);
        });
        CHECK(on.first.octets() == 10'000 + 128_KiB);
        CHECK(on.took() >= 1'960ms);
        CHECK(on.took() <= 2'160ms);
    }
}

TEST_CASE("paced_stream: what it waits itself does not count against the peer's deadline") {
    paced_scene on;
    on.run([](nursery&, paced_scene& my) -> task<> {
        pacer pace({.bucket = &my.own, .octets_per_second = 1_KiB}, {});
        pacer none;
        paced_stream paced(my.first, none, pace);
        std::array<std::byte, 64> into{};  // A quantum: a sixteenth of a second.
        for (int i = 0; i < 32; ++i) {
            const auto got = co_await paced.receive(into, my.here.now() + 5ms);
            REQUIRE(got.has_value());
            CHECK(*got == 64);
        }
        const auto late = co_await paced.receive(into, my.here.now());
        CHECK(late.error() == errc::timed_out);
    });
    CHECK(on.took() >= 1'750ms);
}

TEST_CASE("paced_stream: a stop ends the wait, and what was drawn is there for others") {
    paced_scene on;
    on.run([](nursery& tasks, paced_scene& my) -> task<> {
        pacer pace({.bucket = &my.shared, .octets_per_second = 16_KiB}, {});
        co_await send_memory(my.first, pace, 2_KiB + 16_KiB);
        const auto began = my.here.now();
        stop_scope scope(&co_await current_scope());
        tasks.start(
            [](paced_scene& of, stop_scope& stopped) -> task<> {
                pacer other({.bucket = &of.shared, .octets_per_second = 16_KiB}, {});
                const auto may = co_await other.allow(of.here, 1_KiB).in_scope(stopped);
                CHECK(may.error() == errc::cancelled);
            },
            std::ref(my), std::ref(scope));
        scope.request_stop();
        co_await my.here.yield();
        {
            pacer third({.bucket = &my.shared, .octets_per_second = 16_KiB}, {});
            const auto may = co_await third.allow(my.here, 1_KiB);  // And moves none of it.
            CHECK(may == 1_KiB);
            CHECK(my.here.now() - began <= 65ms);
        }
        const auto again = co_await pace.allow(my.here, 1_KiB);
        CHECK(again == 1_KiB);
        CHECK(my.here.now() - began <= 65ms);
    });
}

// Else whoever resets its connection in the middle of each quantum gets more than the rate.
TEST_CASE("paced_stream: what a peer that breaks off may have got counts") {
    paced_scene on;
    on.first.breaks = true;
    on.run([](nursery&, paced_scene& my) -> task<> {
        const std::string content(1_KiB, 'x');
        for (int i = 0; i < 16; ++i) {
            pacer pace({.bucket = &my.shared, .octets_per_second = 16_KiB}, {});
            pacer none;
            paced_stream paced(my.first, pace, none);
            const auto octets = std::as_bytes(std::span(content));
            if (i % 3 == 0) {
                const auto sent = co_await paced.send(octets, 1s);
                CHECK_FALSE(sent.has_value());
                continue;
            }
            const std::size_t body_bytes = i % 3 == 1 ? 1_KiB : 0;
            const auto sent =
                co_await paced.send_file({.head = octets.first(body_bytes == 0 ? 1_KiB : 0),
                                          .body = {.fd = 0, .offset = 0, .size_bytes = body_bytes}},
                                         1s);
            CHECK_FALSE(sent.has_value());
        }
    });
    CHECK(on.took() >= 1'000ms - 125ms - 63ms);
}

TEST_CASE("paced_stream: nothing follows a message that has left in part") {
    paced_scene on;
    on.run([](nursery& tasks, paced_scene& my) -> task<> {
        pacer pace({.bucket = &my.shared, .octets_per_second = 16_KiB}, {});
        pacer none;
        paced_stream paced(my.first, pace, none);
        stop_scope scope(&co_await current_scope());
        bool is_over = false;
        tasks.start(
            [](paced_stream& over, stop_scope& stopped, bool& ended) -> task<> {
                const std::string content(64_KiB, 'x');
                const auto sent =
                    co_await over.send(std::as_bytes(std::span(content)), 1s).in_scope(stopped);
                CHECK(sent == failure(errc::cancelled));
                ended = true;
            },
            std::ref(paced), std::ref(scope), std::ref(is_over));
        while (my.first.moves.empty()) {
            co_await my.here.yield();
        }
        scope.request_stop();
        while (!is_over) {
            co_await my.here.yield();
        }
        const auto moves = my.first.moves.size();
        const std::string next("next");
        const auto octets = std::as_bytes(std::span(next));
        CHECK(co_await paced.send(octets, 1s) == failure(errc::reset));
        CHECK(co_await paced.send_file({.head = octets, .body = {}}, 1s) == failure(errc::reset));
        CHECK(my.first.moves.size() == moves);
    });
}

TEST_CASE("pacer: the rate of an address holds with the others, until it goes over to another's") {
    paced_scene on;
    on.run([](nursery&, paced_scene& my) -> task<> {
        token_bucket first;
        token_bucket second;
        pacer pace({.bucket = &my.own, .octets_per_second = 1_MiB}, {},
                   {.bucket = &first, .octets_per_second = 16_KiB});
        co_await send_memory(my.first, pace, 16_KiB + 2_KiB);  // 2 KiB were saved.
        CHECK(my.took() >= 930ms);
        CHECK(my.took() <= 1'010ms);
        pace.go_over_to({.bucket = &second, .octets_per_second = 16_KiB});
        const auto before = my.took();
        co_await send_memory(my.first, pace, 2_KiB);
        CHECK(my.took() - before < 10ms);
        pace.go_over_to({});
        CHECK(pace.is_limited());
        co_await send_memory(my.first, pace, 64_KiB);
        CHECK(my.took() - before < 100ms);
    });
}

TEST_CASE("pacer: what an address was allowed and did not use is put back when it goes over") {
    paced_scene on;
    on.run([](nursery&, paced_scene& my) -> task<> {
        pacer pace({}, {}, {.bucket = &my.shared, .octets_per_second = 16_KiB});
        const auto allowed = co_await pace.allow(my.here, 1_KiB);
        REQUIRE(allowed == 1_KiB);
        pace.go_over_to({});
        CHECK_FALSE(pace.is_limited());
        pacer other({}, {}, {.bucket = &my.shared, .octets_per_second = 16_KiB});
        co_await send_memory(my.first, other, 2_KiB);
        CHECK(my.took() == 0ms);
    });
}
