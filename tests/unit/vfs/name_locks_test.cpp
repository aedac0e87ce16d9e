#include "vfs/name_locks.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <vector>

#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/runtime/wait.hpp"

using namespace ferry;
using namespace ferry::runtime;
using vfs::entry_key;
using vfs::name_locks;
using manner = name_locks::manner;

namespace {

entry_key key(std::uint64_t directory, const char* name) {
    return {.device = 1, .directory = directory, .name = name};
}

struct machine {
    offload_pool pool{1};
    std::unique_ptr<reactor> io = make_uring_reactor({.receive_buffers = 16}, pool).value();
    core here{0, *io, ferry::random(1)};
    stop_scope stop;
    name_locks locks;
    std::vector<int> order;
};

/// Has the name in that manner until `until` milliseconds from now, and notes when it got it.
task<> have(machine& on, entry_key name, manner how, int number, int milliseconds) {
    const auto held = co_await on.locks.take(on.here, std::move(name), how);
    CHECK(held.has_value());
    on.order.push_back(number);
    static_cast<void>(
        co_await sleep_until(on.here, on.here.now() + std::chrono::milliseconds(milliseconds)));
}

}  // namespace

TEST_CASE("name locks: who depends on a name has it alone, the others share it") {
    machine on;
    run_core(
        on.here, on.stop,
        +[](nursery& all, machine& m) -> task<> {
            all.start(have, std::ref(m), key(1, "a"), manner::shared, 1, 30);
            all.start(have, std::ref(m), key(1, "a"), manner::shared, 2, 30);
            all.start(have, std::ref(m), key(1, "a"), manner::alone, 5, 5);
            all.start(have, std::ref(m), key(1, "b"), manner::alone, 3, 0);
            all.start(have, std::ref(m), key(2, "a"), manner::alone, 4, 0);
            co_return;
        },
        std::ref(on));
    CHECK(on.order == std::vector{1, 2, 3, 4, 5});
}

TEST_CASE("name locks: while one has it alone nobody shares it, and it comes back") {
    machine on;
    run_core(
        on.here, on.stop,
        +[](nursery& all, machine& m) -> task<> {
            all.start(have, std::ref(m), key(1, "a"), manner::alone, 1, 20);
            all.start(have, std::ref(m), key(1, "a"), manner::shared, 2, 0);
            all.start(have, std::ref(m), key(1, "a"), manner::shared, 3, 0);
            co_return;
        },
        std::ref(on));
    REQUIRE(on.order.size() == 3);
    CHECK(on.order.front() == 1);
}

TEST_CASE("name locks: a stop ends the wait, and what was moved is given back once") {
    machine on;
    run_core(
        on.here, on.stop,
        +[](nursery&, machine& m) -> task<> {
            auto first = co_await m.locks.take(m.here, key(1, "a"), manner::alone);
            REQUIRE(first.has_value());
            name_locks::hold moved = std::move(*first);
            stop_scope ending;
            ending.request_stop();
            const auto refused =
                co_await m.locks.take(m.here, key(1, "a"), manner::shared).in_scope(ending);
            CHECK_FALSE(refused.has_value());
            moved = name_locks::hold{};
            const auto again = co_await m.locks.take(m.here, key(1, "a"), manner::alone);
            CHECK(again.has_value());
        },
        std::ref(on));
}
