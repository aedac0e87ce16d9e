// What STRU P costs. Expected: 15 GB/s of CPU out, 20 in: a copy, for heads are few.

#include "ferry/vfs/pages.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

using namespace ferry;
namespace pages = vfs::pages;

namespace {

const std::string& file() {
    static const std::string made(60 * 1024, 'a');
    return made;
}

void to_network(benchmark::State& state) {
    std::string out;
    for (auto _ : state) {
        out.clear();
        pages::to_network converter;
        if (!converter.convert(file(), out) || !converter.finish(out)) {
            state.SkipWithError("refused");
        }
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(file().size()));
}
BENCHMARK(to_network);

void from_network(benchmark::State& state) {
    std::string network;
    pages::to_network sender;
    if (!sender.convert(file(), network) || !sender.finish(network)) {
        state.SkipWithError("refused");
    }
    for (auto _ : state) {
        pages::from_network converter;
        for (std::string_view rest = network; !rest.empty();) {
            auto placed = converter.next(rest);
            benchmark::DoNotOptimize(placed);
        }
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(network.size()));
}
BENCHMARK(from_network);

}  // namespace
