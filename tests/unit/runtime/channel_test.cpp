#include "runtime/channel.hpp"

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"

using namespace ferry;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

struct channel_core {
    offload_pool pool{1};
    std::unique_ptr<reactor> io = make_uring_reactor({.receive_buffers = 16}, pool).value();
    core here{0, *io, ferry::random(1)};
    stop_scope stop;

    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        run_core(here, stop, function, std::move(arguments)...);
    }
};

struct letter {
    std::size_t sender = 0;
    std::size_t number = 0;
};

constexpr std::size_t senders = 4;
constexpr std::size_t letters = 10'000;

/// Receives to the end; gives how many came, or 0 if one came out of its sender's order.
task<std::size_t> receive_all(channel<letter>& from) {
    std::array<std::size_t, senders> next{};
    std::size_t came = 0;
    for (;;) {
        const auto each = co_await from.receive();
        if (!each) {
            CHECK(each.error() == errc::closed);
            co_return came;
        }
        if (each->number < next[each->sender]) {
            co_return std::size_t{0};
        }
        next[each->sender] = each->number + 1;
        ++came;
    }
}

/// Counts its lives, to show that none is lost and none ends twice.
struct counted {
    explicit counted(int& lives) : lives_(&lives) { ++*lives_; }
    counted(counted&& other) noexcept : lives_(std::exchange(other.lives_, nullptr)) {}
    counted& operator=(counted&&) = delete;
    ~counted() {
        if (lives_ != nullptr) {
            --*lives_;
        }
    }
    int* lives_;
};

}  // namespace

TEST_CASE("channel: four threads, every value once, each sender's in order, through few places") {
    for (const std::size_t capacity : {1U, 2U, 64U}) {
        CAPTURE(capacity);
        channel_core machine;
        channel<letter> box(machine.here, capacity);
        std::vector<std::thread> threads;
        std::atomic<std::size_t> sending{senders};
        for (std::size_t sender = 0; sender < senders; ++sender) {
            threads.emplace_back([&, sender] {
                for (std::size_t number = 0; number < letters; ++number) {
                    while (!box.try_send(letter{.sender = sender, .number = number})) {
                        std::this_thread::yield();
                    }
                }
                if (--sending == 0) {
                    box.close();
                }
            });
        }
        std::size_t came = 0;
        machine.run([](nursery&, channel<letter>& from,
                       std::size_t& out) -> task<> { out = co_await receive_all(from); },
                    std::ref(box), std::ref(came));
        for (auto& each : threads) {
            each.join();
        }
        CHECK(came == senders * letters);
    }
}

TEST_CASE("channel: what was accepted before a close arrives, whoever closes it and when") {
    for (unsigned round = 0; round < 50; ++round) {
        channel_core machine;
        channel<letter> box(machine.here, 16);
        std::atomic<std::size_t> accepted{0};
        std::vector<std::thread> threads;
        for (std::size_t sender = 0; sender < 2; ++sender) {
            threads.emplace_back([&, sender] {
                for (std::size_t number = 0; !box.is_closed(); ++number) {
                    if (box.try_send(letter{.sender = sender, .number = number})) {
                        ++accepted;
                    }
                }
            });
        }
        threads.emplace_back([&] {
            std::this_thread::sleep_for(std::chrono::microseconds(20 * round));
            box.close();
            box.close();
        });
        std::size_t came = 0;
        machine.run([](nursery&, channel<letter>& from,
                       std::size_t& out) -> task<> { out = co_await receive_all(from); },
                    std::ref(box), std::ref(came));
        for (auto& each : threads) {
            each.join();
        }
        CHECK(came == accepted.load());
        CHECK_FALSE(box.try_send(letter{}));
    }
}

TEST_CASE("channel: full refuses and leaves the value with its sender") {
    channel_core machine;
    channel<std::unique_ptr<int>> box(machine.here, 2);
    CHECK(box.try_send(std::make_unique<int>(1)));
    CHECK(box.try_send(std::make_unique<int>(2)));
    auto third = std::make_unique<int>(3);
    CHECK_FALSE(box.try_send(std::move(third)));
    REQUIRE(third != nullptr);
    const auto first = box.try_receive();
    REQUIRE(first.has_value());
    CHECK(**first == 1);
    CHECK(box.try_send(std::move(third)));
    CHECK(third == nullptr);
    CHECK(**box.try_receive() == 2);
    CHECK(**box.try_receive() == 3);
    CHECK_FALSE(box.try_receive().has_value());
    box.close();
    auto late = std::make_unique<int>(4);
    CHECK_FALSE(box.try_send(std::move(late)));
    CHECK(late != nullptr);
}

TEST_CASE("channel: a wait ends with its deadline or its scope; a value there comes before both") {
    channel_core machine;
    channel<int> box(machine.here, 4);
    machine.run(
        [](nursery& bottom, channel<int>& from) -> task<> {
            const auto late = co_await from.receive(bottom.here().now() + 1ms);
            REQUIRE_FALSE(late.has_value());
            CHECK(late.error() == errc::timed_out);
            const int value = 7;
            CHECK(from.try_send(value));
            const auto there = co_await from.receive(bottom.here().now());
            CHECK(there == 7);
            CHECK(from.try_send(8));
            bottom.request_stop();
            const auto still = co_await from.receive();
            CHECK(still == 8);
            const auto stopped = co_await from.receive();
            REQUIRE_FALSE(stopped.has_value());
            CHECK(stopped.error() == errc::cancelled);
        },
        std::ref(box));
}

TEST_CASE("channel: a close wakes the receiver that waits") {
    channel_core machine;
    channel<int> box(machine.here, 4);
    std::thread closer([&] {
        std::this_thread::sleep_for(5ms);
        box.close();
    });
    machine.run(
        [](nursery&, channel<int>& from) -> task<> {
            const auto end = co_await from.receive();
            REQUIRE_FALSE(end.has_value());
            CHECK(end.error() == errc::closed);
            const auto again = co_await from.receive();
            REQUIRE_FALSE(again.has_value());
        },
        std::ref(box));
    closer.join();
}

TEST_CASE("channel: dies with what nobody received, and with its wake-up still under way") {
    channel_core machine;
    int lives = 0;
    {
        channel<counted> box(machine.here, 8);
        for (int i = 0; i < 5; ++i) {
            CHECK(box.try_send(counted(lives)));
        }
        CHECK(box.try_receive().has_value());
        CHECK(lives == 4);
    }
    CHECK(lives == 0);

    // Within the loop too, between messages of others, which must all arrive.
    machine.run(
        [](nursery& bottom, int& living) -> task<> {
            channel<int> before(bottom.here(), 2);
            channel<int> after(bottom.here(), 2);
            for (unsigned round = 0; round < 10; ++round) {
                CHECK(before.try_send(1));
                {
                    channel<counted> doomed(bottom.here(), 2);
                    CHECK(doomed.try_send(counted(living)));
                    CHECK(after.try_send(2));
                }
                const auto first = co_await before.receive();
                const auto second = co_await after.receive();
                CHECK(first == 1);
                CHECK(second == 2);
            }
        },
        std::ref(lives));
    CHECK(lives == 0);
}

TEST_CASE("channel: two cores answer each other") {
    constexpr int rounds = 5'000;
    struct desk {
        channel<int>* in = nullptr;
        channel<int>* out = nullptr;
    };
    static constexpr auto answer = [](nursery&, desk at) -> task<> {
        for (;;) {
            auto asked = co_await at.in->receive();
            if (!asked) {
                at.out->close();
                co_return;
            }
            CHECK(at.out->try_send(*asked + 1));
        }
    };
    std::atomic<channel<int>*> questions{nullptr};
    std::atomic<channel<int>*> answers{nullptr};
    std::atomic<bool> over{false};
    std::thread other([&] {
        channel_core machine;
        channel<int> in(machine.here, 2);
        questions = &in;
        questions.notify_all();
        answers.wait(nullptr);
        machine.run(answer, desk{.in = &in, .out = answers.load()});
        over.wait(false);  // The asker may still be in its last call.
    });
    channel_core machine;
    channel<int> in(machine.here, 2);
    answers = &in;
    answers.notify_all();
    questions.wait(nullptr);
    int sum = 0;
    machine.run(
        [](nursery&, desk at, int& total) -> task<> {
            for (int i = 0; i < rounds; ++i) {
                CHECK(at.out->try_send(i));
                const auto answered = co_await at.in->receive();
                REQUIRE(answered.has_value());
                total += *answered - i;
            }
            at.out->close();
            const auto end = co_await at.in->receive();
            CHECK_FALSE(end.has_value());
        },
        desk{.in = &in, .out = questions.load()}, std::ref(sum));
    over = true;
    over.notify_all();
    other.join();
    CHECK(sum == rounds);
}
