#include "report.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"
#include "load/figures.hpp"

namespace ferry::ftp_load {

using load::counted;
using load::histogram;
using load::in_json;
using load::latency_json;
using load::octets_per_mib;
using load::rate;
using load::show_time;

namespace {

std::string_view name_of(data_mode mode) noexcept {
    switch (mode) {
        case data_mode::epsv:
            return "EPSV";
        case data_mode::pasv:
            return "PASV";
        case data_mode::eprt:
            return "EPRT";
        case data_mode::port:
            return "PORT";
    }
    return {};
}

std::string workload_text(const load_options& options) {
    std::string made;
    for (const auto& each : options.workload) {
        made += made.empty() ? "" : ",";
        made += name_of(each.what);
        if (options.workload.size() > 1) {
            made += fmt::format("={}", each.weight);
        }
    }
    return made;
}

/// Which latency it is: a closed loop does not see what it kept from happening.
std::string latency_words(const load_options& options) {
    if (options.rate != 0) {
        return "from the moment an operation was due (--rate), so that waiting behind a slow one "
               "counts";
    }
    return "each operation as its connection saw it; while one is slow its connection begins no "
           "other,\n  so a stall counts once a connection (--rate counts from when one was due)";
}

}  // namespace

std::string introduction(const run_facts& facts) {
    const auto& options = facts.options;
    const auto how_long = options.operations ? fmt::format("{} operations", *options.operations)
                                             : show_duration(options.duration);
    return fmt::format(
        "Running {} of {} at {}\n"
        "  {} and {} on {}, data by {}{}, TYPE {}{}\n",
        how_long, workload_text(options), options.where.show(), counted(facts.threads, "thread"),
        counted(options.connections, "connection"), facts.backend, name_of(options.data),
        options.security() == tls_mode::never ? "" : " over TLS", options.is_ascii ? 'A' : 'I',
        options.rate != 0 ? fmt::format(", {} operations a second", options.rate) : "");
}

std::string report(const run_facts& facts) {
    const auto& all = facts.results;
    std::string made =
        fmt::format("  {:<6} {:>10} {:>8} {:>12} {:>10} {:>8} {:>8} {:>8} {:>8}\n", "", "done",
                    "failed", "a second", "MiB/s", "mean", "50%", "99%", "max");
    histogram together;
    for (std::size_t i = 0; i < operation_count; ++i) {
        const auto& row = all.rows[i];
        together.add(row.latency);
        if (row.latency.count() == 0 && row.failed == 0) {
            continue;
        }
        made += fmt::format("  {:<6} {:>10} {:>8} {:>12.1f} {:>10.2f} {:>8} {:>8} {:>8} {:>8}\n",
                            operation_names[i], row.latency.count(), row.failed,
                            rate(static_cast<double>(row.latency.count()), facts.seconds),
                            rate(static_cast<double>(row.octets), facts.seconds) / octets_per_mib,
                            show_time(row.latency.mean()),
                            show_time(static_cast<double>(row.latency.percentile(50))),
                            show_time(static_cast<double>(row.latency.percentile(99))),
                            show_time(static_cast<double>(row.latency.max())));
    }
    made +=
        fmt::format("  {} done and {} failed in {:.2f}s, {:.2f} MiB{}\n", all.done(), all.failed(),
                    facts.seconds, static_cast<double>(all.octets()) / octets_per_mib,
                    facts.interrupted ? "; interrupted" : "");
    if (facts.options.latency) {
        made += "Latency\n";
        made += load::latency_text(together);
        made += fmt::format("  {};\n  percentiles are up to {:.1f}% too high\n",
                            latency_words(facts.options), histogram::relative_error * 100);
    }
    if (!all.errors.empty()) {
        made += "Errors\n";
        for (const auto& [what, how] : all.errors) {
            made += fmt::format("  {:>10} {}", how.times, what);
            if (!how.said.empty()) {
                made += ": ";
                ascii::append_escaped(made, how.said);
            }
            made += '\n';
        }
    }
    return made;
}

std::string report_json(const run_facts& facts) {
    const auto& options = facts.options;
    const auto& all = facts.results;
    std::string rows;
    for (std::size_t i = 0; i < operation_count; ++i) {
        const auto& row = all.rows[i];
        if (row.latency.count() == 0 && row.failed == 0) {
            continue;
        }
        rows += fmt::format(
            "{}\n    \"{}\": {{\"done\": {}, \"failed\": {}, \"octets\": {}, \"per_second\": "
            "{:.3f}, \"mib_per_second\": {:.3f},\n      \"latency_ns\": {}}}",
            rows.empty() ? "" : ",", operation_names[i], row.latency.count(), row.failed,
            row.octets, rate(static_cast<double>(row.latency.count()), facts.seconds),
            rate(static_cast<double>(row.octets), facts.seconds) / octets_per_mib,
            latency_json(row.latency));
    }
    std::string errors;
    std::string replies;
    for (const auto& [what, how] : all.errors) {
        errors +=
            fmt::format("{}\n    {}: {}", errors.empty() ? "" : ",", in_json(what), how.times);
        if (!how.said.empty()) {
            replies += fmt::format("{}\n    {}: {}", replies.empty() ? "" : ",", in_json(what),
                                   in_json(how.said));
        }
    }
    return fmt::format(
        "{{\n  \"url\": {},\n  \"workload\": {},\n  \"threads\": {},\n  \"connections\": {},\n"
        "  \"backend\": {},\n  \"data\": \"{}\",\n  \"tls\": {},\n  \"type\": \"{}\",\n  \"rate\": "
        "{},\n"
        "  \"seconds\": {:.6f},\n  \"interrupted\": {},\n  \"done\": {},\n  \"failed\": {},\n"
        "  \"octets\": {},\n  \"operations\": {{{}\n  }},\n  \"errors\": {{{}\n  }},\n"
        "  \"error_replies\": {{{}\n  }}\n}}\n",
        in_json(options.where.show()), in_json(workload_text(options)), facts.threads,
        options.connections, in_json(facts.backend), name_of(options.data),
        options.security() != tls_mode::never, options.is_ascii ? 'A' : 'I', options.rate,
        facts.seconds, facts.interrupted, all.done(), all.failed(), all.octets(), rows, errors,
        replies);
}

}  // namespace ferry::ftp_load
