#include "ferry/auth/usage.hpp"

#include <doctest/doctest.h>

using namespace ferry::auth;

TEST_CASE("usage: one for each account, and the same after everybody has logged out") {
    usage_table table;
    const auto* const first = table.of("ann").get();
    CHECK(table.of("ann").get() == first);
    CHECK(table.of("bob").get() != first);
}
