// What TYPE E costs: each octet by a table. Expected: 3.5 GB/s of CPU each way.

#include "ferry/vfs/ebcdic.hpp"

#include <benchmark/benchmark.h>

#include <string>

using namespace ferry;
namespace ebcdic = vfs::ebcdic;

namespace {

void run(benchmark::State& state,
         void (*convert)(ebcdic::code_page, std::string_view, std::string&)) {
    const std::string text(64 * 1024, 'a');
    std::string out;
    for (auto _ : state) {
        out.clear();
        convert(ebcdic::code_page::cp1047, text, out);
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void to_network(benchmark::State& state) {
    run(state, ebcdic::to_network);
}
BENCHMARK(to_network);

void from_network(benchmark::State& state) {
    run(state, ebcdic::from_network);
}
BENCHMARK(from_network);

}  // namespace
