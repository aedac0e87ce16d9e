// What it costs to turn a request target into a name.

#include <benchmark/benchmark.h>

#include <string_view>

#include "http/target.hpp"

using namespace ferry::http;

namespace {

void decode(benchmark::State& state, std::string_view target) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(decode_target(target));
    }
}

}  // namespace

BENCHMARK_CAPTURE(decode, plain, "/1k.bin");
BENCHMARK_CAPTURE(decode, deep, "/docs/manual/2026/images/figure-12.svg");
BENCHMARK_CAPTURE(decode, encoded, "/%C3%BCber/%66oo%20bar.html");

BENCHMARK_MAIN();
