#include "ferry/base/kernel.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/unique_fd.hpp"
#include "sim/host.hpp"
#include "sim/posix.hpp"

using namespace ferry;
using namespace std::chrono_literals;
namespace posix = ferry::sim::posix;

namespace {

/// A simulated host that is the current one, with a directory and a listening socket.
struct kernel_machine {
    explicit kernel_machine(std::uint64_t seed = 1) : world(seed) {
        REQUIRE(posix::mkdirat(AT_FDCWD, "/d", 0755) == 0);
        directory.reset(kernel::open("/d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(directory);
        file.reset(posix::openat(directory.get(), "file", O_RDWR | O_CREAT, 0644));
        REQUIRE(file);
        listener.reset(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        REQUIRE(kernel::bind(listener.get(), as_sockaddr(), sizeof address) == 0);
        REQUIRE(kernel::listen(listener.get(), 16) == 0);
        socklen_t size_bytes = sizeof address;
        REQUIRE(kernel::getsockname(listener.get(), as_sockaddr(), &size_bytes) == 0);
        client = connect_one();
        server.reset(posix::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
        REQUIRE(server);
    }
    sockaddr* as_sockaddr() { return static_cast<sockaddr*>(static_cast<void*>(&address)); }
    unique_fd connect_one() {
        unique_fd made(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        REQUIRE(made);
        REQUIRE(posix::connect(made.get(), as_sockaddr(), sizeof address) == -1);
        REQUIRE(errno == EINPROGRESS);
        return made;
    }

    sim::world world;
    sim::host host{world};
    sim::host::in_use now{host};
    sockaddr_in address{.sin_family = AF_INET,
                        .sin_port = 0,
                        .sin_addr = {.s_addr = ::htonl(INADDR_LOOPBACK)},
                        .sin_zero = {}};
    unique_fd directory;
    unique_fd file;
    unique_fd listener;
    unique_fd client;
    unique_fd server;
};

/// A call that gives 0 or more, or -1 and an errno; and which errnos a fault may give it.
struct kernel_call {
    std::string name;
    std::function<std::int64_t(kernel_machine&)> make;
    std::set<int> faults;
};

std::int64_t closed(int fd) {
    if (fd < 0) {
        return -1;
    }
    REQUIRE(kernel::close(fd) == 0);
    return 0;
}

std::int64_t get_address(kernel_machine& on, int (*of)(int, sockaddr*, socklen_t*) noexcept) {
    sockaddr_in address{};
    socklen_t size_bytes = sizeof address;
    const int result =
        of(on.client.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), &size_bytes);
    CHECK(address.sin_family == AF_INET);
    return result;
}

std::int64_t set_option(kernel_machine& on, int level, int name) {
    const int value = 1;
    return kernel::setsockopt(on.client.get(), level, name, &value, sizeof value);
}

const std::vector<kernel_call>& calls() {
    static const std::vector<kernel_call> all{
        {"socket",
         [](kernel_machine&) { return closed(kernel::socket(AF_INET6, SOCK_STREAM, 0)); },
         {EMFILE, ENFILE, ENOBUFS}},
        {"setsockopt",
         [](kernel_machine& on) { return set_option(on, IPPROTO_TCP, TCP_NODELAY); },
         {ENOBUFS}},
        {"setsockopt SO_OOBINLINE",
         [](kernel_machine& on) { return set_option(on, SOL_SOCKET, SO_OOBINLINE); },
         {}},
        {"accept4",
         [](kernel_machine& on) {
             const auto client = on.connect_one();
             while (on.world.events().step()) {}
             return closed(kernel::accept4(on.listener.get(), nullptr, nullptr, SOCK_NONBLOCK));
         },
         {EMFILE, ENFILE, ENOBUFS, ECONNABORTED}},
        {"getsockname",
         [](kernel_machine& on) { return get_address(on, &kernel::getsockname); },
         {}},
        {"getpeername",
         [](kernel_machine& on) { return get_address(on, &kernel::getpeername); },
         {}},
        {"send",
         [](kernel_machine& on) { return kernel::send(on.client.get(), "x", 1, MSG_NOSIGNAL); },
         {EAGAIN}},
        {"count_unread",
         [](kernel_machine& on) {
             int count = -1;
             return kernel::count_unread(on.server.get(), count);
         },
         {}},
        {"count_unacknowledged",
         [](kernel_machine& on) {
             int count = -1;
             return kernel::count_unacknowledged(on.server.get(), count);
         },
         {}},
        {"shutdown",
         [](kernel_machine& on) { return kernel::shutdown(on.client.get(), SHUT_WR); },
         {}},
        {"open",
         [](kernel_machine&) { return closed(kernel::open("/d/file", O_RDONLY)); },
         {EMFILE, EIO}},
        {"fstat",
         [](kernel_machine& on) {
             struct stat status{};
             return kernel::fstat(on.file.get(), status);
         },
         {EIO}},
        {"fstatfs",
         [](kernel_machine& on) {
             struct statfs status{};
             return kernel::fstatfs(on.file.get(), status);
         },
         {EIO}},
        {"fchmod", [](kernel_machine& on) { return kernel::fchmod(on.file.get(), 0600); }, {EIO}},
        {"faccessat",
         [](kernel_machine&) { return kernel::faccessat(AT_FDCWD, "/proc/self/fd", F_OK, 0); },
         {ENOENT}},
        {"utimensat",
         [](kernel_machine& on) {
             const timespec times[2]{{.tv_sec = 1, .tv_nsec = 2}, {.tv_sec = 3, .tv_nsec = 4}};
             return kernel::utimensat(on.file.get(), "", times, AT_EMPTY_PATH);
         },
         {EIO}},
        {"flock",
         [](kernel_machine& on) { return kernel::flock(on.file.get(), LOCK_EX | LOCK_NB); },
         {ENOLCK}},
        {"set_status_flags",
         [](kernel_machine& on) { return kernel::set_status_flags(on.file.get(), 0); },
         {}},
        {"unlinkat",
         [](kernel_machine& on) { return kernel::unlinkat(on.directory.get(), "file", 0); },
         {EIO}},
        {"readlinkat",
         [](kernel_machine& on) {
             REQUIRE(posix::symlinkat("file", on.directory.get(), "link") == 0);
             std::array<char, 10> into{};
             return kernel::readlinkat(on.directory.get(), "link", into.data(), into.size());
         },
         {EIO}},
        {"inotify_init1",
         [](kernel_machine&) { return closed(kernel::inotify_init1(IN_NONBLOCK)); },
         {EMFILE, ENOMEM}},
        {"inotify_add_watch",
         [](kernel_machine& on) {
             const unique_fd inotify(kernel::inotify_init1(IN_NONBLOCK));
             const std::string path = "/proc/self/fd/" + std::to_string(on.file.get());
             return inotify ? kernel::inotify_add_watch(inotify.get(), path.c_str(), IN_ALL_EVENTS)
                            : -1;
         },
         {EMFILE, ENOMEM, ENOSPC}},
        {"close",
         [](kernel_machine&) { return closed(kernel::open("/d", O_PATH)); },
         {EMFILE, EIO}},
    };
    return all;
}

}  // namespace

TEST_CASE("kernel: every call does its work on a simulated host") {
    for (const kernel_call& each : calls()) {
        CAPTURE(each.name);
        kernel_machine on;
        const auto before = on.host.count_descriptors();
        CHECK(each.make(on) >= 0);
        CHECK(on.host.count_descriptors() == before);
    }
}

// Goal: a call fails only as its manual page lets it, and then has done nothing that has to be
// undone. Method: each decision that a call asks for strikes alone, with seeds for its errnos.
TEST_CASE("kernel: a call that is struck gives an errno of its own and leaves no descriptor") {
    for (const kernel_call& each : calls()) {
        CAPTURE(each.name);
        kernel_machine counted;
        counted.host.trouble().strike_nth(0);
        REQUIRE(each.make(counted) >= 0);
        const auto decisions = counted.host.trouble().decisions();
        CHECK((decisions > 0) == !each.faults.empty());
        for (std::uint64_t nth = 1; nth <= decisions; ++nth) {
            for (std::uint64_t seed = 1; seed <= 20; ++seed) {
                CAPTURE(nth);
                CAPTURE(seed);
                kernel_machine on(seed);
                const auto before = on.host.count_descriptors();
                if (each.name == "accept4" && nth < decisions) {
                    continue;  // That is the socket of the client.
                }
                on.host.trouble().strike_nth(nth);
                errno = 0;
                REQUIRE(each.make(on) == -1);
                CHECK(each.faults.contains(errno));
                CHECK(on.host.trouble().struck() == 1);
                CHECK(on.host.count_descriptors() == before);
            }
        }
    }
}

// Goal: who checks what is left on a disk knows exactly what a fault has kept there.
TEST_CASE("kernel: a name that a fault keeps from being removed is spared, until it is gone") {
    kernel_machine on;
    const auto spared = [&on] { return on.host.files().spared(); };
    const std::vector<std::string> only_the_file{"/d/file"};
    on.host.trouble().strike_nth(1);
    REQUIRE(kernel::unlinkat(on.directory.get(), "file", 0) == -1);
    CHECK(errno == EIO);
    CHECK(spared() == only_the_file);
    on.host.trouble().strike_nth(1);
    REQUIRE(kernel::unlinkat(AT_FDCWD, "/d", AT_REMOVEDIR) == -1);
    on.host.trouble().strike_nth(1);
    REQUIRE(kernel::unlinkat(AT_FDCWD, "/none", 0) == -1);
    on.host.trouble().calm();
    CHECK(spared() == only_the_file);
    SUBCASE("removed") {
        CHECK(kernel::unlinkat(AT_FDCWD, "/d/file", 0) == 0);
        CHECK(spared().empty());
    }
    SUBCASE("renamed: it is the file that is spared") {
        CHECK(on.host.files().rename(nullptr, "/d/file", nullptr, "/other", 0) == 0);
        CHECK(spared() == std::vector<std::string>{"/other"});
    }
    SUBCASE("looked for anew, and by nothing hindered") {
        sim::host::search under_way(on.host, "/d");
        under_way.finish();
        CHECK(spared().empty());
    }
}

TEST_CASE("kernel: what a fault hides from a search is spared, but for what is locked") {
    kernel_machine on;
    const unique_fd live(posix::openat(on.directory.get(), "live", O_RDWR | O_CREAT, 0644));
    REQUIRE(kernel::flock(live.get(), LOCK_EX | LOCK_NB) == 0);
    const auto strike_lock = [&on] {
        on.host.trouble().strike_nth(1);
        CHECK(kernel::flock(on.file.get(), LOCK_EX | LOCK_NB) == -1);
        CHECK(errno == ENOLCK);
        on.host.trouble().calm();
    };
    const auto operation = [&on](runtime::opcode code) {
        return std::make_unique<runtime::op>(code, on.directory.get(), nullptr);
    };
    const auto spared = [&on] { return on.host.files().spared(); };
    const std::vector<std::string> only_the_file{"/d/file"};
    strike_lock();
    CHECK(spared().empty());  // Nobody searches.
    SUBCASE("a lock") {
        sim::host::search under_way(on.host, "/d");
        strike_lock();
        under_way.finish();
        CHECK(spared() == only_the_file);
    }
    SUBCASE("a look at what is not locked") {
        sim::host::search under_way(on.host, "/d");
        for (const int fd : {on.file.get(), live.get(), on.directory.get()}) {
            struct stat status{};
            on.host.trouble().strike_nth(1);
            CHECK(kernel::fstat(fd, status) == -1);
            CHECK(errno == EIO);
        }
        on.host.trouble().calm();
        under_way.finish();
        CHECK(spared() == only_the_file);
    }
    SUBCASE("an open, of the file or of a directory above") {
        for (const char* path : {"file", ".", "../d"}) {
            CAPTURE(path);
            sim::host::search under_way(on.host, "/d");
            const auto open = operation(runtime::opcode::open_at);
            open->args.open_at = {.path = path, .how = {}};
            on.host.struck(*open, EAGAIN);
            CHECK(spared().empty());  // It is tried again.
            on.host.struck(*open, EIO);
            under_way.finish();
            CHECK(spared() == only_the_file);
        }
    }
    SUBCASE("a listing") {
        sim::host::search under_way(on.host, "/d");
        on.host.struck(*operation(runtime::opcode::list_directory), EIO);
        under_way.finish();
        CHECK(spared() == only_the_file);
    }
    SUBCASE("a search that breaks off has seen nothing") {
        { const sim::host::search under_way(on.host, "/d"); }
        CHECK(spared() == only_the_file);
    }
    SUBCASE("a removal, whether anybody searches or not") {
        const auto unlink = operation(runtime::opcode::unlink_at);
        unlink->args.unlink_at = {.path = "live"};
        on.host.struck(*unlink, EIO);
        CHECK(spared() == std::vector<std::string>{"/d/live"});
    }
}

TEST_CASE("kernel: close does not fail, whatever goes wrong") {
    kernel_machine on;
    const int fd = on.file.release();
    on.host.trouble().strike_nth(1);
    CHECK(kernel::close(fd) == 0);
    CHECK(on.host.strays() == 0);
    CHECK(kernel::close(fd) == -1);
    CHECK(errno == EBADF);
    CHECK(on.host.trouble().decisions() == 0);
    CHECK(on.host.strays() == 1);
}

TEST_CASE("kernel: what is none, or of another kind, is refused as on Linux") {
    kernel_machine on;
    const int none = on.server.get() + 1'000;
    struct stat status{};
    const auto fails_with = [](std::int64_t result) { return result == -1 ? errno : 0; };
    CHECK(fails_with(kernel::fstat(none, status)) == EBADF);
    CHECK(fails_with(kernel::listen(none, 1)) == EBADF);
    CHECK(fails_with(kernel::shutdown(none, SHUT_WR)) == EBADF);
    CHECK(fails_with(kernel::close(none)) == EBADF);
    CHECK(fails_with(kernel::set_status_flags(none, 0)) == EBADF);
    CHECK(fails_with(kernel::faccessat(none, ".", F_OK, 0)) == EBADF);
    CHECK(fails_with(kernel::unlinkat(none, "file", 0)) == EBADF);
    CHECK(fails_with(kernel::listen(on.file.get(), 1)) == ENOTSOCK);
    CHECK(fails_with(kernel::send(on.file.get(), "x", 1, 0)) == ENOTSOCK);
    CHECK(fails_with(kernel::accept4(on.client.get(), nullptr, nullptr, 0)) == EINVAL);
    CHECK(fails_with(kernel::accept4(on.listener.get(), nullptr, nullptr, 0)) == EAGAIN);
    CHECK(fails_with(kernel::open("/none", O_RDONLY)) == ENOENT);
    CHECK(fails_with(kernel::unlinkat(on.directory.get(), "none", 0)) == ENOENT);
    CHECK(fails_with(kernel::unlinkat(on.file.get(), "none", 0)) == ENOTDIR);
    CHECK(fails_with(kernel::unlinkat(on.client.get(), "none", 0)) == ENOTDIR);
    CHECK(fails_with(kernel::faccessat(on.directory.get(), "none", F_OK, 0)) == ENOENT);
    CHECK(fails_with(kernel::fchmod(on.file.get(), 0600)) == 0);
    CHECK(fails_with(kernel::fstat(on.client.get(), status)) == 0);
    CHECK(S_ISSOCK(status.st_mode));
}

TEST_CASE("kernel: no descriptor is made where there may be no more, and no connection is taken") {
    kernel_machine on;
    auto client = on.connect_one();
    while (on.world.events().step()) {}
    on.host.set_descriptors_max(on.host.count_descriptors());
    CHECK(kernel::socket(AF_INET, SOCK_STREAM, 0) == -1);
    CHECK(errno == EMFILE);
    CHECK(kernel::open("/d", O_PATH) == -1);
    CHECK(errno == EMFILE);
    CHECK(kernel::inotify_init1(IN_NONBLOCK) == -1);
    CHECK(errno == EMFILE);
    CHECK(on.host.watching()->instances == 0);
    CHECK(kernel::accept4(on.listener.get(), nullptr, nullptr, 0) == -1);
    CHECK(errno == EMFILE);
    on.host.set_descriptors_max(on.host.count_descriptors() + 1);
    const unique_fd late(kernel::accept4(on.listener.get(), nullptr, nullptr, 0));
    CHECK(late);
    CHECK(kernel::send(late.get(), "x", 1, MSG_NOSIGNAL) == 1);
}

TEST_CASE("kernel: where the working directory is meant, it is the simulated root") {
    // A real file, which a simulated program must not get at.
    std::string path = "/var/tmp/ferry-sim-kernel-XXXXXX";
    const unique_fd real(::mkstemp(path.data()));
    REQUIRE(real);
    {
        kernel_machine on;
        const timespec times[2]{{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
        CHECK(kernel::unlinkat(AT_FDCWD, path.c_str(), 0) == -1);
        CHECK(errno == ENOENT);
        CHECK(kernel::utimensat(AT_FDCWD, path.c_str(), times, 0) == -1);
        CHECK(errno == ENOENT);
        CHECK(kernel::faccessat(AT_FDCWD, path.c_str(), F_OK, 0) == -1);
        CHECK(errno == ENOENT);
        CHECK(kernel::open(path.c_str(), O_RDONLY) == -1);
        CHECK(errno == ENOENT);
        CHECK(kernel::utimensat(AT_FDCWD, "/d/file", times, 0) == 0);
        CHECK(kernel::unlinkat(AT_FDCWD, "d/file", 0) == 0);
    }
    struct stat status{};
    CHECK(kernel::fstat(real.get(), status) == 0);
    CHECK(status.st_nlink == 1);
    CHECK(status.st_mtim.tv_sec > 1);
    CHECK(kernel::unlinkat(AT_FDCWD, path.c_str(), 0) == 0);
}

TEST_CASE("kernel: without a host it is the real machine") {
    {
        const kernel_machine other;  // One that has been.
    }
    const unique_fd real(kernel::open("/proc/self/comm", O_RDONLY | O_CLOEXEC));
    REQUIRE(real);
    CHECK_FALSE(sim::is_simulated(real.get()));
    const unique_fd socket(kernel::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(socket);
    CHECK_FALSE(sim::is_simulated(socket.get()));
    struct stat status{};
    CHECK(kernel::fstat(real.get(), status) == 0);
    CHECK(kernel::close(sim::first_descriptor) == -1);
    CHECK(errno == EBADF);
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    CHECK(kernel::wall_clock().tv_sec - now.tv_sec < 2);
    std::array<unsigned char, 16> octets{};
    CHECK(kernel::getrandom(octets.data(), octets.size()) == 16);
}

TEST_CASE("kernel: a real descriptor stays one beside a simulated host") {
    const unique_fd real(kernel::open("/proc/self/comm", O_RDONLY | O_CLOEXEC));
    const kernel_machine on;
    struct stat status{};
    CHECK(kernel::fstat(real.get(), status) == 0);
    CHECK(S_ISREG(status.st_mode));
}

TEST_CASE("kernel: time and chance are the world's") {
    const auto drawn = [](std::uint64_t seed) {
        kernel_machine on(seed);
        std::string octets(16, '\0');
        CHECK(kernel::getrandom(octets.data(), octets.size()) == 16);
        return octets;
    };
    CHECK(drawn(1) == drawn(1));
    CHECK(drawn(1) != drawn(2));
    kernel_machine on;
    const auto before = kernel::wall_clock();
    on.world.events().jump(2s);
    CHECK(kernel::wall_clock().tv_sec == before.tv_sec + 2);
    on.host.jump_wall_clock(24h);
    CHECK(kernel::wall_clock().tv_sec == before.tv_sec + 2 + 24 * 3'600);
}
