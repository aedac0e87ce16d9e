#include "vfs/upload.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/nursery.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::core;
using runtime::opcode;
using runtime::task;
using vfs::durability;
using vfs::holding_place;
using vfs::path;
using vfs::upload_mode;

namespace {

constexpr holding_place both_places[] = {holding_place::unnamed_if_possible,
                                         holding_place::hidden_name};
constexpr durability every_level[] = {durability::none, durability::data, durability::full};

/// One upload from begin to commit.
struct job {
    std::string name = "/file";
    std::vector<std::string> pieces{};
    vfs::upload_options options{};
    durability level = durability::none;
    holding_place holding = holding_place::unnamed_if_possible;
    vfs::file_system home{};
};

task<result<vfs::upload>> begin(core& here, int root, job what) {
    const path name = at(what.name);
    co_return co_await vfs::begin_upload(
        here, {.root = root, .name = name, .holding = what.holding, .home = what.home},
        what.options);
}

task<result<void>> write(core& here, vfs::upload& to, std::string text) {
    co_return co_await to.write(here, octets(text));
}

task<result<void>> commit(core& here, vfs::upload& what, durability level) {
    co_return co_await what.commit(here, level);
}

task<result<void>> carry_out(core& here, int root, job what) {
    auto begun = co_await begin(here, root, what);
    if (!begun) {
        co_return failure(begun.error());
    }
    std::uint64_t sum_bytes = 0;
    for (const auto& piece : what.pieces) {
        const auto put = co_await begun->write(here, octets(piece));
        if (!put) {
            co_return failure(put.error());
        }
        sum_bytes += piece.size();
        FERRY_ASSERT(begun->written_bytes() == sum_bytes);
    }
    co_return co_await begun->commit(here, what.level);
}

runtime::task<int> discard(runtime::core& here, vfs::upload& what) {
    co_await what.discard(here);
    co_return 0;
}

struct upload_fixture {
    scratch host;
    unique_fd root{::open(host.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    test_core machine;

    result<void> upload(job what) { return machine.run(carry_out, root.get(), std::move(what)); }

    result<vfs::upload> begin_one(job what) {
        return machine.run(begin, root.get(), std::move(what));
    }

    result<void> write_to(vfs::upload& to, std::string text) {
        return machine.run(write, std::ref(to), std::move(text));
    }

    result<void> commit_one(vfs::upload& what, durability level = durability::none) {
        return machine.run(commit, std::ref(what), level);
    }

    errc refusal(job what) {
        const auto done = upload(std::move(what));
        REQUIRE_FALSE(done);
        return done.error().code;
    }

    /// Answers each operation of `code` with `answer`, `times` times.
    void answer(opcode code, std::int64_t with, int times = 1'000'000) {
        machine.io.set_script(
            [code, with, times](runtime::op& what) mutable -> std::optional<std::int64_t> {
                if (what.code == code && times > 0) {
                    --times;
                    return with;
                }
                return std::nullopt;
            });
    }
};

bool is_hidden_name(const std::string& name) {
    return name.starts_with(".ferry-upload-") && name.size() == 30;
}

/// A file system in memory of 1 MiB at `where`, until the end of the test.
struct small_disk {
    small_disk(std::string at_directory, unsigned long flags)
        : where(std::move(at_directory)),
          is_mounted(::mount("tmpfs", where.c_str(), "tmpfs", flags, "size=1m") == 0) {}
    small_disk(const small_disk&) = delete;
    small_disk& operator=(const small_disk&) = delete;
    ~small_disk() {
        if (is_mounted) {
            static_cast<void>(::umount2(where.c_str(), MNT_DETACH));
        }
    }

    std::string where;
    bool is_mounted;
};

/// Restores the umask at the end of the test.
struct umask_guard {
    explicit umask_guard(mode_t mask) : before(::umask(mask)) {}
    ~umask_guard() { ::umask(before); }
    mode_t before;
};

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("upload: a new file appears whole at the commit, not before") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        CAPTURE(static_cast<int>(holding));
        auto begun = tree.begin_one({.name = "/file", .holding = holding});
        REQUIRE(begun);
        REQUIRE(tree.write_to(*begun, "hello "));
        REQUIRE(tree.write_to(*begun, ""));
        REQUIRE(tree.write_to(*begun, "world"));
        CHECK(begun->written_bytes() == 11);
        CHECK_FALSE(tree.host.exists("file"));
        if (holding == holding_place::hidden_name) {
            REQUIRE(tree.host.names().size() == 1);
            CHECK(is_hidden_name(tree.host.names()[0]));
        } else {
            CHECK(tree.host.names().empty());
        }
        CHECK(tree.commit_one(*begun));
        CHECK(tree.host.names() == names{"file"});
        CHECK(tree.host.read("file") == "hello world");
    }
}

TEST_CASE("upload: dropped before its commit it leaves nothing (threats.md, V12)") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        tree.host.write("file", "old");
        for (const auto mode : {upload_mode::replace, upload_mode::append, upload_mode::restart}) {
            auto begun =
                tree.begin_one({.name = "/file", .options = {.mode = mode}, .holding = holding});
            REQUIRE(begun);
            REQUIRE(tree.write_to(*begun, "never seen"));
        }
        CHECK(tree.host.names() == names{"file"});
        CHECK(tree.host.read("file") == "old");
    }
}

TEST_CASE("upload: discarded it leaves nothing and has given its descriptor back (V12, V13)") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        const auto free_descriptor = [] {  // The lowest one free: taken by whatever is still open.
            const unique_fd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            return next.get();
        };
        const int before = free_descriptor();
        auto begun = tree.begin_one({.name = "/file", .holding = holding});
        REQUIRE(begun);
        REQUIRE(tree.write_to(*begun, std::string(2'000'000, 'n')));
        CHECK(free_descriptor() != before);
        tree.machine.run(discard, std::ref(*begun));
        CHECK(tree.host.names().empty());
        CHECK(free_descriptor() == before);
    }
}

TEST_CASE("upload: one moved over another drops the other") {
    upload_fixture tree;
    auto first = tree.begin_one({.name = "/a", .holding = holding_place::hidden_name});
    auto second = tree.begin_one({.name = "/b", .holding = holding_place::hidden_name});
    REQUIRE(first);
    REQUIRE(second);
    CHECK(tree.host.names().size() == 2);
    *first = std::move(*second);
    CHECK(tree.host.names().size() == 1);
    CHECK(tree.commit_one(*first));
    CHECK(tree.host.names() == names{"b"});
}

TEST_CASE("upload: replace, append, restart, create on an old file") {
    for (const auto holding : both_places) {
        for (const auto level : every_level) {
            CAPTURE(static_cast<int>(holding));
            CAPTURE(static_cast<int>(level));
            upload_fixture tree;
            const auto after = [&](vfs::upload_options options, std::string piece) {
                tree.host.write("file", "0123456789");
                const auto done = tree.upload(
                    {.pieces = {piece}, .options = options, .level = level, .holding = holding});
                CHECK(done);
                CHECK(tree.host.names() == names{"file"});
                return tree.host.read("file");
            };
            CHECK(after({.mode = upload_mode::replace}, "new") == "new");
            CHECK(after({.mode = upload_mode::replace}, "") == "");
            CHECK(after({.mode = upload_mode::append}, "new") == "0123456789new");
            CHECK(after({.mode = upload_mode::append}, "") == "0123456789");
            CHECK(after({.mode = upload_mode::restart, .restart_offset = 0}, "new") ==
                  "new3456789");
            CHECK(after({.mode = upload_mode::restart, .restart_offset = 4}, "new") ==
                  "0123new789");
            CHECK(after({.mode = upload_mode::restart, .restart_offset = 8}, "new") ==
                  "01234567new");
            CHECK(after({.mode = upload_mode::restart, .restart_offset = 10}, "new") ==
                  "0123456789new");
            tree.host.write("file", "0123456789");
            CHECK(tree.refusal({.options = {.mode = upload_mode::restart, .restart_offset = 11},
                                .holding = holding}) == errc::invalid);
            CHECK(tree.refusal({.options = {.mode = upload_mode::create}, .holding = holding}) ==
                  errc::exists);
            CHECK(tree.host.names() == names{"file"});
            CHECK(tree.host.read("file") == "0123456789");
        }
    }
}

TEST_CASE("upload: append, restart and create where there is no file yet") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        CHECK(tree.upload({.name = "/a",
                           .pieces = {"x"},
                           .options = {.mode = upload_mode::append},
                           .holding = holding}));
        CHECK(tree.upload({.name = "/b",
                           .pieces = {"y"},
                           .options = {.mode = upload_mode::restart},
                           .holding = holding}));
        CHECK(tree.upload({.name = "/c",
                           .pieces = {"z"},
                           .options = {.mode = upload_mode::create},
                           .level = durability::full,
                           .holding = holding}));
        CHECK(tree.host.names() == names{"a", "b", "c"});
        CHECK(tree.host.read("a") + tree.host.read("b") + tree.host.read("c") == "xyz");
        CHECK(tree.refusal(
                  {.name = "/d", .options = {.mode = upload_mode::restart, .restart_offset = 1}}) ==
              errc::invalid);
    }
}

TEST_CASE("upload: create loses against a file that came first, at the commit too") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        auto begun = tree.begin_one({.options = {.mode = upload_mode::create}, .holding = holding});
        REQUIRE(begun);
        REQUIRE(tree.write_to(*begun, "late"));
        tree.host.write("file", "first");
        const auto done = tree.commit_one(*begun);
        REQUIRE_FALSE(done);
        CHECK(done.error() == errc::exists);
        begun = failure(errc::closed);  // The upload dies here.
        CHECK(tree.host.names() == names{"file"});
        CHECK(tree.host.read("file") == "first");

        tree.host.link({.at = "dangling", .to = "nowhere"});
        CHECK(tree.refusal({.name = "/dangling",
                            .options = {.mode = upload_mode::create},
                            .holding = holding}) == errc::exists);
    }
}

TEST_CASE("upload: what cannot be a file's name") {
    upload_fixture tree;
    tree.host.make_directory("dir");
    tree.host.write("file", "x");
    tree.host.link({.at = "todir", .to = "dir"});
    REQUIRE(::mkfifo((tree.host / "fifo").c_str(), 0644) == 0);
    for (const auto mode :
         {upload_mode::replace, upload_mode::append, upload_mode::restart, upload_mode::create}) {
        CAPTURE(static_cast<int>(mode));
        const bool is_create = mode == upload_mode::create;
        const auto refused = [&](const char* name) {
            return tree.refusal({.name = name, .options = {.mode = mode}});
        };
        CHECK(refused("/") == errc::is_directory);
        CHECK(refused("/new/") == errc::is_directory);
        CHECK(refused("/dir") == (is_create ? errc::exists : errc::is_directory));
        CHECK(refused("/todir") == (is_create ? errc::exists : errc::is_directory));
        CHECK(refused("/fifo") == (is_create ? errc::exists : errc::not_regular));
        CHECK(refused("/missing/file") == errc::not_found);
        CHECK(refused("/file/file") == errc::not_directory);
    }
    CHECK(tree.host.names() == names{"dir", "fifo", "file", "todir"});
}

TEST_CASE("upload: a directory that took the name, or the parent gone, at the commit") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        auto begun = tree.begin_one({.holding = holding});
        REQUIRE(begun);
        tree.host.make_directory("file");
        const auto done = tree.commit_one(*begun);
        REQUIRE_FALSE(done);
        CHECK(done.error() == errc::is_directory);
        begun = failure(errc::closed);
        CHECK(tree.host.names() == names{"file"});
        CHECK(tree.host.names("file").empty());

        tree.host.make_directory("gone");
        auto orphan = tree.begin_one({.name = "/gone/file", .holding = holding});
        REQUIRE(orphan);
        for (const auto& name : tree.host.names("gone")) {
            REQUIRE(::unlink((tree.host / ("gone/" + name)).c_str()) == 0);
        }
        REQUIRE(::rmdir((tree.host / "gone").c_str()) == 0);
        CHECK(tree.write_to(*orphan, "x"));
        const auto lost = tree.commit_one(*orphan);
        REQUIRE_FALSE(lost);
        CHECK(lost.error() == errc::not_found);
    }
}

TEST_CASE("upload: a link is replaced itself, its content taken over beneath the root only (V2)") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        const scratch& host = tree.host;
        host.make_directory("served");
        host.write("outside", "outside");
        host.write("served/target", "target");
        tree.root.reset(::open((host / "served").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        const auto put = [&](const char* name, upload_mode mode) {
            return tree.upload(
                {.name = name, .pieces = {"+"}, .options = {.mode = mode}, .holding = holding});
        };
        host.link({.at = "served/link", .to = "target"});
        CHECK(put("/link", upload_mode::append));
        CHECK(host.read("served/link") == "target+");
        CHECK(host.read("served/target") == "target");

        host.link({.at = "served/dangling", .to = "nowhere"});
        CHECK(put("/dangling", upload_mode::append));
        CHECK(host.read("served/dangling") == "+");

        host.link({.at = "served/out", .to = "../outside"});
        CHECK(put("/out", upload_mode::append).error() == errc::outside_tree);
        CHECK(put("/out", upload_mode::restart).error() == errc::outside_tree);
        CHECK(put("/out", upload_mode::replace));
        CHECK(host.read("served/out") == "+");

        host.link({.at = "served/dirout", .to = ".."});
        CHECK(put("/dirout/new", upload_mode::replace).error() == errc::outside_tree);
        CHECK(host.read("outside") == "outside");
        CHECK(host.names() == names{"outside", "served"});
        CHECK(host.names("served") == names{"dangling", "dirout", "link", "out", "target"});
    }
}

TEST_CASE("upload: mode bits, new ones less the umask, a replaced file's kept (V14)") {
    for (const auto holding : both_places) {
        CAPTURE(static_cast<int>(holding));
        upload_fixture tree;
        const umask_guard mask(027);
        CHECK(tree.upload({.name = "/new", .holding = holding}));
        CHECK(tree.host.mode("new") == 0640);
        CHECK(
            tree.upload({.name = "/wide", .options = {.permissions = 07777}, .holding = holding}));
        CHECK(tree.host.mode("wide") == 0750);
        for (const unsigned kept : {0600U, 0666U, 0400U, 04755U, 02711U}) {
            CAPTURE(kept);
            for (const auto mode : {upload_mode::replace, upload_mode::append}) {
                static_cast<void>(::unlink((tree.host / "old").c_str()));
                tree.host.write("old", "x");
                REQUIRE(::chmod((tree.host / "old").c_str(), kept) == 0);
                auto begun =
                    tree.begin_one({.name = "/old", .options = {.mode = mode}, .holding = holding});
                REQUIRE(begun);
                for (const auto& name : tree.host.names()) {
                    if (is_hidden_name(name)) {
                        CHECK(tree.host.mode(name) == (kept & 0777U));
                    }
                }
                CHECK(tree.commit_one(*begun));
                CHECK(tree.host.mode("old") == (kept & 0777U));
            }
        }
    }
}

TEST_CASE("upload: readers see the old content until the commit, holders after it (V7, V12)") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        tree.host.write("file", "old");
        const unique_fd reader(::open((tree.host / "file").c_str(), O_RDONLY | O_CLOEXEC));
        auto begun = tree.begin_one({.holding = holding});
        REQUIRE(begun);
        REQUIRE(tree.write_to(*begun, "brand new"));
        CHECK(tree.host.read("file") == "old");
        REQUIRE(tree.commit_one(*begun));
        CHECK(tree.host.read("file") == "brand new");
        char seen[10] = {};
        CHECK(::pread(reader.get(), seen, sizeof seen, 0) == 3);
        CHECK(std::string(seen) == "old");
    }
}

TEST_CASE("upload: two to one name at a time, the last commit wins, both whole (F13)") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        tree.host.write("file", "old");
        const std::string a(700'000, 'a');
        const std::string b(900'000, 'b');
        auto first = tree.begin_one({.holding = holding});
        auto second = tree.begin_one({.holding = holding});
        REQUIRE(first);
        REQUIRE(second);
        // Side by side: each gives way to the other every 256 KiB.
        tree.machine.run(
            [](core& here, vfs::upload& one, std::string one_text, vfs::upload& other,
               std::string other_text) -> task<bool> {
                co_await runtime::with_nursery(
                    here,
                    [](runtime::nursery& children, vfs::upload& left, std::string left_text,
                       vfs::upload& right, std::string right_text) -> task<> {
                        const auto child = [](core& at_core, vfs::upload& to,
                                              std::string text) -> task<> {
                            const auto put = co_await to.write(at_core, octets(text));
                            CHECK(put);
                        };
                        children.start(child, std::ref(children.here()), std::ref(left),
                                       std::move(left_text));
                        children.start(child, std::ref(children.here()), std::ref(right),
                                       std::move(right_text));
                        co_return;
                    },
                    std::ref(one), std::move(one_text), std::ref(other), std::move(other_text));
                co_return true;
            },
            std::ref(*first), a, std::ref(*second), b);
        CHECK(tree.commit_one(*second));
        CHECK(tree.host.read("file") == b);
        CHECK(tree.commit_one(*first));
        CHECK(tree.host.read("file") == a);
        first = failure(errc::closed);
        second = failure(errc::closed);
        CHECK(tree.host.names() == names{"file"});
    }
}

// Each was told that all of its content is there: what began with the old content may not put it
// over what came meanwhile.
TEST_CASE("upload: append and restart lose nothing that came meanwhile (F13)") {
    struct row {
        const char* what;
        bool is_there;
        job first;
        const char* kept;
    };
    const row rows[] = {
        {"appended to",
         true,
         {.pieces = {"+first"}, .options = {.mode = upload_mode::append}},
         "old+first"},
        {"replaced", true, {.pieces = {"new"}}, "new"},
        {"made by another that appends",
         false,
         {.pieces = {"first"}, .options = {.mode = upload_mode::append}},
         "first"},
        {"made", false, {.pieces = {"new"}}, "new"},
    };
    for (const auto& each : rows) {
        for (const auto mode : {upload_mode::append, upload_mode::restart}) {
            for (const auto holding : both_places) {
                CAPTURE(each.what);
                CAPTURE(static_cast<int>(mode));
                upload_fixture disk;
                if (each.is_there) {
                    disk.host.write("file", "old");
                }
                auto late = disk.begin_one({.options = {.mode = mode}, .holding = holding});
                REQUIRE(late);
                REQUIRE(disk.write_to(*late, "+late"));
                CHECK(disk.upload(each.first));
                const auto done = disk.commit_one(*late);
                REQUIRE_FALSE(done);
                CHECK(done.error() == errc::busy);
                CHECK(disk.host.read("file") == each.kept);
            }
        }
    }
    upload_fixture disk;
    disk.host.write("file", "old");
    auto late = disk.begin_one({.options = {.mode = upload_mode::append}});
    REQUIRE(late);
    disk.host.write("file", "written in place");
    CHECK(disk.commit_one(*late).error() == errc::busy);
    CHECK(disk.host.read("file") == "written in place");
}

TEST_CASE("upload: names go inline where nobody is waited for, but not over a large file") {
    for (const std::size_t old_bytes : {std::size_t{3}, 2_MiB}) {
        for (const bool waits_for_nobody : {true, false}) {
            upload_fixture tree;
            tree.host.write("file", std::string(old_bytes, 'x'));
            struct stat status{};
            REQUIRE(::stat(tree.host.root().c_str(), &status) == 0);
            std::optional<bool> is_inline;
            tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
                if (what.code == opcode::rename_at) {
                    is_inline = what.args.rename_at.is_local;
                }
                return std::nullopt;
            });
            CHECK(tree.upload({.pieces = {"new"},
                               .home = {.device = status.st_dev,
                                        .is_local = true,
                                        .waits_for_nobody = waits_for_nobody}}));
            CHECK(tree.host.read("file") == "new");
            CHECK(is_inline == std::optional(waits_for_nobody && old_bytes < 1_MiB));
        }
    }
}

TEST_CASE("upload: content is stable before the name, the directory after it") {
    for (const auto holding : both_places) {
        for (const auto level : every_level) {
            upload_fixture tree;
            tree.host.write("file", "old");
            std::string steps;
            tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
                if (what.code == opcode::sync) {
                    struct stat status{};
                    FERRY_ASSERT(::fstat(what.fd, &status) == 0);
                    steps += S_ISDIR(status.st_mode)    ? "directory "
                             : what.args.sync.data_only ? "data "
                                                        : "file ";
                }
                if (what.code == opcode::rename_at) {
                    steps += "name ";
                }
                return std::nullopt;
            });
            CHECK(tree.upload({.pieces = {"new"}, .level = level, .holding = holding}));
            const char* expected = level == durability::none   ? "name "
                                   : level == durability::data ? "data name "
                                                               : "file name directory ";
            CHECK(steps == expected);
        }
    }
}

TEST_CASE("upload: a large piece is written in turns of 256 KiB, short writes are gone on with") {
    upload_fixture tree;
    std::string text;
    for (int i = 0; text.size() < 1'000'000; ++i) {
        text += fmt::format("{} ", i);
    }
    std::size_t writes = 0;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::write) {
            CHECK(what.args.write.size_bytes <= 256_KiB);
            if (++writes % 2 == 0) {
                what.args.write.size_bytes = (what.args.write.size_bytes + 2) / 3;
            }
        }
        return std::nullopt;
    });
    CHECK(tree.upload({.pieces = {text, "end"}}));
    CHECK(tree.host.read("file") == text + "end");
    CHECK(writes > 5);
}

TEST_CASE("upload: a write without progress is an error, and the upload is lost") {
    upload_fixture tree;
    auto begun = tree.begin_one({});
    REQUIRE(begun);
    tree.answer(opcode::write, 0, 1);
    CHECK(tree.write_to(*begun, "x").error() == errc::io);
    // The disk works again, but the content has a gap.
    CHECK(tree.write_to(*begun, "y").error() == errc::io);
    CHECK(tree.commit_one(*begun).error() == errc::io);
    CHECK(tree.host.names().empty());
}

TEST_CASE("upload: taking over works without copy_file_range") {
    std::string old;
    for (int i = 0; old.size() < 700'000; ++i) {
        old += fmt::format("{} ", i);
    }
    for (const std::int64_t answer : {-EXDEV, -EOPNOTSUPP, -EINVAL, -ENOSYS, 0}) {
        CAPTURE(answer);
        for (const int times : {1, 1'000}) {
            upload_fixture tree;
            tree.host.write("file", old);
            tree.answer(opcode::copy_range, answer, times);
            CHECK(tree.upload({.pieces = {"+"}, .options = {.mode = upload_mode::append}}));
            CHECK(tree.host.read("file") == old + "+");
        }
    }
    // It stops working half way, as between a reflink and a plain copy.
    upload_fixture tree;
    tree.host.write("file", old);
    int copies = 0;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::copy_range) {
            what.args.copy_range.size_bytes = 1'000;
            return ++copies > 3 ? std::optional<std::int64_t>(-EXDEV) : std::nullopt;
        }
        return std::nullopt;
    });
    CHECK(tree.upload(
        {.pieces = {"+"}, .options = {.mode = upload_mode::restart, .restart_offset = 5}}));
    CHECK(copies == 4);
    CHECK(tree.host.read("file") == old.substr(0, 5) + "+" + old.substr(6));
}

TEST_CASE("upload: an old file that shrinks while it is taken over") {
    upload_fixture tree;
    const auto shrink = [&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::copy_range) {
            FERRY_ASSERT(::truncate((tree.host / "file").c_str(), 4) == 0);
        }
        return std::nullopt;
    };
    tree.host.write("file", "0123456789");
    tree.machine.io.set_script(shrink);
    CHECK(tree.refusal({.pieces = {"+"}, .options = {.mode = upload_mode::append}}) == errc::busy);
    CHECK(tree.host.read("file") == "0123");
    tree.host.write("file", "0123456789");
    CHECK(tree.refusal({.options = {.mode = upload_mode::restart, .restart_offset = 6}}) ==
          errc::busy);
    CHECK(tree.host.names() == names{"file"});
}

TEST_CASE("upload: room for a known size is set aside first, and what was not needed goes back") {
    constexpr std::uint64_t much = 3 * vfs::reserved_bytes_min;
    const auto blocks_of = [](const upload_fixture& tree) {
        struct stat status{};
        REQUIRE(::stat((tree.host / "file").c_str(), &status) == 0);
        return static_cast<std::uint64_t>(status.st_blocks) * 512;
    };
    for (const auto holding : both_places) {
        CAPTURE(static_cast<int>(holding));
        upload_fixture tree;
        std::vector<runtime::allocate_args> asked;
        tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
            if (what.code == opcode::allocate) {
                asked.push_back(what.args.allocate);
            }
            return std::nullopt;
        });
        const auto upload = [&](std::string octets, vfs::upload_options options) {
            asked.clear();
            CHECK(tree.upload(
                {.pieces = {std::move(octets)}, .options = options, .holding = holding}));
        };
        upload("short", {.size_bytes = much});
        REQUIRE(asked.size() == 1);
        CHECK(asked[0].offset == 0);
        CHECK(asked[0].size_bytes == much);
        CHECK(tree.host.read("file") == "short");
        CHECK(blocks_of(tree) < vfs::reserved_bytes_min);

        upload("++", {.mode = upload_mode::append, .size_bytes = much});
        REQUIRE(asked.size() == 1);
        CHECK(asked[0].offset == 5);  // How much comes.
        CHECK(asked[0].size_bytes == much);
        upload("S", {.mode = upload_mode::restart, .restart_offset = 0, .size_bytes = much});
        REQUIRE(asked.size() == 1);
        CHECK(asked[0].offset == 7);  // How large the whole is going to be.
        CHECK(asked[0].size_bytes == much - 7);
        CHECK(tree.host.read("file") == "Short++");  // The tail is not cut with the room.
        CHECK(blocks_of(tree) < vfs::reserved_bytes_min);

        upload("x", {.size_bytes = vfs::reserved_bytes_min - 1});
        upload("x", {});
        CHECK(asked.empty());
        upload(std::string(much + 1, 'l'), {.size_bytes = much});
        CHECK(tree.host.read("file").size() == much + 1);  // More than was said is no error.
    }
}

TEST_CASE("upload: too little room is told before an octet is taken (threats.md, V13)") {
    upload_fixture tree;
    const vfs::upload_options sized{.size_bytes = vfs::reserved_bytes_min};
    const std::pair<int, errc> refusals[] = {
        {ENOSPC, errc::no_space}, {EDQUOT, errc::over_quota}, {EFBIG, errc::too_large}};
    for (const auto& [refused, code] : refusals) {
        CAPTURE(refused);
        tree.answer(opcode::allocate, -refused);
        const auto begun = tree.begin_one({.options = sized});
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == code);
        CHECK(tree.host.names().empty());
    }
    // None of these is about room: a file system that cannot tell, one that fails, a signal.
    for (const int refused : {EOPNOTSUPP, ENOSYS, EIO, EINTR, ENODEV, ENOMEM}) {
        CAPTURE(refused);
        tree.answer(opcode::allocate, -refused);
        CHECK(tree.upload({.pieces = {"x"}, .options = sized}));
        CHECK(tree.host.read("file") == "x");
    }
    // What was set aside and cannot be given back costs room and nothing else.
    tree.answer(opcode::compute, -ENOMEM);
    CHECK(tree.upload({.pieces = {"y"}, .options = sized}));
    CHECK(tree.host.read("file") == "y");
}

TEST_CASE("upload: a file that the disk has no room for (threats.md, V13)") {
    upload_fixture tree;
    const small_disk disk(tree.host.root(), 0);
    if (!disk.is_mounted) {
        MESSAGE("not root: no file system of its own to fill");
        return;
    }
    tree.root = unique_fd(::open(tree.host.root().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    CHECK(tree.refusal({.options = {.size_bytes = 64_MiB}}) == errc::no_space);
    CHECK(tree.host.names().empty());
    CHECK(tree.upload({.pieces = {std::string(900'000, 'x')}}));  // All of it is free again.
}

TEST_CASE("upload: a hidden name where the file system has no unnamed files") {
    for (const int refused : {EOPNOTSUPP, EISDIR, EINVAL, ENOENT}) {
        CAPTURE(refused);
        upload_fixture tree;
        std::size_t hidden_opens = 0;
        tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
            if (what.code == opcode::open_at &&
                (what.args.open_at.how.flags & O_TMPFILE) == O_TMPFILE) {
                return -refused;
            }
            if (what.code == opcode::open_at && (what.args.open_at.how.flags & O_EXCL) != 0) {
                ++hidden_opens;
            }
            return std::nullopt;
        });
        CHECK(tree.upload({.pieces = {"x"}}));
        CHECK(hidden_opens == 1);
        CHECK(tree.host.names() == names{"file"});
    }
    upload_fixture tree;
    tree.answer(opcode::open_at, -EIO);
    CHECK(tree.refusal({}) == errc::io);
}

TEST_CASE("upload: hidden names that are taken are not touched, and not tried for ever") {
    for (const int taken : {3, 1'000}) {
        upload_fixture tree;
        int left = taken;
        tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
            const bool makes_hidden =
                what.code == opcode::open_at && (what.args.open_at.how.flags & O_EXCL) != 0;
            return makes_hidden && left-- > 0 ? std::optional<std::int64_t>(-EEXIST) : std::nullopt;
        });
        const auto done = tree.upload({.holding = holding_place::hidden_name});
        CHECK(done.has_value() == (taken == 3));
        CHECK((done || done.error() == errc::busy));

        upload_fixture linking;
        linking.host.write("file", "old");
        linking.answer(opcode::link_at, -EEXIST, taken);
        const auto linked = linking.upload({.pieces = {"new"}});
        CHECK(linked.has_value() == (taken == 3));
        CHECK((linked || linked.error() == errc::busy));
        CHECK(linking.host.names() == names{"file"});
        CHECK(linking.host.read("file") == (linked ? "new" : "old"));
    }
}

// linkat(2): before Linux 6.10 a descriptor alone is not enough for who has no privilege.
TEST_CASE("upload: an unnamed file gets its name by way of /proc where its descriptor is no way") {
    for (const auto mode : {upload_mode::create, upload_mode::replace}) {
        upload_fixture tree;
        const bool is_there = mode == upload_mode::replace;
        if (is_there) {
            tree.host.write("file", "old");
        }
        int refused = 0;
        tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
            const bool is_by_descriptor =
                what.code == opcode::link_at && (what.args.link_at.flags & AT_EMPTY_PATH) != 0;
            refused += is_by_descriptor ? 1 : 0;
            return is_by_descriptor ? std::optional<std::int64_t>(-ENOENT) : std::nullopt;
        });
        const auto done = tree.upload({.pieces = {"new"}, .options = {.mode = mode}});
        CHECK(done.has_value());
        CHECK(refused == (is_there ? 2 : 1));
        CHECK(tree.host.read("file") == "new");
        CHECK(tree.host.names() == names{"file"});
    }
}

TEST_CASE("upload: create under a hidden name where renameat2 knows no flags") {
    upload_fixture tree;
    tree.answer(opcode::rename_at, -EINVAL);
    const job what{.pieces = {"new"},
                   .options = {.mode = upload_mode::create},
                   .holding = holding_place::hidden_name};
    auto late = tree.begin_one(what);
    REQUIRE(late);
    CHECK(tree.upload(what));
    CHECK(tree.host.read("file") == "new");
    CHECK(tree.commit_one(*late).error() == errc::exists);
    late = failure(errc::closed);
    CHECK(tree.host.names() == names{"file"});

    // The hidden name that could not be removed goes with the upload.
    upload_fixture other;
    other.machine.io.set_script([](runtime::op& op) -> std::optional<std::int64_t> {
        if (op.code == opcode::rename_at) {
            return -EINVAL;
        }
        return op.code == opcode::unlink_at ? std::optional<std::int64_t>(-EIO) : std::nullopt;
    });
    CHECK(other.upload(what));
    CHECK(other.host.names() == names{"file"});
}

// Goal: whichever operation fails, the old content or the new one stands, whole, and no temporary
// stays (V12, V15). Method: every operation of every kind of upload fails once.
TEST_CASE("upload: every step fails once, and leaves old or new and nothing else") {
    const std::string old = "0123456789";
    for (const auto mode :
         {upload_mode::replace, upload_mode::append, upload_mode::restart, upload_mode::create}) {
        for (const auto holding : both_places) {
            for (const auto level : every_level) {
                for (const int failed_with : {EIO, ENOSPC}) {
                    for (int failing = 0;; ++failing) {
                        CAPTURE(static_cast<int>(mode));
                        CAPTURE(static_cast<int>(holding));
                        CAPTURE(static_cast<int>(level));
                        CAPTURE(failing);
                        upload_fixture tree;
                        if (mode != upload_mode::create) {
                            tree.host.write("file", old);
                        }
                        int steps = 0;
                        bool was_named = false;
                        tree.machine.io.set_script(
                            [&](runtime::op& what) -> std::optional<std::int64_t> {
                                if (steps++ == failing) {
                                    return -failed_with;
                                }
                                was_named =
                                    was_named || what.code == opcode::rename_at ||
                                    (what.code == opcode::link_at && mode == upload_mode::create);
                                return std::nullopt;
                            });
                        const std::size_t descriptors = open_descriptors();
                        const auto done = tree.upload({.pieces = {"new", "er"},
                                                       .options = {.mode = mode},
                                                       .level = level,
                                                       .holding = holding});
                        CHECK(open_descriptors() == descriptors);
                        const std::string made = mode == upload_mode::append ? old + "newer"
                                                 : mode == upload_mode::restart
                                                     ? "newer" + old.substr(5)
                                                     : "newer";
                        if (done || was_named) {
                            // Named and yet failed: the directory could not be synced.
                            CHECK((done || level == durability::full));
                            CHECK(tree.host.names() == names{"file"});
                            CHECK(tree.host.read("file") == made);
                        } else {
                            CHECK(done.error() == error_from_errno(failed_with));
                            CHECK(tree.host.names() ==
                                  (mode == upload_mode::create ? names{} : names{"file"}));
                            CHECK((mode == upload_mode::create || tree.host.read("file") == old));
                        }
                        if (steps <= failing) {
                            CHECK(done);
                            CHECK(failing > 4);
                            break;
                        }
                    }
                }
            }
        }
    }
}

// Goal: a stop at any moment leaves old or new; a commit once begun ends with the new (V12).
// Method: the stop comes with every operation in turn, as it begins.
TEST_CASE("upload: a stop request at every step leaves old or new and nothing else") {
    for (const auto mode : {upload_mode::replace, upload_mode::append, upload_mode::create}) {
        for (const auto holding : both_places) {
            for (int stopping = 0;; ++stopping) {
                CAPTURE(static_cast<int>(mode));
                CAPTURE(static_cast<int>(holding));
                CAPTURE(stopping);
                upload_fixture tree;
                if (mode != upload_mode::create) {
                    tree.host.write("file", "old");
                }
                int steps = 0;
                bool is_committing = false;
                tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
                    is_committing = is_committing || what.code == opcode::sync;
                    if (steps++ == stopping) {
                        tree.machine.io.stop_when_waiting(tree.machine.stop);
                    }
                    return std::nullopt;
                });
                const std::size_t descriptors = open_descriptors();
                const auto done = tree.upload({.pieces = {"new"},
                                               .options = {.mode = mode},
                                               .level = durability::full,
                                               .holding = holding});
                CHECK(done.has_value() == is_committing);
                CHECK(open_descriptors() == descriptors);
                const std::string made = mode == upload_mode::append ? "oldnew" : "new";
                if (done) {
                    CHECK(tree.host.names() == names{"file"});
                    CHECK(tree.host.read("file") == made);
                } else {
                    CHECK(done.error() == errc::cancelled);
                    CHECK(tree.host.names() ==
                          (mode == upload_mode::create ? names{} : names{"file"}));
                    CHECK((mode == upload_mode::create || tree.host.read("file") == "old"));
                }
                if (steps <= stopping) {
                    CHECK(stopping > 4);
                    break;
                }
            }
        }
    }
}

TEST_CASE("upload: a commit goes through although the stop came before it") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        auto begun = tree.begin_one({.holding = holding});
        REQUIRE(begun);
        REQUIRE(tree.write_to(*begun, "x"));
        tree.machine.stop.request_stop();
        CHECK(tree.commit_one(*begun, durability::full));
        CHECK(tree.host.names() == names{"file"});
    }
}

// Over RLIMIT_FSIZE the kernel says EFBIG, after a SIGXFSZ that a server ignores.
TEST_CASE("upload: a file over the system's limit is refused and leaves nothing (V13)") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{.rlim_cur = 100'000, .rlim_max = before.rlim_max};
    for (const auto holding : both_places) {
        upload_fixture tree;
        tree.host.write("file", std::string(90'000, 'o'));
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        const errc replaced =
            tree.refusal({.pieces = {std::string(200'000, 'n')}, .holding = holding});
        const errc appended = tree.refusal({.pieces = {std::string(20'000, 'n')},
                                            .options = {.mode = upload_mode::append},
                                            .holding = holding});
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        CHECK(replaced == errc::too_large);
        CHECK(appended == errc::too_large);
        CHECK(tree.host.names() == names{"file"});
        CHECK(tree.host.read("file") == std::string(90'000, 'o'));
    }
    std::signal(SIGXFSZ, handler);
}

TEST_CASE("upload: a full disk is said so, gives its space back and keeps the old file (V13)") {
    for (const auto holding : both_places) {
        upload_fixture tree;
        tree.host.make_directory("disk");
        const small_disk disk(tree.host / "disk", 0);
        if (!disk.is_mounted) {
            // The test of RLIMIT_FSIZE above takes the same path with another errno.
            MESSAGE("no permission to mount: ENOSPC not tested on a full file system");
            return;
        }
        tree.root.reset(::open(disk.where.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        tree.host.write("disk/file", "old");
        const auto free_blocks = [&disk] {
            struct statvfs room{};
            FERRY_ASSERT(::statvfs(disk.where.c_str(), &room) == 0);
            return room.f_bfree;
        };
        const auto before = free_blocks();
        for (const auto mode : {upload_mode::replace, upload_mode::append}) {
            CHECK(tree.refusal({.pieces = {std::string(600'000, 'n'), std::string(600'000, 'n')},
                                .options = {.mode = mode},
                                .holding = holding}) == errc::no_space);
            CHECK(free_blocks() == before);
        }
        CHECK(tree.host.names("disk") == names{"file"});
        CHECK(tree.host.read("disk/file") == "old");
        // The next one that fits is fine.
        CHECK(tree.upload({.pieces = {std::string(600'000, 'n')}, .holding = holding}));
    }
}

TEST_CASE("upload: a read-only file system refuses, and nothing is there (V13)") {
    upload_fixture tree;
    tree.host.make_directory("disk");
    const small_disk disk(tree.host / "disk", MS_RDONLY);
    if (!disk.is_mounted) {
        MESSAGE("no permission to mount: EROFS from the system's answer alone");
        tree.answer(opcode::open_at, -EROFS);
        CHECK(tree.refusal({}) == errc::read_only);
        return;
    }
    tree.root.reset(::open(disk.where.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    for (const auto holding : both_places) {
        CHECK(tree.refusal({.holding = holding}) == errc::read_only);
    }
}
