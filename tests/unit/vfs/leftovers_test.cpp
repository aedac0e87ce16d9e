#include "vfs/leftovers.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/op.hpp"
#include "ferry/runtime/wait.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "ferry/vfs/tree.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

using namespace ferry;
using namespace ferry::vfs;
using namespace ferry::vfs_test;

namespace {

constexpr const char* leftover = ".ferry-upload-0123456789abcdef";

struct leftovers_fixture {
    scratch host;
    test_core core;
    unique_fd root{::open(host.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    listing_bounds turns{core.here, {.reads_max = 1}};

    std::size_t remove() { return walk().removed; }

    leftovers_found walk() { return walk(how()); }
    leftovers_found walk(sweep how) {
        return core.run(
            [](runtime::core& here, sweep what) -> runtime::task<leftovers_found> {
                co_return co_await remove_leftovers(here, what);
            },
            how);
    }

    /// As for a file system of this machine, whatever the tests run on.
    sweep how() { return {.root = root.get(), .home = home(true), .turns = turns}; }
    [[nodiscard]] file_system home(bool is_local) const {
        return {.device = file_system_of(root.get()).device, .is_local = is_local};
    }
};

/// How many descriptors were open at most when an operation began, beyond those there are now.
struct descriptors_seen {
    explicit descriptors_seen(leftovers_fixture& in) {
        in.core.io.set_script([this](runtime::op&) -> std::optional<std::int64_t> {
            most = std::max(most, open_descriptors());
            return std::nullopt;
        });
    }
    std::size_t before = open_descriptors();
    std::size_t most = before;
};

runtime::task<> sweep_into(leftovers_fixture& disk, std::size_t& removed) {
    const auto found = co_await remove_leftovers(disk.core.here, disk.how());
    removed = found.removed;
}

runtime::task<> hold_turn(runtime::nursery& both, leftovers_fixture& disk, std::size_t& removed,
                          const std::size_t& reads) {
    auto turn = disk.turns.going_on.try_take();
    both.start(&sweep_into, std::ref(disk), std::ref(removed));
    for (int wait = 0; wait < 100; ++wait) {
        static_cast<void>(co_await runtime::op_wait(both.here().io(), runtime::opcode::nop, -1,
                                                    runtime::never, [](runtime::op&) {}));
    }
    CHECK(reads == 0);
    turn.reset();
}

/// A sweep that begins while a listing has the only turn. Gives how many it removed in the end.
runtime::task<std::size_t> sweep_while_client_reads(runtime::core& here, leftovers_fixture& disk,
                                                    const std::size_t& reads) {
    std::size_t removed = 0;
    co_await runtime::with_nursery(here, &hold_turn, std::ref(disk), std::ref(removed),
                                   std::cref(reads));
    co_return removed;
}

}  // namespace

TEST_CASE("leftovers: removed everywhere in the tree, and nothing else (threats.md, V12)") {
    leftovers_fixture disk;
    disk.host.make_directory("a");
    disk.host.make_directory("a/b");
    disk.host.make_directory("empty");
    const std::string beneath[] = {leftover, std::string("a/") + leftover,
                                   std::string("a/b/") + leftover};
    for (const auto& each : beneath) {
        disk.host.write(each, "half of it");
    }
    // What only looks alike, is a directory, or is a link to one.
    const std::string kept[] = {".ferry-upload-",
                                ".ferry-upload-short",
                                ".ferry-upload-my-holiday-notes",
                                ".ferry-upload-zzzzzzzzzzzzzzzz",
                                ".ferry-upload-0123456789ABCDEF",
                                ".ferry-upload-0123456789abcde",
                                ".ferry-upload-0123456789abcdef0",
                                ".ferry-upload-0123456789abcdef.bak",
                                "ferry-upload-0123456789abcdef",
                                ".ferry-other",
                                "upload"};
    for (const auto& each : kept) {
        disk.host.write(each, "somebody's");
    }
    disk.host.make_directory("a/.ferry-upload-aaaaaaaaaaaaaaaa");
    disk.host.link({.at = ".ferry-upload-bbbbbbbbbbbbbbbb", .to = "upload"});
    const scratch outside;
    outside.write(leftover, "not in the tree");
    disk.host.link({.at = "out", .to = outside.root()});
    const std::size_t open_before = open_descriptors();

    CHECK(disk.remove() == 3);
    for (const auto& each : beneath) {
        CHECK_FALSE(disk.host.exists(each));
    }
    for (const auto& each : kept) {
        CHECK(disk.host.exists(each));
    }
    CHECK(disk.host.exists("a/.ferry-upload-aaaaaaaaaaaaaaaa"));
    CHECK(disk.host.exists(".ferry-upload-bbbbbbbbbbbbbbbb"));
    CHECK(outside.exists(leftover));
    CHECK(open_descriptors() == open_before);
    CHECK(disk.remove() == 0);
}

TEST_CASE("leftovers: an upload under way, here or in another process, is none") {
    leftovers_fixture disk;
    disk.host.write(leftover, "under way");
    {
        const unique_fd held(::open((disk.host / leftover).c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(held);
        CHECK(claim(held.get()));
        CHECK(disk.remove() == 0);
        CHECK(disk.host.read(leftover) == "under way");
    }
    CHECK(disk.remove() == 1);
}

TEST_CASE("leftovers: what was removed, or is about to be, cannot be claimed") {
    leftovers_fixture disk;
    disk.host.write(leftover, "");
    const unique_fd late(::open((disk.host / leftover).c_str(), O_WRONLY | O_CLOEXEC));
    REQUIRE(late);
    {
        const unique_fd remover(::open((disk.host / leftover).c_str(), O_RDONLY | O_CLOEXEC));
        REQUIRE(::flock(remover.get(), LOCK_EX | LOCK_NB) == 0);
        CHECK_FALSE(claim(late.get()));
    }
    CHECK(disk.remove() == 1);
    CHECK_FALSE(claim(late.get()));
}

TEST_CASE("leftovers: what is not a file of ferry's own user, or has many names, is none") {
    leftovers_fixture disk;
    const std::string names[] = {".ferry-upload-0000000000000001", ".ferry-upload-0000000000000002",
                                 ".ferry-upload-0000000000000003"};
    const auto link = [&disk](const std::string& from, const char* to) {
        return ::link((disk.host / from).c_str(), (disk.host / to).c_str()) == 0;
    };
    disk.host.write(names[0], "just linked as the final name");
    REQUIRE(link(names[0], "final"));
    disk.host.write(names[1], "somebody's own doing");
    REQUIRE(link(names[1], "second"));
    REQUIRE(link(names[1], "third"));
    REQUIRE(::mkfifo((disk.host / names[2]).c_str(), 0600) == 0);

    CHECK(disk.remove() == 1);
    CHECK_FALSE(disk.host.exists(names[0]));
    CHECK(disk.host.read("final") == "just linked as the final name");
    CHECK(disk.host.exists(names[1]));
    CHECK(disk.host.exists(names[2]));

    disk.host.write(leftover, "another user's");
    if (::chown((disk.host / leftover).c_str(), ::geteuid() + 1, ::getegid()) == 0) {  // As root.
        CHECK(disk.remove() == 0);
        CHECK(disk.host.exists(leftover));
    }
}

// Goal: a tree costs a sweep no descriptor for its depth. Method: one deeper than any client gets
// it by its name, each directory of it with a leftover.
TEST_CASE("leftovers: a deep tree is walked with few descriptors") {
    leftovers_fixture disk;
    std::string path;
    for (int depth = 0; depth < 990; ++depth) {
        path += "d/";
        disk.host.make_directory(path);
    }
    disk.host.write(path + leftover, "at the bottom");
    const descriptors_seen seen(disk);
    CHECK(disk.remove() == 1);
    CHECK(seen.most <= seen.before + 2);
    CHECK_FALSE(disk.host.exists(path + leftover));
}

TEST_CASE("leftovers: a path longer than the kernel takes at once") {
    leftovers_fixture disk;
    const std::string name(200, 'n');
    constexpr std::size_t depth = 45;  // 9,000 octets, twice PATH_MAX and more.
    std::vector<unique_fd> way;
    way.emplace_back(::open(disk.host.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t level = 0; level < depth; ++level) {
        REQUIRE(::mkdirat(way.back().get(), name.c_str(), 0755) == 0);
        way.emplace_back(
            ::openat(way.back().get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        const unique_fd made(
            ::openat(way.back().get(), leftover, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(made);
    }
    const descriptors_seen seen(disk);
    const auto found = disk.walk();
    CHECK(found.removed == depth);
    CHECK(found.passed_over == 0);
    CHECK(seen.most <= seen.before + 3);
    while (way.size() > 1) {  // Else no short path leads to what is to be taken away.
        way.pop_back();
        CHECK(::unlinkat(way.back().get(), name.c_str(), AT_REMOVEDIR) == 0);
    }
}

TEST_CASE("leftovers: the memory for directories is bounded, and what is beyond is told") {
    leftovers_fixture disk;
    for (int number = 0; number < 400; ++number) {  // More than a batch.
        const std::string directory = "directory-" + std::to_string(1000 + number);
        disk.host.make_directory(directory);
        disk.host.write(directory + "/" + leftover, "");
    }
    disk.host.write(leftover, "");
    auto narrow = disk.how();
    narrow.ahead_bytes_max = 100UZ * (14 + 8);
    const auto some = disk.walk(narrow);
    CHECK(some.removed == 1 + 100);
    CHECK(some.passed_over == 300);
    const auto rest = disk.walk();
    CHECK(rest.removed == 300);
    CHECK(rest.passed_over == 0);
}

TEST_CASE("leftovers: directories are read in turn with the listings of clients") {
    leftovers_fixture disk;
    disk.host.write(leftover, "");
    std::size_t reads = 0;
    disk.core.io.set_script([&reads](runtime::op& what) -> std::optional<std::int64_t> {
        reads += what.code == runtime::opcode::list_directory ? 1U : 0U;
        return std::nullopt;
    });
    CHECK(disk.core.run(&sweep_while_client_reads, std::ref(disk), std::cref(reads)) == 1);
    CHECK(reads > 0);
}

TEST_CASE("leftovers: a sweep ends when it is asked to stop") {
    leftovers_fixture disk;
    for (int number = 0; number < 20; ++number) {
        disk.host.make_directory(std::to_string(number));
    }
    std::size_t reads = 0;
    disk.core.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::list_directory && ++reads == 5) {
            disk.core.io.stop_when_waiting(disk.core.stop);
        }
        return std::nullopt;
    });
    CHECK(disk.remove() == 0);
    CHECK(reads <= 6);
}

TEST_CASE(
    "leftovers: locked for writing, as NFS wants it; one that may only be read, for reading") {
    leftovers_fixture disk;
    disk.host.write(leftover, "");
    std::vector<std::uint64_t> opened_with;
    std::int64_t refusal = 0;
    disk.core.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::open_at &&
            std::string_view(what.args.open_at.path) == leftover) {
            opened_with.push_back(what.args.open_at.how.flags & O_ACCMODE);
            if (opened_with.back() == O_RDWR && refusal != 0) {
                return refusal;
            }
        }
        return std::nullopt;
    });
    refusal = -EIO;
    CHECK(disk.remove() == 0);
    CHECK(opened_with == std::vector<std::uint64_t>{O_RDWR});
    refusal = -EACCES;
    CHECK(disk.remove() == 1);
    CHECK(opened_with == std::vector<std::uint64_t>{O_RDWR, O_RDWR, O_RDONLY});
}

// Goal: where other machines may have the file open without a lock that is seen here, only what
// has long been left alone is removed. Method: the tests' file system, taken for such a one.
TEST_CASE("leftovers: a lock alone decides nothing where other machines may share the files") {
    leftovers_fixture disk;
    disk.host.write(leftover, "of another machine");
    auto how = disk.how();
    how.home = disk.home(false);

    SUBCASE("young") {
        const auto found = disk.walk(how);
        CHECK(found.removed == 0);
        CHECK(found.undecided == 1);
    }
    SUBCASE("its content is old, and something else was changed a moment ago") {
        const timespec times[2] = {{.tv_sec = 1'000, .tv_nsec = 0},
                                   {.tv_sec = 1'000, .tv_nsec = 0}};
        REQUIRE(::utimensat(AT_FDCWD, (disk.host / leftover).c_str(), times, 0) == 0);
        CHECK(disk.walk(how).undecided == 1);
    }
    SUBCASE("of the future") {
        constexpr std::int64_t year_2100 = 4'102'444'800;
        const timespec times[2] = {{.tv_sec = year_2100, .tv_nsec = 0},
                                   {.tv_sec = year_2100, .tv_nsec = 0}};
        REQUIRE(::utimensat(AT_FDCWD, (disk.host / leftover).c_str(), times, 0) == 0);
        how.age_min = {};
        CHECK(disk.walk(how).undecided == 1);
    }
    SUBCASE("old, and held") {
        const unique_fd held(::open((disk.host / leftover).c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(claim(held.get()));
        how.age_min = {};
        CHECK(disk.walk(how).undecided == 1);
    }
    SUBCASE("old, and nothing tells what time it is there") {
        how.age_min = {};
        disk.core.io.set_script([](runtime::op& what) -> std::optional<std::int64_t> {
            const bool makes = what.code == runtime::opcode::open_at &&
                               (what.args.open_at.how.flags & O_CREAT) != 0;
            return makes ? std::optional<std::int64_t>(-EDQUOT) : std::nullopt;
        });
        CHECK(disk.walk(how).undecided == 1);
    }
    CHECK(disk.host.names() == std::vector<std::string>{leftover});

    disk.core.io.set_script(nullptr);
    const timespec now[2] = {{.tv_sec = 0, .tv_nsec = UTIME_NOW},
                             {.tv_sec = 0, .tv_nsec = UTIME_NOW}};
    REQUIRE(::utimensat(AT_FDCWD, (disk.host / leftover).c_str(), now, 0) == 0);
    how.age_min = {};
    const auto found = disk.walk(how);
    CHECK(found.removed == 1);
    CHECK(found.undecided == 0);
    CHECK(disk.host.names().empty());
}

// Goal: no core waits for a file server. Method: what is asked of one goes to the pool.
TEST_CASE("leftovers: a lock is a question for the pool, unless the file system is local") {
    leftovers_fixture disk;
    std::size_t offloaded = 0;
    disk.core.io.set_script([&offloaded](runtime::op& what) -> std::optional<std::int64_t> {
        offloaded += what.code == runtime::opcode::compute ? 1U : 0U;
        return std::nullopt;
    });
    const auto claim_one = [](runtime::core& here, int file, file_system home) {
        return claim(here, file, home);
    };
    for (const bool is_local : {true, false}) {
        disk.host.write(leftover, "");
        const unique_fd first(::open((disk.host / leftover).c_str(), O_WRONLY | O_CLOEXEC));
        const unique_fd second(::open((disk.host / leftover).c_str(), O_WRONLY | O_CLOEXEC));
        CHECK(disk.core.run(claim_one, first.get(), disk.home(is_local)));
        CHECK_FALSE(disk.core.run(claim_one, second.get(), disk.home(is_local)));
        CHECK(offloaded == (is_local ? 0U : 2U));
    }
    const unique_fd other(::open((disk.host / leftover).c_str(), O_WRONLY | O_CLOEXEC));
    CHECK(disk.core.run(claim_one, other.get(), file_system{.device = 1, .is_local = true}));
    CHECK(offloaded == 3);
}
