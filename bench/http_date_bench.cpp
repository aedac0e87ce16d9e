// What an HTTP-date costs to write and to read. Expected: 15 ns for the one of an answer, which is
// kept for its second (decision 0016).

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string_view>

#include "http/date.hpp"

using namespace ferry::http;

namespace {

constexpr std::int64_t now = 1'795'437'296;

void format(benchmark::State& state) {
    std::int64_t at = now;
    for (auto _ : state) {
        benchmark::DoNotOptimize(format_date(++at));
    }
}

void cached(benchmark::State& state) {
    date_cache cache;
    std::int64_t at = now;
    for (auto _ : state) {
        benchmark::DoNotOptimize(at);
        benchmark::DoNotOptimize(cache.text(at).data());
    }
}

void parse(benchmark::State& state, std::string_view text) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse_date(text, now));
    }
}

}  // namespace

BENCHMARK(format);
BENCHMARK(cached);
BENCHMARK_CAPTURE(parse, imf_fixdate, "Sun, 06 Nov 1994 08:49:37 GMT");
BENCHMARK_CAPTURE(parse, rfc850, "Sunday, 06-Nov-94 08:49:37 GMT");
BENCHMARK_CAPTURE(parse, asctime, "Sun Nov  6 08:49:37 1994");

BENCHMARK_MAIN();
