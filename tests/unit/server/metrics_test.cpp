#include "server/metrics.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/json_value.hpp"

using namespace ferry;
using namespace ferry::server;
using namespace std::chrono_literals;

namespace {

/// Two cores that have done something.
reading some() {
    reading made;
    made.process = {.version = "9.8", .io = "io_uring", .started = 1'000.5, .now = 1'010};
    made.process.connections = 7;
    made.process.ftp_sessions = 2;
    made.cores.resize(2);
    for (auto& each : made.cores) {
        each.is_there = true;
        each.is_fresh = true;
        each.http.answers[0][1] = 5;
        each.http.octets = {.received = 10, .sent = 100};
        each.ftp.octets = {.received = 1, .sent = 2};
        each.http.took.add(20us);
        each.io.turns = 3;
    }
    made.cores[1].is_fresh = false;
    made.cores[1].transfers.push_back({.protocol = "ftp",
                                       .peer = "::1",
                                       .user = "a\"b",
                                       .name = "/\x1b\xff",
                                       .whole_bytes = 9,
                                       .moved_bytes = 4,
                                       .connection = 6});
    return made;
}

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        lines.emplace_back(line);
        text.remove_prefix(line.size() + 1);
    }
    return lines;
}

bool has_line(const std::string& text, std::string_view line) {
    const auto lines = lines_of(text);
    return std::ranges::find(lines, line) != lines.end();
}

}  // namespace

TEST_CASE("metrics: no two have one name, and names and help are as the formats want them") {
    std::set<std::string> names;
    for (const auto& each : metrics()) {
        const auto name = name_of(each);
        CAPTURE(name);
        CHECK(names.insert(name).second);
        CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == std::string::npos);
        CHECK_FALSE(each.help.empty());
        CHECK(each.help.find_first_of("\\\n") == std::string_view::npos);
        CHECK(name.ends_with("_total") == (each.type == metric_type::counter));
    }
}

TEST_CASE("metrics: those of all cores are added up, and those of one have its number") {
    const auto text = write_metrics(some(), metrics_format::text);
    CHECK(has_line(text, "ferry_http_requests_total{method=\"GET\",code=\"2xx\"} 10"));
    // The first error is an increase.
    CHECK(has_line(text, "ferry_http_requests_total{method=\"GET\",code=\"5xx\"} 0"));
    CHECK(text.find("method=\"PUT\"") == std::string::npos);
    CHECK(has_line(text, "ferry_sent_bytes_total{protocol=\"http\"} 200"));
    CHECK(has_line(text, "ferry_received_bytes_total{protocol=\"ftp\"} 2"));
    CHECK(has_line(text, "ferry_connections{protocol=\"http\"} 5"));
    CHECK(has_line(text, "ferry_connections{protocol=\"ftp\"} 2"));
    CHECK(has_line(text, "ferry_reactor_turns_total{core=\"1\"} 3"));
    CHECK(has_line(text, "ferry_core_up{core=\"0\"} 1"));
    CHECK(has_line(text, "ferry_core_up{core=\"1\"} 0"));
    CHECK(has_line(text, "process_start_time_seconds 1000.500000"));
}

TEST_CASE("metrics: a histogram has all that are smaller in each bucket, a sum and a count") {
    const auto text = write_metrics(some(), metrics_format::text);
    const std::string name = "ferry_http_request_duration_seconds";
    CHECK(has_line(text, "# TYPE " + name + " histogram"));
    CHECK(has_line(text, name + "_bucket{le=\"0.000016\"} 0"));
    CHECK(has_line(text, name + "_bucket{le=\"0.000032\"} 2"));
    CHECK(has_line(text, name + "_bucket{le=\"+Inf\"} 2"));
    CHECK(has_line(text, name + "_sum 0.000040"));
    CHECK(has_line(text, name + "_count 2"));
}

TEST_CASE("metrics: OpenMetrics names families without _total, has units and an end") {
    CHECK(format_for("application/openmetrics-text;version=1.0.0,text/plain;q=0.5") ==
          metrics_format::openmetrics);
    CHECK(format_for("text/plain") == metrics_format::text);
    CHECK(format_for("") == metrics_format::text);
    const auto text = write_metrics(some(), metrics_format::openmetrics);
    CHECK(has_line(text, "# TYPE ferry_sent_bytes counter"));
    CHECK(has_line(text, "# UNIT ferry_sent_bytes bytes"));
    CHECK(has_line(text, "ferry_sent_bytes_total{protocol=\"http\"} 200"));
    CHECK(text.ends_with("\n# EOF\n"));
}

TEST_CASE("metrics: values of labels are escaped") {
    metric_samples into;
    const metric_label label{.name = "a", .value = "x\\y\"z\nw"};
    into.add({&label, 1}, std::uint64_t{1});
    CHECK(into.all().front().labels == R"(a="x\\y\"z\nw")");
}

TEST_CASE("metrics: no name of a file or an account is among them") {
    const auto text = write_metrics(some(), metrics_format::text);
    CHECK(text.find("::1") == std::string::npos);
    CHECK(text.find("a\\\"b") == std::string::npos);
}

TEST_CASE("metrics: the status is JSON with the same values, and what is under way") {
    const auto text = write_status(some());
    const auto read = json_value::parse(text);
    REQUIRE(read);
    const auto& status = *read;
    CHECK(status["version"].text() == "9.8");
    CHECK(status["now"].number() == 1'010);
    const auto& values = status["metrics"];
    CHECK(values["ferry_sent_bytes_total{protocol=\"http\"}"].number() == 200);
    REQUIRE(status["cores"].items().size() == 2);
    CHECK(status["cores"].items()[0]["requests"].number() == 5);
    CHECK(status["cores"].items()[0]["sent"].number() == 102);
    CHECK_FALSE(status["cores"].items()[1]["fresh"].is_true());
    REQUIRE(status["transfers"].items().size() == 1);
    const auto& transfer = status["transfers"].items().front();
    CHECK(transfer["user"].text() == "a\"b");
    CHECK(transfer["name"].text() == "/\x1b\\xff");
    CHECK(transfer["moved"].number() == 4);
    CHECK(text.find('\x1b') == std::string::npos);
}
