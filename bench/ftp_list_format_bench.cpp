#include "ftp/list_format.hpp"

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

using namespace ferry;

namespace {

constexpr std::int64_t now = 1'795'421'700;  // 2026-11-23T08:15:00Z

/// A thousand files of all ages and sizes.
std::vector<vfs::directory_entry> make_entries() {
    std::vector<vfs::directory_entry> made;
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        made.push_back({.name = "photo-of-the-day-" + std::to_string(i) + ".jpeg",
                        .status = {.kind = vfs::file_kind::regular,
                                   .size_bytes = i * i * 997,
                                   .inode = 1'000'000 + i,
                                   .device = 0xfd01,
                                   .mode = 0644,
                                   .links = 1,
                                   .owner_id = 1'000,
                                   .group_id = 1'000,
                                   .modified = {now - static_cast<std::int64_t>(i) * 86'413, 0},
                                   .changed = {now, 0}}});
    }
    return made;
}

/// Appends a thousand lines a turn to a buffer that has grown already; items are lines.
template <class Append>
void run(benchmark::State& state, Append append) {
    const auto entries = make_entries();
    std::string out;
    for (auto _ : state) {
        out.clear();
        for (const auto& entry : entries) {
            append(out, entry);
            out += "\r\n";
        }
        benchmark::DoNotOptimize(out.data());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(entries.size()));
}

void list_line(benchmark::State& state) {
    run(state, [](std::string& out, const vfs::directory_entry& entry) {
        ftp::append_unix_line(out, entry, now);
    });
}
BENCHMARK(list_line);

void name_line(benchmark::State& state) {
    run(state, [](std::string& out, const vfs::directory_entry& entry) {
        ftp::append_name_line(out, {.directory = "holiday", .name = entry.name});
    });
}
BENCHMARK(name_line);

void facts_line(benchmark::State& state) {
    run(state, [](std::string& out, const vfs::directory_entry& entry) {
        ftp::append_facts_line(out, entry, {.rights = auth::rights::read_only()});
    });
}
BENCHMARK(facts_line);

}  // namespace
