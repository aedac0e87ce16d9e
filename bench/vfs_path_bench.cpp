// What it costs to turn a client's octets into a name inside the tree. Expected, in ns of CPU: 20
// to 90 for names as they are asked for, 150 for one full of dots, 16,000 for the longest there can
// be.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "ferry/vfs/path.hpp"

using namespace ferry;

namespace {

void parse(benchmark::State& state, std::string_view text) {
    for (auto _ : state) {
        auto parsed = vfs::path::parse(text);
        benchmark::DoNotOptimize(parsed);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK_CAPTURE(parse, root, "/");
BENCHMARK_CAPTURE(parse, short_name, "/1k.bin");
BENCHMARK_CAPTURE(parse, page, "/docs/manual/index.html");
BENCHMARK_CAPTURE(parse, deep,
                  "/pub/debian/pool/main/libr/libreoffice/libreoffice-core_7.4.7-1.deb");
BENCHMARK_CAPTURE(parse, dots, "/a/./b/../c//d/../../e/../../../f/g/h/../i");

/// The longest path there is, of components of one octet: the most work a request can ask for.
void parse_longest(benchmark::State& state) {
    std::string text;
    while (text.size() + 2 <= vfs::path_bytes_max) {
        text += "/a";
    }
    parse(state, text);
}
BENCHMARK(parse_longest);

void resolve(benchmark::State& state, std::string_view text) {
    const auto here = vfs::path::parse("/pub/debian/pool/main");
    for (auto _ : state) {
        auto resolved = here->resolve(text);
        benchmark::DoNotOptimize(resolved);
    }
}
BENCHMARK_CAPTURE(resolve, relative, "libr/libreoffice");
BENCHMARK_CAPTURE(resolve, up, "../../dists/stable");
BENCHMARK_CAPTURE(resolve, absolute, "/pub/README");

}  // namespace
