// What a command of FTP costs to read. Expected: 70 ns of CPU for a command; a line without end 1
// ns an octet or less, so that who sends one keeps the network busy and not the core.

#include "ftp/line_parser.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

using namespace ferry;

namespace {

/// A command as clients send it, split into verb and argument; items are lines.
void command_line(benchmark::State& state) {
    constexpr std::string_view octets = "RETR /photos/2026/holiday/photo-of-the-day-17.jpeg\r\n";
    ftp::line_parser parser;
    for (auto _ : state) {
        auto input = octets;
        benchmark::DoNotOptimize(parser.next(input));
        const auto command = ftp::parse_command(parser.line());
        benchmark::DoNotOptimize(command);
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(command_line);

/// What an attacker can make a core swallow: one line without end; bytes are octets.
void endless_line(benchmark::State& state) {
    const std::string octets(64 * 1024, 'x');
    ftp::line_parser parser;
    for (auto _ : state) {
        std::string_view input = octets;
        benchmark::DoNotOptimize(parser.next(input));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(octets.size()));
}
BENCHMARK(endless_line);

}  // namespace
