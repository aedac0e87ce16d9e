// What a copy on the server costs: `vfs::copy_file`, and its floor, copy_file_range(2) into a file
// of the same directory that a rename(2) puts in place. 64 MiB in the page cache, no sync. The
// ratios of decision 0018.

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>

#include "ferry/base/random.hpp"
#include "ferry/base/unique_fd.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/vfs/copy.hpp"
#include "site_of_a_file.hpp"

using namespace ferry;
using namespace ferry::runtime;

namespace {

/// With the two names of a copy.
struct site : bench::site_of_a_file {
    using site_of_a_file::site_of_a_file;

    vfs::path from = file;
    vfs::path to = vfs::path::parse("/copy").value();
};

task<> copy_each_time(nursery& bottom, benchmark::State& state, site& on) {
    for (auto _ : state) {
        const auto copied = co_await vfs::copy_file(
            bottom.here(), *on.tree, {.from = on.from, .to = on.to}, vfs::durability::none);
        if (!copied) {
            state.SkipWithError("it was not copied");
        }
    }
}

void count_octets(benchmark::State& state) {
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

void copy_of_file(benchmark::State& state) {
    site on(static_cast<std::size_t>(state.range(0)));
    run_core(on.here, on.stop, &copy_each_time, std::ref(state), std::ref(on));
    count_octets(state);
}

void copy_floor(benchmark::State& state) {
    const site on(static_cast<std::size_t>(state.range(0)));
    const std::string temporary = on.root + "/.new";
    for (auto _ : state) {
        const unique_fd from(::open((on.root + "/file").c_str(), O_RDONLY));
        const unique_fd to(::open(temporary.c_str(), O_WRONLY | O_CREAT, 0644));
        for (auto left = state.range(0); left > 0;) {
            const auto copied = ::copy_file_range(from.get(), nullptr, to.get(), nullptr,
                                                  static_cast<std::size_t>(left), 0);
            if (copied <= 0) {
                state.SkipWithError("it was not copied");
                return;
            }
            left -= copied;
        }
        static_cast<void>(::rename(temporary.c_str(), (on.root + "/copy").c_str()));
    }
    count_octets(state);
}

// Of the wall clock: most of it happens on another thread.
BENCHMARK(copy_of_file)->Arg(4'096)->Arg(64 * 1'024 * 1'024)->UseRealTime();
BENCHMARK(copy_floor)->Arg(4'096)->Arg(64 * 1'024 * 1'024)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
