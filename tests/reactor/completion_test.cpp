#include <doctest/doctest.h>

#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

task<> await_every_opcode(nursery& home, workshop& shop) {
    for (const opcode code : all_opcodes) {
        CAPTURE(static_cast<int>(code));
        const auto came = co_await op_wait(home.here().io(), code, -1, never,
                                           [&](op& fresh) { shop.fill(fresh, code); });
        REQUIRE(came.has_value());
        CHECK(workshop::take_result(code, *came) == shop.right_result(code));
    }
}

}  // namespace

// Goal: what `reactor::submit` promises, of every operation: one completion, with what the call
// returned. Method: all of them one by one, then turns enough for a second completion to show.
TEST_CASE("reactor: every operation completes exactly once with the right result") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        workshop shop;
        for (const opcode code : all_opcodes) {
            CAPTURE(static_cast<int>(code));
            probe each(host);
            for (unsigned round = 1; round <= 2; ++round) {  // The second in the same memory.
                shop.fill(each, code);
                host.submit(each);
                host.finish(each);
                host.settle();
                REQUIRE(each.results.size() == round);
                CHECK(each.ends == round);
                CHECK_FALSE(each.in_flight);
                CHECK(workshop::take_result(code, each.results.back()) == shop.right_result(code));
            }
        }
    }
}

TEST_CASE("reactor: every operation gives a coroutine its result") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        workshop shop;
        host.run_task(await_every_opcode, std::ref(shop));
    }
}

TEST_CASE("reactor: all operations at once, and none is mistaken for another") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        constexpr std::size_t rounds = 20;
        std::vector<std::unique_ptr<workshop>> shops;
        std::vector<std::unique_ptr<probe>> probes;
        for (std::size_t round = 0; round < rounds; ++round) {
            shops.push_back(std::make_unique<workshop>());
            for (const opcode code : all_opcodes) {
                probes.push_back(std::make_unique<probe>(host));
                shops.back()->fill(*probes.back(), code);
                host.submit(*probes.back());
            }
        }
        for (const auto& each : probes) {
            host.finish(*each);
        }
        host.settle();
        for (std::size_t i = 0; i < probes.size(); ++i) {
            const probe& each = *probes[i];
            CAPTURE(static_cast<int>(each.code));
            REQUIRE(each.results.size() == 1);
            CHECK(workshop::take_result(each.code, each.results.front()) ==
                  shops[i / all_opcodes.size()]->right_result(each.code));
        }
    }
}

TEST_CASE("reactor: a descriptor that is none fails the operation, not the process") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (const opcode code : all_opcodes) {
            if (code == opcode::nop || code == opcode::compute) {
                continue;
            }
            CAPTURE(static_cast<int>(code));
            workshop shop;
            probe each(host);
            shop.fill(each, code);
            each.fd = 1'000'000;
            host.submit(each);
            host.finish(each);
            REQUIRE(each.results.size() == 1);
            CHECK(each.results.front() == -EBADF);
        }
    }
}
