#include "server/confinement.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/runtime/wait.hpp"

using namespace ferry;
using server::confine;
using server::reach;

namespace {

/// Directories to be confined to and another, each with a file "there".
class place {
  public:
    place() {
        char name[] = "/tmp/ferry-confined-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        base_ = name;
        for (const char* each : {"tree", "read-only", "settings", "logs", "outside"}) {
            std::filesystem::create_directory(base_ + "/" + each);
            std::ofstream(base_ + "/" + each + "/there") << each;
        }
    }
    place(const place&) = delete;
    place& operator=(const place&) = delete;
    ~place() { std::filesystem::remove_all(base_); }

    [[nodiscard]] std::string at(const std::string& name) const { return base_ + "/" + name; }
    [[nodiscard]] reach whole() const {
        return {.trees = {at("tree")},
                .read_only_trees = {at("read-only")},
                .files_read = {at("settings/users")},
                .files_made = {at("logs/access.log")},
                .files_removed = {}};
    }

  private:
    std::string base_;
};

/// A child that makes something, is confined, and what came of each thing it was told to do then: 0
/// or `errno`; how much could not be had comes first.
template <class Make, class Deeds>
std::vector<int> confined_after(const reach& what, Make make, Deeds deeds) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const unique_fd from(ends[0]);
    unique_fd to(ends[1]);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::alarm(20);
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        auto made = make();
        std::vector<int> came{static_cast<int>(confine(what).size())};
        deeds(made, [&came](bool went_well) { came.push_back(went_well ? 0 : errno); });
        const auto size_bytes = came.size() * sizeof(int);
        ::_exit(::write(to.get(), came.data(), size_bytes) == static_cast<ssize_t>(size_bytes) ? 0
                                                                                               : 1);
    }
    to.reset();
    std::array<int, 64> came{};
    const auto got = ::read(from.get(), came.data(), sizeof came);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(status == 0);
    REQUIRE(got > 0);
    return {came.begin(), came.begin() + static_cast<std::size_t>(got) / sizeof(int)};
}

template <class Deeds>
std::vector<int> confined(const reach& what, Deeds deeds) {
    return confined_after(what, [] { return 0; }, [&deeds](int, auto tell) { deeds(tell); });
}

bool opens(const std::string& name, int flags) {
    const unique_fd opened(::open(name.c_str(), flags | O_CLOEXEC, 0644));
    return static_cast<bool>(opened);
}

/// Opens each of the files for reading through a ring that was there before, as the server does.
std::vector<int> rings_deeds(const reach& what, std::vector<std::string> files) {
    // The pool has its threads before: `confine` is about the calling thread and later ones.
    return confined_after(
        what, [] { return runtime::grant_urings({}, 1); },
        [&files](auto& granted, auto tell) {
            runtime::offload_pool pool(2);
            auto io = runtime::make_uring_reactor(std::move(granted->front()), pool);
            if (!io) {
                return;
            }
            runtime::core here(0, **io, ferry::random(1));
            runtime::stop_scope stop;
            for (const auto& each : files) {
                std::int64_t result = 0;
                runtime::run_core(
                    here, stop,
                    [](runtime::nursery& home, const std::string& name,
                       std::int64_t& into) -> runtime::task<> {
                        const auto opened = co_await runtime::op_wait(
                            home.here().io(), runtime::opcode::open_at, AT_FDCWD, runtime::never,
                            [&name](runtime::op& open) {
                                open.args.open_at = {
                                    .path = name.c_str(),
                                    .how = {
                                        .flags = O_RDONLY | O_CLOEXEC, .mode = 0, .resolve = 0}};
                            });
                        into = opened ? 0 : opened.error().os_errno;
                    },
                    std::cref(each), std::ref(result));
                errno = static_cast<int>(result);
                tell(result == 0);
            }
        });
}

bool is_all_there() {
    // The last ABI that has something `confine` wants.
    return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U) >= 4;
}

}  // namespace

// threats.md, R16.
TEST_CASE("confine: files within what is served, and no others, whoever it is") {
    if (!is_all_there()) {
        MESSAGE("this kernel's Landlock has not all of it");
        return;
    }
    const place at;
    const auto came = confined(at.whole(), [&at](auto tell) {
        tell(opens(at.at("tree/there"), O_RDWR));
        tell(opens(at.at("tree/new"), O_WRONLY | O_CREAT));
        tell(::mkdir(at.at("tree/directory").c_str(), 0755) == 0);
        tell(::rename(at.at("tree/new").c_str(), at.at("tree/directory/new").c_str()) == 0);
        tell(::symlink("there", at.at("tree/link").c_str()) == 0);
        tell(::unlink(at.at("tree/directory/new").c_str()) == 0);
        tell(::truncate(at.at("tree/there").c_str(), 1) == 0);
        tell(opens(at.at("read-only/there"), O_RDONLY));
        tell(opens(at.at("settings/there"), O_RDONLY));
        tell(opens(at.at("logs/new"), O_WRONLY | O_CREAT | O_APPEND));
        tell(opens("/usr/share", O_RDONLY | O_DIRECTORY));
    });
    CHECK(came == std::vector<int>(12, 0));

    const auto refused = confined(at.whole(), [&at](auto tell) {
        tell(opens(at.at("outside/there"), O_RDONLY));
        tell(opens("/etc/shadow", O_RDONLY));
        tell(opens("/root", O_RDONLY | O_DIRECTORY));
        tell(opens("/proc/self/environ", O_RDONLY));
        tell(opens(at.at("read-only/there"), O_WRONLY));
        tell(opens(at.at("settings/there"), O_WRONLY));
        tell(opens(at.at("logs/there"), O_RDONLY));
        tell(::mkdir(at.at("outside/new").c_str(), 0755) == 0);
        tell(::unlink(at.at("read-only/there").c_str()) == 0);
        tell(::mkfifo(at.at("tree/fifo").c_str(), 0644) == 0);
        tell(::truncate(at.at("outside/there").c_str(), 0) == 0);
    });
    std::vector<int> expected(12, EACCES);
    expected.front() = 0;
    CHECK(refused == expected);
}

TEST_CASE("confine: no program, no trace, no mount, no other user, no ring, no strange socket") {
    const place at;
    const auto came = confined(at.whole(), [](auto tell) {
        char name[] = "/bin/true";
        char* const arguments[] = {name, nullptr};
        tell(::execv(name, arguments) == 0);
        tell(::syscall(SYS_ptrace, 0, 0, nullptr, nullptr) == 0);
        tell(::mount("none", "/mnt", "tmpfs", 0, nullptr) == 0);
        tell(::unshare(CLONE_NEWUSER) == 0);
        tell(::setresuid(1, 1, 1) == 0);
        io_uring_params wanted{};
        tell(::syscall(SYS_io_uring_setup, 8, &wanted) >= 0);
    });
    std::vector<int> expected(7, EPERM);
    expected.front() = is_all_there() ? 0 : came.front();
    CHECK(came == expected);

    const auto sockets = confined(at.whole(), [](auto tell) {
        for (const int family : {AF_NETLINK, AF_PACKET, AF_VSOCK, AF_BLUETOOTH, 0}) {
            tell(static_cast<bool>(unique_fd(::socket(family, SOCK_DGRAM, 0))));
        }
        for (const int family : {AF_UNIX, AF_INET}) {
            tell(static_cast<bool>(unique_fd(::socket(family, SOCK_DGRAM, 0))));
        }
    });
    REQUIRE(sockets.size() == 8);
    CHECK(std::vector<int>(sockets.begin() + 1, sockets.end()) ==
          std::vector<int>{EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, EAFNOSUPPORT, 0,
                           0});
}

TEST_CASE("confine: who only takes connections opens none") {
    if (!is_all_there()) {
        MESSAGE("this kernel's Landlock has not all of it");
        return;
    }
    const place at;
    sockaddr_in somewhere{};
    somewhere.sin_family = AF_INET;
    somewhere.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    somewhere.sin_port = htons(1);  // Where nobody listens.
    const auto connects = [&somewhere](auto tell) {
        const unique_fd socket(::socket(AF_INET, SOCK_STREAM, 0));
        // Every kind of sockaddr begins with the family (ip(7)).
        tell(::connect(socket.get(), static_cast<const sockaddr*>(static_cast<void*>(&somewhere)),
                       sizeof somewhere) == 0);
    };
    auto what = at.whole();
    CHECK(confined(what, connects) == std::vector<int>{0, EACCES});
    what.connects = true;  // Active FTP.
    CHECK(confined(what, connects) == std::vector<int>{0, ECONNREFUSED});
}

TEST_CASE("confine: what is barred is barred through a ring, too") {
    if (!is_all_there() || !runtime::grant_urings({}, 1)) {
        MESSAGE("this kernel has not all of Landlock, or no ring for this process");
        return;
    }
    const place at;
    const auto came = rings_deeds(at.whole(), {at.at("tree/there"), at.at("outside/there"),
                                               "/etc/shadow", "/proc/self/environ"});
    CHECK(came == std::vector<int>{0, 0, EACCES, EACCES, EACCES});
}
