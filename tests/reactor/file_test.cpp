#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <functional>
#include <span>
#include <string_view>

#include "ferry/base/error.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

using filler = std::function<void(op&)>;

task<result<std::int64_t>> await_one(core& here, opcode code, int fd, const filler& fill) {
    const auto came = co_await op_wait(here.io(), code, fd, never, fill);
    co_return came;
}

/// What the operation gives: as an op, and if that failed, as an awaited one, which must fail
/// alike.
std::int64_t outcome(machine& host, opcode code, int fd, const filler& fill) {
    probe each(host, code, fd);
    fill(each);
    const auto before = host.io().arrivals();
    host.submit(each);
    host.finish(each);
    CHECK((!may_change_files(code) || host.io().arrivals() > before));
    CHECK(each.results.size() == 1);
    const auto first = each.results.back();
    if (first < 0) {
        host.run_task(
            [](nursery& home, opcode what, int on, const filler& how,
               std::int64_t failed_with) -> task<> {
                const auto again = co_await await_one(home.here(), what, on, how);
                REQUIRE_FALSE(again.has_value());
                CHECK(again.error().os_errno == -failed_with);
                CHECK(again.error().code == error_from_errno(static_cast<int>(-failed_with)).code);
            },
            code, fd, std::cref(fill), first);
    }
    return first;
}

std::string read_at(machine& host, int fd, std::uint64_t offset, std::size_t size_bytes) {
    std::string into(size_bytes, '\0');
    const auto got = outcome(host, opcode::read, fd, [&](op& what) {
        what.args.read = {.data = static_cast<std::byte*>(static_cast<void*>(into.data())),
                          .size_bytes = size_bytes,
                          .offset = offset};
    });
    into.resize(got >= 0 ? static_cast<std::size_t>(got) : 0);
    return got >= 0 ? into : "errno " + std::to_string(-got);
}

std::int64_t write_at(machine& host, int fd, std::uint64_t offset, std::string_view octets) {
    return outcome(host, opcode::write, fd, [&](op& what) {
        what.args.write = {.data = std::as_bytes(std::span(octets)).data(),
                           .size_bytes = octets.size(),
                           .offset = offset};
    });
}

struct open_request {
    std::uint64_t flags = O_RDONLY;
    std::uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
};

/// 0 or -errno; what was opened is closed.
std::int64_t open_beneath(machine& host, int directory, const char* path,
                          open_request how = open_request{}) {
    const auto opened = outcome(host, opcode::open_at, directory, [&](op& what) {
        what.args.open_at = {.path = path,
                             .how = {.flags = how.flags | O_CLOEXEC,
                                     .mode = (how.flags & O_CREAT) != 0 ? 0600U : 0U,
                                     .resolve = how.resolve}};
    });
    return workshop::take_result(opcode::open_at, opened);
}

std::int64_t rename_in(machine& host, int directory, const char* from, const char* to,
                       unsigned flags = 0) {
    return outcome(host, opcode::rename_at, directory, [&](op& what) {
        what.args.rename_at = {.from = from, .to_directory = directory, .to = to, .flags = flags};
    });
}

std::int64_t link_in(machine& host, int directory, const char* from, const char* to,
                     int flags = 0) {
    return outcome(host, opcode::link_at, directory, [&](op& what) {
        what.args.link_at = {.from = from, .to_directory = directory, .to = to, .flags = flags};
    });
}

std::int64_t symlink_in(machine& host, int directory, const char* target, const char* path) {
    return outcome(host, opcode::symlink_at, directory,
                   [&](op& what) { what.args.symlink_at = {.target = target, .path = path}; });
}

std::int64_t unlink_in(machine& host, int directory, const char* path, int flags = 0) {
    return outcome(host, opcode::unlink_at, directory,
                   [&](op& what) { what.args.unlink_at = {.path = path, .flags = flags}; });
}

std::int64_t make_in(machine& host, int directory, const char* path, mode_t mode = 0755) {
    return outcome(host, opcode::make_directory_at, directory,
                   [&](op& what) { what.args.make_directory_at = {.path = path, .mode = mode}; });
}

std::string content_of(const temporary_directory& directory, const char* name) {
    const unique_fd file(posix::openat(directory.fd(), name, O_RDONLY | O_CLOEXEC));
    std::string all(1'000, '\0');
    const auto got = posix::read(file.get(), all.data(), all.size());
    all.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return all;
}

void make_cold(int file) {
    posix::fsync(file);
    posix::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
}

}  // namespace

TEST_CASE("read: at an offset, up to the end, past it; never moves the descriptor") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(10'000);
        const unique_fd file = directory.make_file("file", content);
        posix::lseek(file.get(), 0, SEEK_SET);
        for (const bool cold : {false, true}) {
            CAPTURE(cold);
            for (const auto& [offset, size_bytes] : {std::pair{0U, 10'000U},
                                                     {5'000U, 100U},
                                                     {9'990U, 100U},
                                                     {10'000U, 1U},
                                                     {1'000'000U, 1U},
                                                     {0U, 20'000U}}) {
                if (cold) {
                    make_cold(file.get());
                }
                const auto expected =
                    offset < content.size() ? content.substr(offset, size_bytes) : "";
                CHECK((read_at(host, file.get(), offset, size_bytes) == expected));
            }
        }
        CHECK(posix::lseek(file.get(), 0, SEEK_CUR) == 0);
    }
}

TEST_CASE("read: whatever cannot be read says why") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        CHECK(read_at(host, directory.fd(), 0, 10) == "errno " + std::to_string(EISDIR));
        directory.make_file("file", "x");
        const unique_fd write_only(posix::openat(directory.fd(), "file", O_WRONLY | O_CLOEXEC));
        CHECK(read_at(host, write_only.get(), 0, 10) == "errno " + std::to_string(EBADF));
    }
}

// Files are opened with O_NONBLOCK, so that a FIFO answers at once (threats.md, V4). On a file
// system that cannot say "not in memory", the flag must not turn a read into EAGAIN.
TEST_CASE("read: a file opened with O_NONBLOCK is read wherever it lies") {
    for (const backend& under_test : backends()) {
        if (!under_test.is_on_real_files) {
            continue;
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const unique_fd process(posix::open("/proc/self/comm", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        CHECK(read_at(host, process.get(), 0, 6) == "reacto");
        const temporary_directory directory;
        const std::string content = pattern(100'000);
        directory.make_file("file", content);
        const unique_fd file(
            posix::openat(directory.fd(), "file", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        make_cold(file.get());
        CHECK((read_at(host, file.get(), 0, content.size()) == content));
    }
}

TEST_CASE("read: a size beyond 32 bits is cut short, not wrapped to nothing") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const std::string content = pattern(10'000);
        const unique_fd file = directory.make_file("file", content);
        for (const bool cold : {false, true}) {
            CAPTURE(cold);
            if (cold) {
                make_cold(file.get());
            }
            std::string into(content.size(), '\0');
            probe each(host, opcode::read, file.get());
            // The file ends within the memory, whatever the size says.
            each.args.read = {.data = static_cast<std::byte*>(static_cast<void*>(into.data())),
                              .size_bytes = 4_GiB,
                              .offset = 0};
            host.submit(each);
            host.finish(each);
            CHECK(each.results == std::vector<std::int64_t>{10'000});
            CHECK((into == content));
        }
    }
}

TEST_CASE("write: inside, at the end, past it, and appended where the descriptor stands") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", "0123456789");
        CHECK(write_at(host, file.get(), 2, "ab") == 2);
        CHECK(write_at(host, file.get(), 10, "cd") == 2);
        CHECK(write_at(host, file.get(), 14, "e") == 1);
        CHECK(content_of(directory, "file") == std::string("01ab456789cd\0\0e", 15));
        for (const int nonblocking : {0, O_NONBLOCK}) {
            const unique_fd log(
                posix::openat(directory.fd(), "log",
                              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | nonblocking, 0600));
            CHECK(write_at(host, log.get(), at_position, "one ") == 4);
            CHECK(write_at(host, log.get(), at_position, "two ") == 4);
        }
        CHECK(content_of(directory, "log") == "one two one two ");
    }
}

TEST_CASE("write: whatever cannot be written says why") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        directory.make_file("file", "x");
        const unique_fd read_only(posix::openat(directory.fd(), "file", O_RDONLY | O_CLOEXEC));
        CHECK(write_at(host, read_only.get(), 0, "y") == -EBADF);
        if (under_test.is_on_real_files) {
            const unique_fd full(posix::open("/dev/full", O_WRONLY | O_CLOEXEC));
            CHECK(write_at(host, full.get(), 0, "y") == -ENOSPC);
            CHECK(write_at(host, full.get(), at_position, "y") == -ENOSPC);
        }
    }
}

TEST_CASE("read and write: of a pipe wait for the other end and hold nobody up") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        int ends[2];
        REQUIRE(posix::pipe2(ends, O_CLOEXEC) == 0);
        const unique_fd reader(ends[0]);
        unique_fd writer(ends[1]);
        std::array<std::byte, 16> into{};
        probe reads(host, opcode::read, reader.get());
        reads.args.read = {.data = into.data(), .size_bytes = into.size(), .offset = at_position};
        host.submit(reads);
        host.settle();
        REQUIRE(reads.in_flight);
        CHECK(write_at(host, writer.get(), at_position, "late") == 4);
        host.finish(reads);
        CHECK(reads.results.back() == 4);

        const auto held = fill_up(writer.get());
        probe writes(host, opcode::write, writer.get());
        writes.args.write = {.data = into.data(), .size_bytes = 4, .offset = at_position};
        host.submit(writes);
        host.settle();
        REQUIRE(writes.in_flight);
        std::string dropped(held, '\0');
        REQUIRE(posix::read(reader.get(), dropped.data(), held) > 0);
        host.finish(writes);
        CHECK(writes.results == std::vector<std::int64_t>{4});
    }
}

TEST_CASE("write: to a terminal, which can be waited for and not be asked without waiting") {
    for (const backend& under_test : backends()) {
        if (!under_test.is_on_real_files) {
            continue;
        }
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const unique_fd keyboard(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
        if (!keyboard || ::unlockpt(keyboard.get()) != 0) {
            MESSAGE("skipped: there are no terminals here");
            continue;
        }
        std::array<char, 64> name{};
        REQUIRE(::ptsname_r(keyboard.get(), name.data(), name.size()) == 0);
        const unique_fd terminal(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        REQUIRE(terminal);
        CHECK(write_at(host, terminal.get(), at_position, "log line") == 8);
        std::array<char, 64> shown{};
        CHECK(::read(keyboard.get(), shown.data(), shown.size()) == 8);
        CHECK(std::string_view(shown.data(), 8) == "log line");
    }
}

TEST_CASE("sync: files and directories, not pipes") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const unique_fd file = directory.make_file("file", "x");
        for (const bool data_only : {false, true}) {
            const auto fill = [&](op& what) { what.args.sync = {.data_only = data_only}; };
            CHECK(outcome(host, opcode::sync, file.get(), fill) == 0);
            CHECK(outcome(host, opcode::sync, directory.fd(), fill) == 0);
            const auto pair = local_pair();
            CHECK(outcome(host, opcode::sync, pair.near.get(), fill) == -EINVAL);
        }
    }
}

TEST_CASE("open_at: what lies beneath, and nothing else (threats.md, V2)") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const int root = directory.fd();
        directory.make_file("file", "x");
        REQUIRE(posix::mkdirat(root, "inside", 0700) == 0);
        directory.make_file("inside/file", "y");
        REQUIRE(posix::symlinkat("inside/file", root, "link") == 0);
        REQUIRE(posix::symlinkat("../file", root, "inside/back") == 0);
        REQUIRE(posix::symlinkat("/etc/passwd", root, "absolute") == 0);
        REQUIRE(posix::symlinkat("../../etc/passwd", root, "climbs") == 0);
        REQUIRE(posix::symlinkat("..", root, "up") == 0);
        REQUIRE(posix::symlinkat("loop", root, "loop") == 0);
        REQUIRE(posix::symlinkat("nowhere", root, "dangling") == 0);

        for (const char* path : {"file", "inside/file", "link", "inside/back", "inside/../file",
                                 "inside", ".", "inside/.."}) {
            CAPTURE(std::string(path));
            CHECK(open_beneath(host, root, path) == 0);
        }
        for (const char* path :
             {"..", "../x", "inside/../../x", "/etc/passwd", "absolute", "climbs", "up", "up/x"}) {
            CAPTURE(std::string(path));
            CHECK(open_beneath(host, root, path) == -EXDEV);
        }
        CHECK(open_beneath(host, root, "missing") == -ENOENT);
        CHECK(open_beneath(host, root, "dangling") == -ENOENT);
        CHECK(open_beneath(host, root, "loop") == -ELOOP);
        CHECK(open_beneath(host, root, "file/x") == -ENOTDIR);
        CHECK(open_beneath(host, root, "file", {.flags = O_RDONLY | O_DIRECTORY}) == -ENOTDIR);
        CHECK(open_beneath(host, root, "inside", {.flags = O_WRONLY}) == -EISDIR);
        CHECK(open_beneath(host, root, std::string(256, 'n').c_str()) == -ENAMETOOLONG);
        CHECK(open_beneath(host, root, "file", {.flags = O_WRONLY | O_CREAT | O_EXCL}) == -EEXIST);
        CHECK(open_beneath(host, root, "made", {.flags = O_WRONLY | O_CREAT | O_EXCL}) == 0);
        CHECK(open_beneath(host, root, "link", {.flags = O_RDONLY | O_NOFOLLOW}) == -ELOOP);
    }
}

TEST_CASE("open_at: a FIFO nobody writes answers at once with O_NONBLOCK (threats.md, V4)") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        REQUIRE(posix::mkfifoat(directory.fd(), "fifo", 0600) == 0);
        CHECK(open_beneath(host, directory.fd(), "fifo", {.flags = O_RDONLY | O_NONBLOCK}) == 0);
        CHECK(open_beneath(host, directory.fd(), "fifo", {.flags = O_WRONLY | O_NONBLOCK}) ==
              -ENXIO);
    }
}

TEST_CASE("open_at and link_at: an unnamed file gets its name when it is whole") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const auto opened = outcome(host, opcode::open_at, directory.fd(), [&](op& what) {
            what.args.open_at = {
                .path = ".",
                .how = {.flags = O_TMPFILE | O_RDWR | O_CLOEXEC, .mode = 0600, .resolve = 0}};
        });
        if (opened == -EOPNOTSUPP) {
            continue;
        }
        REQUIRE(opened >= 0);
        const unique_fd file(static_cast<int>(opened));
        CHECK(write_at(host, file.get(), 0, "content") == 7);
        const std::string unnamed = "/proc/self/fd/" + std::to_string(file.get());
        CHECK(link_in(host, directory.fd(), unnamed.c_str(), "named", AT_SYMLINK_FOLLOW) == 0);
        CHECK(content_of(directory, "named") == "content");
        CHECK(link_in(host, directory.fd(), unnamed.c_str(), "named", AT_SYMLINK_FOLLOW) ==
              -EEXIST);
    }
}

TEST_CASE("rename_at: replaces, or not if so asked") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const int root = directory.fd();
        directory.make_file("a", "a");
        directory.make_file("b", "b");
        CHECK(rename_in(host, root, "a", "b", RENAME_NOREPLACE) == -EEXIST);
        CHECK(content_of(directory, "b") == "b");
        CHECK(rename_in(host, root, "a", "b") == 0);
        CHECK(content_of(directory, "b") == "a");
        CHECK(rename_in(host, root, "a", "b") == -ENOENT);
        CHECK(rename_in(host, root, "b", "c", RENAME_NOREPLACE) == 0);
        CHECK(make_in(host, root, "d") == 0);
        CHECK(rename_in(host, root, "c", "d") == -EISDIR);
        CHECK(rename_in(host, root, "d", "c") == -ENOTDIR);
        CHECK(rename_in(host, root, "d", "d/e") == -EINVAL);
        directory.make_file("d/full", "x");
        CHECK(make_in(host, root, "e") == 0);
        CHECK(rename_in(host, root, "e", "d") == -ENOTEMPTY);
    }
}

TEST_CASE("symlink_at: says what it was told, whether that is there or not") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const int root = directory.fd();
        directory.make_file("a", "content");
        REQUIRE(posix::mkdirat(root, "d", 0700) == 0);
        CHECK(symlink_in(host, root, "../a", "d/up") == 0);
        CHECK(content_of(directory, "d/up") == "content");
        CHECK(symlink_in(host, root, "missing", "nowhere") == 0);
        CHECK(symlink_in(host, root, "a", "nowhere") == -EEXIST);
        CHECK(symlink_in(host, root, "a", "a") == -EEXIST);
        CHECK(symlink_in(host, root, "", "empty") == -ENOENT);
        CHECK(symlink_in(host, root, "a", "x/y") == -ENOENT);
        CHECK(symlink_in(host, root, "a", "a/y") == -ENOTDIR);
        struct stat status{};
        REQUIRE(posix::fstatat(root, "nowhere", &status, AT_SYMLINK_NOFOLLOW) == 0);
        CHECK(S_ISLNK(status.st_mode));
        CHECK(unlink_in(host, root, "d/up") == 0);
        CHECK(content_of(directory, "a") == "content");
    }
}

TEST_CASE("link_at, unlink_at, make_directory_at: successes and refusals") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const temporary_directory directory;
        const int root = directory.fd();
        directory.make_file("a", "a");
        CHECK(link_in(host, root, "a", "b") == 0);
        CHECK(content_of(directory, "b") == "a");
        CHECK(link_in(host, root, "a", "b") == -EEXIST);
        CHECK(link_in(host, root, "missing", "c") == -ENOENT);

        CHECK(make_in(host, root, "d", 0750) == 0);
        struct stat status{};
        REQUIRE(posix::fstatat(root, "d", &status, 0) == 0);
        CHECK((status.st_mode & 07777U & 0750U) == (status.st_mode & 07777U));
        CHECK(make_in(host, root, "d") == -EEXIST);
        CHECK(make_in(host, root, "x/y") == -ENOENT);
        CHECK(make_in(host, root, "a/y") == -ENOTDIR);

        CHECK(unlink_in(host, root, "missing") == -ENOENT);
        CHECK(unlink_in(host, root, "d") == -EISDIR);
        CHECK(unlink_in(host, root, "a", AT_REMOVEDIR) == -ENOTDIR);
        directory.make_file("d/full", "x");
        CHECK(unlink_in(host, root, "d", AT_REMOVEDIR) == -ENOTEMPTY);
        CHECK(unlink_in(host, root, "d/full") == 0);
        CHECK(unlink_in(host, root, "d", AT_REMOVEDIR) == 0);
        CHECK(unlink_in(host, root, "a") == 0);
        CHECK(unlink_in(host, root, "a") == -ENOENT);
        CHECK(content_of(directory, "b") == "a");
    }
}
