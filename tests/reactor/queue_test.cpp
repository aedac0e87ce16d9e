#include <doctest/doctest.h>

#include <algorithm>

#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

std::vector<std::unique_ptr<probe>> make_probes(machine& host, std::size_t count) {
    std::vector<std::unique_ptr<probe>> probes;
    for (std::size_t i = 0; i < count; ++i) {
        probes.push_back(std::make_unique<probe>(host));
    }
    return probes;
}

/// Submits all of them in one turn, then runs until the last has ended.
void run_all(machine& host, const std::vector<std::unique_ptr<probe>>& probes) {
    for (const auto& each : probes) {
        host.submit(*each);
    }
    for (const auto& each : probes) {
        host.finish(*each);
    }
    host.settle();
}

task<> many_nops(core& here, std::size_t count, std::size_t& done) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto came = co_await op_wait(here.io(), opcode::nop, -1, never, [](op&) noexcept {});
        REQUIRE(came.has_value());
        ++done;
    }
}

}  // namespace

TEST_CASE("queue: ten thousand operations through eight entries all complete (threats.md, R2)") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8, .completion_entries = 32});
        const auto probes = make_probes(host, 10'000);
        run_all(host, probes);
        CHECK(std::ranges::all_of(probes, [](const auto& each) {
            return each->results == std::vector<std::int64_t>{0};
        }));
        CHECK(host.io().counters().submitted == host.io().counters().completed);
    }
}

// Goal: every size that --ring-entries takes can be had. Sixteen completions to a submission are
// more than a kernel has from 8,192 on.
TEST_CASE("queue: the largest queues there may be") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 16'384, .completion_entries = 262'144});
        const auto probes = make_probes(host, 20'000);
        run_all(host, probes);
        CHECK(host.io().counters().submitted == host.io().counters().completed);
    }
}

TEST_CASE("queue: a thousand coroutines through eight entries all go on") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8, .completion_entries = 32});
        std::size_t done = 0;
        host.run_task(
            [](nursery& home, std::size_t& counted) -> task<> {
                for (unsigned i = 0; i < 1'000; ++i) {
                    home.start(many_nops, std::ref(home.here()), std::size_t{10},
                               std::ref(counted));
                }
                co_return;
            },
            std::ref(done));
        CHECK(done == 10'000);
    }
}

TEST_CASE("queue: reads through eight entries all bring their own octets") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8, .completion_entries = 32});
        const temporary_directory directory;
        constexpr std::size_t count = 10'000;
        const std::string content = pattern(count);
        const unique_fd file = directory.make_file("file", content);
        // Octet i through read i; half of them from a stream, whose reads cannot end at once.
        std::string got(count, '\0');
        auto pair = local_pair();
        const auto probes = make_probes(host, count);
        for (std::size_t i = 0; i < count; ++i) {
            auto* into = static_cast<std::byte*>(static_cast<void*>(&got[i]));
            if (i % 2 == 0) {
                probes[i]->code = opcode::read;
                probes[i]->fd = file.get();
                probes[i]->args.read = {.data = into, .size_bytes = 1, .offset = i};
            } else {
                probes[i]->code = opcode::receive;
                probes[i]->fd = pair.near.get();
                probes[i]->args.receive = {.data = into, .size_bytes = 1};
            }
        }
        const std::string streamed = pattern(count / 2, 2);
        REQUIRE(posix::send(pair.far.get(), streamed.data(), streamed.size(), 0) ==
                static_cast<ssize_t>(streamed.size()));
        run_all(host, probes);
        std::string from_stream;
        for (std::size_t i = 0; i < count; ++i) {
            REQUIRE(probes[i]->results == std::vector<std::int64_t>{1});
            if (i % 2 == 0) {
                REQUIRE(got[i] == content[i]);
            } else {
                from_stream += got[i];
            }
        }
        std::ranges::sort(from_stream);
        std::string expected = streamed;
        std::ranges::sort(expected);
        CHECK(from_stream == expected);
    }
}

TEST_CASE("queue: cancels find their way through a full submission queue") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8, .completion_entries = 32});
        auto pair = local_pair();
        const auto probes = make_probes(host, 1'000);
        std::byte octet{};
        for (const auto& each : probes) {
            each->code = opcode::receive;
            each->fd = pair.near.get();
            each->args.receive = {.data = &octet, .size_bytes = 1};
            host.submit(*each);
        }
        host.turn(1);
        for (const auto& each : probes) {
            host.io().cancel(*each);
        }
        for (const auto& each : probes) {
            host.finish(*each);
        }
        host.settle();
        CHECK(std::ranges::all_of(probes, [](const auto& each) {
            return each->results == std::vector<std::int64_t>{-ECANCELED};
        }));
    }
}

TEST_CASE("queue: an overflow of completions loses none and is counted (threats.md, R1)") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8, .completion_entries = 8});
        const auto probes = make_probes(host, 10'000);
        run_all(host, probes);
        CHECK(std::ranges::all_of(probes, [](const auto& each) { return each->ends == 1; }));
        if (under_test.has_completion_queue) {
            CHECK(host.io().counters().completion_overflows > 0);
        }
    }
}

TEST_CASE("queue: an overflow in the middle of streams keeps their octets in order") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test, {.submission_entries = 8,
                                  .completion_entries = 8,
                                  .receive_buffers = 64,
                                  .receive_buffer_bytes = 64});
        constexpr std::size_t connections = 20;
        std::vector<socket_pair> pairs;
        std::vector<std::unique_ptr<probe>> probes;
        for (std::size_t i = 0; i < connections; ++i) {
            pairs.push_back(local_pair());
            probes.push_back(
                std::make_unique<probe>(host, opcode::receive_provided, pairs[i].near.get()));
            probes[i]->args.receive_provided = {.multishot = true};
            host.submit(*probes[i]);
        }
        host.turn(2);
        for (std::size_t i = 0; i < connections; ++i) {
            const std::string sent = pattern(5'000, i);
            REQUIRE(posix::send(pairs[i].far.get(), sent.data(), sent.size(), 0) == 5'000);
        }
        for (std::size_t i = 0; i < connections; ++i) {
            host.run_until([&] { return probes[i]->octets.size() == 5'000; });
            CHECK(probes[i]->octets == pattern(5'000, i));
            CHECK(probes[i]->ends == 0);
        }
        for (const auto& each : probes) {
            host.io().cancel(*each);
            host.finish(*each);
        }
    }
}
