#include "ferry/auth/session_counts.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <thread>
#include <vector>

using namespace ferry::auth;

namespace {

identity someone(const char* name, limits bounds) {
    return {
        .name = name, .root = "/", .allowed = rights::all(), .bounds = bounds, .anonymous = false};
}

}  // namespace

TEST_CASE("session_counts: as many sessions as the account may have, and again when one ends") {
    session_counts counts;
    const auto ann = someone("ann", {.sessions_max = 2, .sessions_per_address_max = 0});
    std::optional first = counts.take(ann, "192.0.2.1");
    auto second = counts.take(ann, "192.0.2.2");
    REQUIRE(first->has_value());
    REQUIRE(second);
    CHECK(counts.take(ann, "192.0.2.3").error() == full::sessions);
    CHECK(counts.take(someone("bob", ann.bounds), "192.0.2.3"));
    first.reset();
    CHECK(counts.take(ann, "192.0.2.3"));
    CHECK(counts.size() == 1);
    session_counts::place moved;
    moved = std::move(*second);
    CHECK(counts.size() == 1);
    moved = {};
    CHECK(counts.size() == 0);
}

TEST_CASE("session_counts: each address for itself") {
    session_counts counts;
    const auto ann = someone("ann", {.sessions_max = 0, .sessions_per_address_max = 1});
    const auto first = counts.take(ann, "192.0.2.1");
    REQUIRE(first);
    CHECK(counts.take(ann, "192.0.2.1").error() == full::sessions_per_address);
    CHECK(counts.take(ann, "192.0.2.2"));
}

TEST_CASE("session_counts: an account without limits is not counted") {
    session_counts counts;
    const auto ann = someone("ann", {});
    const auto first = counts.take(ann, "192.0.2.1");
    CHECK(first);
    CHECK(counts.size() == 0);
}

TEST_CASE("session_counts: from several threads") {
    session_counts counts;
    const auto ann = someone("ann", {.sessions_max = 3, .sessions_per_address_max = 0});
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&counts, &ann] {
            for (int round = 0; round < 2'000; ++round) {
                const auto place = counts.take(ann, "192.0.2.1");
                if (counts.size() > 3) {
                    std::abort();
                }
            }
        });
    }
    for (auto& each : threads) {
        each.join();
    }
    CHECK(counts.size() == 0);
}
