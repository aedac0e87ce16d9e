#include "ferry/net/drop_rest.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#include "ferry/net/plain_stream.hpp"
#include "ferry/runtime/stop.hpp"
#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using runtime::nursery;
using runtime::task;

namespace {

enum class parting { in_order, by_reset };

/// Sends so much and ends.
task<> say_and_part(runtime::core& here, unique_fd& socket, std::size_t octets, parting how) {
    const std::string all = pattern(octets);
    CHECK(co_await say(here, socket.get(), all) == octets);
    if (how == parting::by_reset) {
        reset_on_close(socket.get());
    }
    socket.reset();
}

}  // namespace

TEST_CASE("drop_rest: takes all that a peer sends until it ends its side (RFC 9112 section 9.6)") {
    for (const std::size_t octets : {std::size_t{0}, std::size_t{1}, std::size_t{5'000'000}}) {
        CAPTURE(octets);
        test_core machine;
        machine.run(
            [](nursery& tasks, std::size_t count) -> task<> {
                auto ends = connect_ends();
                plain_stream stream(tasks.here(), std::move(ends.near));
                tasks.start(say_and_part, std::ref(tasks.here()), std::ref(ends.far), count,
                            parting::in_order);
                const bool has_ended = co_await drop_rest(stream);
                CHECK(has_ended);
                CHECK(stream.input().empty());
                co_await stream.close(farewell::orderly);
            },
            octets);
    }
}

TEST_CASE("drop_rest: a peer that resets has not ended in order") {
    test_core machine;
    machine.run([](nursery& tasks) -> task<> {
        auto ends = connect_ends();
        plain_stream stream(tasks.here(), std::move(ends.near));
        tasks.start(say_and_part, std::ref(tasks.here()), std::ref(ends.far), std::size_t{0},
                    parting::by_reset);
        const bool has_ended = co_await drop_rest(stream);
        CHECK_FALSE(has_ended);
        co_await stream.close(farewell::abort);
    });
}

TEST_CASE("drop_rest: a stop ends it") {
    test_core machine;
    machine.run([](nursery& tasks) -> task<> {
        auto ends = connect_ends();
        plain_stream stream(tasks.here(), std::move(ends.near));
        runtime::stop_scope scope;
        scope.request_stop();
        const bool has_ended = co_await drop_rest(stream).in_scope(scope);
        CHECK_FALSE(has_ended);
        co_await stream.close(farewell::abort);
    });
}
