// What a mount table adds to an operation: a tree that answers at once, asked alone, as the root of
// a table, and as a mount in it. Expected, in ns: 13,
// 50 to 70 as the root, 90 to 120 as a mount (decision 0015): nothing beside the 2 us of an open.

#include <benchmark/benchmark.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/runtime/core.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/offload.hpp"
#include "ferry/runtime/uring.hpp"
#include "ferry/vfs/mount_table.hpp"

using namespace ferry;

namespace {

/// A tree that knows every name at once: what is measured is the way to it.
class instant_tree final : public vfs::tree {
  public:
    runtime::task<result<vfs::node>> open(runtime::core&, const vfs::path&) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<vfs::metadata>> status(runtime::core&,
                                                const vfs::path& name) const override {
        co_return vfs::metadata{.size_bytes = name.text().size()};
    }
    runtime::task<result<vfs::listing>> list(runtime::core&, vfs::node, const vfs::path&,
                                             vfs::listing_options) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<vfs::upload>> begin_upload(runtime::core&, const vfs::path&,
                                                    vfs::upload_options) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> remove_file(runtime::core&, const vfs::path&,
                                            const vfs::metadata*) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> remove_directory(runtime::core&, const vfs::path&) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> make_directory(runtime::core&, const vfs::path&) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> rename(runtime::core&, rename_names) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<std::unique_ptr<vfs::tree>>> subtree(runtime::core&,
                                                              const vfs::path&) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> set_modified(runtime::core&, const vfs::path&,
                                             wall_time) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> set_permissions(runtime::core&, const vfs::path&,
                                                std::uint32_t) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<std::uint64_t>> free_octets(runtime::core&,
                                                     const vfs::path&) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<vfs::metadata>> part_status(runtime::core&, const vfs::path&,
                                                     std::string_view) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<vfs::replacement>> replacement_of(runtime::core&, const vfs::path&,
                                                           std::string_view) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<result<void>> hold_to(runtime::core&, vfs::held_to) override {
        co_return failure(errc::unsupported);
    }
    runtime::task<vfs::measured> measure(runtime::core&, vfs::listing_bounds&,
                                         std::span<const vfs::directory_id>) const override {
        co_return vfs::measured{};
    }
    runtime::task<result<void>> remove_part(runtime::core&, const vfs::path&,
                                            std::string_view) const override {
        co_return failure(errc::unsupported);
    }
    runtime::task<vfs::leftovers_found> remove_leftovers(runtime::core&, vfs::listing_bounds&,
                                                         vfs::leftover_kinds) const override {
        co_return vfs::leftovers_found{};
    }
};

runtime::task<> ask_again_and_again(runtime::nursery& home, benchmark::State& state,
                                    const vfs::tree& files, vfs::path name) {
    for (auto _ : state) {
        const auto found = co_await files.status(home.here(), name);
        benchmark::DoNotOptimize(found->size_bytes);
    }
}

void ask(benchmark::State& state, const vfs::tree& files, std::string_view name) {
    runtime::offload_pool pool{1};
    const auto io = runtime::make_uring_reactor({}, pool).value();
    runtime::core here{0, *io, ferry::random(1)};
    runtime::stop_scope stop;
    runtime::run_core(here, stop, &ask_again_and_again, std::ref(state), std::cref(files),
                      vfs::path::parse(name).value());
}

void without_a_table(benchmark::State& state) {
    const instant_tree files;
    ask(state, files, "/articles/2026/index.html");
}
BENCHMARK(without_a_table);

/// A root and as many mounts beneath it as the argument says.
std::unique_ptr<vfs::tree> table_of(std::int64_t count) {
    std::vector<vfs::mount> mounts;
    mounts.push_back({.at = {}, .files = std::make_shared<instant_tree>()});
    for (std::int64_t i = 0; i < count; ++i) {
        mounts.push_back({.at = vfs::path::parse("/mount-" + std::to_string(i)).value(),
                          .files = std::make_shared<instant_tree>()});
    }
    return vfs::make_mount_table(std::move(mounts));
}

void in_the_root(benchmark::State& state) {
    ask(state, *table_of(state.range(0)), "/articles/2026/index.html");
}
BENCHMARK(in_the_root)->Arg(1)->Arg(16)->Arg(256);

void in_a_mount(benchmark::State& state) {
    ask(state, *table_of(state.range(0)), "/mount-0/articles/2026/index.html");
}
BENCHMARK(in_a_mount)->Arg(1)->Arg(16)->Arg(256);

}  // namespace
