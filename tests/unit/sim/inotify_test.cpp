// Goal: a simulated host tells of changes as Linux does. Method: the same program of changes on the
// real machine and on a simulated one; what inotify(7) gives has to agree event by event.

#include "sim/inotify.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event_lines.hpp"
#include "ferry/base/kernel.hpp"
#include "ferry/base/unique_fd.hpp"
#include "sim/host.hpp"
#include "sim/posix.hpp"

using namespace ferry;
namespace posix = ferry::sim::posix;

namespace {

std::string path_of(const unique_fd& fd) {
    return "/proc/self/fd/" + std::to_string(fd.get());
}

std::int64_t read_events(const unique_fd& inotify, std::span<std::byte> into) {
    const auto got = kernel::read_events(inotify.get(), into.data(), into.size());
    return got < 0 ? -errno : got;
}

/// A directory, somebody who watches, and what came of it all.
class scene {
  public:
    explicit scene(int directory)
        : directory(directory), inotify(kernel::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
        REQUIRE(inotify);
    }

    /// A result, or the errno.
    void note(std::string_view call, std::int64_t result) {
        lines.push_back(
            std::string(call) + ' ' +
            (result < 0 ? std::string(::strerrorname_np(errno)) : std::to_string(result)));
    }
    /// Takes what there is to read; `about` says after what.
    void events(std::string_view about) {
        lines.emplace_back(about);
        for (const std::string& each : texts_.read_all(
                 [this](std::span<std::byte> into) { return read_events(inotify, into); })) {
            lines.push_back("    " + each);
        }
    }
    void watch(const unique_fd& what, std::uint32_t mask = IN_ALL_EVENTS) {
        note("watch", kernel::inotify_add_watch(inotify.get(), path_of(what).c_str(), mask));
    }
    void watch_directory(std::uint32_t mask = IN_ALL_EVENTS) {
        const unique_fd same = open(".", O_PATH);
        watch(same, mask);
    }

    unique_fd open(const char* path, int flags = O_PATH | O_NOFOLLOW, mode_t mode = 0644) {
        unique_fd opened(posix::openat(directory, path, flags | O_CLOEXEC, mode));
        note(path, opened ? 0 : -1);
        return opened;
    }
    void make(const char* path) {
        const unique_fd made = open(path, O_WRONLY | O_CREAT | O_EXCL);
        note("write", posix::write(made.get(), "0123456789", 10));
    }
    void rename(const char* from, const char* to) {
        note("rename", posix::renameat2(directory, from, directory, to, 0));
    }
    void unlink(const char* path, int flags = 0) {
        note("unlink", posix::unlinkat(directory, path, flags));
    }
    void make_directory(const char* path) { note("mkdir", posix::mkdirat(directory, path, 0755)); }
    void link(const char* from, const char* to) {
        note("link", posix::linkat(directory, from, directory, to, 0));
    }
    void write(const unique_fd& file) { note("write", posix::write(file.get(), "ab", 2)); }

    int directory;
    unique_fd inotify;
    std::vector<std::string> lines;

  private:
    sim_test::event_lines texts_;
};

using watch_program = void (*)(scene&);

std::vector<std::string> run(watch_program steps) {
    const std::string path = posix::make_temporary_directory("/var/tmp");
    REQUIRE_FALSE(path.empty());
    std::vector<std::string> lines;
    {
        const unique_fd directory(posix::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(directory);
        scene at(directory.get());
        steps(at);
        lines = at.lines;
    }
    posix::remove_all(path);
    return lines;
}

/// Both have to give the same. Returns it.
std::vector<std::string> compare(watch_program steps) {
    const auto real = run(steps);
    sim::world world(1);
    sim::host host(world);
    const sim::host::in_use now(host);
    const auto simulated = run(steps);
    CHECK(host.watching()->instances == 0);
    CHECK(host.watching()->watches == 0);
    for (std::size_t i = 0; i < std::max(real.size(), simulated.size()); ++i) {
        CAPTURE(i);
        CHECK((i < simulated.size() ? simulated[i] : "nothing") ==
              (i < real.size() ? real[i] : "nothing"));
    }
    return real;
}

/// A host of its own, for what cannot be had of the real machine.
struct inotify_machine {
    sim::world world{1};
    sim::host host{world};
    sim::host::in_use now{host};
    unique_fd root{posix::open("/", O_RDONLY | O_DIRECTORY)};
};

constexpr std::uint32_t changes = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM |
                                  IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF |
                                  IN_MOVE_SELF;

}  // namespace

TEST_CASE("inotify: a directory's names come, move and go alike") {
    compare([](scene& at) {
        at.watch_directory();
        at.make("file");
        at.events("made");
        at.make_directory("directory");
        at.events("mkdir");
        at.note("symlink", posix::symlinkat("file", at.directory, "symlink"));
        at.note("mkfifo", posix::mkfifoat(at.directory, "fifo", 0600));
        at.events("specials");
        at.rename("file", "a name of more than fifteen octets");
        at.rename("a name of more than fifteen octets", "fifteen octets.");
        at.rename("fifteen octets.", "sixteen octets..");
        at.events("renames in one directory");
        at.rename("sixteen octets..", "directory/file");
        at.events("out");
        at.rename("directory/file", "file");
        at.events("in");
        at.rename("directory", "folder");
        at.rename("folder", "folder");
        at.rename("file", "none/file");
        at.events("directory renamed");
        at.unlink("symlink");
        at.unlink("fifo");
        at.unlink("folder", AT_REMOVEDIR);
        at.unlink("file");
        at.unlink("file");
        at.events("removed");
    });
}

TEST_CASE("inotify: what is done to a file is told to its directory and its own watch") {
    const auto lines = compare([](scene& at) {
        at.make("file");
        at.make_directory("directory");
        at.watch_directory();
        at.watch(at.open("file"));
        at.watch(at.open("directory"));
        at.events("opened");
        {
            const unique_fd file = at.open("file", O_RDWR | O_TRUNC);
            at.events("truncated by its opening");
            at.write(file);
            at.write(file);
            at.events("written twice");
            at.note("write nothing", posix::write(file.get(), "", 0));
            at.note("truncate", posix::ftruncate(file.get(), 1));
            at.events("truncated");
            std::array<char, 10> into{};
            at.note("read", posix::pread(file.get(), into.data(), into.size(), 0));
            at.note("read at the end", posix::pread(file.get(), into.data(), into.size(), 10));
            at.events("read");
            at.note("chmod", kernel::fchmod(file.get(), 0600));
            at.events("chmod");
            at.note("fsync", posix::fsync(file.get()));
            at.events("fsync");
        }
        at.events("closed");
        const unique_fd place = at.open("file");
        const unique_fd below = at.open("directory");
        struct moment {
            const char* called;
            long accessed;
            long modified;
        };
        for (const auto& [called, accessed, modified] :
             {moment{"both times", 1, 1}, moment{"access time", 1, UTIME_OMIT},
              moment{"modification time", UTIME_OMIT, 1}, moment{"now", UTIME_NOW, UTIME_NOW},
              moment{"no time", UTIME_OMIT, UTIME_OMIT}}) {
            const timespec times[2] = {{.tv_sec = 1, .tv_nsec = accessed},
                                       {.tv_sec = 1, .tv_nsec = modified}};
            at.note("utimens", kernel::utimensat(place.get(), "", times, AT_EMPTY_PATH));
            at.note("utimens", kernel::utimensat(below.get(), "", times, AT_EMPTY_PATH));
            at.events(called);
        }
        {
            const unique_fd folder = at.open("directory", O_RDONLY | O_DIRECTORY);
            at.note("chmod", kernel::fchmod(folder.get(), 0700));
            at.events("chmod of a directory");
        }
        at.events("closed");
        at.rename("directory", "file/directory");
        at.rename("directory", "folder");
        at.rename("file", "folder/file");
        at.events("moved");
        at.note("chmod", kernel::fchmod(place.get(), 0600));  // O_PATH: EBADF.
        {
            const unique_fd file = at.open("folder/file", O_WRONLY);
            at.write(file);
            at.events("not in the directory any more");
        }
        at.unlink("folder/file");
        at.unlink("folder", AT_REMOVEDIR);
        at.events("removed, and open as places");
    });
    CHECK(std::ranges::count(lines, "    1 MODIFY file 16") == 5);
    CHECK(std::ranges::count(lines, "    2 MODIFY") == 6);
}

TEST_CASE("inotify: a rename takes along what is open, and whom it tells") {
    const auto lines = compare([](scene& at) {
        at.make("file");
        at.make_directory("other");
        at.watch_directory(changes);
        at.watch(at.open("other"), changes);
        const unique_fd file = at.open("file", O_RDWR);
        const unique_fd other = at.open("other", O_RDONLY | O_DIRECTORY);
        at.rename("file", "renamed");
        at.write(file);
        at.events("in the same directory");
        at.rename("renamed", "other/moved");
        at.write(file);
        at.events("in another");
        at.rename("other", "folder");
        at.note("chmod", kernel::fchmod(other.get(), 0700));
        at.write(file);
        at.events("with its directory");
        at.rename("folder/moved", "file");
        at.write(file);
        at.events("and back");
    });
    CHECK(std::ranges::count(lines, "    1 MODIFY renamed 16") == 1);
    CHECK(std::ranges::count(lines, "    2 MODIFY moved 16") == 2);
    CHECK(std::ranges::count(lines, "    1 MODIFY file 16") == 1);
}

TEST_CASE("inotify: a copied range is told of where it came from and where it went") {
    compare([](scene& at) {
        at.make("from");
        const unique_fd from = at.open("from", O_RDONLY);
        const unique_fd to = at.open("to", O_RDWR | O_CREAT);
        at.watch_directory(IN_MODIFY);
        at.watch(to, IN_MODIFY);
        at.watch(from, IN_MODIFY | IN_ACCESS);
        off_t in = 0;
        off_t out = 0;
        at.note("copy", posix::copy_file_range(from.get(), &in, to.get(), &out, 10));
        at.events("copied");
        at.note("copy", posix::copy_file_range(from.get(), &in, to.get(), &out, 10));
        at.events("nothing to copy");
    });
}

TEST_CASE("inotify: a rename over a file tells of both") {
    for (const watch_program each : {watch_program([](scene& at) {
                                         at.make("new");
                                         at.make("old");
                                         at.watch_directory(changes);
                                         at.watch(at.open("new"));
                                         at.watch(at.open("old"));
                                         at.rename("new", "old");
                                         at.events("old gone");
                                     }),
                                     watch_program([](scene& at) {
                                         at.make("new");
                                         at.make("old");
                                         at.watch_directory(changes);
                                         unique_fd old = at.open("old", O_RDWR);
                                         at.watch(at.open("new"));
                                         at.watch(old);
                                         at.rename("new", "old");
                                         at.events("old still open");
                                         at.write(old);
                                         at.note("chmod", kernel::fchmod(old.get(), 0600));
                                         at.events("written without a name");
                                         const unique_fd now = at.open("old", O_RDWR);
                                         at.write(now);
                                         at.events("the new one");
                                         old.reset();
                                         at.events("closed");
                                     }),
                                     watch_program([](scene& at) {
                                         at.make("new");
                                         at.make("old");
                                         at.link("old", "older");
                                         at.watch_directory(changes);
                                         at.watch(at.open("old"));
                                         at.rename("new", "old");
                                         at.events("has another name");
                                         at.rename("older", "old");
                                         at.events("and now");
                                     }),
                                     watch_program([](scene& at) {
                                         at.make_directory("new");
                                         at.make_directory("old");
                                         at.watch_directory(changes);
                                         at.watch(at.open("new"), changes);
                                         at.watch(at.open("old"), changes);
                                         at.rename("new", "old");
                                         at.events("directories");
                                         at.make("old/file");
                                         at.events("in it");
                                     })}) {
        compare(each);
    }
}

TEST_CASE("inotify: a hard link elsewhere tells the inode's watch and no other directory") {
    const auto lines = compare([](scene& at) {
        at.make_directory("other");
        at.make("file");
        at.watch_directory(changes);
        at.watch(at.open("file"));
        at.watch(at.open("other"), changes);
        at.link("file", "other/link");
        at.events("linked");
        unique_fd link = at.open("other/link", O_WRONLY);
        at.write(link);
        at.events("written by the link");
        at.unlink("other/link");
        at.events("link gone");
        at.write(link);
        at.events("written by what was a link");
        at.link("file", "link");
        at.unlink("file");
        at.events("another link");
        at.unlink("link");
        // Linux tells of the end when the last name goes that nobody has open.
        at.events("no name left, open by one that went before");
        at.write(link);
        link.reset();
        at.events("closed");
    });
    CHECK(std::ranges::find(lines, "    3 MODIFY link 16") != lines.end());
    CHECK(std::ranges::find(lines, "    1 MODIFY file 16") == lines.end());
}

TEST_CASE("inotify: what is removed while it is open ends with its last descriptor") {
    compare([](scene& at) {
        at.make("file");
        at.watch_directory(changes);
        unique_fd file = at.open("file", O_RDWR);
        unique_fd place = at.open("file");
        at.watch(file);
        at.unlink("file");
        at.events("unlinked");
        at.write(file);
        at.events("written");
        file.reset();
        at.events("closed, open as a place");
        place.reset();
        at.events("closed");
    });
    compare([](scene& at) {
        at.make_directory("directory");
        at.make("directory/file");
        at.watch_directory(changes);
        unique_fd directory = at.open("directory", O_RDONLY | O_DIRECTORY);
        unique_fd file = at.open("directory/file", O_RDWR);
        at.watch(directory, changes);
        at.watch(file, changes);
        at.unlink("directory/file");
        at.unlink("directory", AT_REMOVEDIR);
        at.events("both unlinked");
        directory.reset();
        at.events("a file of it is open");
        at.write(file);
        at.events("written");
        file.reset();
        at.events("none is");
    });
}

TEST_CASE(
    "inotify: IN_EXCL_UNLINK spares who watches what is done by descriptors to what is gone") {
    compare([](scene& at) {
        at.make("file");
        at.watch_directory(changes | IN_EXCL_UNLINK);
        const unique_fd file = at.open("file", O_RDWR);
        at.watch(file, changes | IN_EXCL_UNLINK);
        at.unlink("file");
        at.events("unlinked");
        at.write(file);
        at.events("written");
        at.note("truncate", posix::ftruncate(file.get(), 1));
        at.events("truncated");
        at.note("chmod", kernel::fchmod(file.get(), 0600));
        at.events("chmod");
    });
}

TEST_CASE("inotify: a file of O_TMPFILE has a name of its own until it is closed") {
    const auto lines = compare([](scene& at) {
        at.watch_directory();
        unique_fd file = at.open(".", O_TMPFILE | O_RDWR);
        at.events("opened");
        at.write(file);
        at.watch(file);
        at.write(file);
        at.events("written");
        at.note("link", posix::linkat(AT_FDCWD, path_of(file).c_str(), at.directory, "file",
                                      AT_SYMLINK_FOLLOW));
        at.events("named");
        at.write(file);
        at.note("chmod", kernel::fchmod(file.get(), 0600));
        at.events("written by its descriptor");
        {
            const unique_fd again = at.open("file", O_WRONLY);
            at.write(again);
        }
        at.events("written by its name");
        file.reset();
        at.events("closed");
        at.unlink("file");
        at.events("removed");
        file = at.open(".", O_TMPFILE | O_RDWR);
        at.watch(file);
        file.reset();
        at.events("never named");
    });
    CHECK(std::ranges::find(lines, "    1 CREATE file 16") != lines.end());
    CHECK(std::ranges::find(lines, "    1 MODIFY #") != lines.end());
}

TEST_CASE("inotify: equal events in a row are one") {
    const auto lines = compare([](scene& at) {
        at.make("file");
        at.make("other");
        at.watch_directory(IN_MODIFY);
        const unique_fd file = at.open("file", O_RDWR);
        const unique_fd other = at.open("other", O_RDWR);
        for (int round = 0; round < 3; ++round) {
            at.write(file);
            at.write(file);
            at.write(other);
        }
        at.write(other);
        at.events("in turns");
    });
    CHECK(std::ranges::count(lines, "    1 MODIFY file 16") == 3);
    CHECK(std::ranges::count(lines, "    1 MODIFY other 16") == 3);
}

TEST_CASE("inotify: watches are one an inode, replaced, removed and never numbered again") {
    compare([](scene& at) {
        at.make("file");
        at.note("symlink", posix::symlinkat("file", at.directory, "symlink"));
        const unique_fd file = at.open("file", O_RDWR);
        at.watch(file, IN_MODIFY);
        at.watch(at.open("file"), IN_ATTRIB);
        at.write(file);
        at.note("chmod", kernel::fchmod(file.get(), 0600));
        at.events("replaced");
        at.watch(file, IN_MODIFY | IN_MASK_ADD);
        at.write(file);
        at.note("chmod", kernel::fchmod(file.get(), 0600));
        at.events("more");
        at.watch(file, IN_MODIFY | IN_MASK_CREATE);
        at.watch(file, IN_MODIFY | IN_MASK_CREATE | IN_MASK_ADD);
        at.watch(file, IN_MODIFY | IN_ONLYDIR);
        at.watch(file, 0);
        at.watch(file, 0x00100000);
        at.watch(unique_fd(), IN_MODIFY);
        const unique_fd symlink = at.open("symlink");
        at.watch(symlink, changes);
        at.unlink("symlink");
        at.events("symlink");
        for (const int watch : {0, -1, 1, 1, 2, 3}) {
            at.note("rm_watch", kernel::inotify_rm_watch(at.inotify.get(), watch));
        }
        at.events("removed");
        at.write(file);
        at.events("not watched");
        at.watch(file, IN_MODIFY | IN_ONESHOT);
        at.write(file);
        at.write(file);
        at.events("once");
        at.note("rm_watch", kernel::inotify_rm_watch(file.get(), 1));
        at.note("rm_watch", kernel::inotify_rm_watch(-1, 1));
        at.note("add_watch", kernel::inotify_add_watch(file.get(), path_of(file).c_str(), changes));
        at.note("init", kernel::inotify_init1(1));
    });
}

TEST_CASE("inotify: whole events are read, as many as there is room for") {
    compare([](scene& at) {
        std::array<std::byte, 100> octets{};
        const auto read = [&](std::size_t room) {
            at.note("read", kernel::read_events(at.inotify.get(), octets.data(), room));
        };
        at.watch_directory(IN_CREATE);
        read(100);
        at.make("a");
        at.make("b");
        at.make("a name of sixteen");
        at.make("c");
        read(0);
        read(16);
        read(31);
        read(32);
        read(32 + 47);
        read(48 + 31);
        read(100);
        read(100);
        at.note("not inotify", kernel::read_events(-1, octets.data(), 100));
    });
}

TEST_CASE("inotify: two instances hear of the same, each in its own order of watches") {
    compare([](scene& at) {
        scene second(at.directory);
        at.make("file");
        second.watch_directory(changes);
        at.watch(at.open("file"));
        second.watch(at.open("file"), changes);
        at.unlink("file");
        at.events("first");
        second.events("second");
        at.lines.insert(at.lines.end(), second.lines.begin(), second.lines.end());
    });
}

TEST_CASE("inotify: a full queue says so once, and goes on when it is read") {
    const auto overflows = [](scene& at, int more_than_fit) {
        at.watch_directory(IN_CREATE | IN_DELETE);
        at.make("file");
        for (int round = 0; round < more_than_fit; ++round) {
            at.link("file", "link");
            at.unlink("link");
        }
    };
    inotify_machine on;
    auto& user = *on.host.watching();
    user.queued_events_max = 4;
    scene at(on.root.get());
    overflows(at, 10);
    at.lines.clear();
    at.events("overflown");
    CHECK(at.lines == std::vector<std::string>{"overflown", "    1 CREATE file 16",
                                               "    1 CREATE link 16", "    1 DELETE link 16",
                                               "    1 CREATE link 16", "    -1 Q_OVERFLOW"});
    at.unlink("file");
    at.lines.clear();
    at.events("on");
    CHECK(at.lines == std::vector<std::string>{"on", "    1 DELETE file 16"});

    // The notice of the overflow stays one while it waits, even when there is room again.
    overflows(at, 10);
    std::array<std::byte, 64> two{};
    CHECK(read_events(at.inotify, two) == 64);
    at.unlink("file");
    at.make("file");
    at.unlink("file");
    at.lines.clear();
    at.events("in between");
    CHECK(at.lines == std::vector<std::string>{"in between", "    1 DELETE link 16",
                                               "    1 CREATE link 16", "    -1 Q_OVERFLOW",
                                               "    1 DELETE file 16"});
}

TEST_CASE("inotify: a user has so many instances and so many watches") {
    inotify_machine on;
    auto& user = *on.host.watching();
    user.instances_max = 2;
    user.watches_max = 2;
    scene first(on.root.get());
    {
        const scene second(on.root.get());
        CHECK(kernel::inotify_init1(IN_NONBLOCK) == -1);
        CHECK(errno == EMFILE);
    }
    scene third(on.root.get());

    first.make("file");
    first.make_directory("directory");
    const unique_fd file = first.open("file");
    const unique_fd directory = first.open("directory");
    first.lines.clear();
    first.watch(file);
    third.watch(file);
    first.watch(directory);
    first.watch(file, IN_MODIFY);
    CHECK(first.lines == std::vector<std::string>{"watch 1", "watch ENOSPC", "watch 1"});
    third.inotify.reset();
    first.watch(directory);
    CHECK(first.lines.back() == "watch 2");
    CHECK(user.watches == 2);
    first.unlink("directory", AT_REMOVEDIR);
    CHECK(user.watches == 2);  // It is open.
    REQUIRE(kernel::inotify_rm_watch(first.inotify.get(), 1) == 0);
    CHECK(user.watches == 1);
}

TEST_CASE("inotify: a removed file gives its watch back, a closed instance all of them") {
    inotify_machine on;
    auto& user = *on.host.watching();
    {
        scene at(on.root.get());
        at.make("file");
        at.watch(at.open("file"));
        at.watch_directory();
        CHECK(user.watches == 2);
        at.unlink("file");
        CHECK(user.watches == 1);
    }
    CHECK(user.watches == 0);
    CHECK(user.instances == 0);
}

TEST_CASE("inotify: a crash ends instances and watches, also where somebody still has one") {
    inotify_machine on;
    const int inotify = kernel::inotify_init1(IN_NONBLOCK);
    const sim::inotify_ptr kept = on.host.notices(inotify);
    REQUIRE(kept != nullptr);
    REQUIRE(kernel::inotify_add_watch(inotify, path_of(on.root).c_str(), changes) == 1);
    on.host.crash({});
    CHECK(on.host.notices(inotify) == nullptr);
    CHECK(kernel::inotify_rm_watch(inotify, 1) == -1);
    CHECK(errno == EBADF);

    const unique_fd root(posix::open("/", O_RDONLY | O_DIRECTORY));
    scene after(root.get());
    after.watch_directory(changes);
    after.make("file");
    after.lines.clear();
    after.events("after");
    CHECK(after.lines == std::vector<std::string>{"after", "    1 CREATE file 16",
                                                  "    1 MODIFY file 16",
                                                  "    1 CLOSE_WRITE file 16"});
    std::array<std::byte, 100> octets{};
    CHECK(kept->read(octets) == -EAGAIN);
    CHECK(kept->remove(1) == 0);
}

TEST_CASE("inotify: no fault keeps anybody from reading events or ending a watch") {
    inotify_machine on;
    scene at(on.root.get());
    at.watch_directory(IN_CREATE);
    at.make("file");
    const auto before = on.host.trouble().decisions();
    at.lines.clear();
    at.events("made");
    CHECK(at.lines == std::vector<std::string>{"made", "    1 CREATE file 16"});
    CHECK(kernel::inotify_rm_watch(at.inotify.get(), 1) == 0);
    CHECK(on.host.trouble().decisions() == before);
}
