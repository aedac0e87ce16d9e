// What a file costs an answer: opened and closed each time, found in the cache, and the miss that
// puts it there. Three directories deep, in a temporary folder. Expected, in ns: 4,000
// opened each time, 450 found (of it 400 for the look at the queue of changes), 45 found again in
// the same batch, 35,000 for the miss (decision 0016).

#include <benchmark/benchmark.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/vfs/file_cache.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

/// A core, a tree with /a/b/c/file0 to file7 and a cache for it.
struct site {
    site() {
        std::string made = "/tmp/ferry-bench-XXXXXX";
        if (::mkdtemp(made.data()) == nullptr) {
            std::abort();
        }
        root = made;
        for (const char* each : {"/a", "/a/b", "/a/b/c"}) {
            ::mkdir((root + each).c_str(), 0755);
        }
        for (int i = 0; i < file_count; ++i) {
            std::FILE* const out = std::fopen((root + name_of(i)).c_str(), "w");
            std::fputs(std::string(1'024, 'x').c_str(), out);
            std::fclose(out);
            names.push_back(vfs::path::parse(name_of(i)).value());
        }
        tree = vfs::open_local_tree(root.c_str()).value();
    }
    site(const site&) = delete;
    site& operator=(const site&) = delete;
    ~site() {
        tree.reset();
        for (int i = 0; i < file_count; ++i) {
            ::unlink((root + name_of(i)).c_str());
        }
        for (const char* each : {"/a/b/c", "/a/b", "/a", ""}) {
            ::rmdir((root + each).c_str());
        }
    }

    offload_pool pool{1};
    std::unique_ptr<reactor> io = make_uring_reactor({}, pool).value();
    core here{0, *io, ferry::random(1)};
    stop_scope stop;
    std::string root;
    std::unique_ptr<vfs::tree> tree;
    std::vector<vfs::path> names;

  private:
    static constexpr int file_count = 8;
    static std::string name_of(int i) { return "/a/b/c/file" + std::to_string(i); }
};

task<> open_each_time(nursery& bottom, benchmark::State& state, site& on) {
    for (auto _ : state) {
        const auto file = co_await on.tree->open(bottom.here(), on.names[0]);
        benchmark::DoNotOptimize(file->fd());
    }
}

/// `is_new`: something has arrived before each, so that changes are looked for.
task<> find(nursery&, benchmark::State& state, site& on, vfs::file_cache& files, bool is_new) {
    for (int warm = 0; warm < 2; ++warm) {
        static_cast<void>(co_await files.open(on.names[0]));
    }
    for (auto _ : state) {
        if (is_new) {
            on.io->note_arrival();
        }
        const auto file = co_await files.open(on.names[0]);
        benchmark::DoNotOptimize((*file)->file.fd());
    }
}

task<> keep(nursery&, benchmark::State& state, site& on, vfs::file_cache& files) {
    for (auto _ : state) {
        for (const auto& name : on.names) {
            const auto file = co_await files.open(name);
            benchmark::DoNotOptimize((*file)->file.fd());
        }
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * on.names.size()));
    state.counters["each"] =
        benchmark::Counter(static_cast<double>(state.iterations() * on.names.size()),
                           benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void file_uncached(benchmark::State& state) {
    site on;
    run_core(on.here, on.stop, &open_each_time, std::ref(state), std::ref(on));
}
BENCHMARK(file_uncached);

void file_hit(benchmark::State& state, bool is_new) {
    site on;
    vfs::file_cache files(on.here, *on.tree, {.trusted_max = std::chrono::hours(1)});
    run_core(on.here, on.stop, &find, std::ref(state), std::ref(on), std::ref(files), is_new);
}
BENCHMARK_CAPTURE(file_hit, first_of_a_batch, true);
BENCHMARK_CAPTURE(file_hit, further_of_a_batch, false);

/// Eight names that push each other out of a cache of four: each is watched, read and kept, and the
/// one that was kept first is closed. Their directories stay watched. `each` is of one name.
void file_miss_kept(benchmark::State& state) {
    site on;
    vfs::file_cache files(on.here, *on.tree, {.entries_max = 4, .kept_min = duration::zero()});
    run_core(on.here, on.stop, &keep, std::ref(state), std::ref(on), std::ref(files));
}
BENCHMARK(file_miss_kept);

}  // namespace

BENCHMARK_MAIN();
