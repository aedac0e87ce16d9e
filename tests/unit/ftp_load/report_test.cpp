#include "report.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

using namespace ferry::ftp_load;

namespace {

struct scene {
    load_options options;
    std::unique_ptr<tally> results = std::make_unique<tally>();

    [[nodiscard]] run_facts facts() const {
        return {.options = options,
                .results = *results,
                .threads = 2,
                .seconds = 2,
                .backend = "epoll"};
    }
};

}  // namespace

TEST_CASE("report: rates are of the whole time, and only rows with something are there") {
    scene on;
    on.options.latency = true;
    for (int i = 0; i < 10; ++i) {
        on.results->of(operation::retr).latency.record(1'000'000);
    }
    on.results->of(operation::retr).octets = 4 << 20;
    on.results->of(operation::stor).failed = 3;
    on.results->count_error("stor: reply 553", "No such\x1b directory");
    const auto text = report(on.facts());
    CHECK(text.contains("retr           10        0          5.0       2.00"));
    CHECK(text.contains("stor            0        3"));
    CHECK(!text.contains("mlsd"));
    CHECK(text.contains("10 done and 3 failed in 2.00s, 4.00 MiB\n"));
    CHECK(text.contains("a stall counts once a connection"));
    CHECK(text.contains("0.8% too high"));
    CHECK(text.contains("1 stor: reply 553: No such\\x1b directory\n"));
    CHECK(introduction(on.facts()).contains("data by EPSV, TYPE I\n"));
    on.options.rate = 5;
    CHECK(report(on.facts()).contains("from the moment an operation was due"));
}

TEST_CASE("report: JSON holds what the text says, and no password") {
    scene on;
    on.options.where = {
        .user = "ann", .password = "secret", .host = "h", .port = 21, .path = "a\"b"};
    on.results->of(operation::mlsd).latency.record(100);
    const auto json = report_json(on.facts());
    CHECK(json.contains(R"("url": "ftp://h:21/a\"b")"));
    CHECK(json.contains(R"("mlsd": {"done": 1, "failed": 0, "octets": 0, "per_second": 0.500)"));
    CHECK(json.contains(R"("p99.9": 100, "max": 100)"));
    CHECK(json.contains(R"("interrupted": false)"));
    CHECK(json.contains(R"("tls": false)"));
    CHECK(!json.contains("secret"));
    CHECK(!introduction(on.facts()).contains("secret"));
    on.options.where.is_ftps = true;
    CHECK(report_json(on.facts()).contains(R"("tls": true)"));
    CHECK(introduction(on.facts()).contains("data by EPSV over TLS, TYPE I\n"));
}
