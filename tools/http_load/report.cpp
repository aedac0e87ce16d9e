#include "report.hpp"

#include <fmt/format.h>

#include "ferry/base/quantities.hpp"
#include "load/figures.hpp"

namespace ferry::http_load {

using load::counted;
using load::in_json;
using load::rate;
using load::show_time;

std::string introduction(const run_facts& facts) {
    const auto& options = facts.options;
    std::string how;
    if (options.pipeline > 1) {
        how += fmt::format(", {} requests at once", options.pipeline);
    }
    if (options.closes) {
        how += ", a connection each";
    }
    if (options.range_bytes != 0) {
        how += fmt::format(", ranges of {}", show_size(options.range_bytes));
    }
    if (options.rate != 0) {
        how += fmt::format(", {} requests a second", options.rate);
    }
    return fmt::format("Running {} of {} {}\n  {} and {} on {}{}\n",
                       options.operations ? fmt::format("{} requests", *options.operations)
                                          : show_duration(options.duration),
                       options.method, options.show(), counted(facts.threads, "thread"),
                       counted(options.connections, "connection"), facts.backend, how);
}

std::string report(const run_facts& facts) {
    const auto& all = facts.results;
    const auto& latency = all.latency;
    const auto done = static_cast<double>(latency.count());
    std::string made = fmt::format("  {:>10} {:>8} {:>12} {:>10} {:>8} {:>8} {:>8} {:>8}\n", "done",
                                   "failed", "a second", "MiB/s", "mean", "50%", "99%", "max");
    made += fmt::format("  {:>10} {:>8} {:>12.1f} {:>10.2f} {:>8} {:>8} {:>8} {:>8}\n",
                        latency.count(), all.failed, rate(done, facts.seconds),
                        rate(static_cast<double>(all.octets), facts.seconds) / load::octets_per_mib,
                        show_time(latency.mean()),
                        show_time(static_cast<double>(latency.percentile(50))),
                        show_time(static_cast<double>(latency.percentile(99))),
                        show_time(static_cast<double>(latency.max())));
    made += fmt::format("  in {:.2f}s, {} opened{}\n", facts.seconds,
                        counted(all.connections, "connection"),
                        facts.interrupted ? "; interrupted" : "");
    if (facts.options.latency) {
        made += "Latency\n" + load::latency_text(latency);
        made += fmt::format("  {};\n  percentiles are up to {:.1f}% too high\n",
                            facts.options.rate != 0
                                ? "from the moment a request was due (--rate), so that waiting for "
                                  "a free connection counts"
                                : "each request as its connection saw it; while one is slow its "
                                  "connection sends no other",
                            load::histogram::relative_error * 100);
    }
    if (!all.errors.empty()) {
        made += "Errors\n";
        for (const auto& [what, times] : all.errors) {
            made += fmt::format("  {:>10} {}\n", times, what);
        }
    }
    return made;
}

std::string report_json(const run_facts& facts) {
    const auto& options = facts.options;
    const auto& all = facts.results;
    std::string errors;
    for (const auto& [what, times] : all.errors) {
        errors += fmt::format("{}\n    {}: {}", errors.empty() ? "" : ",", in_json(what), times);
    }
    return fmt::format(
        "{{\n  \"url\": {},\n  \"method\": {},\n  \"threads\": {},\n  \"connections\": {},\n"
        "  \"backend\": {},\n  \"pipeline\": {},\n  \"rate\": {},\n  \"seconds\": {:.6f},\n"
        "  \"interrupted\": {},\n  \"done\": {},\n  \"failed\": {},\n  \"octets\": {},\n"
        "  \"opened\": {},\n  \"per_second\": {:.3f},\n  \"latency_ns\": {},\n"
        "  \"errors\": {{{}\n  }}\n}}\n",
        in_json(options.show()), in_json(options.method), facts.threads, options.connections,
        in_json(facts.backend), options.pipeline, options.rate, facts.seconds, facts.interrupted,
        all.latency.count(), all.failed, all.octets, all.connections,
        rate(static_cast<double>(all.latency.count()), facts.seconds),
        load::latency_json(all.latency), errors);
}

}  // namespace ferry::http_load
