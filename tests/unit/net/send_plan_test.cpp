#include "ferry/net/send_plan.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <list>
#include <string>
#include <vector>

#include "ferry/net/plain_stream.hpp"
#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

/// A stream to execute plans on and a peer that may read.
struct plan_scene {
    test_core machine;
    core& here = machine.here;
    connection_ends ends = connect_ends();
    int near = ends.near.get();
    int far = ends.far.get();
    plain_stream stream{machine.here, std::move(ends.near)};
    heard at_peer;
    std::uint64_t sent_bytes = 0;

    template <class Body, class... Arguments>
    void run(Body body, Arguments... arguments) {
        machine.run(body, std::ref(*this), std::move(arguments)...);
    }
};

task<> far_end_hears(plan_scene& on) {
    on.at_peer = co_await hear_all(on.here, on.far);
}

task<> until_far_end_heard(plan_scene& on) {
    while (on.at_peer.how == ending::still_open) {
        co_await pause(on.here, 1ms);
    }
}

/// Executes `plan` for a peer that reads all; gives what arrived.
std::string sent_by(const send_plan& plan) {
    plan_scene on;
    on.run(
        [](nursery& tasks, plan_scene& my, const send_plan& what) -> task<> {
            tasks.start(far_end_hears, std::ref(my));
            CHECK(co_await execute(my.stream, what, {.stall_timeout = 5s}, my.sent_bytes));
            co_await my.stream.close(farewell::orderly);
            co_await until_far_end_heard(my);
        },
        std::cref(plan));
    CHECK(on.at_peer.how == ending::end_of_stream);
    CHECK(on.sent_bytes == on.at_peer.octets.size());
    return on.at_peer.octets;
}

}  // namespace

TEST_CASE("send_plan: nothing to send is nothing sent") {
    send_plan plan;
    plan.add(as_octets(""));
    plan.add(file_span{.fd = -1, .offset = 7, .size_bytes = 0});
    CHECK(plan.segments().empty());
    CHECK(sent_by(plan).empty());
}

TEST_CASE("send_plan: a head and any part of a file, whatever their sizes") {
    const std::string content = pattern(70'000);
    const std::string head = pattern(10'000, 2);
    const unique_fd file = unnamed_file(content);
    for (const std::size_t head_bytes : {0U, 1U, 300U, 10'000U}) {
        for (const std::uint64_t offset : {0U, 1U, 4'095U, 4'096U, 69'999U}) {
            for (const std::uint64_t size_bytes : {1U, 4'096U, 8'193U, 70'000U}) {
                if (offset + size_bytes > content.size()) {
                    continue;
                }
                CAPTURE(head_bytes);
                CAPTURE(offset);
                CAPTURE(size_bytes);
                send_plan plan;
                plan.add(as_octets(head).first(head_bytes));
                plan.add(file_span{.fd = file.get(), .offset = offset, .size_bytes = size_bytes});
                const auto arrived = sent_by(plan);
                CHECK((arrived == head.substr(0, head_bytes) + content.substr(offset, size_bytes)));
            }
        }
    }
}

// Goal: a plan is its octets, however it is cut into memory and files. Method: the seed cuts; the
// sockets' buffers are small, so that files are sent in many parts.
TEST_CASE("send_plan: any sequence of memory and files arrives as one") {
    const std::string content = pattern(1'500'000);
    const unique_fd file = unnamed_file(content);
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        ferry::random rng(seed);
        send_plan plan;
        std::string expected;
        std::list<std::string> memory;
        for (auto left = rng.below(8); left > 0; --left) {
            const auto offset = rng.below(content.size());
            const auto longest = rng.below(2) == 0 ? std::uint64_t{100} : content.size();
            const auto size_bytes = rng.below(std::min(longest, content.size() - offset) + 1);
            expected += content.substr(offset, size_bytes);
            if (rng.below(2) == 0) {
                plan.add(file_span{.fd = file.get(), .offset = offset, .size_bytes = size_bytes});
            } else {
                memory.push_back(content.substr(offset, size_bytes));
                plan.add(as_octets(memory.back()));
            }
        }
        const auto arrived = sent_by(plan);
        CHECK(arrived.size() == expected.size());
        CHECK((arrived == expected));
    }
}

TEST_CASE("execute: shows its progress while the peer reads") {
    const unique_fd file = unnamed_file(pattern(3'000'000));
    plan_scene on;
    shrink_buffers(on.near);
    shrink_buffers(on.far);
    on.run(
        [](nursery& tasks, plan_scene& my, int from) -> task<> {
            tasks.start(
                [](plan_scene& mine) -> task<> {
                    // A quantum counts when all of it has gone.
                    constexpr std::uint64_t quantum_bytes = 1'024 * 1'024;
                    for (std::uint64_t heard_bytes = 600'000; heard_bytes < 3'000'000;
                         heard_bytes += 600'000) {
                        mine.at_peer = co_await hear(mine.here, mine.far, 600'000);
                        CHECK(mine.sent_bytes + quantum_bytes >= heard_bytes);
                        CHECK(mine.sent_bytes <= heard_bytes + 1'000'000);
                        co_await pause(mine.here, 5ms);
                    }
                    co_await far_end_hears(mine);
                },
                std::ref(my));
            send_plan plan;
            plan.add(as_octets("head"));
            plan.add(file_span{.fd = from, .offset = 0, .size_bytes = 3'000'000});
            CHECK(co_await execute(my.stream, plan, {.stall_timeout = 5s}, my.sent_bytes));
            CHECK(my.sent_bytes == 3'000'004);
            co_await my.stream.close(farewell::orderly);
        },
        file.get());
}

TEST_CASE("execute: a file shorter than promised is errc::closed, never padding (threats.md, V6)") {
    const std::string content = pattern(200'000);
    for (const std::uint64_t is_left : {0U, 1U, 100'000U, 199'999U}) {
        CAPTURE(is_left);
        const unique_fd file = unnamed_file(content);
        REQUIRE(::ftruncate(file.get(), static_cast<off_t>(is_left)) == 0);
        plan_scene on;
        on.run(
            [](nursery& tasks, plan_scene& my, int from) -> task<> {
                tasks.start(far_end_hears, std::ref(my));
                send_plan plan;
                plan.add(as_octets("head"));
                plan.add(file_span{.fd = from, .offset = 0, .size_bytes = 200'000});
                plan.add(as_octets("must not be sent"));
                CHECK(co_await execute(my.stream, plan, {.stall_timeout = 5s}, my.sent_bytes) ==
                      failure(errc::closed));
                co_await my.stream.close(farewell::orderly);  // To see all that was sent.
                co_await until_far_end_heard(my);
            },
            file.get());
        CHECK(on.sent_bytes == 4 + is_left);
        CHECK((on.at_peer.octets == "head" + content.substr(0, is_left)));
    }
}

TEST_CASE("execute: cut off while it sends, it knows how much of the file went") {
    const std::string content = pattern(4'000'000);
    const unique_fd file = unnamed_file(content);
    struct row {
        const char* how;
        errc expected;
    };
    for (const row& each : {row{"stall", errc::timed_out}, row{"stop", errc::cancelled}}) {
        CAPTURE(each.how);
        plan_scene on;
        shrink_buffers(on.near);
        shrink_buffers(on.far);
        on.run(
            [](nursery& tasks, plan_scene& my, int from, errc expected) -> task<> {
                stop_scope scope(&co_await current_scope());
                if (expected == errc::cancelled) {
                    tasks.start(
                        [](core& here, stop_scope& stopped) -> task<> {
                            co_await pause(here, 30ms);
                            stopped.request_stop();
                        },
                        std::ref(my.here), std::ref(scope));
                }
                send_plan plan;
                plan.add(as_octets("head"));
                plan.add(file_span{.fd = from, .offset = 0, .size_bytes = 4'000'000});
                const auto timeout = expected == errc::cancelled ? duration(5s) : duration(50ms);
                const auto sent =
                    co_await execute(my.stream, plan, {.stall_timeout = timeout}, my.sent_bytes)
                        .in_scope(scope);
                CHECK(sent == failure(expected));
                CHECK(my.sent_bytes > 4);
                CHECK(my.sent_bytes < 4'000'000);
                tasks.start(far_end_hears, std::ref(my));
                co_await my.stream.close(farewell::orderly);
                co_await until_far_end_heard(my);
            },
            file.get(), each.expected);
        CHECK(on.at_peer.octets.size() == on.sent_bytes);
        CHECK((on.at_peer.octets == "head" + content.substr(0, on.at_peer.octets.size() - 4)));
    }
}

TEST_CASE("execute: a peer that resets ends it") {
    const unique_fd file = unnamed_file(pattern(4'000'000));
    plan_scene on;
    on.run(
        [](nursery& tasks, plan_scene& my, int from) -> task<> {
            tasks.start(
                [](plan_scene& mine) -> task<> {
                    mine.at_peer = co_await hear(mine.here, mine.far, 1'000);
                    reset_on_close(mine.far);
                    mine.ends.far.reset();
                },
                std::ref(my));
            send_plan plan;
            for (int times = 0; times < 10; ++times) {  // More than the sockets hold.
                plan.add(file_span{.fd = from, .offset = 0, .size_bytes = 4'000'000});
            }
            CHECK(co_await execute(my.stream, plan, {.stall_timeout = 5s}, my.sent_bytes) ==
                  failure(errc::reset));
            co_await my.stream.close(farewell::abort);
        },
        file.get());
}

TEST_CASE("execute: others on the core have their turn between quanta (datapath.md, 4)") {
    const unique_fd file = unnamed_file(pattern(4'000'000));
    plan_scene on;
    on.run(
        [](nursery& tasks, plan_scene& my, int from) -> task<> {
            tasks.start(far_end_hears, std::ref(my));
            unsigned turns = 0;
            bool is_done = false;
            co_await with_nursery(
                tasks.here(),
                [](nursery& inner, plan_scene& mine, int file_fd, unsigned& counted,
                   bool& done) -> task<> {
                    inner.start(
                        [](core& here, unsigned& count, bool& over) -> task<> {
                            while (!over) {
                                ++count;
                                co_await here.yield();
                            }
                        },
                        std::ref(mine.here), std::ref(counted), std::ref(done));
                    send_plan plan;
                    plan.add(file_span{.fd = file_fd, .offset = 0, .size_bytes = 4'000'000});
                    CHECK(co_await execute(mine.stream, plan, {.stall_timeout = 5s},
                                           mine.sent_bytes));
                    done = true;
                },
                std::ref(my), from, std::ref(turns), std::ref(is_done));
            CHECK(turns >= 4);
            co_await my.stream.close(farewell::orderly);
            co_await until_far_end_heard(my);
        },
        file.get());
}
