// What packing costs once, and what an answer then costs beside one that goes as it is: how long
// the pool is busy with a file, and how much smaller it gets. Expected: 10 to 40 ms a MiB, a fifth
// to a tenth of the octets of text.

#include "http/compress.hpp"

#include <benchmark/benchmark.h>

#include <string>

using namespace ferry::http;

namespace {

/// What a program writes: words that come again, numbers that do not.
std::string make_text(std::size_t size_bytes) {
    std::string made;
    for (unsigned i = 0; made.size() < size_bytes; ++i) {
        made += "<tr><td class=\"name\">item " + std::to_string(i * 2'654'435'761U) + "</td><td>" +
                std::to_string(i) + "</td></tr>\n";
    }
    made.resize(size_bytes);
    return made;
}

void pack(benchmark::State& state, content_coding how) {
    const auto content = make_text(static_cast<std::size_t>(state.range(0)));
    std::size_t packed_bytes = 0;
    for (auto _ : state) {
        const auto packed = compress(content, how);
        packed_bytes = packed ? packed->size() : content.size();
        benchmark::DoNotOptimize(packed);
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
    state.counters["of_size"] =
        static_cast<double>(packed_bytes) / static_cast<double>(content.size());
}
BENCHMARK_CAPTURE(pack, gzip, content_coding::gzip)->Arg(16 << 10)->Arg(1 << 20);
BENCHMARK_CAPTURE(pack, br, content_coding::brotli)->Arg(16 << 10)->Arg(1 << 20);
BENCHMARK_CAPTURE(pack, zstd, content_coding::zstd)->Arg(16 << 10)->Arg(1 << 20);

}  // namespace
