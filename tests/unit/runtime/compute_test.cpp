#include "ferry/runtime/compute.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

struct compute_core {
    offload_pool pool{2};
    std::unique_ptr<reactor> io = make_uring_reactor({.receive_buffers = 16}, pool).value();
    core here{0, *io, ferry::random(1)};
    stop_scope stop;

    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        run_core(here, stop, function, std::move(arguments)...);
    }
};

std::string repeat(std::string what, unsigned times) {
    std::string all;
    for (unsigned i = 0; i < times; ++i) {
        all += what;
    }
    return all;
}

std::unique_ptr<int> take_and_add(std::unique_ptr<int> value, int more) {
    *value += more;
    return value;
}

std::thread::id where_am_i() {
    return std::this_thread::get_id();
}

int refuses(int) {
    throw std::runtime_error("from a library");
}

void returns_nothing(std::string) {}

task<> square_into(core& here, unsigned value, std::vector<unsigned>& into) {
    const auto squared = co_await run_offloaded(here, [](unsigned n) { return n * n; }, value);
    REQUIRE(squared.has_value());
    into.push_back(*squared);
}

}  // namespace

TEST_CASE("run_offloaded: gives the function's value, of any movable type, from another thread") {
    compute_core machine;
    machine.run([](nursery& bottom) -> task<> {
        core& here = bottom.here();
        const auto text = co_await run_offloaded(here, &repeat, std::string("ab"), 3U);
        CHECK(text == "ababab");
        const auto moved =
            co_await run_offloaded(here, &take_and_add, std::make_unique<int>(40), 2);
        REQUIRE(moved.has_value());
        CHECK(**moved == 42);
        const auto thread = co_await run_offloaded(here, &where_am_i);
        REQUIRE(thread.has_value());
        CHECK(*thread != std::this_thread::get_id());
        const auto nothing = co_await run_offloaded(here, &returns_nothing, std::string("x"));
        CHECK(nothing.has_value());
    });
}

TEST_CASE("run_offloaded: many at once, each with its own value") {
    compute_core machine;
    std::vector<unsigned> squares;
    machine.run(
        [](nursery& bottom, std::vector<unsigned>& into) -> task<> {
            for (unsigned i = 0; i < 500; ++i) {
                bottom.start(square_into, std::ref(bottom.here()), i, std::ref(into));
            }
            co_return;
        },
        std::ref(squares));
    CHECK(squares.size() == 500);
    unsigned sum = 0;
    for (const unsigned each : squares) {
        sum += each;
    }
    CHECK(sum == 499U * 500U * 999U / 6U);
}

TEST_CASE("run_offloaded: what the function throws arrives; a stopped scope runs nothing") {
    compute_core machine;
    machine.run([](nursery& bottom) -> task<> {
        core& here = bottom.here();
        std::string caught;
        try {
            static_cast<void>(co_await run_offloaded(here, &refuses, 1));
        } catch (const std::runtime_error& what) {
            caught = what.what();
        }
        CHECK(caught == "from a library");
        bottom.request_stop();
        const auto stopped = co_await run_offloaded(here, &where_am_i);
        REQUIRE_FALSE(stopped.has_value());
        CHECK(stopped.error() == errc::cancelled);
    });
}

TEST_CASE("run_offloaded: a stop while it runs waits for its end and keeps its value") {
    compute_core machine;
    machine.run([](nursery& bottom) -> task<> {
        bottom.start(
            [](nursery& all) -> task<> {
                co_await all.here().yield();
                all.request_stop();
            },
            std::ref(bottom));
        const auto value = co_await run_offloaded(
            bottom.here(),
            [](int n) {
                std::this_thread::sleep_for(std::chrono::milliseconds(5));
                return n;
            },
            7);
        CHECK(value == 7);
    });
}
