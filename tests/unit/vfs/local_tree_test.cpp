#include "ferry/vfs/tree.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>
#include <thread>

#include "ferry/base/unique_fd.hpp"
#include "scratch.hpp"
#include "test_core.hpp"
#include "vfs/beneath.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using runtime::core;
using runtime::task;
using vfs::file_kind;
using vfs::path;

namespace {

/// A tree on a directory of the test's, and short ways to use it.
struct tree_fixture {
    scratch host;
    std::unique_ptr<vfs::tree> files = vfs::open_local_tree(host.root().c_str()).value();
    test_core machine;

    result<vfs::node> open(std::string_view name) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where) -> task<result<vfs::node>> {
                co_return co_await tree.open(here, where);
            },
            std::ref(*files), at(name));
    }

    /// Why `name` cannot be opened; it must not be possible.
    errc refusal(std::string_view name) {
        const auto opened = open(name);
        REQUIRE_FALSE(opened);
        return opened.error().code;
    }

    result<std::string> read(const vfs::node& file, std::uint64_t offset, std::size_t count = 100) {
        return machine.run(
            [](core& here, const vfs::node& from, std::uint64_t where,
               std::size_t size_bytes) -> task<result<std::string>> {
                std::string content(size_bytes, '?');
                const auto got =
                    co_await from.read(here, std::as_writable_bytes(std::span(content)), where);
                if (!got) {
                    co_return failure(got.error());
                }
                content.resize(*got);
                co_return content;
            },
            std::ref(file), offset, count);
    }

    std::string content(std::string_view name) {
        const auto opened = open(name);
        REQUIRE(opened);
        return read(*opened, 0).value();
    }

    result<vfs::metadata> status(std::string_view name) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where) -> task<result<vfs::metadata>> {
                co_return co_await tree.status(here, where);
            },
            std::ref(*files), at(name));
    }

    result<void> remove_file(std::string_view name) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where) -> task<result<void>> {
                co_return co_await tree.remove_file(here, where);
            },
            std::ref(*files), at(name));
    }

    result<void> remove_directory(std::string_view name) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where) -> task<result<void>> {
                co_return co_await tree.remove_directory(here, where);
            },
            std::ref(*files), at(name));
    }

    result<void> make_directory(std::string_view name) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where) -> task<result<void>> {
                co_return co_await tree.make_directory(here, where);
            },
            std::ref(*files), at(name));
    }

    struct names {
        std::string_view from;
        std::string_view to;
        bool replace = true;
    };
    result<void> rename(names what) {
        return machine.run(
            [](core& here, vfs::tree& tree, path from, path to,
               bool replace) -> task<result<void>> {
                co_return co_await tree.rename(here, {.from = from, .to = to, .replace = replace});
            },
            std::ref(*files), at(what.from), at(what.to), what.replace);
    }

    result<void> set_modified(std::string_view name, wall_time when) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where, wall_time moment) -> task<result<void>> {
                co_return co_await tree.set_modified(here, where, moment);
            },
            std::ref(*files), at(name), when);
    }

    result<void> set_permissions(std::string_view name, std::uint32_t permissions) {
        return machine.run(
            [](core& here, vfs::tree& tree, path where, std::uint32_t bits) -> task<result<void>> {
                co_return co_await tree.set_permissions(here, where, bits);
            },
            std::ref(*files), at(name), permissions);
    }
};

errc code_of(const result<void>& outcome) {
    REQUIRE_FALSE(outcome);
    return outcome.error().code;
}

}  // namespace

TEST_CASE("local_tree: opens what start-up names, or says why not") {
    const scratch host;
    host.write("file", "x");
    CHECK(vfs::open_local_tree(host.root().c_str()));
    CHECK(vfs::open_local_tree((host / "missing").c_str()).error() == errc::not_found);
    CHECK(vfs::open_local_tree((host / "file").c_str()).error() == errc::not_directory);
}

TEST_CASE("open: a file with its status, a directory, the root") {
    tree_fixture tree;
    tree.host.make_directory("dir");
    tree.host.write("dir/file", "hello");
    REQUIRE(::chmod((tree.host / "dir/file").c_str(), 0640) == 0);

    const auto file = tree.open("/dir/file");
    REQUIRE(file);
    struct stat expected{};
    REQUIRE(::stat((tree.host / "dir/file").c_str(), &expected) == 0);
    CHECK(file->status().kind == file_kind::regular);
    CHECK(file->status().size_bytes == 5);
    CHECK(file->status().inode == expected.st_ino);
    CHECK(file->status().device == expected.st_dev);
    CHECK(file->status().mode == 0640);
    CHECK(file->status().links == 1);
    CHECK(file->status().owner_id == expected.st_uid);
    CHECK(file->status().group_id == expected.st_gid);
    CHECK(file->status().modified.seconds == expected.st_mtim.tv_sec);
    CHECK(file->status().modified.nanoseconds == expected.st_mtim.tv_nsec);
    CHECK(file->status().changed.nanoseconds == expected.st_ctim.tv_nsec);
    CHECK_FALSE(file->is_directory());
    CHECK((::fcntl(file->fd(), F_GETFD) & FD_CLOEXEC) != 0);

    const auto span = file->span({.offset = 1, .size_bytes = 2});
    CHECK(span.fd == file->fd());
    CHECK(span.offset == 1);
    CHECK(span.size_bytes == 2);

    CHECK(tree.open("/dir")->is_directory());
    CHECK(tree.open("/dir/")->is_directory());
    CHECK(tree.open("/")->is_directory());
    CHECK(tree.refusal("/missing") == errc::not_found);
    CHECK(tree.refusal("/dir/file/") == errc::not_directory);
    CHECK(tree.refusal("/dir/file/deeper") == errc::not_directory);
}

TEST_CASE("read: any part, nothing at the end and beyond it") {
    tree_fixture tree;
    tree.host.write("file", "0123456789");
    const auto file = tree.open("/file");
    REQUIRE(file);
    CHECK(tree.read(*file, 0).value() == "0123456789");
    CHECK(tree.read(*file, 3, 4).value() == "3456");
    CHECK(tree.read(*file, 10).value().empty());
    CHECK(tree.read(*file, 1'000'000).value().empty());
    // 2^63 and 2^64 - 1, where pread(2) would say EINVAL or take it for "here" (V10).
    CHECK(tree.read(*file, std::uint64_t{1} << 63U).value().empty());
    CHECK(tree.read(*file, std::numeric_limits<std::uint64_t>::max()).value().empty());
    CHECK(tree.read(*tree.open("/"), 0).error() == errc::is_directory);
}

TEST_CASE("read: a sparse file past 4 GiB (threats.md, V10)") {
    tree_fixture tree;
    constexpr std::uint64_t far = std::uint64_t{5} << 30U;
    tree.host.write("sparse", "");
    REQUIRE(::truncate((tree.host / "sparse").c_str(), static_cast<off_t>(far)) == 0);
    {
        const unique_fd file(::open((tree.host / "sparse").c_str(), O_WRONLY | O_CLOEXEC));
        REQUIRE(::pwrite(file.get(), "end", 3, static_cast<off_t>(far)) == 3);
    }
    const auto file = tree.open("/sparse");
    REQUIRE(file);
    CHECK(file->status().size_bytes == far + 3);
    CHECK(tree.read(*file, far).value() == "end");
}

// Files of /proc say size 0 and cannot be read without waiting (no RWF_NOWAIT), as on some FUSE.
TEST_CASE("read: a file system without nowait reads, of size 0 with content (threats.md, V5)") {
    tree_fixture tree;
    tree.files = vfs::open_local_tree("/proc/self").value();
    const auto file = tree.open("/status");
    REQUIRE(file);
    CHECK(file->status().size_bytes == 0);
    CHECK(tree.read(*file, 0).value().starts_with("Name:\t"));
}

TEST_CASE("open: no spelling leads above the root (threats.md, V1)") {
    tree_fixture tree;
    tree.host.make_directory("served");
    tree.host.write("secret", "outside");
    tree.files = vfs::open_local_tree((tree.host / "served").c_str()).value();
    for (const char* name : {"/../secret", "../secret", "/a/../../secret", "//..//secret",
                             "/./../secret", "../../../../../../../../etc/passwd"}) {
        CAPTURE(name);
        CHECK(tree.refusal(name) == errc::not_found);
    }
}

TEST_CASE("open: links inside are followed, links leading out never (threats.md, V2)") {
    tree_fixture tree;
    const scratch& host = tree.host;
    host.make_directory("served");
    host.make_directory("served/dir");
    host.write("secret", "outside");
    host.write("served/file", "inside");
    host.write("served/dir/file", "in dir");
    tree.files = vfs::open_local_tree((host / "served").c_str()).value();

    host.link({.at = "served/plain", .to = "file"});
    host.link({.at = "served/dir/up", .to = "../file"});
    host.link({.at = "served/todir", .to = "dir"});
    host.link({.at = "served/chain", .to = "todir/up"});
    CHECK(tree.content("/plain") == "inside");
    CHECK(tree.content("/dir/up") == "inside");
    CHECK(tree.content("/todir/file") == "in dir");
    CHECK(tree.content("/chain") == "inside");

    host.link({.at = "served/absolute", .to = host / "secret"});
    host.link({.at = "served/absolute_inside", .to = host / "served/file"});
    host.link({.at = "served/dots", .to = "../secret"});
    host.link({.at = "served/deep_dots", .to = "dir/../../secret"});
    host.link({.at = "served/chain_out", .to = "dir/hop"});
    host.link({.at = "served/dir/hop", .to = "../dots"});
    host.link({.at = "served/dir_out", .to = ".."});
    host.link({.at = "served/etc", .to = "/etc"});
    host.link({.at = "served/back_in", .to = "../served/file"});
    host.link({.at = "served/proc_root", .to = "/proc/self/root/etc/passwd"});
    host.link({.at = "served/loop", .to = "loop"});
    for (const char* name : {"/absolute", "/absolute_inside", "/dots", "/deep_dots", "/chain_out",
                             "/dir/hop", "/dir_out", "/dir_out/secret", "/etc", "/etc/passwd",
                             "/back_in", "/proc_root", "/loop", "/loop/file"}) {
        CAPTURE(name);
        CHECK(tree.refusal(name) == errc::outside_tree);
    }
    host.link({.at = "served/dangling", .to = "nowhere"});
    CHECK(tree.refusal("/dangling") == errc::not_found);
}

TEST_CASE("open: magic links of /proc lead nowhere (threats.md, V2)") {
    tree_fixture tree;
    tree.files = vfs::open_local_tree("/proc/self").value();
    for (const char* name : {"/root", "/root/etc/passwd", "/cwd", "/exe", "/fd/0"}) {
        CAPTURE(name);
        CHECK(tree.refusal(name) == errc::outside_tree);
    }
}

TEST_CASE("changes: no link leads them out of the tree (threats.md, V2)") {
    tree_fixture tree;
    const scratch& host = tree.host;
    host.make_directory("served");
    host.make_directory("outside");
    host.write("outside/file", "safe");
    host.write("served/mine", "mine");
    host.link({.at = "served/out", .to = "../outside"});
    host.link({.at = "served/fileout", .to = "../outside/file"});
    tree.files = vfs::open_local_tree((host / "served").c_str()).value();

    CHECK(code_of(tree.remove_file("/out/file")) == errc::outside_tree);
    CHECK(code_of(tree.make_directory("/out/new")) == errc::outside_tree);
    CHECK(code_of(tree.rename({.from = "/mine", .to = "/out/mine"})) == errc::outside_tree);
    CHECK(code_of(tree.rename({.from = "/out/file", .to = "/stolen"})) == errc::outside_tree);
    CHECK(code_of(tree.set_modified("/out/file", {.seconds = 1})) == errc::outside_tree);
    CHECK(code_of(tree.set_modified("/fileout", {.seconds = 1})) == errc::outside_tree);
    CHECK(code_of(tree.set_permissions("/out/file", 0777)) == errc::outside_tree);
    CHECK(code_of(tree.set_permissions("/fileout", 0777)) == errc::outside_tree);
    CHECK(code_of(tree.remove_directory("/out")) == errc::not_directory);
    CHECK(host.names("outside") == std::vector<std::string>{"file"});

    // A link is removed itself, and renamed over itself.
    CHECK(tree.remove_file("/fileout"));
    CHECK(tree.rename({.from = "/mine", .to = "/out"}));
    CHECK(host.names("served") == std::vector<std::string>{"out"});
    CHECK(host.read("served/out") == "mine");
    CHECK(host.read("outside/file") == "safe");
}

TEST_CASE("set_permissions: nine bits and no others (threats.md, V14)") {
    tree_fixture tree;
    tree.host.write("file", "x");
    tree.host.make_directory("dir");
    tree.host.link({.at = "link", .to = "file"});
    REQUIRE(::mkfifo((tree.host / "fifo").c_str(), 0600) == 0);
    const auto mode_of = [&tree](const char* name) {
        struct stat status{};
        REQUIRE(::stat((tree.host / name).c_str(), &status) == 0);
        return status.st_mode & 07777U;
    };
    REQUIRE(::chmod((tree.host / "file").c_str(), 06755) == 0);
    CHECK(tree.set_permissions("/file", 0755));
    CHECK(mode_of("file") == 0755);  // What it had of set-id bits is gone.
    for (const std::uint32_t bits : {01000U, 02755U, 04755U, 07777U, 0100644U, ~0U}) {
        CAPTURE(bits);
        CHECK(code_of(tree.set_permissions("/file", bits)) == errc::invalid);
    }
    CHECK(mode_of("file") == 0755);
    CHECK(tree.set_permissions("/file", 0));
    CHECK(mode_of("file") == 0);
    CHECK(tree.set_permissions("/link", 0640));  // As chmod(2): what it leads to.
    CHECK(mode_of("file") == 0640);
    // A group's directory stays one: whose files in it are is not the client's to change.
    REQUIRE(::chmod((tree.host / "dir").c_str(), 03770) == 0);
    CHECK(tree.set_permissions("/dir", 0755));
    CHECK(mode_of("dir") == 03755);
    CHECK(code_of(tree.set_permissions("/fifo", 0644)) == errc::not_regular);
    CHECK(code_of(tree.set_permissions("/none", 0644)) == errc::not_found);
}

TEST_CASE("status: what open would find, without permission to read it") {
    tree_fixture tree;
    tree.host.write("file", "12345");
    tree.host.make_directory("dir");
    tree.host.link({.at = "link", .to = "file"});
    tree.host.link({.at = "out", .to = "/etc"});
    // Root may read everything, so the test looks at what is asked for.
    unsigned opens = 0;
    tree.machine.io.set_script([&opens](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::open_at) {
            ++opens;
            CHECK((what.args.open_at.how.flags & O_PATH) != 0);
        }
        return std::nullopt;
    });
    const auto before = open_descriptors();
    for (const char* name : {"file", "link"}) {
        const auto found = tree.status(name);
        REQUIRE(found);
        CHECK(found->kind == file_kind::regular);
        CHECK(found->size_bytes == 5);
    }
    CHECK(tree.status("dir/")->kind == file_kind::directory);
    CHECK(tree.status("/")->kind == file_kind::directory);
    CHECK(tree.status("file/").error() == errc::not_directory);
    CHECK(tree.status("none").error() == errc::not_found);
    CHECK(tree.status("out").error() == errc::outside_tree);
    CHECK(opens == 7);
    CHECK(open_descriptors() == before);
}

// Goal: whatever another process does to names while they are resolved, nothing outside is opened.
// Method: a thread puts 20,000 times another link in a name's place, by rename, while it is opened.
TEST_CASE("subtree: its names and links end beneath it (threats.md, V2)") {
    tree_fixture here;
    here.host.write("secret", "not below");
    here.host.make_directory("home");
    here.host.make_directory("home/ann");
    here.host.write("home/ann/mine", "below");
    here.host.link({.at = "home/ann/inside", .to = "mine"});
    here.host.link({.at = "home/ann/outside", .to = "../../secret"});
    here.host.link({.at = "home/link", .to = "ann"});
    const auto enter = [&here](std::string_view name) {
        return here.machine.run(
            [](core& on, vfs::tree& tree, path where) -> task<result<std::unique_ptr<vfs::tree>>> {
                co_return co_await tree.subtree(on, where);
            },
            std::ref(*here.files), at(name));
    };
    CHECK(enter("home/nobody").error() == errc::not_found);
    CHECK(enter("secret").error() == errc::not_directory);
    const auto before = open_descriptors();
    for (const char* name : {"home/ann", "home/ann/", "home/link"}) {
        CAPTURE(name);
        auto below = enter(name);
        REQUIRE(below);
        std::swap(here.files, *below);
        CHECK(here.content("mine") == "below");
        CHECK(here.content("/inside") == "below");
        CHECK(here.refusal("outside") == errc::outside_tree);
        CHECK(here.refusal("home/ann/mine") == errc::not_found);
        CHECK(here.remove_directory("/").error() == errc::denied);
        std::swap(here.files, *below);
        CHECK(here.content("home/ann/outside") == "not below");
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("open: links swapped meanwhile never lead out (threats.md, V3)") {
    tree_fixture tree;
    const scratch& host = tree.host;
    host.make_directory("served");
    host.make_directory("served/a");
    host.make_directory("served/a/b");
    host.write("secret", "outside");
    host.write("served/file", "inside");
    host.write("served/a/b/secret", "inside too");
    tree.files = vfs::open_local_tree((host / "served").c_str()).value();
    const auto inside = host.inode("served/file");
    const auto inside_too = host.inode("served/a/b/secret");
    host.link({.at = "served/swapped", .to = "a/../file"});
    host.link({.at = "served/dir", .to = "a/b"});

    std::atomic<bool> done = false;
    std::thread swapper([&host, &done] {
        for (int i = 0; i < 10'000; ++i) {
            host.link(
                {.at = "served/next", .to = i % 2 == 0 ? "a/../../secret" : "a/b/../../file"});
            FERRY_ASSERT(
                ::rename((host / "served/next").c_str(), (host / "served/swapped").c_str()) == 0);
            host.link({.at = "served/next", .to = i % 2 == 0 ? ".." : "a/b"});
            FERRY_ASSERT(::rename((host / "served/next").c_str(), (host / "served/dir").c_str()) ==
                         0);
        }
        done = true;
    });
    int opened_inside = 0;
    int refused = 0;
    const auto look = [&](const char* name) {
        const auto opened = tree.open(name);
        if (opened) {
            const bool is_inside =
                opened->status().inode == inside || opened->status().inode == inside_too;
            CHECK(is_inside);
            ++opened_inside;
        } else {
            const errc why = opened.error().code;
            CHECK((why == errc::outside_tree || why == errc::busy || why == errc::not_found));
            ++refused;
        }
    };
    while (!done) {
        look("/swapped");
        look("/dir/secret");
    }
    swapper.join();
    CAPTURE(opened_inside);
    CAPTURE(refused);
    CHECK(opened_inside > 0);
    CHECK(refused > 0);
}

TEST_CASE("open: a resolution that raced is tried again, a bounded number of times (V3)") {
    tree_fixture tree;
    tree.host.write("file", "x");
    unsigned attempts = 0;
    unsigned races = vfs::resolution_attempts_max - 1;
    tree.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::open_at && attempts++ < races) {
            return -EAGAIN;
        }
        return std::nullopt;
    });
    CHECK(tree.open("/file"));
    CHECK(attempts == vfs::resolution_attempts_max);

    attempts = 0;
    races = ~0U;
    CHECK(tree.refusal("/file") == errc::busy);
    CHECK(attempts == vfs::resolution_attempts_max);
}

TEST_CASE("open: a FIFO, a socket, a device are refused at once (threats.md, V4)") {
    tree_fixture tree;
    const scratch& host = tree.host;
    REQUIRE(::mkfifo((host / "fifo").c_str(), 0644) == 0);
    const unique_fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    const std::string socket_name = host / "socket";
    std::memcpy(address.sun_path, socket_name.c_str(), socket_name.size() + 1);
    // The address family's own way of passing addresses.
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    host.link({.at = "link", .to = "fifo"});
    std::vector<std::string> names{"/fifo", "/socket", "/link"};
    // 1:3 is /dev/null.
    if (::mknod((host / "device").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) {
        names.emplace_back("/device");
    } else {
        MESSAGE("not root: no device made here, one of /dev instead");
    }
    const auto before = std::chrono::steady_clock::now();
    for (const auto& name : names) {
        CAPTURE(name);
        CHECK(tree.refusal(name) == errc::not_regular);
        CHECK(tree.status(name).error() == errc::not_regular);
        CHECK(code_of(tree.set_modified(name, {.seconds = 1})) == errc::not_regular);
    }
    tree.files = vfs::open_local_tree("/dev").value();
    CHECK(tree.refusal("/null") == errc::not_regular);
    CHECK(tree.refusal("/zero") == errc::not_regular);
    CHECK(tree.status("/null").error() == errc::not_regular);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(1));
}

TEST_CASE("open: what is open stays the old file, replaced or removed (threats.md, V7)") {
    tree_fixture tree;
    tree.host.write("file", "old");
    tree.host.write("new", "replacement");
    const auto file = tree.open("/file");
    REQUIRE(file);
    REQUIRE(tree.rename({.from = "/new", .to = "/file"}));
    CHECK(tree.read(*file, 0).value() == "old");
    CHECK(tree.content("/file") == "replacement");
    REQUIRE(tree.remove_file("/file"));
    CHECK(tree.read(*file, 0).value() == "old");
    CHECK(tree.refusal("/file") == errc::not_found);
}

TEST_CASE("open: a stop request ends it, and what was opened is not lost") {
    tree_fixture tree;
    tree.host.write("file", "x");
    // Asked before: nothing is submitted. Asked while it is under way: cancelled, or open.
    tree.machine.io.set_script([&](runtime::op&) -> std::optional<std::int64_t> {
        tree.machine.io.stop_when_waiting(tree.machine.stop);
        return std::nullopt;
    });
    const auto during = tree.open("/file");
    CHECK((during.has_value() || during.error() == errc::cancelled));
    CHECK(tree.refusal("/file") == errc::cancelled);
}

TEST_CASE("remove: files and links, empty directories, never the root") {
    tree_fixture tree;
    tree.host.write("file", "x");
    tree.host.make_directory("dir");
    tree.host.write("dir/inner", "x");
    CHECK(code_of(tree.remove_file("/dir")) == errc::is_directory);
    CHECK(code_of(tree.remove_file("/dir/")) == errc::is_directory);
    CHECK(code_of(tree.remove_file("/")) == errc::denied);
    CHECK(code_of(tree.remove_file("/missing")) == errc::not_found);
    CHECK(code_of(tree.remove_file("/missing/deeper")) == errc::not_found);
    CHECK(code_of(tree.remove_file("/file/")) == errc::not_directory);
    CHECK(code_of(tree.remove_file("/file/deeper")) == errc::not_directory);
    CHECK(code_of(tree.remove_directory("/dir")) == errc::not_empty);
    CHECK(code_of(tree.remove_directory("/file")) == errc::not_directory);
    CHECK(code_of(tree.remove_directory("/")) == errc::denied);
    CHECK(tree.remove_file("/file"));
    CHECK(tree.remove_file("/dir/inner"));
    CHECK(tree.remove_directory("/dir/"));
    CHECK(tree.host.names().empty());
}

TEST_CASE("make_directory: one level, and its errors") {
    tree_fixture tree;
    const mode_t before = ::umask(022);
    CHECK(tree.make_directory("/new"));
    CHECK(tree.make_directory("/new/deeper/"));
    ::umask(before);
    CHECK(tree.host.mode("new/deeper") == 0755);
    CHECK(code_of(tree.make_directory("/new")) == errc::exists);
    CHECK(code_of(tree.make_directory("/")) == errc::exists);
    CHECK(code_of(tree.make_directory("/missing/deeper")) == errc::not_found);
    CHECK(tree.make_directory("/" + std::string(255, 'n') + "/"));
}

TEST_CASE("rename: like rename(2)") {
    tree_fixture tree;
    const scratch& host = tree.host;
    host.write("file", "file");
    host.write("other", "other");
    host.make_directory("dir");
    host.make_directory("dir/sub");
    host.make_directory("empty");
    CHECK(code_of(tree.rename({.from = "/dir", .to = "/dir/sub/dir"})) == errc::invalid);
    CHECK(code_of(tree.rename({.from = "/file", .to = "/dir"})) == errc::is_directory);
    CHECK(code_of(tree.rename({.from = "/dir", .to = "/file"})) == errc::not_directory);
    CHECK(code_of(tree.rename({.from = "/empty", .to = "/dir"})) == errc::not_empty);
    CHECK(code_of(tree.rename({.from = "/missing", .to = "/x"})) == errc::not_found);
    CHECK(code_of(tree.rename({.from = "/file", .to = "/missing/x"})) == errc::not_found);
    CHECK(code_of(tree.rename({.from = "/", .to = "/x"})) == errc::denied);
    CHECK(code_of(tree.rename({.from = "/dir", .to = "/"})) == errc::denied);
    CHECK(code_of(tree.rename({.from = "/file", .to = "/other", .replace = false})) ==
          errc::exists);
    CHECK(code_of(tree.rename({.from = "/file/", .to = "/x"})) == errc::not_directory);
    CHECK(host.read("other") == "other");

    CHECK(tree.rename({.from = "/file", .to = "/other"}));
    CHECK(tree.rename({.from = "/other", .to = "/dir/sub/moved", .replace = false}));
    CHECK(tree.rename({.from = "/dir", .to = "/empty"}));
    CHECK(host.names() == std::vector<std::string>{"empty"});
    CHECK(host.read("empty/sub/moved") == "file");
}

TEST_CASE("rename: to another file system inside the tree is unsupported, not outside") {
    tree_fixture tree;
    tree.host.write("file", "x");
    tree.machine.io.set_script([](runtime::op& what) -> std::optional<std::int64_t> {
        return what.code == runtime::opcode::rename_at ? std::optional(-EXDEV) : std::nullopt;
    });
    CHECK(code_of(tree.rename({.from = "/file", .to = "/x"})) == errc::unsupported);
}

TEST_CASE("set_modified: to the nanosecond, of files, directories and what links lead to") {
    tree_fixture tree;
    tree.host.write("file", "x");
    tree.host.make_directory("dir");
    tree.host.link({.at = "link", .to = "file"});
    REQUIRE(::chmod((tree.host / "file").c_str(), 0) == 0);
    struct stat before{};
    REQUIRE(::stat((tree.host / "file").c_str(), &before) == 0);

    const wall_time when{.seconds = 1'234'567'890, .nanoseconds = 987'654'321};
    const wall_time early{.seconds = -1, .nanoseconds = 5};
    CHECK(tree.set_modified("/link", when));
    CHECK(tree.set_modified("/dir/", early));
    struct stat after{};
    REQUIRE(::stat((tree.host / "file").c_str(), &after) == 0);
    CHECK(after.st_mtim.tv_sec == when.seconds);
    CHECK(after.st_mtim.tv_nsec == when.nanoseconds);
    CHECK(after.st_atim.tv_sec == before.st_atim.tv_sec);
    CHECK(after.st_atim.tv_nsec == before.st_atim.tv_nsec);
    CHECK(tree.open("/dir")->status().modified == early);
    CHECK(tree.set_modified("/", when));
    CHECK(tree.open("/")->status().modified == when);
    CHECK(code_of(tree.set_modified("/missing", when)) == errc::not_found);
    CHECK(code_of(tree.set_modified("/file/", when)) == errc::not_directory);
}

namespace {

/// Begins an upload, meets the other at `ready`, commits.
task<result<void>> upload_together(core& here, const vfs::tree& files, vfs::upload_mode mode,
                                   std::string_view content, std::barrier<>& ready) {
    auto begun = co_await files.begin_upload(here, at("/file"), {.mode = mode});
    REQUIRE(begun.has_value());
    const auto put = co_await begun->write(here, octets(content));
    REQUIRE(put.has_value());
    ready.arrive_and_wait();
    const auto done = co_await begun->commit(here, vfs::durability::none);
    co_return done;
}

/// The same on a core of its own. Not a `test_core`: that one never sleeps.
result<void> upload_from_core(const vfs::tree& files, vfs::upload_mode mode,
                              std::string_view content, std::barrier<>& ready) {
    runtime::offload_pool pool(1);
    const auto ring = runtime::make_uring_reactor({.receive_buffers = 16}, pool).value();
    core here(0, *ring, ferry::random(seed_from_kernel()));
    runtime::stop_scope stop;
    result<void> done;
    runtime::run_core(
        here, stop,
        +[](runtime::nursery& bottom, const vfs::tree& tree, vfs::upload_mode how,
            std::string_view text, std::barrier<>& both, result<void>& outcome) -> task<> {
            outcome = co_await upload_together(bottom.here(), tree, how, text, both);
        },
        std::cref(files), mode, content, std::ref(ready), std::ref(done));
    return done;
}

}  // namespace

// Goal: threats.md, F13. An append that was confirmed has not undone a file that was confirmed, in
// whatever moment each took its name.
TEST_CASE("local tree: an append and a new file at once, on two cores: none is lost unsaid") {
    const scratch host;
    const auto tree = vfs::open_local_tree(host.root().c_str()).value();
    int both = 0;
    for (int turn = 0; turn < 400; ++turn) {
        host.write("file", "old");
        std::barrier<> ready(2);
        result<void> appended;
        std::thread other(
            [&] { appended = upload_from_core(*tree, vfs::upload_mode::append, "+more", ready); });
        const auto replaced = upload_from_core(*tree, vfs::upload_mode::replace, "new", ready);
        other.join();
        CHECK(replaced.has_value());
        if (appended) {
            ++both;
            CHECK(host.read("file") == "new");  // The append came first.
        } else {
            CHECK(appended.error() == errc::busy);
            CHECK(host.read("file") == "new");
        }
    }
    MESSAGE("both confirmed: ", both, " of 400");
    CHECK(host.names() == std::vector<std::string>{"file"});
}
