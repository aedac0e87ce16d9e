#include "vfs/leftovers.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
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
    const std::string kept[] = {".ferry-upload-", ".ferry-upload-short", ".ferry-other", "upload"};
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
