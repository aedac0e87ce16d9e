#include "vfs/charge.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "counted_tree.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "vfs/name_locks.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::opcode;
using vfs::amount;
using vfs::durability;
using vfs::upload_mode;
using strings = std::vector<std::string>;

namespace {

constexpr vfs::quota no_end{.octets_max = 1U << 30U, .files_max = 1'000};

std::string text(std::size_t octets) {
    return std::string(octets, 'x');
}

struct charge_fixture : counted_tree {
    using counted_tree::counted_tree;

    /// Begins an upload, writes, and does `then` with it.
    template <class Then>
    result<void> begin(std::string_view name, std::string_view content, vfs::upload_options how,
                       Then then) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, vfs::path where, std::string_view some,
               vfs::upload_options options, Then next) -> runtime::task<result<void>> {
                auto begun = co_await tree.begin_upload(here, where, options);
                if (!begun) {
                    co_return failure(begun.error());
                }
                const auto written = co_await begun->write(here, octets(some));
                if (!written) {
                    co_return failure(written.error());
                }
                co_return co_await next(here, *begun);
            },
            std::cref(*files), at(name), content, std::move(how), std::move(then));
    }
    result<void> keep(std::string_view name, std::string_view content) {
        return begin(
            name, content, {.part_owner = "ann"},
            [](runtime::core& here, vfs::upload& cut) { return cut.keep(here, durability::none); });
    }
};

}  // namespace

TEST_CASE("charge: where nobody has a quota nothing is looked at") {
    charge_fixture on;
    unsigned opened = 0;
    on.machine.io.set_script([&opened](runtime::op& what) -> std::optional<std::int64_t> {
        opened += what.code == opcode::open_at ? 1 : 0;
        return std::nullopt;
    });
    CHECK(on.make_directory("/d"));
    CHECK(on.remove_directory("/d"));
    CHECK(opened == 2);  // Where the names are: their directory.
    auto ann = on.log_in("/", no_end);
    opened = 0;
    CHECK(on.make_directory("/d"));
    CHECK(on.remove_directory("/d"));
    CHECK(opened == 3);  // And what is removed.
}

TEST_CASE("charge: uploads of every kind") {
    charge_fixture on;
    on.host.write("old", text(100));
    auto ann = on.log_in("/", no_end);
    const auto agrees = [&] { return on.used(ann) == on.truth_of("."); };
    CHECK(on.used(ann) == amount{.octets = 100, .files = 1});
    CHECK(on.upload("/new", text(40)));
    CHECK(on.used(ann) == amount{.octets = 140, .files = 2});
    CHECK(on.upload("/old", text(70)));
    CHECK(on.upload("/old", text(5), {.mode = upload_mode::append}));
    CHECK(on.upload("/old", text(90), {.mode = upload_mode::restart, .restart_offset = 10}));
    CHECK(on.upload("/other", text(3), {.mode = upload_mode::create, .size_bytes = 500}));
    CHECK(on.upload("/empty", ""));
    CHECK(on.used(ann) == amount{.octets = 143, .files = 4});
    CHECK(agrees());
    CHECK_FALSE(on.upload("/other", "x", {.mode = upload_mode::create}));
    CHECK_FALSE(on.upload("/no/such", "x"));
    CHECK(agrees());
    on.host.make_directory("d");
    on.host.link({.at = "d/link", .to = "../old"});
    CHECK(on.upload("/d/link", text(7)));                      // It takes the place of the link.
    CHECK(on.used(ann) == amount{.octets = 150, .files = 4});  // Others made the other two.
    on.table.doubt({&ann.home, 1});
    const auto again = on.log_in("/", no_end);
    CHECK(agrees());
}

TEST_CASE("charge: directories, removing, and what fails") {
    charge_fixture on;
    plant(on.host, "d/f", text(10));
    auto ann = on.log_in("/", no_end);
    CHECK(on.make_directory("/e"));
    CHECK_FALSE(on.make_directory("/e"));
    CHECK(on.used(ann) == amount{.octets = 10, .files = 3});
    CHECK_FALSE(on.remove_directory("/d"));
    CHECK_FALSE(on.remove_file("/e"));
    CHECK_FALSE(on.remove_file("/none"));
    CHECK(on.used(ann) == amount{.octets = 10, .files = 3});
    CHECK(on.remove_file("/d/f"));
    CHECK(on.remove_directory("/d/"));
    CHECK(on.used(ann) == amount{.files = 1});
    CHECK(on.used(ann) == on.truth_of("."));
}

TEST_CASE("charge: a home is where its directory is, whatever leads there") {
    SUBCASE("a link") {
        charge_fixture on;
        on.host.make_directory("ann");
        on.host.make_directory("ann/d");
        on.host.link({.at = "way", .to = "ann/d"});
        auto ann = on.log_in("/ann", no_end);
        auto same = on.log_in("/way", no_end);
        CHECK(on.upload("/way/f", text(9)));
        CHECK(on.used(ann) == amount{.octets = 9, .files = 2});
        CHECK(on.used(same) == amount{.octets = 9, .files = 1});
    }
    SUBCASE("another spelling") {
        charge_fixture on(vfs::tree_options{.names = {.folds_case = true}});
        on.host.make_directory("Ann");
        auto ann = on.log_in("/ann", no_end);
        CHECK(on.upload("/ANN/f", text(9)));
        CHECK(on.used(ann) == amount{.octets = 9, .files = 1});
    }
    SUBCASE("another name since") {
        charge_fixture on;
        on.host.make_directory("ann");
        auto ann = on.log_in("/ann", no_end);
        CHECK(on.rename({.from = "/ann", .to = "/anna"}));
        CHECK(on.upload("/anna/f", text(9)));
        CHECK(on.as(ann, [&] { return on.upload("/g", text(9)); }));
        CHECK(on.used(ann) == on.truth_of("anna"));
    }
    SUBCASE("a mount") {
        charge_fixture on(strings{"/ann/music"});
        on.host.make_directory("ann");
        on.more[0]->write("song", text(30));
        auto ann = on.log_in("/ann", no_end);
        auto music = on.log_in("/ann/music", no_end);
        CHECK(on.used(ann) == amount{.octets = 30, .files = 1});
        CHECK(on.upload("/ann/music/other", text(9)));
        CHECK(on.used(ann) == amount{.octets = 39, .files = 2});
        CHECK(on.used(music) == amount{.octets = 39, .files = 2});
        CHECK(on.as(ann, [&] { return on.remove_file("/music/song"); }));
        CHECK(on.used(ann) == amount{.octets = 9, .files = 1});
    }
}

TEST_CASE("charge: a directory that is mounted in a home it lies in counts once") {
    charge_fixture on;
    plant(on.host, "d/in/f", text(30));
    std::vector<vfs::mount> mounts;
    for (const auto& [name, directory] :
         {std::pair{"/", "."}, {"/d/in", "d/in"}, {"/in", "d/in"}}) {
        mounts.push_back(
            {.at = at(name), .files = vfs::open_local_tree((on.host / directory).c_str()).value()});
    }
    on.files = vfs::make_mount_table(std::move(mounts));
    on.files->count_for(on.table, {});
    auto ann = on.log_in("/", no_end);
    CHECK(on.used(ann) == amount{.octets = 30, .files = 3});
    CHECK(on.upload("/in/g", text(5)));
    CHECK(on.upload("/d/in/h", text(5)));
    CHECK(on.used(ann) == amount{.octets = 40, .files = 5});
    CHECK(on.used(ann) == on.truth_of("."));
}

TEST_CASE("charge: a mount beneath a home is held to its quota, others' use of it is not") {
    charge_fixture on(strings{"/ann/music"});
    on.host.make_directory("ann");
    auto ann = on.log_in("/ann", {.octets_max = 10});
    auto bob = on.log_in("/ann", {.octets_max = 20});
    CHECK(on.as(ann, [&] { return on.upload("/music/f", text(11)); }).error() == errc::over_quota);
    CHECK(on.as(bob, [&] { return on.upload("/music/f", text(11)); }));
    CHECK(on.upload("/ann/music/g", text(100)));
    CHECK(on.used(ann) == amount{.octets = 111, .files = 2});
    CHECK(on.as(bob, [&] { return on.upload("/f", "x"); }).error() == errc::over_quota);
}

TEST_CASE("charge: to the last octet and file, and what is refused leaves nothing (V13)") {
    charge_fixture on;
    on.host.write("old", text(60));
    auto ann = on.log_in("/", {.octets_max = 100, .files_max = 3});
    const auto mine = [&](std::string_view name, std::size_t size, vfs::upload_options how = {}) {
        return on.as(ann, [&] { return on.upload(name, text(size), how); });
    };
    const auto refuses = [&](const result<void>& outcome) {
        return !outcome && outcome.error() == errc::over_quota;
    };
    CHECK(refuses(mine("/new", 41)));
    CHECK(refuses(mine("/new", 1, {.size_bytes = 41})));
    CHECK(refuses(mine("/new", 1, {.size_bytes = ~std::uint64_t{0}})));
    CHECK(refuses(mine("/old", 1, {.mode = upload_mode::append, .size_bytes = ~std::uint64_t{0}})));
    CHECK(on.used(ann) == amount{.octets = 60, .files = 1});
    CHECK(mine("/new", 40));
    CHECK(refuses(mine("/more", 1)));
    CHECK(refuses(mine("/more", 0)));  // Said before anything has come: nothing would fit.
    CHECK(refuses(mine("/old", 1, {.mode = upload_mode::append})));
    CHECK(mine("/old", 60));
    CHECK(mine("/old", 20, {.mode = upload_mode::restart, .restart_offset = 40}));
    CHECK(refuses(mine("/old", 21, {.mode = upload_mode::restart, .restart_offset = 40})));
    CHECK(refuses(mine("/old", 61)));
    CHECK(mine("/old", 10));
    CHECK(on.as(ann, [&] { return on.make_directory("/d"); }));
    CHECK(refuses(on.as(ann, [&] { return on.make_directory("/e"); })));
    CHECK(refuses(mine("/third", 1)));
    CHECK(mine("/new", 90));
    CHECK(on.used(ann) == amount{.octets = 100, .files = 3});
    CHECK(on.host.names() == std::vector<std::string>{"d", "new", "old"});
}

// What an upload is to replace has its place until the commit: if it is gone by then, there may be
// no room left.
TEST_CASE("charge: a replacement of what has been removed meanwhile is counted whole") {
    charge_fixture on;
    on.host.write("old", text(60));
    auto ann = on.log_in("/", {.octets_max = 100});
    const auto replace = [&](std::size_t others) {
        return on.as(ann, [&] {
            return on.begin("/old", text(60), {}, [&](runtime::core& here, vfs::upload& mine) {
                return [](runtime::core& core, charge_fixture& in, vfs::upload& begun,
                          std::size_t size) -> runtime::task<result<void>> {
                    const auto old = at("/old");
                    const auto removed = co_await in.files->remove_file(core, old);
                    CHECK(removed);
                    const auto other = at("/other");
                    auto second = co_await in.files->begin_upload(core, other, {});
                    const auto content = text(size);
                    const auto written = co_await second->write(core, octets(content));
                    CHECK(written);
                    const auto committed = co_await second->commit(core, durability::none);
                    CHECK(committed);
                    co_return co_await begun.commit(core, durability::none);
                }(here, on, mine, others);
            });
        });
    };
    CHECK(replace(41).error() == errc::over_quota);
    CHECK(on.used(ann) == amount{.octets = 41, .files = 1});
    CHECK(on.upload("/old", text(59)));
    CHECK(on.remove_file("/other"));
    CHECK(replace(40));
    CHECK(on.used(ann) == amount{.octets = 100, .files = 2});
    CHECK(on.used(ann) == on.truth_of("."));
}

TEST_CASE("charge: parts of uploads that were cut off count, whatever becomes of them") {
    charge_fixture on;
    auto ann = on.log_in("/", {.octets_max = 100, .files_max = 2});
    const auto mine = [&](auto work) { return on.as(ann, work); };
    const auto part = [&](std::uint64_t octets) {
        CHECK(on.used(ann) == amount{.octets = octets, .files = 1});
        CHECK(on.used(ann) == on.truth_of("."));
        CHECK(on.host.names().size() == 1);
    };
    CHECK(mine([&] { return on.keep("/f", text(30)); }));
    part(30);
    CHECK(mine([&] { return on.keep("/f", text(50)); }));  // In its place.
    part(50);
    const vfs::upload_options goes_on{.mode = upload_mode::append, .part_owner = "ann"};
    CHECK(mine([&] { return on.upload("/f", text(51), goes_on); }).error() == errc::over_quota);
    CHECK(on.used(ann) == amount{});  // A write that failed: nothing is kept (decision 0007).

    CHECK(mine([&] { return on.keep("/f", text(50)); }));
    auto known = goes_on;
    known.size_bytes = 51;
    CHECK(mine([&] { return on.upload("/f", "", known); }).error() == errc::over_quota);
    part(50);  // Refused before anything was written: it is still there.
    known.size_bytes = 50;
    CHECK(mine([&] { return on.upload("/f", text(50), known); }));
    CHECK(on.used(ann) == amount{.octets = 100, .files = 1});
    CHECK(on.remove_file("/f"));

    CHECK(mine([&] { return on.keep("/f", text(20)); }));
    CHECK(mine([&] {  // It becomes shorter.
        return on.upload("/f", text(5),
                         {.mode = upload_mode::restart, .restart_offset = 10, .part_owner = "ann"});
    }));
    part(15);
    CHECK(on.remove_file("/f"));

    CHECK(mine([&] { return on.keep("/f", text(20)); }));
    CHECK(mine([&] { return on.upload("/f", text(7), {.part_owner = "ann"}); }));
    part(7);
    CHECK(on.remove_file("/f"));

    // Who begins anew cannot see the part, so it is not in the way.
    CHECK(mine([&] { return on.keep("/f", text(60)); }));
    CHECK(mine([&] { return on.upload("/f", text(100), {.part_owner = "ann"}); }));
    part(100);
    CHECK(on.remove_file("/f"));

    CHECK(mine([&] { return on.make_directory("/d"); }));
    CHECK(mine([&] { return on.keep("/d/f", text(20)); }));
    CHECK(on.used(ann) == amount{.octets = 20, .files = 2});
    CHECK(on.remove_directory("/d"));  // With a part that nobody sees.
    CHECK(on.used(ann) == amount{});

    CHECK(mine([&] { return on.keep("/f", text(20)); }));
    on.files->keep_parts(runtime::duration::zero());
    CHECK(on.remove_leftovers().parts_removed == 1);
    CHECK(on.used(ann) == amount{});
}

// Goal: whatever step of a change fails, what is counted is what is there (threats.md, V13).
// Method: each operation in its turn fails once, over a file that there is and where there is none.
TEST_CASE("charge: every step fails once") {
    for (const bool is_there : {false, true}) {
        for (unsigned nth = 0, submitted = 1; nth < submitted; ++nth) {
            CAPTURE(is_there);
            CAPTURE(nth);
            charge_fixture on;
            plant(on.host, "d/g", text(20));
            on.host.make_directory("ann");
            if (is_there) {
                plant(on.host, "d/f", text(30));
                plant(on.host, "ann/e/h", text(3));
            }
            auto all = on.log_in("/", no_end);
            auto ann = on.log_in("/ann", no_end);
            submitted = 0;
            on.machine.io.set_script([&](runtime::op&) -> std::optional<std::int64_t> {
                return submitted++ == nth ? std::optional<std::int64_t>(-EIO) : std::nullopt;
            });
            static_cast<void>(on.upload("/d/f", text(50)));
            static_cast<void>(on.keep("/d/p", text(9)));
            static_cast<void>(
                on.upload("/d/p", text(6), {.mode = upload_mode::append, .part_owner = "ann"}));
            static_cast<void>(on.rename({.from = "/d/f", .to = "/ann/f"}));
            static_cast<void>(on.make_directory("/ann/e"));
            static_cast<void>(on.rename({.from = "/ann/e", .to = "/d/e"}));
            static_cast<void>(on.remove_file("/d/g"));
            on.machine.io.set_script(nullptr);
            // What could not be read of a directory that was moved is counted later.
            all = on.log_in("/", no_end);
            ann = on.log_in("/ann", no_end);
            CHECK(on.used(all) == on.truth_of("."));
            CHECK(on.used(ann) == on.truth_of("ann"));
        }
    }
}

// A walk that began meanwhile may have seen the name or not.
TEST_CASE("charge: who changed a name without knowing of a home puts it in doubt") {
    charge_fixture on;
    on.host.write("f", text(10));
    on.host.make_directory("d");
    std::shared_ptr<vfs::home> home;
    const auto enter_before = [&](opcode which) {
        on.machine.io.set_script([&, which](runtime::op& what) -> std::optional<std::int64_t> {
            if (what.code == which && home == nullptr) {
                struct stat status{};
                REQUIRE(::stat(on.host.root().c_str(), &status) == 0);
                home = on.table.enter({}, {.device = status.st_dev, .inode = status.st_ino});
                auto walk = on.table.try_count(home, on.machine.here.now());
                on.table.begin_walk(*walk);
                on.table.end_walk(std::move(*walk), {.sum = on.truth_of(".")},
                                  on.machine.here.now());
            }
            return std::nullopt;
        });
    };
    SUBCASE("MKD") {
        enter_before(opcode::make_directory_at);
        CHECK(on.make_directory("/e"));
    }
    SUBCASE("DELE") {
        enter_before(opcode::unlink_at);
        CHECK(on.remove_file("/f"));
    }
    SUBCASE("RNTO") {
        enter_before(opcode::rename_at);
        CHECK(on.rename({.from = "/f", .to = "/d/f"}));
    }
    SUBCASE("STOR") {
        enter_before(opcode::link_at);
        CHECK(on.upload("/g", text(7)));
    }
    REQUIRE(home);
    CHECK_FALSE(on.table.use_of(*home).is_exact);
    CHECK(on.table.try_count(home, on.machine.here.now()));
}

namespace {

/// A core with timers, for who waits for a name.
struct timed_core {
    runtime::offload_pool pool{1};
    std::unique_ptr<runtime::reactor> ring =
        runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    runtime::core here{0, *ring, ferry::random(1)};

    template <class Function, class... Arguments>
    void run(Function function, Arguments... arguments) {
        runtime::stop_scope stop;
        runtime::run_core(here, stop, function, std::move(arguments)...);
    }
};

runtime::task<> make_d(runtime::core& here, const vfs::tree& files) {
    const auto where = at("/d");
    const auto made = co_await files.make_directory(here, where);
    CHECK(made);
}

/// Holds a name in the root alone while somebody else makes a directory of it.
runtime::task<> make_while_held(runtime::nursery& all, charge_fixture& on, int root,
                                bool& is_early) {
    auto held =
        co_await on.table.names()->take(all.here(), root, "d", vfs::name_locks::manner::alone);
    REQUIRE(held);
    all.start(&make_d, std::ref(all.here()), std::cref(*on.files));
    for (unsigned turn = 0; turn < 1'000; ++turn) {
        co_await all.here().yield();
    }
    is_early = on.host.exists("d");
    held = vfs::name_locks::hold();
}

}  // namespace

// A rename that replaces an empty directory has looked at what it replaces.
TEST_CASE("charge: nobody makes a directory under a name that somebody else has alone") {
    charge_fixture on;
    auto ann = on.log_in("/", no_end);
    const unique_fd root(::open(on.host.root().c_str(), O_PATH | O_DIRECTORY));
    on.files.swap(ann.files);
    bool is_early = false;
    timed_core().run(&make_while_held, std::ref(on), root.get(), std::ref(is_early));
    CHECK_FALSE(is_early);
    CHECK(on.host.exists("d"));
    CHECK(on.used(ann) == on.truth_of("."));
}

namespace {

runtime::task<> store(runtime::core& here, const vfs::tree& files, std::string_view name) {
    const auto where = at(name);
    auto begun = co_await files.begin_upload(here, where, {});
    REQUIRE(begun);
    const auto written = co_await begun->write(here, octets("12345"));
    CHECK(written);
    const auto stored = co_await begun->commit(here, durability::none);
    CHECK(stored);
}

}  // namespace

// Both would take the old file off the sum (threats.md, V13).
TEST_CASE("charge: a name in a directory that is mounted twice is one name") {
    counted_tree on;
    plant(on.host, "d/f", text(100));
    std::vector<vfs::mount> all;
    all.push_back({.at = {}, .files = vfs::open_local_tree(on.host.root().c_str()).value()});
    all.push_back({.at = at("/m"), .files = vfs::open_local_tree((on.host / "d").c_str()).value()});
    vfs::home_table table;
    const auto files = vfs::make_mount_table(std::move(all));
    files->count_for(table, {});
    struct stat status{};
    REQUIRE(::stat((on.host / "d").c_str(), &status) == 0);
    const auto home = table.enter(at("/d"), {.device = status.st_dev, .inode = status.st_ino});
    auto walk = table.try_count(home, on.machine.here.now());
    table.begin_walk(*walk);
    table.end_walk(std::move(*walk), {.sum = on.truth_of("d")}, on.machine.here.now());
    timed_core().run(
        [](runtime::nursery& both, const vfs::tree& tree) -> runtime::task<> {
            for (const std::string_view name : {"/d/f", "/m/f"}) {
                both.start(&store, std::ref(both.here()), std::cref(tree), name);
            }
            co_return;
        },
        std::cref(*files));
    CHECK(table.use_of(*home).used == on.truth_of("d"));
}
