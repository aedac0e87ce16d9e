#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

#include "ferry/base/unique_fd.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

/// From here on the calling thread's `call` fails with `os_errno`.
bool deny(unsigned call, unsigned os_errno) {
    const std::array<sock_filter, 4> rules{{
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | os_errno},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    }};
    const sock_fprog program{static_cast<unsigned short>(rules.size()),
                             const_cast<sock_filter*>(rules.data())};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

struct ending {
    int status = 0;
    std::string words;  ///< On standard error.
};

/// Runs `child` in a process of its own.
template <class Child>
ending in_a_process(Child child) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const unique_fd from(ends[0]);
    unique_fd to(ends[1]);
    const pid_t process = ::fork();
    REQUIRE(process >= 0);
    if (process == 0) {
        ::dup2(to.get(), STDERR_FILENO);
        ::alarm(20);  // One that turns for ever ends by this.
        child();
        ::_exit(77);
    }
    to.reset();
    ending seen;
    std::array<char, 512> piece;
    for (ssize_t got = 0; (got = ::read(from.get(), piece.data(), piece.size())) > 0;) {
        seen.words.append(piece.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    REQUIRE(::waitpid(process, &status, 0) == process);
    seen.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return seen;
}

}  // namespace

// A ring that may not be entered completes nothing, the message that is to end it among the rest.
TEST_CASE("uring: who is not let into the ring any more ends the process and says why") {
    for (const unsigned given : {EPERM, ENOSYS, EBADF, EACCES}) {
        CAPTURE(given);
        const auto seen = in_a_process([given] {
            offload_pool pool(2);
            const auto io = make_uring_reactor(
                uring_options{
                    .submission_entries = 64, .completion_entries = 256, .receive_buffers = 16},
                pool);
            if (!io || !deny(SYS_io_uring_enter, given)) {
                ::_exit(78);
            }
            (*io)->run();
        });
        CHECK(seen.status == 1);
        CAPTURE(seen.words);
        CHECK(seen.words.contains("io_uring_enter"));
        CHECK(seen.words.contains("--io epoll"));
        if (given == EPERM || given == ENOSYS) {
            CHECK(seen.words.contains("seccomp"));
        }
    }
}

TEST_CASE("grant_urings: the reason is the one of the call that fails") {
    for (const unsigned call : {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register}) {
        for (const unsigned given : {EPERM, ENOSYS, EACCES}) {
            CAPTURE(call);
            CAPTURE(given);
            const auto seen = in_a_process([call, given] {
                if (!deny(call, given)) {
                    ::_exit(78);
                }
                const auto granted = grant_urings(
                    {.submission_entries = 64, .completion_entries = 256, .receive_buffers = 16},
                    2);
                if (!granted) {
                    static_cast<void>(
                        ::write(STDERR_FILENO, granted.error().data(), granted.error().size()));
                    ::_exit(3);
                }
            });
            CHECK(seen.status == 3);
            CAPTURE(seen.words);
            CHECK(seen.words.contains(given == EACCES ? "security module" : "seccomp filter"));
        }
    }
}

TEST_CASE("grant_urings: what it gives is made into reactors on other threads") {
    auto granted = grant_urings(
        {.submission_entries = 64, .completion_entries = 256, .receive_buffers = 16}, 2);
    REQUIRE(granted);
    REQUIRE(granted->size() == 2);
    offload_pool pool(2);
    for (auto& each : *granted) {
        bool has_run = false;
        std::thread([&] {
            const auto io = make_uring_reactor(std::move(each), pool);
            if (io) {
                struct quitter : posted {
                    explicit quitter(reactor& of)
                        : posted([](posted& self) noexcept {
                              static_cast<quitter&>(self).home.quit();
                          }),
                          home(of) {}
                    reactor& home;
                } message(**io);
                (*io)->post(message);
                (*io)->run();
                has_run = true;
            }
        }).join();
        CHECK(has_run);
    }
}
