#include "vfs/leftovers.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "ferry/base/unique_fd.hpp"
#include "ferry/vfs/tree.hpp"
#include "scratch.hpp"
#include "test_core.hpp"

using namespace ferry;
using namespace ferry::vfs;
using namespace ferry::vfs_test;

namespace {

constexpr const char* leftover = ".ferry-upload-0123456789abcdef";

struct fixture {
    scratch host;
    test_core core;
    std::unique_ptr<tree> files = open_local_tree(host.root().c_str()).value();

    std::size_t remove() {
        return core.run(
            [](runtime::core& here, const tree& from) -> runtime::task<std::size_t> {
                co_return co_await from.remove_leftovers(here);
            },
            std::cref(*files));
    }
};

}  // namespace

TEST_CASE("leftovers: removed everywhere in the tree, and nothing else (threats.md, V12)") {
    fixture disk;
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
    fixture disk;
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
    fixture disk;
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
    fixture disk;
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
