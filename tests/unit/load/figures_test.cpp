#include "load/figures.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace ferry::load;

TEST_CASE("figures: times have three digits and the unit that fits") {
    CHECK(show_time(0) == "0ns");
    CHECK(show_time(812) == "812ns");
    CHECK(show_time(1'000) == "1.00us");
    CHECK(show_time(37'460) == "37.5us");
    CHECK(show_time(999'400) == "999us");
    CHECK(show_time(999'600) == "1.00ms");
    CHECK(show_time(1'200'000'000) == "1.20s");
    CHECK(show_time(75e9) == "75.00s");
}

TEST_CASE("figures: a rate is of the time it took, and of none there is none") {
    CHECK(rate(30, 2) == 15);
    CHECK(rate(30, 0) == 0);
    CHECK(counted(1, "thread") == "1 thread");
    CHECK(counted(2, "thread") == "2 threads");
}

TEST_CASE("figures: latencies in JSON and for a person are the same ones") {
    const auto seen = std::make_unique<histogram>();
    seen->record(100);
    CHECK(latency_json(*seen).starts_with(R"({"mean": 100, "p50": 100, "p75": 100)"));
    CHECK(latency_json(*seen).ends_with(R"("p99.9": 100, "max": 100})"));
    CHECK(latency_text(*seen).contains("     50%    100ns\n"));
    CHECK(latency_text(*seen).ends_with("     max    100ns\n"));
}
