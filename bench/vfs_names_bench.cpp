#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "ferry/vfs/name_charset.hpp"
#include "vfs/unicode_name.hpp"

using namespace ferry;

namespace {

/// 60 octets each, as a listing has them.
constexpr std::string_view plain = "Holiday pictures, summer 2026, part 12 (copy), original 1.jpg";
constexpr std::string_view accented =
    "D\u00E9tails de la f\u00EAte \u00E0 No\u00EBl, \u00E9t\u00E9 2026, \u00E0 c\u00F4t\u00E9.jpg";
constexpr std::string_view cyrillic =
    "\u0424\u043E\u0442\u043E\u0433\u0440\u0430\u0444\u0438\u0438 \u043B\u0435\u0442\u043E 2026 "
    "\u043A\u043E\u043F\u0438\u044F 12.jpg";

template <class Convert>
void run(benchmark::State& state, std::string_view name, Convert convert) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(convert(name));
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(name.size()));
}

void to_nfc(benchmark::State& state, std::string_view name) {
    run(state, name, [](std::string_view text) { return vfs::to_nfc(text); });
}
BENCHMARK_CAPTURE(to_nfc, plain, plain);
BENCHMARK_CAPTURE(to_nfc, accented, accented);
BENCHMARK_CAPTURE(to_nfc, cyrillic, cyrillic);

void fold_case(benchmark::State& state, std::string_view name) {
    run(state, name, [](std::string_view text) { return vfs::fold_case(text); });
}
BENCHMARK_CAPTURE(fold_case, plain, plain);
BENCHMARK_CAPTURE(fold_case, accented, accented);
BENCHMARK_CAPTURE(fold_case, cyrillic, cyrillic);

void open_charset(benchmark::State& state) {
    for (auto _ : state) {
        benchmark::DoNotOptimize(vfs::name_charset::open("CP1252"));
    }
}
BENCHMARK(open_charset);

void to_client(benchmark::State& state, std::string_view name) {
    const auto names = vfs::name_charset::open("CP1252");
    run(state, name, [&](std::string_view text) { return names->to_client(text); });
}
BENCHMARK_CAPTURE(to_client, plain, plain);
BENCHMARK_CAPTURE(to_client, accented, accented);
BENCHMARK_CAPTURE(to_client, escaped, cyrillic);

void to_stored(benchmark::State& state, std::string_view name) {
    const auto names = vfs::name_charset::open("CP1252");
    const auto received = names->to_client(name);
    run(state, received, [&](std::string_view text) { return names->to_stored(text); });
}
BENCHMARK_CAPTURE(to_stored, plain, plain);
BENCHMARK_CAPTURE(to_stored, accented, accented);
BENCHMARK_CAPTURE(to_stored, escaped, cyrillic);

}  // namespace
