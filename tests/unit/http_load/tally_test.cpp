#include "tally.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace ferry::http_load;

TEST_CASE("tally: those of two threads are added up") {
    const auto one = std::make_unique<tally>();
    const auto other = std::make_unique<tally>();
    one->latency.record(10);
    one->octets = 5;
    one->count_error("status 404");
    other->latency.record(20);
    other->latency.record(30);
    other->octets = 7;
    other->failed = 3;
    other->connections = 2;
    other->count_error("status 404", 2);
    other->count_error("timed out");
    one->add(*other);
    CHECK(one->latency.count() == 3);
    CHECK(one->latency.max() == 30);
    CHECK(one->octets == 12);
    CHECK(one->failed == 3);
    CHECK(one->connections == 2);
    CHECK(one->errors.at("status 404") == 3);
    CHECK(one->errors.at("timed out") == 1);
}
