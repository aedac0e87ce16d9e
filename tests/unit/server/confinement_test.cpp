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

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
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

/// Of the kernel's Landlock; 0: none.
int landlock_abi() {
    return static_cast<int>(std::max(::syscall(SYS_landlock_create_ruleset, nullptr, 0, 1U), 0L));
}

}  // namespace

// threats.md, R16.
TEST_CASE("confine: files within what is served, and no others, whoever it is") {
    if (landlock_abi() < 2) {
        MESSAGE("this kernel has no Landlock that will do");
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
        if (landlock_abi() >= 3) {
            tell(::truncate(at.at("outside/there").c_str(), 0) == 0);
        }
    });
    std::vector<int> expected(landlock_abi() >= 3 ? 12 : 11, EACCES);
    expected.front() = 0;
    expected[10] = EPERM;  // Nobody makes one anywhere: the call is barred.
    CHECK(refused == expected);
}

TEST_CASE("confine: no program, no trace, no mount, no namespace, no other user, no ring") {
    const place at;
    const auto came = confined(at.whole(), [&at](auto tell) {
        char name[] = "/bin/true";
        char* const arguments[] = {name, nullptr};
        tell(::execv(name, arguments) == 0);
        tell(::syscall(SYS_ptrace, 0, 0, nullptr, nullptr) == 0);
        tell(::mount("none", "/mnt", "tmpfs", 0, nullptr) == 0);
        tell(::unshare(CLONE_NEWUSER) == 0);
        tell(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr) >=
             0);
        tell(::setresuid(1, 1, 1) == 0);
        tell(::kill(::getppid(), 0) == 0);
        tell(::chown(at.at("tree/there").c_str(), 1, 1) == 0);
        tell(::mknod(at.at("tree/device").c_str(), S_IFCHR | 0600, 0) == 0);
        io_uring_params wanted{};
        tell(::syscall(SYS_io_uring_setup, 8, &wanted) >= 0);
    });
    CHECK(std::vector<int>(came.begin() + 1, came.end()) == std::vector<int>(10, EPERM));
    // What a library does without; its flags cannot be looked at.
    const auto fallen_back =
        confined(at.whole(), [](auto tell) { tell(::syscall(SYS_clone3, nullptr, 0) >= 0); });
    CHECK(fallen_back.back() == ENOSYS);
}

TEST_CASE("confine: who connects makes sockets of TCP, who does not makes none") {
    struct kind {
        int family;
        int type;
        int protocol;
        int with_connecting;  ///< What comes of it then.
    };
    static constexpr kind kinds[] = {
        {AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0},
        {AF_INET6, SOCK_STREAM, IPPROTO_TCP, 0},
        {AF_INET, SOCK_STREAM, 262, EPERM},  // IPPROTO_MPTCP.
        {AF_INET, SOCK_DGRAM, 0, EPERM},
        {AF_INET, SOCK_RAW, IPPROTO_ICMP, EPERM},
        {AF_UNIX, SOCK_STREAM, 0, EAFNOSUPPORT},
        {AF_NETLINK, SOCK_RAW, 0, EAFNOSUPPORT},
        {AF_PACKET, SOCK_DGRAM, 0, EAFNOSUPPORT},
        {AF_VSOCK, SOCK_STREAM, 0, EAFNOSUPPORT},
    };
    const auto make_all = [](auto tell) {
        for (const auto& each : kinds) {
            const unique_fd made(::socket(each.family, each.type, each.protocol));
            // Where a machine has no IPv6 there is none to be had, whoever asks.
            tell(made || (each.family == AF_INET6 && errno == EAFNOSUPPORT));
        }
    };
    const place at;
    auto what = at.whole();
    const auto none = confined(what, make_all);
    CHECK(std::vector<int>(none.begin() + 1, none.end()) ==
          std::vector<int>(std::size(kinds), EPERM));
    what.connects = true;
    const auto some = confined(what, make_all);
    REQUIRE(some.size() == std::size(kinds) + 1);
    for (std::size_t number = 0; number < std::size(kinds); ++number) {
        CAPTURE(number);
        // Of two reasons either may be told.
        const int came = some[number + 1];
        const bool is_refused = came == EPERM || came == EAFNOSUPPORT;
        CHECK((kinds[number].with_connecting == 0 ? came == 0 : is_refused));
    }
}

TEST_CASE("confine: a socket that was there before connects nowhere") {
    if (landlock_abi() < 4) {
        MESSAGE("this kernel's Landlock knows nothing of connecting");
        return;
    }
    const place at;
    sockaddr_in somewhere{};
    somewhere.sin_family = AF_INET;
    somewhere.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    somewhere.sin_port = htons(1);  // Where nobody listens.
    const auto make = [] { return unique_fd(::socket(AF_INET, SOCK_STREAM, 0)); };
    const auto connects = [&somewhere](const unique_fd& socket, auto tell) {
        // Every kind of sockaddr begins with the family (ip(7)).
        tell(::connect(socket.get(), static_cast<const sockaddr*>(static_cast<void*>(&somewhere)),
                       sizeof somewhere) == 0);
    };
    auto what = at.whole();
    CHECK(confined_after(what, make, connects).back() == EACCES);
    what.connects = true;  // Active FTP.
    CHECK(confined_after(what, make, connects).back() == ECONNREFUSED);
}

TEST_CASE("confine: links to what is read anew are followed") {
    if (landlock_abi() < 2) {
        MESSAGE("this kernel has no Landlock that will do");
        return;
    }
    const place at;
    std::filesystem::create_directory(at.at("archive"));
    std::ofstream(at.at("archive/one")) << "1";
    std::filesystem::create_symlink("../archive/one", at.at("settings/users"));
    const auto came = confined(at.whole(), [&at](auto tell) {
        tell(opens(at.at("settings/users"), O_RDONLY));
        tell(opens(at.at("archive/one"), O_RDONLY));
        tell(opens(at.at("outside/there"), O_RDONLY));
    });
    CHECK(came == std::vector<int>{0, 0, 0, EACCES});
}

TEST_CASE("confine: a directory that is a link may be led to what lies beside its target") {
    if (landlock_abi() < 2) {
        MESSAGE("this kernel has no Landlock that will do");
        return;
    }
    const place at;
    for (const auto* each : {"archive/v1", "archive/v2"}) {
        std::filesystem::create_directories(at.at(each));
        std::ofstream(at.at(each) + "/certificate") << "1";
    }
    std::filesystem::create_symlink("archive/v1", at.at("live"));
    auto what = at.whole();
    what.files_read.push_back(at.at("live/certificate"));
    const auto came = confined(what, [&at](auto tell) {
        tell(opens(at.at("live/certificate"), O_RDONLY));
        tell(opens(at.at("archive/v2/certificate"), O_RDONLY));
        tell(opens(at.at("outside/there"), O_RDONLY));
    });
    CHECK(came == std::vector<int>{0, 0, 0, EACCES});
}

TEST_CASE("confine: what is written goes beside the name and its target, and nowhere above") {
    if (landlock_abi() < 2) {
        MESSAGE("this kernel has no Landlock that will do");
        return;
    }
    const place at;
    std::filesystem::create_directories(at.at("data/others"));
    std::filesystem::rename(at.at("logs"), at.at("data/logs"));
    std::filesystem::create_symlink("data/logs", at.at("logs"));
    const auto came = confined(at.whole(), [&at](auto tell) {
        tell(opens(at.at("logs/access.log"), O_WRONLY | O_CREAT));
        tell(opens(at.at("data/logs/access.log"), O_WRONLY | O_CREAT));
        tell(opens(at.at("data/others/new"), O_WRONLY | O_CREAT));
        tell(opens(at.at("data/new"), O_WRONLY | O_CREAT));
    });
    CHECK(came == std::vector<int>{0, 0, 0, EACCES, EACCES});
}

TEST_CASE("confine: a name among those of the system is told of") {
    const place at;
    auto what = at.whole();
    what.files_read = {"/etc/ferry-users"};
    const auto clean = confined(at.whole(), [](auto) {});
    const auto told = confined(what, [](auto) {});
    CHECK(told.front() == clean.front() + (landlock_abi() >= 2 ? 1 : 0));
}

TEST_CASE("confine: what is barred is barred through a ring, too") {
    if (landlock_abi() < 2 || !runtime::grant_urings({}, 1)) {
        MESSAGE("this kernel has no Landlock that will do, or no ring for this process");
        return;
    }
    const place at;
    const auto came = rings_deeds(at.whole(), {at.at("tree/there"), at.at("outside/there"),
                                               "/etc/shadow", "/proc/self/environ"});
    CHECK(came == std::vector<int>{0, 0, EACCES, EACCES, EACCES});
}
