#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "ferry/base/random.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

/// A connection whose near end has the number `wanted`.
socket_pair pair_at(int wanted) {
    auto pair = local_pair();
    if (pair.near.get() != wanted) {
        REQUIRE(posix::dup3(pair.near.get(), wanted, O_CLOEXEC) == wanted);
        pair.near.reset(wanted);
    }
    return pair;
}

}  // namespace

// threats.md, R5. The rule is "close after the last completion". Then the number is given to the
// next connection while the kernel may still be busy with what the old one left behind (the cancel
// request's own outcome above all); none of it may reach the new operation, be that at the same
// address or at another.
TEST_CASE("reuse: a descriptor's number in its next life meets nothing of the last") {
    for (const backend& under_test : backends()) {
        for (const bool same_op : {false, true}) {
            for (const bool multishot : {false, true}) {
                CAPTURE(under_test.name);
                const auto world = under_test.make_world();
                CAPTURE(same_op);
                CAPTURE(multishot);
                ferry::random rng(1);
                machine host(under_test, {.submission_entries = 16});
                socket_pair old = local_pair();
                const int number = old.near.get();
                for (unsigned life = 0; life < 1'000; ++life) {
                    CAPTURE(life);
                    probe first(host, opcode::receive_provided, number);
                    first.args.receive_provided = {.multishot = multishot};
                    host.submit(first);
                    host.turn(static_cast<unsigned>(rng.below(3)));
                    const bool with_data = rng.below(2) == 0;
                    if (with_data) {
                        REQUIRE(posix::send(old.far.get(), "old", 3, MSG_NOSIGNAL) == 3);
                    }
                    host.io().cancel(first);

                    std::optional<probe> second_op;
                    socket_pair fresh;
                    probe& second = same_op ? first : second_op.emplace(host);
                    bool reopened = false;
                    std::size_t firsts = 0;
                    first.then = [&](probe&) {
                        if (first.in_flight || reopened) {
                            return;
                        }
                        reopened = true;  // Within the last completion: nothing may be later.
                        firsts = first.results.size();
                        old.near.reset();
                        old.far.reset();
                        fresh = pair_at(number);
                        second.code = opcode::receive_provided;
                        second.fd = number;
                        second.args.receive_provided = {.multishot = multishot};
                        host.submit(second);
                    };
                    host.run_until([&] { return reopened; });
                    const auto old_octets = first.octets;
                    CHECK((old_octets.empty() || (with_data && old_octets == "old")));
                    host.turn(static_cast<unsigned>(rng.below(3)));
                    REQUIRE(second.in_flight);
                    REQUIRE(posix::send(fresh.far.get(), "new", 3, MSG_NOSIGNAL) == 3);
                    const auto wanted = same_op ? old_octets + "new" : std::string("new");
                    host.run_until([&] { return second.octets.size() == wanted.size(); });
                    CHECK(second.octets == wanted);
                    host.io().cancel(second);
                    host.finish(second);
                    if (!same_op) {
                        CHECK(first.results.size() == firsts);
                        CHECK(first.octets == old_octets);
                    }
                    old = std::move(fresh);
                }
            }
        }
    }
}

TEST_CASE("reuse: a cancel asked for in the last completion's turn hits nobody else") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        for (unsigned round = 0; round < 200; ++round) {
            auto pair = local_pair();
            auto other = local_pair();
            probe first(host, opcode::receive_provided, pair.near.get());
            probe second(host, opcode::receive_provided, other.near.get());
            host.submit(second);
            host.submit(first);
            host.turn(1);
            // The data and the request to cancel race; whichever wins, `second` waits on.
            REQUIRE(posix::send(pair.far.get(), "x", 1, MSG_NOSIGNAL) == 1);
            host.io().cancel(first);
            host.finish(first);
            host.io().cancel(first);
            first.fd = other.near.get();
            host.settle();
            CHECK(second.in_flight);
            REQUIRE(posix::send(other.far.get(), "y", 1, MSG_NOSIGNAL) == 1);
            host.finish(second);
            CHECK(second.octets == "y");
        }
    }
}
