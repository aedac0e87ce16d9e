#include "sim/posix.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/kernel.hpp"
#include "ferry/base/unique_fd.hpp"
#include "sim/host.hpp"

using namespace ferry;
namespace posix = ferry::sim::posix;

namespace {

/// What came of a program's calls, without what may differ: numbers of descriptors.
class journal {
  public:
    /// A result, or the errno.
    void note(std::string_view call, std::int64_t result) {
        lines_.push_back(
            std::string(call) + ' ' +
            (result < 0 ? std::string(::strerrorname_np(errno)) : std::to_string(result)));
    }
    void note(std::string_view call, std::string_view octets) {
        lines_.push_back(std::string(call) + " \"" + std::string(octets) + '"');
    }
    /// A new descriptor, or the errno.
    unique_fd opened(std::string_view call, int fd) {
        note(call, fd < 0 ? fd : 0);
        return unique_fd(fd);
    }
    [[nodiscard]] const std::vector<std::string>& lines() const noexcept { return lines_; }

  private:
    std::vector<std::string> lines_;
};

using program = void (*)(journal&, int directory);

std::vector<std::string> run(program steps) {
    journal log;
    const std::string path = posix::make_temporary_directory("/var/tmp");
    REQUIRE_FALSE(path.empty());
    const auto before = posix::count_descriptors();
    {
        const unique_fd directory(posix::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(directory);
        steps(log, directory.get());
    }
    log.note("leaked", static_cast<std::int64_t>(posix::count_descriptors() - before));
    posix::remove_all(path);
    log.note("removed", posix::open(path.c_str(), O_RDONLY | O_DIRECTORY));
    return log.lines();
}

/// Runs a program on the real machine and on a simulated one, which have to agree in every call.
void compare(program steps) {
    const auto real = run(steps);
    sim::world world(1);
    sim::host host(world);
    const sim::host::in_use now(host);
    const auto simulated = run(steps);
    REQUIRE(simulated.size() == real.size());
    for (std::size_t i = 0; i < real.size(); ++i) {
        CAPTURE(i);
        CHECK(simulated[i] == real[i]);
    }
}

std::string read_some(int fd, std::size_t size_bytes = 100) {
    std::string into(size_bytes, '\0');
    const auto got = posix::read(fd, into.data(), into.size());
    into.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return into;
}

constexpr int open_flags = O_ACCMODE | O_APPEND | O_NONBLOCK;

}  // namespace

TEST_CASE("posix: files are written, read, cut and positioned alike") {
    compare([](journal& log, int directory) {
        const auto file =
            log.opened("openat", posix::openat(directory, "file", O_RDWR | O_CREAT, 0640));
        log.note("write", posix::write(file.get(), "0123456789", 10));
        log.note("read at the end", read_some(file.get()));
        log.note("lseek SET", posix::lseek(file.get(), 2, SEEK_SET));
        log.note("read", read_some(file.get(), 3));
        log.note("lseek CUR", posix::lseek(file.get(), -1, SEEK_CUR));
        log.note("read", read_some(file.get(), 3));
        log.note("lseek END", posix::lseek(file.get(), -2, SEEK_END));
        log.note("read", read_some(file.get()));
        log.note("lseek past the end", posix::lseek(file.get(), 100, SEEK_END));
        log.note("read", read_some(file.get()));
        log.note("lseek before 0", posix::lseek(file.get(), -1, SEEK_SET));
        log.note("lseek before 0", posix::lseek(file.get(), -1'000, SEEK_CUR));
        log.note("lseek unknown", posix::lseek(file.get(), 0, 99));
        log.note("position", posix::lseek(file.get(), 0, SEEK_CUR));
        std::array<char, 100> into{};
        log.note("pwrite", posix::pwrite(file.get(), "ab", 2, 4));
        log.note("pread", posix::pread(file.get(), into.data(), into.size(), 3));
        log.note("pread", std::string_view(into.data(), 7));
        log.note("pread past the end", posix::pread(file.get(), into.data(), into.size(), 50));
        log.note("pread before 0", posix::pread(file.get(), into.data(), into.size(), -1));
        log.note("pwrite before 0", posix::pwrite(file.get(), "x", 1, -1));
        log.note("position", posix::lseek(file.get(), 0, SEEK_CUR));
        log.note("ftruncate", posix::ftruncate(file.get(), 5));
        log.note("lseek END", posix::lseek(file.get(), 0, SEEK_END));
        log.note("ftruncate", posix::ftruncate(file.get(), 8));
        log.note("ftruncate before 0", posix::ftruncate(file.get(), -1));
        log.note("lseek END", posix::lseek(file.get(), 0, SEEK_END));
        log.note("fsync", posix::fsync(file.get()));
        log.note("fsync of a directory", posix::fsync(directory));
        log.note("fadvise", posix::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED));

        const auto twin = log.opened("dup", posix::dup(file.get()));
        log.note("lseek", posix::lseek(twin.get(), 1, SEEK_SET));
        log.note("read", read_some(file.get(), 2));  // One position for both.
        log.note("position", posix::lseek(twin.get(), 0, SEEK_CUR));
        const auto again = log.opened("openat", posix::openat(directory, "file", O_RDONLY));
        log.note("position", posix::lseek(again.get(), 0, SEEK_CUR));
        log.note("write", posix::write(again.get(), "x", 1));
        log.note("ftruncate", posix::ftruncate(again.get(), 1));
        const auto writes = log.opened("openat", posix::openat(directory, "file", O_WRONLY));
        log.note("read", posix::read(writes.get(), into.data(), 1));
        const auto path_only = log.opened("openat", posix::openat(directory, "file", O_PATH));
        log.note("read", posix::read(path_only.get(), into.data(), 1));
        log.note("lseek", posix::lseek(path_only.get(), 0, SEEK_SET));
        log.note("fsync", posix::fsync(path_only.get()));
        log.note("read of a directory", posix::read(directory, into.data(), 1));
    });
}

TEST_CASE("posix: names are made, found and removed alike") {
    compare([](journal& log, int directory) {
        struct stat status{};
        log.note("mkdirat", posix::mkdirat(directory, "d", 0750));
        log.note("mkdirat", posix::mkdirat(directory, "d", 0750));
        log.note("mkdirat", posix::mkdirat(directory, "none/d", 0750));
        log.opened("openat", posix::openat(directory, "d/file", O_WRONLY | O_CREAT | O_EXCL, 0600));
        log.opened("openat", posix::openat(directory, "d/file", O_WRONLY | O_CREAT | O_EXCL, 0600));
        log.opened("openat", posix::openat(directory, "none", O_RDONLY));
        log.opened("openat", posix::openat(directory, "d/file/x", O_RDONLY));
        log.opened("openat", posix::openat(directory, "d", O_WRONLY));
        log.note("linkat", posix::linkat(directory, "d/file", directory, "hard", 0));
        log.note("linkat", posix::linkat(directory, "d/file", directory, "hard", 0));
        log.note("linkat", posix::linkat(directory, "d", directory, "other", 0));
        log.note("symlinkat", posix::symlinkat("d/file", directory, "soft"));
        log.note("symlinkat", posix::symlinkat("x", directory, "soft"));
        log.note("mkfifoat", posix::mkfifoat(directory, "fifo", 0600));
        log.note("mkfifoat", posix::mkfifoat(directory, "fifo", 0600));
        for (const char* name : {"d", "d/file", "hard", "soft", "fifo", "none", "soft/x"}) {
            for (const int flags : {0, AT_SYMLINK_NOFOLLOW}) {
                const int result = posix::fstatat(directory, name, &status, flags);
                log.note(std::string("fstatat ") + name, result);
                if (result == 0) {
                    log.note("mode", status.st_mode);
                    log.note("links", static_cast<std::int64_t>(status.st_nlink));
                }
            }
        }
        log.note("fstatat of itself", posix::fstatat(directory, "", &status, AT_EMPTY_PATH));
        log.note("fstatat of nothing", posix::fstatat(directory, "", &status, 0));
        log.note("unlinkat", posix::unlinkat(directory, "d", 0));
        log.note("unlinkat", posix::unlinkat(directory, "d", AT_REMOVEDIR));
        log.note("unlinkat", posix::unlinkat(directory, "hard", AT_REMOVEDIR));
        log.note("unlinkat", posix::unlinkat(directory, "d/file", 0));
        log.note("unlinkat", posix::unlinkat(directory, "d", AT_REMOVEDIR));
        log.note("unlinkat", posix::unlinkat(directory, "d", AT_REMOVEDIR));
        log.note("fstatat", posix::fstatat(directory, "soft", &status, 0));
    });
}

TEST_CASE("posix: descriptors are refused and doubled alike") {
    compare([](journal& log, int directory) {
        const auto file =
            log.opened("openat", posix::openat(directory, "f", O_RDWR | O_CREAT, 0600));
        std::array<char, 10> into{};
        struct stat status{};
        for (const int none : {-1, directory + 500}) {
            log.note("read", posix::read(none, into.data(), 1));
            log.note("write", posix::write(none, "x", 1));
            log.note("pread", posix::pread(none, into.data(), 1, 0));
            log.note("pwrite", posix::pwrite(none, "x", 1, 0));
            log.note("lseek", posix::lseek(none, 0, SEEK_SET));
            log.note("ftruncate", posix::ftruncate(none, 0));
            log.note("fsync", posix::fsync(none));
            log.note("send", posix::send(none, "x", 1, 0));
            log.note("recv", posix::recv(none, into.data(), 1, 0));
            log.note("shutdown", posix::shutdown(none, SHUT_WR));
            log.note("accept4", posix::accept4(none, nullptr, nullptr, 0));
            log.note("F_GETFL", posix::get_status_flags(none));
            log.note("F_SETFL", posix::set_status_flags(none, 0));
            log.note("dup", posix::dup(none));
            log.note("dup3", posix::dup3(none, file.get(), 0));
            log.note("openat", posix::openat(none, "f", O_RDONLY));
            log.note("mkdirat", posix::mkdirat(none, "d", 0700));
            log.note("unlinkat", posix::unlinkat(none, "f", 0));
            log.note("linkat", posix::linkat(none, "f", directory, "g", 0));
            log.note("linkat", posix::linkat(directory, "f", none, "g", 0));
            log.note("symlinkat", posix::symlinkat("f", none, "g"));
            log.note("mkfifoat", posix::mkfifoat(none, "g", 0600));
            log.note("fstatat", posix::fstatat(none, "f", &status, 0));
            const sockaddr_in address{};
            log.note("connect",
                     posix::connect(
                         none, static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                         sizeof address));
        }
        log.note("openat", posix::openat(file.get(), "f", O_RDONLY));
        log.note("recv", posix::recv(file.get(), into.data(), 1, 0));
        log.note("send", posix::send(file.get(), "x", 1, 0));

        log.note("F_GETFL", posix::get_status_flags(file.get()) & open_flags);
        const auto twin = log.opened("dup", posix::dup(file.get()));
        log.note("F_SETFL", posix::set_status_flags(file.get(), O_APPEND | O_NONBLOCK));
        log.note("F_GETFL", posix::get_status_flags(twin.get()) & open_flags);
        log.note("write", posix::write(twin.get(), "end", 3));
        log.note("pwrite", posix::pwrite(twin.get(), "end", 3, 0));
        log.note("lseek", posix::lseek(file.get(), 0, SEEK_END));
        log.note("dup3 onto itself", posix::dup3(file.get(), file.get(), 0));
        unique_fd other =
            log.opened("openat", posix::openat(directory, "g", O_RDWR | O_CREAT, 0600));
        log.note("dup3", posix::dup3(file.get(), other.get(), 0) == other.get() ? 0 : -1);
        log.note("lseek", posix::lseek(other.get(), 0, SEEK_END));
        const auto before = posix::count_descriptors();
        const int number = other.get();
        other.reset();
        log.note("fewer", static_cast<std::int64_t>(before - posix::count_descriptors()));
        const unique_fd lowest(posix::dup(file.get()));
        log.note("the lowest number", lowest.get() - number);
    });
}

TEST_CASE("posix: socketpairs and pipes are alike") {
    compare([](journal& log, int) {
        std::array<char, 100> into{};
        int ends[2];
        log.note("socketpair",
                 posix::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends));
        unique_fd left(ends[0]);
        const unique_fd right(ends[1]);
        log.note("F_GETFL", posix::get_status_flags(left.get()) & open_flags);
        log.note("recv", posix::recv(right.get(), into.data(), into.size(), MSG_DONTWAIT));
        log.note("send", posix::send(left.get(), "hello", 5, MSG_NOSIGNAL));
        log.note("recv", posix::recv(right.get(), into.data(), 2, MSG_PEEK));
        log.note("peeked", std::string_view(into.data(), 2));
        log.note("recv", posix::recv(right.get(), into.data(), 3, 0));
        log.note("received", std::string_view(into.data(), 3));
        log.note("read", read_some(right.get()));
        for (const int fd : {left.get(), right.get()}) {
            log.note("lseek", posix::lseek(fd, 0, SEEK_SET));
            log.note("pread", posix::pread(fd, into.data(), 1, 0));
            log.note("pwrite", posix::pwrite(fd, "x", 1, 0));
            log.note("ftruncate", posix::ftruncate(fd, 0));
            log.note("fsync", posix::fsync(fd));
            log.note("openat", posix::openat(fd, "x", O_RDONLY));
        }
        log.note("shutdown", posix::shutdown(left.get(), SHUT_WR));
        log.note("recv", posix::recv(right.get(), into.data(), into.size(), 0));
        log.note("send", posix::send(left.get(), "x", 1, MSG_NOSIGNAL));
        log.note("write", posix::write(right.get(), "back", 4));
        log.note("read", read_some(left.get()));
        left.reset();
        log.note("send", posix::send(right.get(), "x", 1, MSG_NOSIGNAL));

        log.note("pipe2", posix::pipe2(ends, O_CLOEXEC | O_NONBLOCK));
        const unique_fd reader(ends[0]);
        unique_fd writer(ends[1]);
        log.note("F_GETFL", posix::get_status_flags(reader.get()) & O_NONBLOCK);
        log.note("read", posix::read(reader.get(), into.data(), 1));
        log.note("write", posix::write(writer.get(), "octets", 6));
        log.note("read", read_some(reader.get(), 4));
        log.note("read", posix::read(writer.get(), into.data(), 1));
        log.note("write", posix::write(reader.get(), "x", 1));
        log.note("recv", posix::recv(reader.get(), into.data(), 1, 0));
        log.note("send", posix::send(writer.get(), "x", 1, MSG_NOSIGNAL));
        log.note("lseek", posix::lseek(reader.get(), 0, SEEK_SET));
        log.note("ftruncate", posix::ftruncate(writer.get(), 0));
        log.note("fsync", posix::fsync(writer.get()));
        writer.reset();
        log.note("read", read_some(reader.get()));
        log.note("read", posix::read(reader.get(), into.data(), 1));
    });
}

TEST_CASE("posix: connections are made, talk and end alike") {
    compare([](journal& log, int) {
        std::array<char, 100> into{};
        sockaddr_in address{.sin_family = AF_INET,
                            .sin_port = 0,
                            .sin_addr = {.s_addr = ::htonl(INADDR_LOOPBACK)},
                            .sin_zero = {}};
        auto* const at = static_cast<sockaddr*>(static_cast<void*>(&address));
        const auto socket = [&] {
            return log.opened(
                "socket", kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        };
        const auto listener = socket();
        log.note("bind", kernel::bind(listener.get(), at, sizeof address));
        log.note("listen", kernel::listen(listener.get(), 4));
        socklen_t size_bytes = sizeof address;
        log.note("getsockname", kernel::getsockname(listener.get(), at, &size_bytes));
        log.note("accept4", posix::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
        const auto client = socket();
        log.note("send", posix::send(client.get(), "x", 1, MSG_NOSIGNAL));
        log.note("recv", posix::recv(client.get(), into.data(), 1, 0));
        log.note("connect", posix::connect(client.get(), at, sizeof address));
        sockaddr_in from{};
        socklen_t from_bytes = sizeof from;
        unique_fd server =
            log.opened("accept4", posix::accept4(listener.get(),
                                                 static_cast<sockaddr*>(static_cast<void*>(&from)),
                                                 &from_bytes, SOCK_NONBLOCK));
        log.note("from", from.sin_addr.s_addr);
        log.note("F_GETFL", posix::get_status_flags(server.get()) & open_flags);
        log.note("send", posix::send(client.get(), "hello", 5, MSG_NOSIGNAL));
        log.note("recv", posix::recv(server.get(), into.data(), into.size(), MSG_PEEK));
        log.note("recv", posix::recv(server.get(), into.data(), into.size(), 0));
        log.note("recv", posix::recv(server.get(), into.data(), into.size(), MSG_DONTWAIT));
        log.note("urgent", posix::send(client.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL));
        log.note("normal", posix::send(client.get(), "ok", 2, MSG_NOSIGNAL));
        log.note("recv", posix::recv(server.get(), into.data(), into.size(), MSG_PEEK));
        log.note("recv", posix::recv(server.get(), into.data(), 1, MSG_OOB));
        log.note("urgent", std::string_view(into.data(), 1));
        log.note("recv", posix::recv(server.get(), into.data(), into.size(), 0));
        log.note("connect again", posix::connect(client.get(), at, sizeof address));
        server.reset();
        log.note("recv", posix::recv(client.get(), into.data(), into.size(), 0));
        const auto file_less = log.opened("dup", posix::dup(listener.get()));
        log.note("accept4", posix::accept4(client.get(), nullptr, nullptr, 0));
    });
}

TEST_CASE("posix: the working directory of a simulated host is its root") {
    sim::world world(1);
    sim::host host(world);
    const sim::host::in_use now(host);
    CHECK(posix::mkdirat(AT_FDCWD, "/ferry-sim-test", 0700) == 0);
    const unique_fd file(posix::openat(AT_FDCWD, "ferry-sim-test/file", O_WRONLY | O_CREAT, 0600));
    CHECK(sim::is_simulated(file.get()));
    CHECK(posix::symlinkat("file", AT_FDCWD, "/ferry-sim-test/soft") == 0);
    CHECK(posix::mkfifoat(AT_FDCWD, "/ferry-sim-test/fifo", 0600) == 0);
    CHECK(posix::linkat(AT_FDCWD, "ferry-sim-test/file", AT_FDCWD, "hard", 0) == 0);
    struct stat status{};
    CHECK(posix::fstatat(AT_FDCWD, "hard", &status, 0) == 0);
    CHECK(status.st_nlink == 2);
    CHECK(posix::unlinkat(AT_FDCWD, "hard", 0) == 0);
    CHECK(host.files().names() ==
          std::vector<std::string>{"/ferry-sim-test/", "/ferry-sim-test/fifo",
                                   "/ferry-sim-test/file", "/ferry-sim-test/soft"});
}

TEST_CASE("posix: temporary directories have names of their own and go with what is in them") {
    for (const bool is_simulated : {false, true}) {
        CAPTURE(is_simulated);
        sim::world world(1);
        sim::host host(world);
        const auto in_use = is_simulated ? std::make_unique<sim::host::in_use>(host) : nullptr;
        const auto one = posix::make_temporary_directory("/var/tmp");
        const auto two = posix::make_temporary_directory("/var/tmp");
        REQUIRE_FALSE(one.empty());
        REQUIRE_FALSE(two.empty());
        CHECK(one != two);
        for (const auto& each : {one, two}) {
            const unique_fd directory(posix::open(each.c_str(), O_RDONLY | O_DIRECTORY));
            REQUIRE(posix::mkdirat(directory.get(), "d", 0700) == 0);
            REQUIRE(posix::mkdirat(directory.get(), "d/e", 0700) == 0);
            REQUIRE(unique_fd(posix::openat(directory.get(), "d/e/f", O_WRONLY | O_CREAT, 0600)));
            REQUIRE(posix::symlinkat("d", directory.get(), "link") == 0);
        }
        posix::remove_all(one);
        CHECK(posix::open(one.c_str(), O_RDONLY) == -1);
        CHECK(errno == ENOENT);
        CHECK(unique_fd(posix::open((two + "/link/e/f").c_str(), O_RDONLY)));
        posix::remove_all(two);
        CHECK(host.files().names().empty());
    }
}

TEST_CASE("posix: descriptors are used up, and the limit is afterwards what it was") {
    for (const bool is_simulated : {false, true}) {
        CAPTURE(is_simulated);
        sim::world world(1);
        sim::host host(world);
        const auto in_use = is_simulated ? std::make_unique<sim::host::in_use>(host) : nullptr;
        host.set_descriptors_max(50);
        const auto path = posix::make_temporary_directory("/var/tmp");
        const auto open = [&] {
            return unique_fd(posix::open(path.c_str(), O_RDONLY | O_DIRECTORY));
        };
        {
            const posix::descriptors_used_up shortage(2);
            const auto one = open();
            const auto two = open();
            const auto three = open();
            CHECK(one);
            CHECK(two);
            CHECK_FALSE(three);
            CHECK(errno == EMFILE);
        }
        const auto one = open();
        const auto two = open();
        CHECK(open());
        CHECK(host.descriptors_max() == 50);
        posix::remove_all(path);
    }
}

TEST_CASE("posix: symbolic links are read alike, also those that are open without following") {
    compare([](journal& log, int directory) {
        log.note("symlink", posix::symlinkat("over/there", directory, "link"));
        log.note("symlink", posix::symlinkat(".", directory, "here"));
        const auto file = log.opened("openat", posix::openat(directory, "file", O_RDWR | O_CREAT));
        const auto link =
            log.opened("openat", posix::openat(directory, "link", O_PATH | O_NOFOLLOW));
        const auto read = [&log](int from, const char* path, std::size_t room) {
            std::string into(room, '?');
            log.note(path, kernel::readlinkat(from, path, into.data(), into.size()));
            log.note("has read", into);
        };
        read(directory, "link", 20);
        read(directory, "link", 4);
        read(directory, "link", 0);
        read(directory, "file", 20);
        read(directory, "none", 20);
        read(directory, ".", 20);
        read(directory, "here/", 20);
        read(directory, "here/link", 20);
        read(directory, "", 20);
        read(link.get(), "", 20);
        read(link.get(), "", 3);
        read(link.get(), "link", 20);
        read(file.get(), "", 20);
        read(-1, "link", 20);
    });
}
