#include "server/io_choice.hpp"

#include <doctest/doctest.h>

using namespace ferry;
using server::choose_io;
using server::io_backend;
using server::io_wish;

TEST_CASE("choose_io: io_uring where it is, said in one line") {
    for (const auto wish : {io_wish::automatic, io_wish::uring}) {
        const auto chosen = choose_io(wish, "");
        REQUIRE(chosen.has_value());
        CHECK(chosen->uses == io_backend::uring);
        CHECK(chosen->notice == "using io_uring");
        CHECK_FALSE(chosen->is_second_best);
    }
}

TEST_CASE("choose_io: epoll where io_uring is not, with the reason") {
    const auto chosen =
        choose_io(io_wish::automatic, "disabled by sysctl kernel.io_uring_disabled = 2");
    REQUIRE(chosen.has_value());
    CHECK(chosen->uses == io_backend::epoll);
    CHECK(
        chosen->notice ==
        "io_uring is not available: disabled by sysctl kernel.io_uring_disabled = 2; using epoll");
    CHECK(chosen->is_second_best);
}

TEST_CASE("choose_io: epoll by choice, whatever there is") {
    for (const char* why : {"", "refused"}) {
        const auto chosen = choose_io(io_wish::epoll, why);
        REQUIRE(chosen.has_value());
        CHECK(chosen->uses == io_backend::epoll);
        CHECK(chosen->notice == "using epoll, as --io says");
        CHECK_FALSE(chosen->is_second_best);
    }
}

TEST_CASE("choose_io: who insists on io_uring is told why it is not to be had") {
    const auto refused = choose_io(io_wish::uring, "refused by a seccomp filter");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() ==
          "io_uring is not available: refused by a seccomp filter (--io auto serves without it)");
}

TEST_CASE("count_offload_threads: what is asked for, else what the backend needs") {
    using server::count_offload_threads;
    CHECK(count_offload_threads(7, io_backend::uring, 32) == 7);
    CHECK(count_offload_threads(7, io_backend::epoll, 32) == 7);
    CHECK(count_offload_threads(0, io_backend::uring, 32) == 2);
    CHECK(count_offload_threads(0, io_backend::epoll, 1) == 4);
    CHECK(count_offload_threads(0, io_backend::epoll, 32) == 32);
    CHECK(count_offload_threads(0, io_backend::epoll, 1'000) == 64);
}
