#include "ferry/base/duration_histogram.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>

using namespace ferry;
using namespace std::chrono_literals;

namespace {

/// The bucket that a histogram with nothing but `took` has it in.
std::size_t bucket_of(std::chrono::nanoseconds took) {
    duration_histogram alone;
    alone.add(took);
    std::size_t found = 0;
    while (alone.count(found) == 0) {
        ++found;
    }
    return found;
}

}  // namespace

TEST_CASE("duration_histogram: a bound counts in its own bucket, what is longer in the next") {
    CHECK(duration_histogram::bound(0) == 16us);
    CHECK(bucket_of(0ns) == 0);
    CHECK(bucket_of(-5ns) == 0);
    for (std::size_t i = 0; i < duration_histogram::bounds; ++i) {
        CAPTURE(i);
        CHECK(bucket_of(duration_histogram::bound(i)) == i);
        CHECK(bucket_of(duration_histogram::bound(i) + 1ns) == i + 1);
    }
    CHECK(bucket_of(24h) == duration_histogram::bounds);
}

TEST_CASE("duration_histogram: those of two cores add up") {
    duration_histogram one;
    one.add(10us);
    one.add(20us);
    duration_histogram other;
    other.add(20us);
    other.add(24h);
    one.add(other);
    CHECK(one.count(0) == 1);
    CHECK(one.count(1) == 2);
    CHECK(one.count(duration_histogram::bounds) == 1);
    CHECK(one.sum() == 24h + 50us);
}
