// What it costs to decide an answer: a small file from the cache, asked for as browsers do, on a
// site without rules and on one with those of a usual file of them (README, Rules of sites).

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "ferry/base/access_sink.hpp"
#include "ferry/http/media_types.hpp"
#include "ferry/http/rules.hpp"
#include "ferry/http/server.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/vfs/digest.hpp"
#include "ferry/vfs/file_cache.hpp"
#include "ferry/vfs/listing_bounds.hpp"
#include "http/head_parser.hpp"
#include "http/plan.hpp"
#include "site_of_a_file.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

class no_log final : public access_sink {
  public:
    void record(const access_record&) noexcept override {}
    [[nodiscard]] bool wants_records() const noexcept override { return false; }
};

class no_content final : public content_reader {
  public:
    [[nodiscard]] runtime::task<result<std::span<const std::byte>>> next() override {
        co_return std::span<const std::byte>();
    }
    [[nodiscard]] runtime::task<result<void>> tell(std::string_view) override {
        co_return result<void>{};
    }
    [[nodiscard]] head_refusal refusal() const noexcept override {
        return {.what = status::bad_request, .reason = {}};
    }
    [[nodiscard]] bool lets_go_on() const noexcept override { return true; }
};

rules usual() {
    rules made;
    made.standard = {
        .redirects = {{.from = "/news/*", .to = "/blog/*"}, {.from = "/a", .to = "/b"}},
        .headers = {{.path = "/*",
                     .set = {{"X-Frame-Options", "DENY"}, {"Referrer-Policy", "same-origin"}},
                     .remove = {"Server"}},
                    {.type = "text/html", .add = {{"Link", "</site.css>; rel=preload"}}}},
        .caches = {{.path = "/assets/*", .control = "max-age=31536000, immutable"},
                   {.type = "application/*", .control = "no-cache"}},
        .errors = {{.statuses = {404}, .page = "/404.html"}},
        .cors = {{.path = "/api/*", .origins = {"https://app.example.org"}}}};
    made.hosts = {{.names = {"example.org", "*.example.org"}, .root = "/example"}};
    return made;
}

/// The file is no page, so `/file.html` is looked for in vain before it.
rules clean_urls() {
    rules made;
    made.standard.clean_urls = true;
    return made;
}

runtime::task<> plan_again_and_again(runtime::nursery&, benchmark::State& state,
                                     service::state& shared, const request& asked) {
    no_content content;
    for (auto _ : state) {
        const auto by = visitor_of(shared);  // Who sends no password is not asked for one.
        auto made = co_await plan_response(shared, asked, content, by, after::keep_alive);
        benchmark::DoNotOptimize(made.message.data());
    }
}

void plan_a_file(benchmark::State& state, const rules& written) {
    bench::site_of_a_file on(1'000);
    const options settings;
    const auto types = media_types::built_in();
    no_log log;
    runtime::stop_scope draining;
    vfs::listing_bounds listings(on.here, {});
    vfs::file_cache open_files(on.here, *on.tree, {.trusted_max = std::chrono::hours(1)});
    vfs::digest_cache known_digests;
    vfs::digests digests(on.here, known_digests);
    service shared(on.here, settings, *on.tree, open_files, listings, digests, types, log,
                   draining);
    auto made = make_sites(written);
    if (!made) {
        std::abort();
    }
    shared.use_rules(std::move(*made));
    head_parser parser({});
    const std::string head =
        "GET /file?v=1 HTTP/1.1\r\nHost: www.example.com:8080\r\nUser-Agent: Mozilla/5.0\r\n"
        "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
        "Accept-Encoding: gzip, deflate, br\r\n\r\n";
    if (parser.parse(head) != head_progress::complete) {
        std::abort();
    }
    runtime::run_core(on.here, on.stop, &plan_again_and_again, std::ref(state),
                      std::ref(shared.inside()), std::cref(parser.head()));
}

}  // namespace

BENCHMARK_CAPTURE(plan_a_file, without_rules, rules{});
BENCHMARK_CAPTURE(plan_a_file, with_rules, usual());
BENCHMARK_CAPTURE(plan_a_file, no_page_with_clean_urls, clean_urls());

BENCHMARK_MAIN();
