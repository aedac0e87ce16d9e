#include "server/starter.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace ferry;
using namespace ferry::server;

namespace {

/// A starter for `/bin/sh -c script`; its process ends with it, and is waited for.
class shell_starter {
  public:
    explicit shell_starter(std::string script, std::string program = "/bin/sh")
        : words_{std::move(program), "-c", std::move(script)},
          arguments_{words_[0].data(), words_[1].data(), words_[2].data(), nullptr} {
        auto begun = starter::begin(arguments_.data());
        REQUIRE(begun);
        begun_.emplace(std::move(*begun));
    }
    shell_starter(const shell_starter&) = delete;
    shell_starter& operator=(const shell_starter&) = delete;
    ~shell_starter() { end(); }

    /// Waits for its process, the only child there is, to end. Returns its status, as of waitpid;
    /// 0 for one that has been waited for.
    int end() {
        int status = 0;
        if (begun_) {
            begun_.reset();
            while (::waitpid(-1, &status, 0) < 0 && errno == EINTR) {}
        }
        return status;
    }

    const starter* operator->() const { return &*begun_; }

  private:
    std::array<std::string, 3> words_;
    std::array<char*, 4> arguments_;
    std::optional<starter> begun_;
};

unique_fd make_socket() {
    unique_fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(made);
    return made;
}

/// The next that is said at `channel`; empty: its other end is closed.
std::string hear(const unique_fd& channel) {
    std::array<char, 1'024> octets{};
    ssize_t got = 0;
    do {
        got = ::recv(channel.get(), octets.data(), octets.size(), 0);
    } while (got < 0 && errno == EINTR);
    return {octets.data(), got > 0 ? static_cast<std::size_t>(got) : 0};
}

std::vector<handed_group> group(std::string name, std::size_t sockets) {
    std::vector<handed_group> all;
    all.push_back({.name = std::move(name), .sockets = {}});
    for (std::size_t i = 0; i < sockets; ++i) {
        all.front().sockets.push_back(make_socket());
    }
    return all;
}

// What it says goes to descriptor 3, which is the channel.
constexpr const char* tell_what_came =
    "[ $LISTEN_PID = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES >&3";

}  // namespace

TEST_CASE("starter: the program has the channel and the sockets, by their names") {
    const shell_starter beside(tell_what_came);
    auto doors = group("own-http", 2);
    doors.push_back({.name = "own-admin", .sockets = {}});
    doors.back().sockets.push_back(make_socket());
    const auto channel = beside->start(doors);
    REQUIRE(channel);
    CHECK(hear(*channel) == "4 predecessor:own-http:own-http:own-admin\n");
    CHECK(hear(*channel).empty());  // It has ended, and nobody else holds that end.
}

TEST_CASE("starter: more sockets than one message holds") {
    const shell_starter beside("echo $LISTEN_FDS >&3; ls /proc/self/fd | wc -l >&3");
    const auto channel = beside->start(group("own-ftp", 300));
    REQUIRE(channel);
    CHECK(hear(*channel) == "301\n");
    // 0, 1, 2, those, and the directory that ls reads.
    CHECK(hear(*channel) == "305\n");
}

TEST_CASE("starter: names that a service manager would give are its own only") {
    for (const bool is_given : {false, true}) {
        CAPTURE(is_given);
        if (is_given) {
            ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
            ::setenv("LISTEN_FDNAMES", "https:http", 1);
        }
        const shell_starter beside(tell_what_came);
        ::unsetenv("LISTEN_PID");
        ::unsetenv("LISTEN_FDNAMES");
        const auto channel = beside->start(group("http", 1));
        REQUIRE(channel);
        CHECK(hear(*channel) == (is_given ? "2 predecessor:http\n" : "1 predecessor\n"));
    }
}

TEST_CASE("starter: what is no name of a socket is not handed on") {
    const shell_starter beside(tell_what_came);
    auto doors = group("own-http:x", 1);
    doors.push_back({.name = "own-HTTP", .sockets = {}});
    doors.back().sockets.push_back(make_socket());
    const auto channel = beside->start(doors);
    REQUIRE(channel);
    CHECK(hear(*channel) == "1 predecessor\n");
}

TEST_CASE("starter: a program that cannot be run says so") {
    const shell_starter beside("", "/no/such/program");
    const auto channel = beside->start({});
    REQUIRE(channel);
    CHECK(hear(*channel) == "\"/no/such/program\" cannot be started: No such file or directory");
    CHECK(hear(*channel).empty());
}

TEST_CASE("starter: the program is no child of it, and no signal is blocked for it") {
    const shell_starter beside(
        "{ grep -c '^SigBlk:.0*$' /proc/$$/status; cat /proc/$PPID/comm; } | tr '\\n' ' ' >&3");
    const auto channel = beside->start({});
    REQUIRE(channel);
    const auto said = hear(*channel);
    CHECK(said.starts_with("1 "));
    CHECK_FALSE(said.contains("ferry-starter"));
}

TEST_CASE("starter: its process ends with the one that serves") {
    shell_starter beside("true");
    const int status = beside.end();
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}
