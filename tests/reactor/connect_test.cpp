#include <doctest/doctest.h>

#include <cerrno>

#include "ferry/runtime/wait.hpp"
#include "machine.hpp"
#include "workshop.hpp"

using namespace ferry;
using namespace ferry::reactor_test;
using namespace ferry::runtime;

namespace {

unique_fd fresh_socket() {
    return unique_fd(kernel::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

task<result<std::int64_t>> connect_to(core& here, int socket, const listening_socket& listener) {
    const auto came = co_await op_wait(here.io(), opcode::connect, socket, never, [&](op& fresh) {
        fresh.args.connect = {.address = listener.as_sockaddr(),
                              .address_bytes = sizeof listener.address};
    });
    co_return came;
}

}  // namespace

TEST_CASE("connect: gives 0 and a working connection; once more is EISCONN") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        const listening_socket listener;
        host.run_task(
            [](nursery& home, const listening_socket& to) -> task<> {
                const unique_fd client = fresh_socket();
                const auto first = co_await connect_to(home.here(), client.get(), to);
                CHECK(first == 0);
                CHECK(posix::send(client.get(), "x", 1, MSG_NOSIGNAL) == 1);
                const auto again = co_await connect_to(home.here(), client.get(), to);
                REQUIRE_FALSE(again.has_value());
                CHECK(again.error().os_errno == EISCONN);
            },
            std::cref(listener));
    }
}

TEST_CASE("connect: to a port nobody listens on is errc::unavailable") {
    for (const backend& under_test : backends()) {
        CAPTURE(under_test.name);
        const auto world = under_test.make_world();
        machine host(under_test);
        listening_socket gone;
        gone.fd.reset();
        host.run_task(
            [](nursery& home, const listening_socket& to) -> task<> {
                const unique_fd client = fresh_socket();
                const auto refused = co_await connect_to(home.here(), client.get(), to);
                REQUIRE_FALSE(refused.has_value());
                CHECK(refused.error() == errc::unavailable);
                CHECK(refused.error().os_errno == ECONNREFUSED);
            },
            std::cref(gone));
    }
}
