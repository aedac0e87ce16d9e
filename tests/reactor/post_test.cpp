#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <thread>

#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t senders = 4;
constexpr std::size_t messages = 10'000;

struct inbox {
    explicit inbox(reactor& io) : arrived(io) {}
    event arrived;
    std::array<std::size_t, senders> next{};
    std::size_t total = 0;
    std::size_t out_of_order = 0;
    std::thread::id home = std::this_thread::get_id();
    std::size_t elsewhere = 0;
};

struct letter : posted {
    letter(inbox& receiver, std::size_t from, std::size_t number)
        : posted([](posted& self) noexcept {
              auto& me = static_cast<letter&>(self);
              inbox& to = me.to;
              to.out_of_order += to.next[me.sender] == me.index ? 0U : 1U;
              to.elsewhere += std::this_thread::get_id() == to.home ? 0U : 1U;
              ++to.next[me.sender];
              ++to.total;
              delete &me;  // Nobody else has it; `post` promises not to look again.
              to.arrived.announce();
          }),
          to(receiver),
          sender(from),
          index(number) {}
    inbox& to;
    std::size_t sender;
    std::size_t index;
};

void send_all(reactor& to, inbox& receiver, std::size_t sender) {
    for (std::size_t i = 0; i < messages; ++i) {
        to.post(*new letter(receiver, sender, i));
        if (i % 1'000 == sender) {
            std::this_thread::sleep_for(100us);  // Time for the core to fall asleep.
        }
    }
}

task<> keep_busy(core& here, const inbox& until) {
    while (until.total < senders * messages) {
        const auto done = co_await op_wait(here.io(), opcode::nop, -1, never, [](op&) noexcept {});
        REQUIRE(done.has_value());
    }
}

task<> take_all(core& here, inbox& into) {
    while (into.total < senders * messages) {
        // Only an announcement ends it: were a wake-up lost, this would wait for ever.
        const auto came = co_await into.arrived.wait();
        REQUIRE(came.has_value());
    }
    static_cast<void>(here);
}

}  // namespace

TEST_CASE("post: four threads, ten thousand messages each, in each sender's order") {
    for (const backend& under_test : backends()) {
        for (const bool busy : {false, true}) {
            CAPTURE(under_test.name);
            const auto world = under_test.make_world();
            CAPTURE(busy);
            machine host(under_test);
            inbox receiver(host.io());
            std::vector<std::thread> threads;
            for (std::size_t i = 0; i < senders; ++i) {
                threads.emplace_back(send_all, std::ref(host.io()), std::ref(receiver), i);
            }
            host.run_task(
                [](nursery& home, inbox& into, bool works) -> task<> {
                    if (works) {
                        home.start(keep_busy, std::ref(home.here()), std::cref(into));
                    }
                    co_await take_all(home.here(), into);
                },
                std::ref(receiver), busy);
            for (auto& each : threads) {
                each.join();
            }
            CHECK(receiver.total == senders * messages);
            CHECK(receiver.out_of_order == 0);
            CHECK(receiver.elsewhere == 0);
        }
    }
}

// Goal: no wake-up is lost between looking into the inbox and falling asleep. Method: two cores
// with one message between them; each is asleep whenever the other has it, twenty thousand times.
TEST_CASE("post: two cores play ball, and neither oversleeps") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        constexpr unsigned rounds = 20'000;
        struct player {
            reactor* io = nullptr;
            event* caught = nullptr;
        };
        struct ball : posted {
            ball()
                : posted([](posted& self) noexcept {
                      static_cast<ball&>(self).receiver->caught->announce();
                  }) {}
            player* receiver = nullptr;
        };
        static constexpr auto play = [](nursery& home, player& me, player& other, ball& thrown,
                                        bool begins, std::atomic<int>& ready) -> task<> {
            event caught(home.here().io());
            me.io = &home.here().io();
            me.caught = &caught;
            ready.fetch_add(1);
            while (ready.load() < 2) {
                std::this_thread::yield();
            }
            for (unsigned i = 0; i < rounds; ++i) {
                if (!begins || i > 0) {
                    const auto came = co_await caught.wait();
                    REQUIRE(came.has_value());
                }
                thrown.receiver = &other;
                other.io->post(thrown);
            }
            if (begins) {
                const auto last = co_await caught.wait();
                REQUIRE(last.has_value());
            }
        };
        player left;
        player right;
        ball thrown;
        std::atomic<int> ready{0};
        std::atomic<int> over{0};
        const auto serve = [&](player& me, player& other, bool begins) {
            const auto own_world = under_test.make_world();
            machine host(under_test);
            host.run_task(play, std::ref(me), std::ref(other), std::ref(thrown), begins,
                          std::ref(ready));
            // Whoever ends first is still being woken by the other.
            over.fetch_add(1);
            while (over.load() < 2) {
                std::this_thread::yield();
            }
        };
        std::thread opponent(serve, std::ref(right), std::ref(left), false);
        serve(left, right, true);
        opponent.join();
        CHECK(over.load() == 2);
    }
}

TEST_CASE("post: from the core itself, from a delivery too, and it never starves the loop") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        struct echo : posted {
            explicit echo(reactor& on)
                : posted([](posted& self) noexcept {
                      auto& me = static_cast<echo&>(self);
                      ++me.heard;
                      if (!me.enough) {
                          me.io.post(me);
                      }
                  }),
                  io(on) {}
            reactor& io;
            unsigned heard = 0;
            bool enough = false;
        };
        echo endless(host.io());
        host.io().post(endless);
        host.run_task(
            [](nursery& home, echo& heard) -> task<> {
                const auto slept = co_await sleep_until(home.here(), home.here().now() + 2ms);
                CHECK(slept.has_value());
                heard.enough = true;
            },
            std::ref(endless));
        const unsigned before = endless.heard;
        host.settle();
        CHECK(endless.heard <= before + 1);
        CHECK(endless.heard > 1);
    }
}

TEST_CASE("post: a message withdrawn is never delivered, and the others keep their order") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        struct note : posted {
            note(std::vector<int>& log, int number)
                : posted([](posted& self) noexcept {
                      auto& me = static_cast<note&>(self);
                      me.delivered.push_back(me.index);
                  }),
                  delivered(log),
                  index(number) {}
            std::vector<int>& delivered;
            int index;
        };
        for (const int withdrawn : {0, 1, 2, 3}) {
            CAPTURE(withdrawn);
            std::vector<int> log;
            std::array<note, 4> notes{note(log, 0), note(log, 1), note(log, 2), note(log, 3)};
            for (note& each : notes) {
                host.io().post(each);
                if (each.index == 2) {
                    host.io().withdraw(notes[static_cast<std::size_t>(withdrawn)]);
                }
            }
            if (withdrawn == 3) {
                host.io().withdraw(notes[3]);
            }
            host.io().withdraw(notes[static_cast<std::size_t>(withdrawn)]);  // It is not there.
            host.settle();
            std::vector<int> expected{0, 1, 2, 3};
            std::erase(expected, withdrawn);
            CHECK(log == expected);
        }
    }
}
