#include "ferry/vfs/copy.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/vfs/mount_table.hpp"
#include "tree_calls.hpp"
#include "vfs/file_system.hpp"
#include "vfs/upload.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::opcode;
using vfs::durability;
using vfs::path;
using strings = std::vector<std::string>;

namespace {

struct copy_fixture : tree_calls {
    explicit copy_fixture(vfs::tree_options options = {}) {
        files = vfs::open_local_tree(host.root().c_str(), options).value();
    }

    result<std::uint64_t> copy(two_names what, durability level = durability::none) {
        return machine.run(
            [](runtime::core& here, const vfs::tree& tree, path from, path to, bool replace,
               durability wanted) -> runtime::task<result<std::uint64_t>> {
                co_return co_await vfs::copy_file(
                    here, tree, {.from = from, .to = to, .replace = replace}, wanted);
            },
            std::cref(*files), at(what.from), at(what.to), what.replace, level);
    }

    /// Answers each operation of `code` with `answer`.
    void answer(opcode code, std::int64_t with) {
        machine.io.set_script([code, with](runtime::op& what) -> std::optional<std::int64_t> {
            return what.code == code ? std::optional(with) : std::nullopt;
        });
    }

    scratch host;
};

std::string long_text() {
    std::string text;
    while (text.size() < 1_MiB + 77) {
        text += std::to_string(text.size()) + '\n';
    }
    return text;
}

}  // namespace

TEST_CASE("copy: a new name, one that is taken, and one that must not be (threats.md, V12)") {
    copy_fixture tree;
    tree.host.write("a", "old words");
    tree.host.write("b", "other");
    for (const auto level : {durability::none, durability::data, durability::full}) {
        tree.host.write("b", "other");
        CHECK(tree.copy({"/a", "/b"}, level) == 9U);
        CHECK(tree.host.read("b") == "old words");
    }
    CHECK(tree.copy({"/a", "/c", false}) == 9U);
    CHECK(tree.code_of(tree.copy({"/a", "/c", false})) == errc::exists);
    tree.host.write("empty", "");
    CHECK(tree.copy({"/empty", "/b"}) == 0U);
    CHECK(tree.host.read("b").empty());
    CHECK(tree.host.read("a") == "old words");
    CHECK(tree.host.names() == strings{"a", "b", "c", "empty"});
    CHECK(tree.host.inode("a") != tree.host.inode("c"));
}

TEST_CASE("copy: where the file system copies nothing itself, through memory") {
    copy_fixture tree;
    const auto text = long_text();
    tree.host.write("a", text);
    CHECK(tree.copy({"/a", "/by_range"}) == text.size());
    CHECK(tree.host.read("by_range") == text);
    for (const int refused : {EXDEV, EOPNOTSUPP, EINVAL, ENOSYS, 0}) {
        CAPTURE(refused);
        tree.answer(opcode::copy_range, -refused);
        CHECK(tree.copy({"/a", "/b"}) == text.size());
        CHECK(tree.host.read("b") == text);
    }
}

TEST_CASE("copy: a file onto itself is refused, whatever it is called, as by cp(1)") {
    copy_fixture tree;
    tree.host.write("a", "words");
    tree.host.link({.at = "link", .to = "a"});
    REQUIRE(::link((tree.host / "a").c_str(), (tree.host / "twin").c_str()) == 0);
    const auto before = tree.host.inode("a");
    for (const char* each : {"/a", "/./a", "/link", "/twin"}) {
        CAPTURE(each);
        CHECK(tree.code_of(tree.copy({"/a", each})) == errc::invalid);
        CHECK(tree.code_of(tree.copy({each, "/a"})) == errc::invalid);
    }
    CHECK(tree.host.inode("a") == before);
    CHECK(tree.host.read("link") == "words");
}

TEST_CASE("copy: what cannot be looked at may be the same file, so nothing is done") {
    copy_fixture tree;
    tree.host.write("a", "words");
    const auto before = tree.host.inode("a");
    int opened = 0;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        const bool is_look = what.code == opcode::open_at && ++opened == 2;  // Behind the source.
        return is_look ? std::optional<std::int64_t>(-EIO) : std::nullopt;
    });
    CHECK(tree.code_of(tree.copy({"/a", "/a"})) == errc::io);
    CHECK(opened == 2);
    CHECK(tree.host.inode("a") == before);
}

TEST_CASE("copy: a link is read through, and replaced itself; one that leads out is neither (V2)") {
    copy_fixture tree;
    tree.host.write("a", "words");
    tree.host.write("b", "kept");
    tree.host.link({.at = "to_a", .to = "a"});
    tree.host.link({.at = "to_b", .to = "b"});
    tree.host.link({.at = "out", .to = "/etc/hostname"});
    CHECK(tree.copy({"/to_a", "/to_b"}) == 5U);
    CHECK(tree.host.read("to_b") == "words");
    CHECK(tree.host.read("b") == "kept");
    CHECK(tree.code_of(tree.copy({"/out", "/c"})) == errc::outside_tree);
    CHECK(tree.copy({"/a", "/out"}) == 5U);
    CHECK(tree.host.read("out") == "words");
}

TEST_CASE("copy: what is no file, or nowhere") {
    copy_fixture tree;
    tree.host.write("a", "words");
    tree.host.make_directory("d");
    REQUIRE(::mkfifo((tree.host / "fifo").c_str(), 0644) == 0);
    CHECK(tree.code_of(tree.copy({"/missing", "/b"})) == errc::not_found);
    CHECK(tree.code_of(tree.copy({"/a", "/missing/b"})) == errc::not_found);
    CHECK(tree.code_of(tree.copy({"/d", "/b"})) == errc::is_directory);
    CHECK(tree.code_of(tree.copy({"/a", "/d"})) == errc::is_directory);
    CHECK(tree.code_of(tree.copy({"/a", "/"})) == errc::is_directory);
    CHECK(tree.code_of(tree.copy({"/fifo", "/b"})) == errc::not_regular);
    CHECK(tree.code_of(tree.copy({"/a", "/fifo"})) == errc::not_regular);
    CHECK(tree.host.names() == strings{"a", "d", "fifo"});
}

TEST_CASE("copy: modes are those of cp(1), and never set-id (threats.md, V14)") {
    copy_fixture tree;
    const auto umask_before = ::umask(022);
    tree.host.write("private", "x");
    tree.host.write("run", "x");
    tree.host.write("kept", "y");
    REQUIRE(::chmod((tree.host / "private").c_str(), 0600) == 0);
    REQUIRE(::chmod((tree.host / "run").c_str(), 06777) == 0);
    REQUIRE(::chmod((tree.host / "kept").c_str(), 0640) == 0);
    CHECK(tree.copy({"/private", "/a"}));
    CHECK(tree.copy({"/run", "/b"}));
    CHECK(tree.copy({"/run", "/kept"}));
    CHECK(tree.host.mode("a") == 0600);
    CHECK(tree.host.mode("b") == 0755);
    CHECK(tree.host.mode("kept") == 0640);
    ::umask(umask_before);
}

TEST_CASE("copy: the time is that of the copy: who compares times sees the change") {
    copy_fixture tree;
    tree.host.write("a", "words");
    tree.host.write("b", "newer words");
    REQUIRE(tree.set_modified("/a", {.seconds = 1'000'000'000}));
    CHECK(tree.copy({"/a", "/b"}));
    CHECK(tree.status("/b")->modified.seconds > 1'700'000'000);
    CHECK(tree.status("/a")->modified.seconds == 1'000'000'000);
}

TEST_CASE("copy: every failing step leaves the old file, and nothing else (threats.md, V13)") {
    copy_fixture tree;
    tree.host.write("a", "words");
    tree.host.write("b", "old");
    const auto descriptors = open_descriptors();
    for (const auto code : {opcode::copy_range, opcode::sync, opcode::link_at, opcode::rename_at}) {
        CAPTURE(static_cast<int>(code));
        tree.answer(code, -ENOSPC);
        CHECK(tree.code_of(tree.copy({"/a", "/b"}, durability::data)) == errc::no_space);
        tree.machine.io.set_script({});
        CHECK(tree.host.read("b") == "old");
        CHECK(tree.host.names() == strings{"a", "b"});
    }
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("copy: a stop between two pieces ends it") {
    copy_fixture tree;
    tree.host.write("a", long_text());
    tree.answer(opcode::copy_range, -EXDEV);
    runtime::stop_scope stop;
    int reads = 0;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == opcode::read && ++reads == 2) {
            stop.request_stop();
        }
        return what.code == opcode::copy_range ? std::optional<std::int64_t>(-EXDEV) : std::nullopt;
    });
    const auto copied = tree.machine.run(
        [](runtime::core& here, const vfs::tree& files,
           runtime::stop_scope& scope) -> runtime::task<result<std::uint64_t>> {
            const path from = at("/a");
            const path to = at("/b");
            co_return co_await vfs::copy_file(here, files, {.from = from, .to = to},
                                              durability::none)
                .in_scope(scope);
        },
        std::cref(*tree.files), std::ref(stop));
    CHECK(tree.code_of(copied) == errc::cancelled);
    CHECK(reads == 2);
    CHECK(tree.host.names() == strings{"a"});
}

// Whatever happens under the names meanwhile, the copy is of the file that was opened.
TEST_CASE("copy: replaced, removed, cut shorter or grown while it is copied (V6, V7)") {
    copy_fixture tree;
    const std::string text(1'000, 'x');
    const auto in_the_middle = [&](auto what_happens) {
        tree.host.write("a", text);
        tree.machine.io.set_script([&tree, what_happens, done = false](
                                       runtime::op& what) mutable -> std::optional<std::int64_t> {
            if (what.code == opcode::copy_range && !done) {
                done = true;
                what_happens();
            }
            return std::nullopt;
        });
    };
    in_the_middle([&] {
        tree.host.write("a.new", "new");
        REQUIRE(::rename((tree.host / "a.new").c_str(), (tree.host / "a").c_str()) == 0);
    });
    CHECK(tree.copy({"/a", "/b"}) == text.size());
    CHECK(tree.host.read("b") == text);

    in_the_middle([&] { REQUIRE(::unlink((tree.host / "a").c_str()) == 0); });
    CHECK(tree.copy({"/a", "/c"}) == text.size());
    CHECK(tree.host.read("c") == text);

    in_the_middle([&] { REQUIRE(::truncate((tree.host / "a").c_str(), 10) == 0); });
    CHECK(tree.code_of(tree.copy({"/a", "/d"})) == errc::busy);
    CHECK_FALSE(tree.host.exists("d"));

    in_the_middle([&] { REQUIRE(::truncate((tree.host / "a").c_str(), 2'000) == 0); });
    CHECK(tree.copy({"/a", "/d"}) == text.size());
    CHECK(tree.host.read("d") == text);
}

// Else it fills the disk for all others before it says that it does not fit (threats.md, V13).
TEST_CASE("copy: room is set aside first, unless the copy may need none") {
    copy_fixture tree;
    tree.host.write("a", "");
    REQUIRE(::truncate((tree.host / "a").c_str(), 1 << 20) == 0);
    const unique_fd root(::open(tree.host.root().c_str(), O_PATH | O_DIRECTORY));
    struct stat status{};
    REQUIRE(::fstat(root.get(), &status) == 0);
    const auto source = tree.open("/a");
    REQUIRE(source);
    struct seen {
        unsigned allocated = 0;
        unsigned copied = 0;
        std::optional<error> refused;
    };
    const auto copy = [&](vfs::file_system home) {
        seen sum;
        tree.machine.io.set_script([&sum](runtime::op& what) -> std::optional<std::int64_t> {
            sum.copied += what.code == opcode::copy_range ? 1U : 0U;
            if (what.code != opcode::allocate) {
                return std::nullopt;
            }
            ++sum.allocated;
            return -ENOSPC;
        });
        const auto done = tree.machine.run(
            [](runtime::core& here, int beneath, const vfs::node& from,
               vfs::file_system known) -> runtime::task<result<void>> {
                const auto name = at("/b");
                auto begun = co_await vfs::begin_upload(
                    here, {.root = beneath, .name = name, .home = known}, {});
                REQUIRE(begun);
                co_return co_await begun->write_all_of(here, from);
            },
            root.get(), std::cref(*source), home);
        if (!done) {
            sum.refused = done.error();
        }
        return sum;
    };
    const auto refused =
        copy({.device = status.st_dev, .is_local = true, .may_share_blocks = false});
    CHECK(refused.allocated == 1);
    CHECK(refused.copied == 0);
    CHECK(refused.refused == errc::no_space);
    for (const vfs::file_system home :
         {vfs::file_system{.device = status.st_dev, .is_local = true, .may_share_blocks = true},
          vfs::file_system{
              .device = status.st_dev + 1, .is_local = true, .may_share_blocks = false},
          vfs::file_system{}}) {
        const auto taken = copy(home);
        CHECK(taken.allocated == 0);
        CHECK(taken.copied >= 1);
        CHECK_FALSE(taken.refused);
    }
    CHECK(vfs::may_share_blocks(0x58465342));        // XFS.
    CHECK_FALSE(vfs::may_share_blocks(0x0000EF53));  // ext4.
}

TEST_CASE("copy: the options of a mount hold") {
    SUBCASE("read only") {
        copy_fixture tree({.is_read_only = true});
        tree.host.write("a", "words");
        CHECK(tree.code_of(tree.copy({"/a", "/b"})) == errc::read_only);
    }
    SUBCASE("no uploads") {
        copy_fixture tree({.uploads = vfs::upload_policy::none});
        tree.host.write("a", "words");
        CHECK(tree.code_of(tree.copy({"/a", "/b"})) == errc::denied);
    }
    SUBCASE("uploads to free names only") {
        copy_fixture tree({.uploads = vfs::upload_policy::create});
        tree.host.write("a", "words");
        CHECK(tree.copy({"/a", "/b"}));
        CHECK(tree.code_of(tree.copy({"/a", "/b"})) == errc::exists);
    }
    SUBCASE("hidden names") {
        copy_fixture tree({.hides_dot_names = true});
        tree.host.write("a", "words");
        tree.host.write(".secret", "words");
        CHECK(tree.code_of(tree.copy({"/.secret", "/b"})) == errc::not_found);
        CHECK(tree.code_of(tree.copy({"/a", "/.b"})) == errc::denied);
    }
    SUBCASE("names in other letters") {
        copy_fixture tree({.names = {.folds_case = true}});
        tree.host.write("a", "words");
        CHECK(tree.code_of(tree.copy({"/a", "/A"})) == errc::invalid);
        CHECK(tree.copy({"/A", "/b"}) == 5U);
        CHECK(tree.host.read("b") == "words");
    }
}

TEST_CASE("copy: from one mount to another, and never onto itself by way of two") {
    copy_fixture tree;
    tree.host.make_directory("one");
    tree.host.make_directory("two");
    tree.host.write("one/a", "words");
    const auto mounted = [&](const char* directory, vfs::tree_options options = {}) {
        return std::shared_ptr(
            vfs::open_local_tree((tree.host / directory).c_str(), options).value());
    };
    std::vector<vfs::mount> mounts;
    mounts.push_back({.at = at("/"), .files = mounted("one")});
    mounts.push_back({.at = at("/two"), .files = mounted("two")});
    mounts.push_back({.at = at("/twin"), .files = mounted("one")});
    mounts.push_back({.at = at("/ro"), .files = mounted("two", {.is_read_only = true})});
    mounts.push_back({.at = at("/way/there"), .files = mounted("two")});
    tree.files = vfs::make_mount_table(std::move(mounts));
    CHECK(tree.copy({"/a", "/two/b"}) == 5U);
    CHECK(tree.host.read("two/b") == "words");
    CHECK(tree.copy({"/ro/b", "/c"}) == 5U);
    CHECK(tree.host.read("one/c") == "words");
    CHECK(tree.code_of(tree.copy({"/a", "/twin/a"})) == errc::invalid);
    CHECK(tree.code_of(tree.copy({"/a", "/ro/b"})) == errc::read_only);
    CHECK(tree.code_of(tree.copy({"/a", "/two"})) == errc::is_directory);
    CHECK(tree.code_of(tree.copy({"/way", "/d"})) == errc::is_directory);
    CHECK(tree.code_of(tree.copy({"/a", "/way/d"})) == errc::read_only);
    CHECK(tree.host.read("one/a") == "words");
}

TEST_CASE(
    "expected: a file is removed, renamed or copied as it was seen, or not (RFC 9110 13.1.1)") {
    enum class act : std::uint8_t { remove, rename, copy };
    for (const act how : {act::remove, act::rename, act::copy}) {
        CAPTURE(static_cast<int>(how));
        copy_fixture tree;
        const auto change = [&](std::string_view name, const vfs::metadata& seen) {
            return tree.machine.run(
                [](runtime::core& here, const vfs::tree& files, path from, act what,
                   const vfs::metadata& status) -> runtime::task<result<void>> {
                    const auto to = at("/new");
                    if (what == act::remove) {
                        co_return co_await files.remove_file(here, from, &status);
                    }
                    if (what == act::rename) {
                        co_return co_await files.rename(
                            here, {.from = from, .to = to, .expected = &status});
                    }
                    const auto copied = co_await vfs::copy_file(
                        here, files, {.from = from, .to = to, .expected = &status},
                        durability::none);
                    co_return copied ? result<void>{} : failure(copied.error());
                },
                std::cref(*tree.files), at(name), how, std::cref(seen));
        };
        tree.host.write("file", "one");
        const auto seen = tree.status("/file").value();
        tree.host.write("file", "another");
        CHECK(tree.code_of(change("/file", seen)) == errc::busy);
        CHECK(tree.host.names() == strings{"file"});
        CHECK(tree.host.read("file") == "another");
        // By a link it is what that leads to, as for `status`.
        tree.host.link({.at = "link", .to = "file"});
        CHECK(tree.code_of(change("/link", seen)) == errc::busy);
        CHECK(change("/link", tree.status("/link").value()));
        CHECK(change("/file", tree.status("/file").value()));
        CHECK(tree.code_of(change("/none", seen)) == errc::not_found);
    }
}
