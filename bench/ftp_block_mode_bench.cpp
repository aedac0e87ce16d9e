// What MODE B costs. Expected: 5 GB/s of CPU each way.

#include "ftp/block_mode.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

using namespace ferry;
using namespace ferry::ftp;

namespace {

constexpr mode_framing records{.rule = record_rule::records};

/// 64 KiB of records of 80 octets, as a mainframe has them: filled up with spaces.
std::string make_records() {
    std::string made;
    while (made.size() < 64 * 1024) {
        made += "SMITH     ANNE      14 MARKET STREET" + std::string(43, ' ') + '\n';
    }
    return made;
}

std::string written(const std::string& stored) {
    block_writer writer(records);
    std::string out;
    writer.add(stored, out);
    writer.finish(out);
    return out;
}

void write(benchmark::State& state) {
    const auto stored = make_records();
    for (auto _ : state) {
        benchmark::DoNotOptimize(written(stored));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stored.size()));
}
BENCHMARK(write);

void read(benchmark::State& state) {
    const auto stored = make_records();
    const auto network = written(stored);
    std::string out;
    for (auto _ : state) {
        out.clear();
        block_reader reader(records);
        std::string_view rest = network;
        const auto event = reader.read(rest, out);
        if (!event || *event != mode_event::end_of_file) {
            state.SkipWithError("refused");
        }
        benchmark::DoNotOptimize(out.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(stored.size()));
}
BENCHMARK(read);

}  // namespace
