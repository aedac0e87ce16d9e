#include "ferry/vfs/home_counter.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "counted_tree.hpp"
#include "vfs/walk.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using namespace std::chrono_literals;
using vfs::amount;

namespace {

struct counter_fixture {
    counter_fixture() {
        host.write("f", std::string(100, 'x'));
        plant(host, "d/e/g", std::string(20, 'x'));
        files = vfs::open_local_tree(host.root().c_str()).value();
        files->count_for(table, {});
        counter.emplace(here, *files, table, turns);
    }

    scratch host;
    runtime::offload_pool pool{1};
    std::unique_ptr<runtime::reactor> ring =
        runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    runtime::core here{0, *ring, ferry::random(1)};
    std::unique_ptr<vfs::tree> files;
    vfs::home_table table;
    vfs::listing_bounds turns{here, {}};
    std::optional<vfs::home_counter> counter;

    /// Runs `work` beside the counter.
    void run(std::function<runtime::task<>(runtime::core&)> work) {
        runtime::stop_scope stop;
        runtime::run_core(
            here, stop,
            [](runtime::nursery& bottom, counter_fixture& my,
               const std::function<runtime::task<>(runtime::core&)>& what) -> runtime::task<> {
                bottom.start(
                    [](counter_fixture& its) -> runtime::task<> { co_await its.counter->run(); },
                    std::ref(my));
                co_await what(my.here);
                bottom.request_stop();
            },
            std::ref(*this), std::cref(work));
    }
};

runtime::task<> wait_until_counted(runtime::core& here, counter_fixture& on,
                                   const std::shared_ptr<vfs::home>& which) {
    on.counter->ask(which);
    while (!on.table.use_of(*which).is_counted) {
        const auto slept = co_await runtime::sleep_until(here, here.now() + 1ms);
        REQUIRE(slept);
    }
}

vfs::directory_id id_of(const std::string& directory) {
    struct stat status{};
    REQUIRE(::stat(directory.c_str(), &status) == 0);
    return {.device = status.st_dev, .inode = status.st_ino};
}

}  // namespace

TEST_CASE("home counter: counts what is asked for") {
    counter_fixture on;
    const auto all = on.table.enter({}, id_of(on.host.root()));
    const auto beneath = on.table.enter(at("/d"), id_of(on.host / "d"));
    on.run([&](runtime::core& here) -> runtime::task<> {
        on.counter->ask(beneath);
        co_await wait_until_counted(here, on, all);
        co_await wait_until_counted(here, on, beneath);
    });
    CHECK(on.table.use_of(*all).used == amount{.octets = 120, .files = 4});
    CHECK(on.table.use_of(*beneath).used == amount{.octets = 20, .files = 2});
    CHECK(on.table.use_of(*all).is_exact);
}

TEST_CASE("home counter: who makes something first waits until it is known what there is") {
    counter_fixture on;
    on.run([&](runtime::core& here) -> runtime::task<> {
        auto own = co_await on.files->subtree(here, {});
        auto home = on.table.enter({}, id_of(on.host.root()));
        const auto held = co_await (*own)->hold_to(
            here, {.where = home, .most = {.octets_max = 121}, .counter = &*on.counter});
        CHECK(held);
        const auto name = at("/new");
        auto refused = co_await (*own)->begin_upload(here, name, {.size_bytes = 2});
        CHECK(refused.error() == errc::over_quota);
        auto taken = co_await (*own)->begin_upload(here, name, {.size_bytes = 1});
        CHECK(taken);
    });
}

TEST_CASE("home counter: a directory that another has taken the place of is not counted") {
    counter_fixture on;
    const auto gone = on.table.enter(at("/d"), id_of(on.host / "d/e"));
    const auto all = on.table.enter({}, id_of(on.host.root()));
    on.run([&](runtime::core& here) -> runtime::task<> {
        on.counter->ask(all);
        on.counter->ask(gone);
        co_await wait_until_counted(here, on, all);
    });
    CHECK_FALSE(on.table.use_of(*gone).is_counted);
    CHECK(on.table.try_count(gone, {}));  // Somebody else may.
}

// While a walk of minutes goes on, nobody on its core could store anything for the first time.
TEST_CASE("home counter: a small home does not wait for a large one, but for four") {
    counter_fixture on;
    std::vector<std::shared_ptr<vfs::home>> large;
    for (std::size_t i = 0; i < vfs::home_counter::at_once_max; ++i) {
        const auto name = "large" + std::to_string(i);
        for (int beneath = 0; beneath < 50; ++beneath) {
            plant(on.host, name + "/" + std::to_string(beneath) + "/f", "x");
        }
        large.push_back(on.table.enter(at("/" + name), id_of(on.host / name)));
    }
    const auto small = on.table.enter(at("/d/e"), id_of(on.host / "d/e"));
    const auto count_large = [&] {
        return std::ranges::count_if(
            large, [&on](const auto& each) { return on.table.use_of(*each).is_counted; });
    };
    const auto count_small_behind = [&](std::size_t others) {
        std::ptrdiff_t done = 0;
        on.run([&](runtime::core& here) -> runtime::task<> {
            for (std::size_t i = 0; i < others; ++i) {
                on.counter->ask(large[i]);
            }
            on.counter->ask(small);
            while (!on.table.use_of(*small).is_counted) {
                co_await here.yield();
            }
            done = count_large();
        });
        return done;
    };
    SUBCASE("behind fewer") {
        CHECK(count_small_behind(large.size() - 1) == 0);
    }
    SUBCASE("behind four: first come, first served") {
        CHECK(count_small_behind(large.size()) > 0);
    }
}

// A directory of mode 0444 tells its names and nothing of them. Whoever could hide what he has with
// SITE CHMOD would have his quota anew after each walk (threats.md, V13).
TEST_CASE("walk: names whose status is refused are there, and what is in them is not known") {
    counted_tree on;
    on.host.write("f", "12345");
    on.host.write("g", "123");
    auto ann = on.log_in("/", {.octets_max = 100});
    CHECK(on.used(ann) == amount{.octets = 8, .files = 2});
    on.table.doubt({&ann.home, 1});
    on.machine.io.set_script([](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code != runtime::opcode::list_directory) {
            return std::nullopt;
        }
        auto& batch = *what.args.list_directory.batch;
        batch.names = "fgv";
        batch.records.clear();
        for (std::uint32_t i = 0; i < 3; ++i) {
            batch.records.push_back({.name_offset = i,
                                     .name_bytes = 1,
                                     .status_errno = i == 2 ? ENOENT : EACCES,
                                     .status = {}});
        }
        batch.at_end = true;
        return 0;
    });
    ann = on.log_in("/", {.octets_max = 100});
    CHECK(on.used(ann) == amount{.octets = 8, .files = 2});
    CHECK_FALSE(on.table.use_of(*ann.home).is_exact);

    // Seen for the first time: the names at least.
    const auto found = on.machine.run(
        [](runtime::core& here, vfs::listing_bounds& turns, const vfs::tree& files)
            -> runtime::task<vfs::measured> { co_return co_await files.measure(here, turns); },
        std::ref(on.turns), std::cref(*on.files));
    CHECK(found.sum == amount{.files = 2});
    CHECK(found.passed_over == 1);
}

TEST_CASE("walk: every name is a file, only files have octets, hidden ones are not there") {
    counted_tree on;
    on.host.write("f", "12345");
    plant(on.host, "d/f", "123");
    on.host.link({.at = "d/link", .to = "f"});
    on.host.link({.at = "d/nowhere", .to = "none"});
    on.host.link({.at = "d/out", .to = "/etc/passwd"});
    on.host.link({.at = "d/around", .to = ".."});
    on.host.write(".ferry-upload-0123456789abcdef", "123456");
    plant(on.host, "d/.ferry-part-3-ann-g", "12");
    REQUIRE(::mkfifo((on.host / "fifo").c_str(), 0600) == 0);
    const auto ann = on.log_in("/", {.octets_max = 100});
    CHECK(on.used(ann) == amount{.octets = 10, .files = 9});
    CHECK(on.table.use_of(*ann.home).is_exact);
}

TEST_CASE("walk: what it has no room to remember it says") {
    counted_tree on;
    for (int i = 0; i < 100; ++i) {
        plant(on.host, "d" + std::to_string(i) + "/f", "1");
    }
    const int root = ::open(on.host.root().c_str(), O_PATH | O_DIRECTORY);
    const auto found = on.machine.run(
        [](runtime::core& here, int where) -> runtime::task<vfs::measured> {
            co_return co_await vfs::measure(here, {.root = where, .ahead_bytes_max = 500});
        },
        root);
    ::close(root);
    CHECK(found.passed_over > 0);
    CHECK(found.sum.octets == 100 - found.passed_over);
    CHECK(found.sum.files == 200 - found.passed_over);
}
