// What one row of a directory listing costs: a plain name, and one that must be escaped throughout.

#include <benchmark/benchmark.h>

#include <string>

#include "http/index_page.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

void row(benchmark::State& state, const char* name) {
    const vfs::directory_entry entry{
        .name = name,
        .status = {.kind = vfs::file_kind::regular,
                   .size_bytes = 1'234'567,
                   .modified = {.seconds = 1'795'000'000, .nanoseconds = 0},
                   .changed = {}}};
    std::string out;
    utc_text time;
    for (auto _ : state) {
        out.clear();
        append_index_row(out, entry, time);
        benchmark::DoNotOptimize(out.data());
    }
}

}  // namespace

BENCHMARK_CAPTURE(row, plain, "file-000123.html");
BENCHMARK_CAPTURE(row, hostile, "<\xc3\xbc & \"quoted\" \xff\x01\xe2\x80\xae>");

BENCHMARK_MAIN();
