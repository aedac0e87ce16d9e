// ferry-ftp-load: puts an FTP server under load (tools/ferry-ftp-load --help). As many threads as
// asked for, each a core of ferry's runtime with its part of the connections; what they found is
// put together when all have ended.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/runtime/offload.hpp"
#include "load/crew.hpp"
#include "load/reach.hpp"
#include "options.hpp"
#include "report.hpp"
#include "worker.hpp"

namespace ferry::ftp_load {
namespace {

constexpr std::size_t content_bytes_max = 1024 * 1024;
constexpr std::size_t line_bytes = 64;  ///< Of a line of text, CR LF included.

int give_up(const std::string& why) {
    std::fputs(fmt::format("ferry-ftp-load: {}\n", why).c_str(), stderr);
    return 1;
}

std::vector<std::byte> make_content(const load_options& options) {
    std::vector<std::byte> made(std::min<std::uint64_t>(options.upload_bytes, content_bytes_max));
    ferry::random rng(seed_from_kernel());
    for (std::size_t i = 0; i < made.size(); ++i) {
        const auto column = i % line_bytes;
        if (!options.is_ascii) {
            made[i] = static_cast<std::byte>(rng.next());
        } else if (column < line_bytes - 2) {
            made[i] = static_cast<std::byte>('a' + rng.below(26));
        } else {
            made[i] = static_cast<std::byte>(column == line_bytes - 2 ? '\r' : '\n');
        }
    }
    return made;
}

int run(load_options wanted) {
    const auto server = load::find_server(wanted.where.host, wanted.where.port, wanted.timeout);
    if (!server) {
        return give_up(server.error());
    }
    const auto signals = load::take_ending_signals();
    load::raise_descriptor_limit();
    const auto threads =
        std::min(wanted.connections, wanted.threads != 0 ? wanted.threads : load::usable_cpus());
    load_plan plan{
        .options = std::move(wanted), .server = *server, .threads = threads, .content = {}};
    const auto& options = plan.options;
    plan.content = make_content(options);
    auto rings = load::grant_rings(options.io, threads);
    if (!rings) {
        return give_up(rings.error());
    }
    const bool has_rings = !rings->empty();
    runtime::offload_pool offload(runtime::offload_pool::threads_min);
    std::atomic<first_login> first = first_login::pending;
    std::vector<std::unique_ptr<worker>> workers;
    std::vector<load::worker*> crew;
    for (std::size_t i = 0; i < threads; ++i) {
        load::worker_place place{.index = i, .ring = {}, .offload = &offload, .duration = {}};
        if (has_rings) {
            place.ring = std::move((*rings)[i]);
        }
        if (!options.operations) {
            place.duration = options.duration;
        }
        workers.push_back(std::make_unique<worker>(std::move(place), plan, first));
        crew.push_back(workers.back().get());
    }
    tally results;
    run_facts facts{.options = options,
                    .results = results,
                    .threads = threads,
                    .seconds = 0,
                    .backend = has_rings ? "io_uring" : "epoll",
                    .interrupted = false};
    const auto ended = load::work_together(crew, signals, [&facts] {
        std::fputs(introduction(facts).c_str(), stdout);
        std::fflush(stdout);
    });
    if (!ended) {
        return give_up(ended.error());
    }
    facts.interrupted = *ended;
    for (const auto& each : workers) {
        results.add(each->results());
    }
    facts.seconds = load::seconds_of(crew);
    std::fputs(report(facts).c_str(), stdout);
    if (!options.json.empty() && !load::write_file(options.json, report_json(facts))) {
        return give_up(fmt::format("{}: {}", options.json, std::strerror(errno)));
    }
    const auto turned_away =
        std::ranges::find_if(workers, [](const auto& each) { return !each->refusal().empty(); });
    if (turned_away != workers.end()) {
        return give_up((*turned_away)->refusal());
    }
    return results.done() == 0 ? 1 : 0;
}

}  // namespace
}  // namespace ferry::ftp_load

int main(int argc, char** argv) {
    auto wanted = ferry::ftp_load::parse_options(argc, argv);
    if (!wanted) {
        const auto& ending = wanted.error();
        std::fputs(ending.text.c_str(), ending.status == 0 ? stdout : stderr);
        return ending.status;
    }
    return ferry::ftp_load::run(std::move(*wanted));
}
