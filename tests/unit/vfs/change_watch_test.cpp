#include "vfs/change_watch.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "scratch.hpp"
#include "vfs/system_metadata.hpp"

using namespace ferry;
using namespace ferry::vfs_test;
using vfs::change_watch;
using vfs::opened_inode;
using vfs::trail;

namespace {

/// Something open, by its name in a scratch directory.
struct opened_name {
    opened_name(const scratch& in, std::string_view name)
        : fd(::open((in / name).c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)) {
        REQUIRE(fd);
        const auto status = vfs::metadata_of(fd.get()).value();
        is = {.fd = fd.get(), .device = status.device, .inode = status.inode};
    }

    unique_fd fd;
    opened_inode is;
};

std::unique_ptr<change_watch> open_watch() {
    return change_watch::open().value();
}

/// Fills the kernel's queue (inotify(7): max_queued_events) by way of two names that are watched.
void overflow(const scratch& disk, std::string_view one, std::string_view other) {
    std::FILE* const limit = std::fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    REQUIRE(limit != nullptr);
    int most = 0;
    REQUIRE(std::fscanf(limit, "%d", &most) == 1);
    std::fclose(limit);
    REQUIRE(most <= 100'000);
    for (int i = 0; i < most + 10; ++i) {
        REQUIRE(::chmod((disk / (i % 2 == 0 ? one : other)).c_str(), 0600) == 0);
    }
}

/// Reads what an overflow leaves: one look takes 64 reads of 4 KiB at most.
void read_all(change_watch& watch) {
    for (int i = 0; i < 30; ++i) {
        watch.look();
    }
}

}  // namespace

TEST_CASE("change watch: a trail is broken by what it names and by nothing else") {
    const scratch disk;
    disk.make_directory("d");
    disk.write("d/f", "");
    const opened_name d(disk, "d");
    const opened_name f(disk, "d/f");
    const auto watch = open_watch();
    trail named;
    trail content;
    REQUIRE(watch->watch_entry(named, d.is, "f"));
    REQUIRE(watch->watch_file(content, f.is));
    disk.write("d/other", "");
    watch->look();
    CHECK_FALSE(named.is_broken());
    CHECK_FALSE(content.is_broken());
    disk.write("d/f", "changed");
    watch->look();
    CHECK_FALSE(named.is_broken());
    CHECK(content.is_broken());
    REQUIRE(::rename((disk / "d/f").c_str(), (disk / "d/g").c_str()) == 0);
    watch->look();
    CHECK(named.is_broken());
}

TEST_CASE("change watch: who watches ends with the last trail") {
    const scratch disk;
    disk.make_directory("d");
    const opened_name d(disk, "d");
    const auto watch = open_watch();
    {
        trail one;
        REQUIRE(watch->watch_entry(one, d.is, "a"));
        {
            trail other;
            REQUIRE(watch->watch_entry(other, d.is, "a"));
            REQUIRE(watch->watch_entry(other, d.is, {}));
            CHECK(watch->watched() == 1);
        }
        CHECK(watch->watched() == 1);
        disk.write("d/a", "");
        watch->look();
        CHECK(one.is_broken());
    }
    CHECK(watch->watched() == 0);
}

TEST_CASE("change watch: what a lost event ended is watched anew") {
    // The end of a watch is an event as any, and lost when the queue is full. Another directory may
    // have the number of the first by then, while a trail of that one still lives.
    const scratch disk;
    disk.make_directory("d");
    disk.write("d/x", "");
    disk.write("d/y", "");
    const auto watch = open_watch();
    trail of_the_first;
    opened_inode first;
    {
        const opened_name d(disk, "d");
        first = d.is;
        REQUIRE(watch->watch_entry(of_the_first, d.is, "f"));
    }
    overflow(disk, "d/x", "d/y");
    for (const char* gone : {"d/x", "d/y"}) {
        REQUIRE(::unlink((disk / gone).c_str()) == 0);
    }
    REQUIRE(::rmdir((disk / "d").c_str()) == 0);
    disk.make_directory("d");
    read_all(*watch);
    const opened_name second(disk, "d");
    trail of_the_second;
    REQUIRE(watch->watch_entry(
        of_the_second,
        {.fd = second.is.fd, .device = first.device, .inode = first.inode},  // Used again.
        "f"));
    CHECK(of_the_first.is_broken());
    CHECK_FALSE(of_the_second.is_broken());
    disk.write("d/f", "");
    watch->look();
    CHECK(of_the_second.is_broken());
}

TEST_CASE("change watch: after an overflow what is still watched is watched once") {
    const scratch disk;
    disk.make_directory("d");
    disk.write("d/x", "");
    disk.write("d/y", "");
    const opened_name d(disk, "d");
    const auto watch = open_watch();
    trail before;
    REQUIRE(watch->watch_entry(before, d.is, "f"));
    overflow(disk, "d/x", "d/y");
    read_all(*watch);
    trail last;
    REQUIRE(watch->watch_entry(last, d.is, "f"));
    CHECK(watch->watched() == 1);
    CHECK(before.is_broken());
    disk.write("d/f", "");
    watch->look();
    CHECK(last.is_broken());
}

TEST_CASE("change watch: an inode that gets another number is still one") {
    // As overlayfs may do to a file that it copies up (Documentation/filesystems/overlayfs.rst,
    // "Inode properties").
    const scratch disk;
    disk.write("f", "");
    const opened_name f(disk, "f");
    const opened_inode renumbered{
        .fd = f.is.fd, .device = f.is.device, .inode = f.is.inode + 1'000'000};
    const auto watch = open_watch();
    {
        trail one;
        trail other;
        REQUIRE(watch->watch_file(one, f.is));
        REQUIRE(watch->watch_file(other, renumbered));
        CHECK(watch->watched() == 1);
    }
    CHECK(watch->watched() == 0);
    for (const auto& which : {f.is, renumbered}) {
        trail fresh;
        REQUIRE(watch->watch_file(fresh, which));
        disk.write("f", "changed");
        watch->look();
        CHECK(fresh.is_broken());
    }
}
