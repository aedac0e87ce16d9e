// What a line end costs a transfer of text (TYPE A). Expected: 0.08 s/GiB out and 0.09 in, a tenth
// of what sending costs at most (bench/NOTES.md).

#include "ferry/vfs/text.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

using namespace ferry;
namespace text = vfs::text;

namespace {

/// 64 KiB of lines of 40 octets with the given end.
std::string make_text(std::string_view line_end) {
    std::string made;
    while (made.size() < 64 * 1024) {
        made += "the quick brown fox jumps over the lazy ";
        made += line_end;
    }
    return made;
}

template <class Convert>
void run(benchmark::State& state, std::string_view line_end, Convert convert) {
    const auto input = make_text(line_end);
    std::string out;
    for (auto _ : state) {
        out.clear();
        convert(input, out);
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.size()));
}

void to_network(benchmark::State& state) {
    text::to_network converter;
    run(state, "\n", [&](const std::string& in, std::string& out) { converter.convert(in, out); });
}
BENCHMARK(to_network);

void from_network(benchmark::State& state) {
    text::from_network converter;
    run(state, "\r\n",
        [&](const std::string& in, std::string& out) { converter.convert(in, out); });
}
BENCHMARK(from_network);

void network_size(benchmark::State& state) {
    text::network_size counter;
    run(state, "\n", [&](const std::string& in, std::string&) {
        counter.add(in);
        auto octets = counter.octets();
        benchmark::DoNotOptimize(octets);
    });
}
BENCHMARK(network_size);

}  // namespace
