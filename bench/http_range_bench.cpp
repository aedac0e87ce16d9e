// What a Range field costs to read: the one range that players and downloads ask for, and as many
// as are let through, merged.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "http/range.hpp"

using namespace ferry::http;

namespace {

constexpr range_limits limits{.size_bytes = std::uint64_t{1} << 30, .ranges_max = 16};

void one(benchmark::State& state) {
    constexpr std::string_view value = "bytes=536870912-536936447";
    for (auto _ : state) {
        benchmark::DoNotOptimize(parse_range(value, limits));
    }
}

void sixteen_merged(benchmark::State& state) {
    std::string value = "bytes=0-9";
    for (int i = 1; i < 16; ++i) {
        value += "," + std::to_string(i * 1'000) + "-" + std::to_string(i * 1'000 + 9);
    }
    for (auto _ : state) {
        auto read = parse_range(value, limits);
        benchmark::DoNotOptimize(merge_ranges(std::move(*read)));
    }
}

}  // namespace

BENCHMARK(one);
BENCHMARK(sixteen_merged);

BENCHMARK_MAIN();
