// What the rules of a site cost a request: finding the site, its redirects, and the fields of an
// answer.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/http/rules.hpp"
#include "http/answer_rules.hpp"
#include "http/fields.hpp"
#include "http/site.hpp"

using namespace ferry::http;

namespace {

std::shared_ptr<const sites> made_of(const rules& written) {
    auto made = make_sites(written);
    if (!made) {
        std::abort();
    }
    return *made;
}

void find_site(benchmark::State& state) {
    rules written;
    for (int i = 0; i < state.range(0); ++i) {
        const auto name = "site" + std::to_string(i) + ".example.org";
        written.hosts.push_back({.names = {name, "*." + name}, .root = "/" + name});
    }
    const auto made = made_of(written);
    for (auto _ : state) {
        benchmark::DoNotOptimize(made->find("www.site0.example.org:8080"));
    }
}

/// Of a path that is in none of them, which is what most requests ask for.
void find_redirect(benchmark::State& state) {
    rules written;
    for (int i = 0; i < state.range(0); ++i) {
        written.standard.redirects.push_back({.from = "/old/" + std::to_string(i), .to = "/new"});
    }
    for (int i = 0; i < state.range(1); ++i) {
        written.standard.redirects.push_back(
            {.from = "/moved/" + std::to_string(i) + "/*", .to = "/new/*"});
    }
    const auto made = made_of(written);
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            made->standard.redirects.find("/docs/manual/2026/images/figure-12.svg"));
    }
}

/// The head of a file on a site with as many header rows, every fourth of which fits.
void write_head(benchmark::State& state) {
    rules written;
    for (int i = 0; i < state.range(0); ++i) {
        written.standard.headers.push_back(
            {.path = i % 4 == 0 ? "/docs/*" : "/other/" + std::to_string(i) + "/*",
             .set = {{"X-Field-" + std::to_string(i % 60), "a value of some length"}}});
    }
    if (state.range(0) > 0) {
        written.standard.caches.push_back({.type = "image/*", .control = "max-age=60"});
    }
    const auto made = made_of(written);
    const answer_rules of{.of = &made->standard, .path = "/docs/manual/2026/images/figure-12.svg"};
    response_head head;
    head.date = "Sun, 06 Nov 1994 08:49:37 GMT";
    head.server = "ferry";
    head.content_type = "image/svg+xml";
    head.content_length = 1'000;
    head.etag = "\"187a1c2b3d4e5f60-3e8-123\"";
    head.last_modified = "Sun, 06 Nov 1994 08:49:37 GMT";
    head.accepts_ranges = true;
    head.no_sniff = true;
    head.rules = of.are_any() ? &of : nullptr;
    std::string out;
    for (auto _ : state) {
        out.clear();
        append_head(out, head);
        benchmark::DoNotOptimize(out.data());
    }
}

}  // namespace

BENCHMARK(find_site)->Arg(0)->Arg(10)->Arg(1'000);
BENCHMARK(find_redirect)->Args({0, 0})->Args({10'000, 0})->Args({10, 10})->Args({9'000, 256});
BENCHMARK(write_head)->Arg(0)->Arg(4)->Arg(16)->Arg(252);

BENCHMARK_MAIN();
