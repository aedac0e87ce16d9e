#include "server/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "server/json_text.hpp"
#include "server/start_up.hpp"

namespace ferry::server {
namespace {

using labels = std::initializer_list<metric_label>;

void put(metric_samples& into, labels which, std::uint64_t value) {
    into.add(std::span(which.begin(), which.size()), value);
}

/// The sum of what `of` gives for each core.
template <class Of>
std::uint64_t sum(const reading& from, Of of) {
    std::uint64_t all = 0;
    for (const auto& each : from.cores) {
        all += static_cast<std::uint64_t>(of(each));
    }
    return all;
}

constexpr std::size_t http_index = static_cast<std::size_t>(protocol::http);
constexpr std::size_t ftp_index = static_cast<std::size_t>(protocol::ftp);

/// One value for each protocol: `of(core, index of the protocol)`.
template <class Of>
void by_protocol(const reading& from, metric_samples& into, Of of) {
    for (const auto each : {http_index, ftp_index}) {
        put(into, {{"protocol", each == http_index ? "http" : "ftp"}},
            sum(from, [&](const core_reading& core) { return of(core, each); }));
    }
}

/// One value for each core.
template <class Of>
void by_core(const reading& from, metric_samples& into, Of of) {
    for (std::size_t i = 0; i < from.cores.size(); ++i) {
        put(into, {{"core", std::to_string(i)}}, static_cast<std::uint64_t>(of(from.cores[i])));
    }
}

const net::octet_counts& octets(const core_reading& core, std::size_t which) noexcept {
    return which == http_index ? core.http.octets : core.ftp.octets;
}

const net::handshake_counts& handshakes(const core_reading& core, std::size_t which) noexcept {
    return which == http_index ? core.http.handshakes : core.ftp.handshakes;
}

void read_requests(const reading& from, metric_samples& into) {
    static constexpr std::array<std::string_view, http::counters::classes> codes = {
        "1xx", "2xx", "3xx", "4xx", "5xx"};
    for (std::size_t row = 0; row < http::counted_methods.size(); ++row) {
        std::array<std::uint64_t, codes.size()> all{};
        for (std::size_t code = 0; code < codes.size(); ++code) {
            all[code] =
                sum(from, [&](const core_reading& core) { return core.http.answers[row][code]; });
        }
        // A method that nobody uses is no series. Of the others all are there before there is
        // anything to count: the first error is an increase.
        const bool is_used = std::ranges::any_of(all, [](std::uint64_t each) { return each != 0; });
        for (std::size_t code = 0; (is_used || row == 0) && code < codes.size(); ++code) {
            put(into, {{"method", http::counted_methods[row]}, {"code", codes[code]}}, all[code]);
        }
    }
}

void read_replies(const reading& from, metric_samples& into) {
    static constexpr std::array<std::string_view, ftp::counters::classes> codes = {
        "1yz", "2yz", "3yz", "4yz", "5yz"};
    for (std::size_t code = 1; code < codes.size(); ++code) {
        put(into, {{"code", codes[code]}},
            sum(from, [&](const core_reading& core) { return core.ftp.replies[code]; }));
    }
}

void read_transfers(const reading& from, metric_samples& into) {
    struct kind {
        std::string_view name;
        ftp::transfer_counts ftp::counters::* counts;
    };
    for (const auto& each :
         {kind{"download", &ftp::counters::downloads}, kind{"upload", &ftp::counters::uploads},
          kind{"listing", &ftp::counters::listings}}) {
        const auto counts = [&](const core_reading& core) { return core.ftp.*each.counts; };
        put(into, {{"kind", each.name}, {"result", "complete"}},
            sum(from, [&](const core_reading& core) { return counts(core).complete; }));
        put(into, {{"kind", each.name}, {"result", "failed"}},
            sum(from, [&](const core_reading& core) { return counts(core).failed; }));
    }
}

void read_transfers_under_way(const reading& from, metric_samples& into) {
    for (const auto each : {http_index, ftp_index}) {
        const std::string_view name = each == http_index ? "http" : "ftp";
        put(into, {{"protocol", name}, {"direction", "down"}},
            sum(from, [&](const core_reading& core) { return core.downloads_under_way[each]; }));
        put(into, {{"protocol", name}, {"direction", "up"}},
            sum(from, [&](const core_reading& core) { return core.uploads_under_way[each]; }));
    }
}

void read_handshakes(const reading& from, metric_samples& into) {
    struct kind {
        std::string_view name;
        std::uint64_t net::handshake_counts::* count;
    };
    for (const auto which : {http_index, ftp_index}) {
        for (const auto& each : {kind{"full", &net::handshake_counts::full},
                                 kind{"resumed", &net::handshake_counts::resumed},
                                 kind{"failed", &net::handshake_counts::failed}}) {
            put(into, {{"protocol", which == http_index ? "http" : "ftp"}, {"result", each.name}},
                sum(from,
                    [&](const core_reading& core) { return handshakes(core, which).*each.count; }));
        }
    }
}

/// Lookups of a cache: `of` gives its counters of a core.
template <class Of>
void read_lookups(const reading& from, metric_samples& into, Of of) {
    put(into, {{"result", "hit"}},
        sum(from, [&](const core_reading& core) { return of(core).hits; }));
    put(into, {{"result", "miss"}},
        sum(from, [&](const core_reading& core) { return of(core).misses; }));
}

template <class Of>
void read_losses(const reading& from, metric_samples& into, Of of) {
    put(into, {{"reason", "changed"}},
        sum(from, [&](const core_reading& core) { return of(core).changed; }));
    put(into, {{"reason", "evicted"}},
        sum(from, [&](const core_reading& core) { return of(core).evicted; }));
}

/// A histogram over all cores.
template <class Of>
void read_durations(const reading& from, metric_samples& into, Of of) {
    duration_histogram all;
    for (const auto& each : from.cores) {
        all.add(of(each));
    }
    into.add(all);
}

using samples = metric_samples;
constexpr auto counter = metric_type::counter;
constexpr auto gauge = metric_type::gauge;
constexpr auto histogram = metric_type::histogram;

constexpr auto table = std::to_array<metric>({
    // What everybody has.
    {"ferry_build_info", "", gauge, "1, with the version and what moves the octets",
     [](const reading& from, samples& into) {
         put(into, {{"version", from.process.version}, {"io", from.process.io}}, 1);
     }},
    {"process_start_time", "seconds", gauge, "when the process began, since 1970",
     [](const reading& from, samples& into) { into.add({}, from.process.started); }},
    {"process_cpu", "seconds", counter, "time of CPUs used, in user and kernel mode",
     [](const reading& from, samples& into) { into.add({}, from.process.cpu_seconds); }},
    {"process_resident_memory", "bytes", gauge, "memory of the process that is in RAM",
     [](const reading& from, samples& into) {
         if (from.process.resident_bytes != 0) {
             into.add(from.process.resident_bytes);
         }
     }},
    {"process_open_fds", "", gauge, "descriptors in use",
     [](const reading& from, samples& into) {
         if (from.process.open_fds != 0) {  // Linux before 6.2 does not say.
             into.add(from.process.open_fds);
         }
     }},
    {"process_max_fds", "", gauge, "descriptors that the process may use",
     [](const reading& from, samples& into) { into.add(from.process.max_fds); }},

    // The process.
    {"ferry_cores", "", gauge, "threads that serve",
     [](const reading& from, samples& into) { into.add(from.cores.size()); }},
    {"ferry_core_up", "", gauge, "1 while a core answers, 0 where it is stuck",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.is_fresh ? 1 : 0; });
     }},
    {"ferry_draining", "", gauge, "1 while the process finishes what is under way before it ends",
     [](const reading& from, samples& into) { into.add(from.process.is_draining ? 1 : 0); }},

    // Connections.
    {"ferry_connections", "", gauge, "connections open, of FTP those for commands",
     [](const reading& from, samples& into) {
         const auto& process = from.process;
         const auto others =
             process.connections - std::min(process.connections, process.ftp_sessions);
         put(into, {{"protocol", "http"}}, others);
         put(into, {{"protocol", "ftp"}}, process.ftp_sessions);
     }},
    {"ferry_connections_max", "", gauge, "connections that may be open, of both protocols",
     [](const reading& from, samples& into) { into.add(from.process.connections_max); }},
    {"ferry_ftp_sessions_max", "", gauge, "sessions of FTP that may be open among them",
     [](const reading& from, samples& into) { into.add(from.process.ftp_sessions_max); }},
    {"ferry_connections_accepted", "", counter, "connections accepted, those refused too",
     [](const reading& from, samples& into) {
         by_protocol(from, into, [](const core_reading& core, std::size_t which) {
             return core.doors[which].accepted;
         });
     }},
    {"ferry_connections_refused", "", counter,
     "connections that were not served, for their address or because there are too many",
     [](const reading& from, samples& into) {
         by_protocol(from, into, [](const core_reading& core, std::size_t which) {
             return core.doors[which].refused;
         });
     }},
    {"ferry_accept_pauses", "", counter,
     "times accepting paused: no descriptor or memory was left, or a socket failed",
     [](const reading& from, samples& into) {
         into.add(sum(from, [](const core_reading& core) { return core.accept_pauses; }));
     }},
    {"ferry_received", "bytes", counter, "octets received, TLS and all",
     [](const reading& from, samples& into) {
         by_protocol(from, into, [](const core_reading& core, std::size_t which) {
             return octets(core, which).received;
         });
     }},
    {"ferry_sent", "bytes", counter, "octets sent, TLS and all",
     [](const reading& from, samples& into) {
         by_protocol(from, into, [](const core_reading& core, std::size_t which) {
             return octets(core, which).sent;
         });
     }},
    {"ferry_tls_handshakes", "", counter, "handshakes of TLS, with what came of them",
     read_handshakes},

    // HTTP.
    {"ferry_http_requests", "", counter,
     "requests answered, by method and class of status; method none: it could not be read",
     read_requests},
    {"ferry_http_broken_answers", "", counter, "answers that did not arrive whole",
     [](const reading& from, samples& into) {
         into.add(sum(from, [](const core_reading& core) { return core.http.broken_off; }));
     }},
    {"ferry_http_request_duration", "seconds", histogram,
     "from the first octet of a request to the end of its answer; 0 where one turn of the core "
     "did all",
     [](const reading& from, samples& into) {
         read_durations(from, into, [](const core_reading& core) { return core.http.took; });
     }},
    {"ferry_http_uploads", "", counter,
     "uploads; incomplete: parted with before the file was whole",
     [](const reading& from, samples& into) {
         put(into, {{"result", "stored"}},
             sum(from, [](const core_reading& core) { return core.http.uploads_stored; }));
         put(into, {{"result", "incomplete"}},
             sum(from, [](const core_reading& core) { return core.http.uploads_incomplete; }));
     }},

    // FTP.
    {"ferry_ftp_replies", "", counter, "final replies to commands, by their first digit",
     read_replies},
    {"ferry_ftp_command_duration", "seconds", histogram,
     "from when a command is carried out to its final reply, transfers included; 0 where one turn "
     "of the core did all",
     [](const reading& from, samples& into) {
         read_durations(from, into, [](const core_reading& core) { return core.ftp.took; });
     }},
    {"ferry_ftp_transfers", "", counter, "transfers that were begun and have ended",
     read_transfers},
    {"ferry_ftp_logins", "", counter, "logins by password, visitors' too",
     [](const reading& from, samples& into) {
         into.add(sum(from, [](const core_reading& core) { return core.ftp.logins; }));
     }},
    {"ferry_logins_failed", "", counter, "logins whose name or password was wrong",
     [](const reading& from, samples& into) {
         by_protocol(from, into, [](const core_reading& core, std::size_t which) {
             return which == http_index ? core.http.logins_failed : core.ftp.logins_failed;
         });
     }},
    {"ferry_transfers", "", gauge, "transfers under way, over HTTP those of 256 KiB and more",
     read_transfers_under_way},

    // What is kept.
    {"ferry_file_cache_lookups", "", counter, "files looked for among those that are open",
     [](const reading& from, samples& into) {
         read_lookups(from, into, [](const core_reading& core) { return core.files; });
     }},
    {"ferry_file_cache_entries", "", gauge, "files that are kept open",
     [](const reading& from, samples& into) {
         into.add(sum(from, [](const core_reading& core) { return core.open_files; }));
     }},
    {"ferry_file_cache_losses", "", counter, "files that left it, and why",
     [](const reading& from, samples& into) {
         read_losses(from, into, [](const core_reading& core) { return core.files; });
     }},
    {"ferry_listing_cache_lookups", "", counter, "directories looked for among those kept",
     [](const reading& from, samples& into) {
         read_lookups(from, into, [](const core_reading& core) { return core.listings; });
     }},
    {"ferry_listing_cache_entries", "", gauge, "directories that are kept",
     [](const reading& from, samples& into) {
         into.add(sum(from, [](const core_reading& core) { return core.kept_listings; }));
     }},
    {"ferry_listing_cache_losses", "", counter, "directories that left it, and why",
     [](const reading& from, samples& into) {
         read_losses(from, into, [](const core_reading& core) { return core.listings; });
     }},
    {"ferry_access_log_dropped_lines", "", counter,
     "lines of the access log that were lost: they came faster than they could be written",
     [](const reading& from, samples& into) {
         into.add(sum(from, [](const core_reading& core) { return core.log_lines_dropped; }));
     }},

    // Cores.
    {"ferry_reactor_turns", "", counter, "turns of each core's loop",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.turns; });
     }},
    {"ferry_reactor_operations", "", counter, "operations submitted on each core",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.submitted; });
     }},
    {"ferry_reactor_completions", "", counter,
     "completions on each core; an operation may have several",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.completed; });
     }},
    {"ferry_reactor_completion_overflows", "", counter,
     "turns in which the completion queue was full; nothing was lost",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.completion_overflows; });
     }},
    {"ferry_reactor_submissions_full", "", counter, "times the submission queue had no room",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.submissions_full; });
     }},
    {"ferry_reactor_buffers_exhausted", "", counter, "receives that waited for a buffer",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.buffers_exhausted; });
     }},
    {"ferry_reactor_cold_reads", "", counter,
     "pieces of files read from the disk before they were sent",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.cold_reads; });
     }},
    {"ferry_reactor_stalls", "", counter,
     "turns of more than 10 ms, in which a core did nothing for everybody else",
     [](const reading& from, samples& into) {
         by_core(from, into, [](const core_reading& core) { return core.io.stalls; });
     }},
    {"ferry_offload_threads", "", gauge, "threads for what would hold a core up",
     [](const reading& from, samples& into) { into.add(from.process.offload.threads); }},
    {"ferry_offload_running", "", gauge, "jobs that one of them is with",
     [](const reading& from, samples& into) { into.add(from.process.offload.running); }},
    {"ferry_offload_waiting", "", gauge, "jobs that wait for one of them",
     [](const reading& from, samples& into) { into.add(from.process.offload.waiting); }},
});

void append_escaped(std::string& out, std::string_view value) {
    for (const char c : value) {
        if (c == '\\' || c == '"') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
}

std::string text_of(std::span<const metric_label> all) {
    std::string out;
    for (const auto& each : all) {
        out += out.empty() ? "" : ",";
        out += each.name;
        out += "=\"";
        append_escaped(out, each.value);
        out += '"';
    }
    return out;
}

/// Without an exponent, as all readers take it.
std::string text_of(double value) {
    return fmt::format("{:.6f}", value);
}

std::string_view type_name(metric_type type) noexcept {
    switch (type) {
        case metric_type::counter:
            return "counter";
        case metric_type::gauge:
            return "gauge";
        case metric_type::histogram:
            return "histogram";
    }
    return "unknown";
}

std::string stem_with_unit(const metric& row) {
    return row.unit.empty() ? std::string(row.stem) : fmt::format("{}_{}", row.stem, row.unit);
}

/// The name of one value with its labels.
std::string series_name(std::string_view name, const metric_sample& sample) {
    return sample.labels.empty() ? fmt::format("{}{}", name, sample.suffix)
                                 : fmt::format("{}{}{{{}}}", name, sample.suffix, sample.labels);
}

void append_json_member(std::string& out, std::string_view name, std::string_view text) {
    out += fmt::format("\"{}\":\"", name);
    append_json_text(out, text);
    out += '"';
}

std::uint64_t sum_of_requests(const core_reading& core) noexcept {
    std::uint64_t all = 0;
    for (const auto& row : core.http.answers) {
        for (const auto each : row) {
            all += each;
        }
    }
    return all;
}

std::uint64_t sum_of_replies(const core_reading& core) noexcept {
    std::uint64_t all = 0;
    for (const auto each : core.ftp.replies) {
        all += each;
    }
    return all;
}

void append_core(std::string& out, const core_reading& core) {
    std::uint64_t transfers = 0;
    for (const auto which : {http_index, ftp_index}) {
        transfers += core.downloads_under_way[which] + core.uploads_under_way[which];
    }
    constexpr std::string_view members =
        R"({{"fresh":{},"turns":{},"requests":{},"commands":{},"received":{},"sent":{},)"
        R"("transfers":{}}})";
    out += fmt::format(fmt::runtime(members), core.is_fresh, core.io.turns, sum_of_requests(core),
                       sum_of_replies(core), core.http.octets.received + core.ftp.octets.received,
                       core.http.octets.sent + core.ftp.octets.sent, transfers);
}

void append_transfer(std::string& out, const transfer_reading& what) {
    out += '{';
    append_json_member(out, "protocol", what.protocol);
    out += ',';
    append_json_member(out, "peer", what.peer);
    out += ',';
    append_json_member(out, "user", what.user);
    out += ',';
    append_json_member(out, "name", what.name);
    out += fmt::format(R"(,"upload":{},"whole":{},"moved":{},"connection":{},"seconds":{:.3f}}})",
                       what.is_upload, what.whole_bytes, what.moved_bytes, what.connection,
                       std::chrono::duration<double>(what.age).count());
}

}  // namespace

void metric_samples::add(std::span<const metric_label> labels, std::uint64_t value) {
    samples_.push_back({.labels = text_of(labels), .value = fmt::format("{}", value)});
}

void metric_samples::add(std::span<const metric_label> labels, double value) {
    samples_.push_back({.labels = text_of(labels), .value = text_of(value)});
}

void metric_samples::add(const duration_histogram& all) {
    std::uint64_t so_far = 0;
    for (std::size_t i = 0; i < duration_histogram::bounds; ++i) {
        so_far += all.count(i);
        const auto seconds = std::chrono::duration<double>(duration_histogram::bound(i)).count();
        samples_.push_back({.suffix = "_bucket",
                            .labels = fmt::format("le=\"{}\"", text_of(seconds)),
                            .value = fmt::format("{}", so_far)});
    }
    so_far += all.count(duration_histogram::bounds);
    const auto count = fmt::format("{}", so_far);
    samples_.push_back({.suffix = "_bucket", .labels = "le=\"+Inf\"", .value = count});
    samples_.push_back(
        {.suffix = "_sum", .value = text_of(std::chrono::duration<double>(all.sum()).count())});
    samples_.push_back({.suffix = "_count", .value = count});
}

std::span<const metric> metrics() noexcept {
    return table;
}

std::string name_of(const metric& row) {
    return stem_with_unit(row) + (row.type == metric_type::counter ? "_total" : "");
}

metrics_format format_for(std::string_view accept) noexcept {
    return accept.find("application/openmetrics-text") != std::string_view::npos
               ? metrics_format::openmetrics
               : metrics_format::text;
}

std::string_view content_type_of(metrics_format format) noexcept {
    return format == metrics_format::openmetrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

std::string write_metrics(const reading& from, metrics_format format) {
    std::string out;
    for (const auto& row : table) {
        metric_samples values;
        row.read(from, values);
        if (values.all().empty()) {
            continue;
        }
        const auto name = name_of(row);
        const bool is_open = format == metrics_format::openmetrics;
        const auto family = is_open ? stem_with_unit(row) : name;
        out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", family, row.help, family,
                           type_name(row.type));
        if (is_open && !row.unit.empty()) {
            out += fmt::format("# UNIT {} {}\n", family, row.unit);
        }
        for (const auto& each : values.all()) {
            out += fmt::format("{} {}\n", series_name(name, each), each.value);
        }
    }
    if (format == metrics_format::openmetrics) {
        out += "# EOF\n";
    }
    return out;
}

std::string write_status(const reading& from) {
    std::string out = "{";
    append_json_member(out, "version", from.process.version);
    out += ',';
    append_json_member(out, "io", from.process.io);
    out += fmt::format(R"(,"started":{:.3f},"now":{:.3f},"draining":{},"metrics":{{)",
                       from.process.started, from.process.now, from.process.is_draining);
    std::string_view between;
    for (const auto& row : table) {
        metric_samples values;
        row.read(from, values);
        const auto name = name_of(row);
        for (const auto& each : values.all()) {
            out += std::exchange(between, ",");
            out += '"';
            append_json_text(out, series_name(name, each));
            out += "\":";
            out += each.value;
        }
    }
    out += "},\"cores\":[";
    between = "";
    for (const auto& each : from.cores) {
        out += std::exchange(between, ",");
        append_core(out, each);
    }
    out += "],\"transfers\":[";
    between = "";
    for (const auto& core : from.cores) {
        for (const auto& each : core.transfers) {
            out += std::exchange(between, ",");
            append_transfer(out, each);
        }
    }
    out += "]}\n";
    return out;
}

}  // namespace ferry::server
