#include "report.hpp"

#include <doctest/doctest.h>

#include <memory>

using namespace ferry::http_load;

namespace {

struct scene {
    load_options options;
    std::unique_ptr<tally> results = std::make_unique<tally>();

    scene() { options.where = {.host = "h", .port = 80}; }
    [[nodiscard]] run_facts facts() const {
        return {.options = options,
                .results = *results,
                .threads = 1,
                .seconds = 2,
                .backend = "epoll"};
    }
};

}  // namespace

TEST_CASE("report: rates are of the whole time, errors are told") {
    scene on;
    on.options.latency = true;
    for (int i = 0; i < 10; ++i) {
        on.results->latency.record(1'000'000);
    }
    on.results->octets = 4 << 20;
    on.results->failed = 3;
    on.results->connections = 1;
    on.results->count_error("status 404", 3);
    const auto text = report(on.facts());
    CHECK(text.contains("          10        3          5.0       2.00   1.00ms"));
    CHECK(text.contains("in 2.00s, 1 connection opened\n"));
    CHECK(text.contains("3 status 404\n"));
    CHECK(text.contains("its connection sends no other"));
    on.options.rate = 5;
    CHECK(report(on.facts()).contains("from the moment a request was due"));
}

TEST_CASE("report: how requests are sent is told before") {
    scene on;
    CHECK(introduction(on.facts()) ==
          "Running 10s of GET http://h:80/\n  1 thread and 10 connections on epoll\n");
    on.options.operations = 7;
    on.options.pipeline = 16;
    on.options.closes = true;
    on.options.range_bytes = 65'536;
    const auto text = introduction(on.facts());
    CHECK(text.starts_with("Running 7 requests of GET"));
    CHECK(text.contains(", 16 requests at once, a connection each, ranges of 64KiB\n"));
}

TEST_CASE("report: JSON holds what the text says") {
    scene on;
    on.options.path = "/a\"b";
    on.results->latency.record(100);
    on.results->count_error("timed out");
    const auto json = report_json(on.facts());
    CHECK(json.contains(R"("url": "http://h:80/a\"b")"));
    CHECK(json.contains("\"done\": 1,\n  \"failed\": 0"));
    CHECK(json.contains("\"per_second\": 0.500"));
    CHECK(json.contains("\"timed out\": 1"));
    CHECK(json.contains(R"("p99.9": 100, "max": 100)"));
}
