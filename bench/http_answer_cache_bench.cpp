// What it costs to find the answer to a request that was answered before: the same as the last one,
// one of a thousand, and one that there is none for, which is what all others pay. By the heads of
// a small client (60 octets) and of a browser (600). Expected: 5 and 15 ns for the last, 40 and 120
// for one of many, and for none.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/answer_cache.hpp"
#include "http/status.hpp"
#include "site_of_a_file.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr std::string_view small = "Host: localhost:8080\r\n";
constexpr std::string_view browser =
    "Host: localhost:8080\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    "\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Referer: http://localhost:8080/some/where/\r\nConnection: keep-alive\r\n"
    "Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    "Sec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\nCache-Control: max-age=0\r\n";

std::string head_of(std::size_t number, std::string_view lines) {
    return "GET /many/f" + std::to_string(number) + ".bin HTTP/1.1\r\n" + std::string(lines) +
           "\r\n";
}

void keep(answer_cache& table, const std::string& head) {
    const auto hash = table.find(head, {}).hash;
    static_cast<void>(table.wants(hash));
    if (table.wants(hash)) {
        auto fresh = std::make_unique<kept_answer>();
        fresh->request_head = head;
        fresh->message =
            std::string(status_line(status::ok)) + "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";
        fresh->head_bytes = fresh->message.size();
        fresh->hash = hash;
        table.keep(std::move(fresh));
    }
}

void find(benchmark::State& state, std::size_t kept, std::size_t asked, std::string_view lines) {
    bench::site_of_a_file site(1);
    answer_cache table(site.here, 64U << 20U);
    std::vector<std::string> heads;
    for (std::size_t i = 0; i < asked; ++i) {
        heads.push_back(head_of(i, lines));
        if (i < kept) {
            keep(table, heads.back());
        }
    }
    std::size_t next = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(table.find(heads[next], {}));
        next = next + 1 == asked ? 0 : next + 1;
    }
}

}  // namespace

BENCHMARK_CAPTURE(find, last_small, 1, 1, small);
BENCHMARK_CAPTURE(find, last_browser, 1, 1, browser);
BENCHMARK_CAPTURE(find, many_small, 1'000, 1'000, small);
BENCHMARK_CAPTURE(find, many_browser, 1'000, 1'000, browser);
BENCHMARK_CAPTURE(find, none_small, 0, 1'000, small);
BENCHMARK_CAPTURE(find, none_browser, 0, 1'000, browser);

BENCHMARK_MAIN();
