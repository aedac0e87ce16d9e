#include "server/top_screen.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "server/json_value.hpp"

using namespace ferry::server;

namespace {

json_value read(std::string_view text) {
    auto made = json_value::parse(text);
    REQUIRE(made);
    return std::move(*made);
}

/// At the second `now`, after `requests` and `sent` octets.
json_value at(int now, int requests, int sent, std::string_view more = "") {
    return read(
        "{\"version\":\"1\",\"io\":\"epoll\",\"started\":100,\"now\":" + std::to_string(now) +
        ",\"metrics\":{\"ferry_http_requests_total{method=\\\"GET\\\"}\":" +
        std::to_string(requests) +
        ",\"ferry_sent_bytes_total{protocol=\\\"http\\\"}\":" + std::to_string(sent) +
        "},\"cores\":[{\"fresh\":true,\"turns\":10,\"requests\":1,\"commands\":0,"
        "\"received\":0,\"sent\":0}]" +
        std::string(more) + "}");
}

bool has(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

}  // namespace

TEST_CASE("top_screen: rates are those between two looks, and none of one look") {
    const auto before = at(110, 100, 0);
    const auto now = at(112, 140, 4'096);
    const auto two = draw_top(before, now, {}, false);
    CHECK(has(two, "20/s HTTP"));
    CHECK(has(two, "2.0 KiB/s sent"));
    const auto one = draw_top(now, now, {}, false);
    CHECK(has(one, "-/s HTTP"));
    CHECK(has(one, "-/s sent"));
    CHECK(has(one, "core 0   ....................        -/s           -/s"));
    CHECK(has(one, "up 12 s"));
}

TEST_CASE("top_screen: latency and what was found are of what happened between two looks") {
    const auto look = [](int now, int fast, int all, int hits) {
        return read(
            fmt::format(R"({{"started":100,"now":{},"metrics":{{)"
                        R"("ferry_http_request_duration_seconds_bucket{{le=\"0.001\"}}":{},)"
                        R"("ferry_http_request_duration_seconds_bucket{{le=\"1\"}}":{},)"
                        R"("ferry_http_request_duration_seconds_bucket{{le=\"+Inf\"}}":{},)"
                        R"("ferry_file_cache_lookups_total{{result=\"hit\"}}":{},)"
                        R"("ferry_file_cache_lookups_total{{result=\"miss\"}}":100}}}})",
                        now, fast, all, all, hits));
    };
    const auto before = look(110, 1'000, 1'000, 0);
    const auto slow = draw_top(before, look(111, 1'000, 1'010, 10), {}, false);
    CHECK(has(slow, "half within 500.5 ms"));
    CHECK(has(slow, "files open 100.0 %"));
    const auto idle = draw_top(before, look(111, 1'000, 1'000, 0), {}, false);
    CHECK(has(idle, "0/s HTTP"));
    CHECK(has(idle, "half within -, 99 % within -"));
    CHECK(has(idle, "files open -"));
}

TEST_CASE("top_screen: a transfer has no rate before there are two looks") {
    const auto now = at(110, 1, 1,
                        ",\"transfers\":[{\"name\":\"/a\",\"moved\":500,\"seconds\":1},"
                        "{\"name\":\"/b\",\"moved\":700,\"seconds\":1}]");
    CHECK(has(draw_top(now, now, {}, false), "         -/s        500 B"));
}

TEST_CASE("top_screen: a process that has begun anew has no rates below nothing") {
    const auto before = at(110, 100, 5'000);
    auto text = std::string(
        "{\"started\":120,\"now\":122,\"metrics\":{"
        "\"ferry_http_requests_total{method=\\\"GET\\\"}\":4}}");
    CHECK(has(draw_top(before, read(text), {}, false), "2/s HTTP"));
}

TEST_CASE("top_screen: no line is wider than the screen, nor are there more than it has") {
    const auto now = at(110, 1, 1,
                        ",\"transfers\":[{\"protocol\":\"ftp\",\"user\":\"anna\",\"name\":"
                        "\"/\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\u00e4\","
                        "\"whole\":10,\"moved\":5,\"seconds\":1,\"connection\":3}]");
    for (const std::size_t columns : {1U, 20U, 66U, 200U}) {
        CAPTURE(columns);
        const auto drawn = draw_top(now, now, {.columns = columns, .rows = 12}, false);
        CHECK(std::ranges::count(drawn, '\n') == 12);
        std::string_view left = drawn;
        while (!left.empty()) {
            const auto line = left.substr(0, left.find('\n'));
            left.remove_prefix(line.size() + 1);
            const auto wide = std::ranges::count_if(
                line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
            CHECK(static_cast<std::size_t>(wide) <= columns);
        }
    }
    CHECK(has(draw_top(now, now, {}, false), "50 %"));
}

TEST_CASE("top_screen: a name moves no cursor and turns no writing (threats.md, V11)") {
    const auto now = at(110, 1, 1,
                        ",\"transfers\":[{\"user\":\"a\\u001b[2Jb\",\"name\":"
                        "\"/x\\u0007\\u009b1m\\u202ey\\n\\u007f\",\"moved\":1,\"seconds\":1}]");
    const auto drawn = draw_top(now, now, {.columns = 200, .rows = 40}, false);
    CHECK(has(drawn, "a?[2Jb"));
    CHECK(has(drawn, "/x??1m?y??"));
    CHECK_FALSE(has(drawn, "\x1b"));
}

TEST_CASE("top_screen: an answer without anything is no trouble") {
    const auto empty = read("{}");
    CHECK(has(draw_top(empty, empty, {}, true), "no transfers under way"));
}
