// What a line of the access log costs: on the path of every request.

#include <benchmark/benchmark.h>

#include <string>

#include "server/access_log_format.hpp"

using namespace ferry;
using namespace ferry::server;

namespace {

const access_record request = {
    .peer = "192.0.2.7",
    .user = {},
    .when = {.seconds = 1'795'437'296, .nanoseconds = 123'456'789},
    .method = "GET",
    .target = "/projects/ferry/releases/ferry-0.1.0.tar.xz",
    .protocol = "HTTP/1.1",
    .status = 200,
    .body_bytes = 1'234'567,
    .referer = "https://example.com/projects/ferry/",
    .user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    .duration = std::chrono::microseconds(87)};

void append(benchmark::State& state, access_log_formatter formatter, const access_record& record) {
    std::string out;
    for (auto _ : state) {
        out.clear();
        formatter.append(out, record);
        benchmark::DoNotOptimize(out.data());
    }
}

access_log_formatter formatter_of(const char* format) {
    return access_log_formatter(access_log_format::read(format).value());
}

}  // namespace

BENCHMARK_CAPTURE(append, combined, formatter_of("combined"), request);
BENCHMARK_CAPTURE(append, json, formatter_of("json"), request);
BENCHMARK_CAPTURE(append, nginx_template,
                  formatter_of("$remote_addr $remote_user [$time_local] \"$request\" $status "
                               "$bytes_sent \"$http_user_agent\" $host $request_time"),
                  request);

BENCHMARK_MAIN();
