// What STRU R costs. Expected: 8 GB/s of CPU out, 7 in: a copy, and no more than text costs.

#include "ferry/vfs/records.hpp"

#include <benchmark/benchmark.h>

#include <string>

using namespace ferry;
namespace records = vfs::records;

namespace {

/// 64 KiB of lines of 80 octets.
std::string make_lines() {
    std::string made;
    while (made.size() < 64 * 1024) {
        made += std::string(79, 'a') + '\n';
    }
    return made;
}

void to_network(benchmark::State& state) {
    const auto lines = make_lines();
    std::string out;
    for (auto _ : state) {
        out.clear();
        records::to_network converter;
        converter.convert(lines, out);
        converter.finish(out);
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(lines.size()));
}
BENCHMARK(to_network);

void from_network(benchmark::State& state) {
    std::string network;
    records::to_network sender;
    sender.convert(make_lines(), network);
    sender.finish(network);
    std::string out;
    for (auto _ : state) {
        out.clear();
        records::from_network converter;
        if (!converter.convert(network, out)) {
            state.SkipWithError("refused");
        }
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(network.size()));
}
BENCHMARK(from_network);

}  // namespace
