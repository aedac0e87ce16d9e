#include "load/histogram.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <memory>

using ferry::load::histogram;

namespace {

/// What comes back of one value among larger ones, so that the largest does not bound it.
std::uint64_t read_back(std::uint64_t value) {
    const auto one = std::make_unique<histogram>();
    one->record(value);
    one->record(std::numeric_limits<std::uint64_t>::max());
    return one->percentile(50);
}

}  // namespace

TEST_CASE("histogram: small values come back as they are") {
    for (std::uint64_t value = 0; value < 256; ++value) {
        CAPTURE(value);
        CHECK(read_back(value) == value);
    }
}

// In whole numbers: the largest ones have more digits than a double.
constexpr std::uint64_t parts = 128;
static_assert(histogram::relative_error == 1.0 / parts);

TEST_CASE("histogram: what comes back is above by less than the error it states") {
    for (unsigned shift = 8; shift < 64; ++shift) {
        for (const std::uint64_t around : {0ULL, 1ULL, 3ULL, 77ULL}) {
            const std::uint64_t value = (std::uint64_t{1} << shift) + (around << (shift - 8));
            for (const auto each : {value - 1, value, value + 1}) {
                CAPTURE(each);
                const auto got = read_back(each);
                CHECK(got >= each);
                CHECK(got - each < each / parts);
            }
        }
    }
}

TEST_CASE("histogram: percentiles are ranks, bounded by the largest value") {
    const auto all = std::make_unique<histogram>();
    CHECK(all->percentile(50) == 0);
    CHECK(all->mean() == 0);
    for (std::uint64_t value = 1; value <= 200; ++value) {
        all->record(value);
    }
    CHECK(all->percentile(0) == 1);
    CHECK(all->percentile(50) == 100);
    CHECK(all->percentile(99) == 198);
    CHECK(all->percentile(99.9) == 200);
    CHECK(all->percentile(100) == 200);
    CHECK(all->mean() == doctest::Approx(100.5));
    all->record(1'000'001);
    CHECK(all->percentile(100) == 1'000'001);
    CHECK(all->max() == 1'000'001);
}

TEST_CASE("histogram: two added are as if one had seen all") {
    const auto first = std::make_unique<histogram>();
    const auto second = std::make_unique<histogram>();
    for (std::uint64_t value = 1; value <= 100; ++value) {
        (value % 2 == 0 ? first : second)->record(value);
    }
    first->add(*second);
    CHECK(first->count() == 100);
    CHECK(first->percentile(25) == 25);
    CHECK(first->percentile(75) == 75);
    CHECK(first->max() == 100);
}
