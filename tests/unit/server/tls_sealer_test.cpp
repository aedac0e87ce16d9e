#include "server/tls_sealer.hpp"

#include <doctest/doctest.h>

using namespace ferry;
using server::choose_sealer;
using wish = server::kernel_tls_wish;

TEST_CASE("choose_sealer: the kernel where it can, said in one line") {
    for (const auto each : {wish::automatic, wish::require}) {
        const auto chosen = choose_sealer(each, "");
        REQUIRE(chosen.has_value());
        CHECK(chosen->is_kernel);
        CHECK(chosen->notice == "TLS: the kernel seals large files");
    }
}

TEST_CASE(
    "choose_sealer: ferry where the kernel cannot, with the reason, and where it is told to") {
    const auto without = choose_sealer(wish::automatic, "it has no TLS");
    REQUIRE(without.has_value());
    CHECK_FALSE(without->is_kernel);
    CHECK(without->notice == "TLS: files are sealed here: it has no TLS");
    const auto told = choose_sealer(wish::off, "");
    REQUIRE(told.has_value());
    CHECK_FALSE(told->is_kernel);
    CHECK(told->notice == "TLS: files are sealed here, as --tls-kernel says");
}

TEST_CASE("choose_sealer: who needs the kernel is told that it cannot") {
    const auto refused = choose_sealer(wish::require, "it has no TLS");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error() ==
          "--tls-kernel require: it has no TLS (--tls-kernel auto serves without it)");
}
