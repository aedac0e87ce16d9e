#include "runtime/epoll/watch_table.hpp"

#include <doctest/doctest.h>

#include <climits>

#include "../allocation_faults.hpp"

using namespace ferry::runtime;

TEST_CASE("watch_table: a watch stays where it is while the table grows") {
    watch_table table;
    CHECK(table.find(0) == nullptr);
    watch* const zero = table.make(0);
    REQUIRE(zero != nullptr);
    CHECK(zero->waiting_for(EPOLLIN).empty());
    CHECK(zero->waiting_for(EPOLLOUT).empty());
    CHECK(zero->events == 0);
    watch* const far = table.make(100'000);
    REQUIRE(far != nullptr);
    CHECK(far != zero);
    CHECK(table.make(0) == zero);
    CHECK(table.find(0) == zero);
    CHECK(table.find(100'000) == far);
    CHECK(table.find(1) != zero);
    CHECK(table.find(50'000) == nullptr);
    CHECK(table.find(100'001) != nullptr);
}

TEST_CASE("watch_table: what is no descriptor has no watch") {
    watch_table table;
    CHECK(table.make(-1) == nullptr);
    CHECK(table.find(-1) == nullptr);
    CHECK(table.find(INT_MIN) == nullptr);
    CHECK(table.find(INT_MAX) == nullptr);
}

TEST_CASE("watch_table: without memory there is no watch, and there is one again afterwards") {
    if (!ferry::test::allocation_fault::is_possible) {
        return;
    }
    for (std::size_t which = 1; which < 100; ++which) {
        watch_table table;
        watch* made = nullptr;
        {
            const ferry::test::allocation_fault fault(which);
            made = table.make(1'000);
            if (!fault.has_happened()) {
                REQUIRE(made != nullptr);
                return;
            }
        }
        CHECK(made == nullptr);
        CHECK(table.find(1'000) == nullptr);
        CHECK(table.make(1'000) != nullptr);
    }
    CHECK(false);
}
