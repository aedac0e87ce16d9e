// What one request head costs: wrk's, and one of a browser with 12 fields. Expected: 0.1 us and 0.4
// to 0.7, nearly all of it llhttp's; more means that octets are copied or fields read twice.

#include <benchmark/benchmark.h>

#include <string_view>

#include "http/head_parser.hpp"

using namespace ferry::http;

namespace {

constexpr std::string_view wrk_request = "GET /1k.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

constexpr std::string_view browser_request =
    "GET /docs/index.html HTTP/1.1\r\n"
    "Host: www.example.org\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: https://www.example.org/docs/\r\n"
    "Connection: keep-alive\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    "If-None-Match: \"18a1b2c3d4e5f607-400-9f8e7d6c5b4a3921\"\r\n"
    "\r\n";

void parse_whole(benchmark::State& state, std::string_view text) {
    head_parser parser(head_limits{});
    for (auto _ : state) {
        parser.reset();
        benchmark::DoNotOptimize(parser.parse(text));
        benchmark::DoNotOptimize(parser.head().path.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

/// The same head in two receives, as a slow line delivers it.
void parse_in_two(benchmark::State& state, std::string_view text) {
    head_parser parser(head_limits{});
    for (auto _ : state) {
        parser.reset();
        benchmark::DoNotOptimize(parser.parse(text.substr(0, text.size() / 2)));
        benchmark::DoNotOptimize(parser.parse(text));
    }
}

}  // namespace

BENCHMARK_CAPTURE(parse_whole, wrk, wrk_request);
BENCHMARK_CAPTURE(parse_whole, browser, browser_request);
BENCHMARK_CAPTURE(parse_in_two, browser, browser_request);

BENCHMARK_MAIN();
