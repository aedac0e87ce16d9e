// What a digest of a file costs: by `vfs::digests`, read and hashed on the offload pool, and its
// floor, the bare algorithm over the same octets in memory. 64 MiB in the page cache. And the
// digest that is kept. The ratios of decision 0018.

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "ferry/base/random.hpp"
#include "ferry/base/units.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/hasher.hpp"
#include "site_of_a_file.hpp"

using namespace ferry;
using namespace ferry::runtime;
using vfs::digest_algorithm;

namespace {

constexpr std::size_t file_bytes = 64_MiB;

/// With what makes digests of the file.
struct site : bench::site_of_a_file {
    site() : site_of_a_file(file_bytes) {}

    vfs::digest_cache known;
    vfs::digests digests{here, known};
    vfs::path name = file;
};

task<> make_one_each_time(nursery& bottom, benchmark::State& state, site& on, digest_algorithm by) {
    const auto file = co_await on.tree->open(bottom.here(), on.name);
    for (auto _ : state) {
        const auto made = co_await on.digests.of(*file, {.by = by});
        benchmark::DoNotOptimize(made->value);
    }
}

task<> find_it_each_time(nursery& bottom, benchmark::State& state, site& on) {
    const auto file = co_await on.tree->open(bottom.here(), on.name);
    on.known.put(file->status(), digest_algorithm::sha256, {});
    for (auto _ : state) {
        const auto made = co_await on.digests.of(*file, {.is_local = true});
        benchmark::DoNotOptimize(made->value);
    }
}

void count_octets(benchmark::State& state) {
    state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * file_bytes));
}

void digest_of_file(benchmark::State& state, digest_algorithm by) {
    site on;
    run_core(on.here, on.stop, &make_one_each_time, std::ref(state), std::ref(on), by);
    count_octets(state);
}

void digest_floor(benchmark::State& state, digest_algorithm by) {
    const std::string octets(file_bytes, 'x');
    for (auto _ : state) {
        const auto hasher = vfs::make_hasher(by);
        hasher->add(std::as_bytes(std::span(octets)));
        benchmark::DoNotOptimize(hasher->finish());
    }
    count_octets(state);
}

void digest_kept(benchmark::State& state) {
    site on;
    run_core(on.here, on.stop, &find_it_each_time, std::ref(state), std::ref(on));
}
BENCHMARK(digest_kept);

// Of the wall clock: most of it happens on another thread.
BENCHMARK_CAPTURE(digest_of_file, crc32, digest_algorithm::crc32)->UseRealTime();
BENCHMARK_CAPTURE(digest_floor, crc32, digest_algorithm::crc32)->UseRealTime();
BENCHMARK_CAPTURE(digest_of_file, crc32c, digest_algorithm::crc32c)->UseRealTime();
BENCHMARK_CAPTURE(digest_floor, crc32c, digest_algorithm::crc32c)->UseRealTime();
BENCHMARK_CAPTURE(digest_of_file, md5, digest_algorithm::md5)->UseRealTime();
BENCHMARK_CAPTURE(digest_floor, md5, digest_algorithm::md5)->UseRealTime();
BENCHMARK_CAPTURE(digest_of_file, sha1, digest_algorithm::sha1)->UseRealTime();
BENCHMARK_CAPTURE(digest_floor, sha1, digest_algorithm::sha1)->UseRealTime();
BENCHMARK_CAPTURE(digest_of_file, sha256, digest_algorithm::sha256)->UseRealTime();
BENCHMARK_CAPTURE(digest_floor, sha256, digest_algorithm::sha256)->UseRealTime();
BENCHMARK_CAPTURE(digest_of_file, sha512, digest_algorithm::sha512)->UseRealTime();
BENCHMARK_CAPTURE(digest_floor, sha512, digest_algorithm::sha512)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
