// ferry-sim: runs ferry in simulated worlds. tools/sim is what people call.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/base/log.hpp"
#include "simulation.hpp"

using namespace ferry::sim::test;

namespace {

run_options current;

std::string how_to_replay(const run_options& options) {
    static constexpr const char* levels[] = {"none", "light", "heavy", "nth"};
    static constexpr const char* casts[] = {"mixed", "http", "ftp", "persistent", "ftp-all"};
    std::string line = fmt::format("--seed {} --ops {} --faults {} --clients {}", options.seed,
                                   options.operations, levels[static_cast<int>(options.faults)],
                                   casts[static_cast<int>(options.clients)]);
    if (options.nth != 0) {
        line += fmt::format(" --nth {}", options.nth);
    }
    if (!options.keeps_files) {
        line += " --no-file-cache";
    }
    if (!options.has_extras) {
        line += " --no-extras";
    }
    if (options.has_tls) {
        line += " --tls";
    }
    return line;
}

void print_events(const std::vector<std::string>& events) {
    std::fputs(fmt::format("the last {} events:\n", events.size()).c_str(), stdout);
    for (const auto& each : events) {
        std::fputs(fmt::format("  {}\n", each).c_str(), stdout);
    }
}

/// An assertion failed or memory was misused: says where in which world, then lets it end.
void tell_of_abort(int signal) {
    std::signal(signal, SIG_DFL);
    std::fputs(fmt::format("VIOLATION the program ended by signal {}\n  replay: {}\n", signal,
                           how_to_replay(current))
                   .c_str(),
               stdout);
    print_events(events_so_far());
    std::fflush(nullptr);
    std::raise(signal);
}

/// `list`, of things between commas, in lines of 100 columns at most, indented.
std::string wrapped(std::string_view list) {
    constexpr std::size_t columns = 100;
    std::string text;
    std::size_t column = columns;
    while (!list.empty()) {
        const auto end = std::min(list.find(", "), list.size());
        const auto item = list.substr(0, std::min(end + 1, list.size()));
        if (column + 1 + item.size() > columns) {
            text += text.empty() ? " " : "\n ";
            column = 1;
        }
        text += ' ';
        text += item;
        column += 1 + item.size();
        list.remove_prefix(std::min(end + 2, list.size()));
    }
    return text + '\n';
}

bool tell(const run_options& options, const run_result& result, bool is_verbose) {
    if (result.is_clean() && !is_verbose) {
        return true;
    }
    std::fputs(fmt::format("seed {}: trace {:016x}, {} operations, {} events, {:.3f} s simulated, "
                           "{} of {} chances to go wrong taken, {} crashes, {} KiB of heap: {}\n",
                           options.seed, result.trace_hash, result.operations, result.events,
                           std::chrono::duration<double>(result.simulated).count(), result.struck,
                           result.decisions, result.crashes, result.heap_peak_bytes / 1024,
                           result.is_clean() ? "ok" : "VIOLATION")
                   .c_str(),
               stdout);
    if (is_verbose) {
        std::fputs(wrapped(result.seen.summary()).c_str(), stdout);
    }
    if (!result.is_clean()) {
        std::fputs(fmt::format("{}\n  replay: {}\n", result.seen.describe(), how_to_replay(options))
                       .c_str(),
                   stdout);
        print_events(result.last_events);
    }
    std::fflush(stdout);
    return result.is_clean();
}

/// Parses "A..B".
bool parse_range(const std::string& text, std::uint64_t& first, std::uint64_t& last) {
    return std::sscanf(text.c_str(), "%lu..%lu", &first, &last) == 2 && first <= last;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("Runs ferry in simulated worlds and looks for what must not be.", "ferry-sim");
    std::string seeds;
    std::string faults = "light";
    std::string clients = "mixed";
    std::string events;
    bool every_nth = false;
    bool is_quiet = false;
    bool runs_twice = false;
    app.add_option("--seed", current.seed, "one world");
    app.add_option("--seeds", seeds, "the worlds A..B, both included");
    app.add_option("--ops", current.operations, "server operations before the liveness phase");
    app.add_option("--faults", faults, "none, light, heavy, or nth for --nth alone")
        ->check(CLI::IsMember({"none", "light", "heavy", "nth"}));
    app.add_option("--clients", clients, "mixed, http, ftp, persistent or ftp-all")
        ->check(CLI::IsMember({"mixed", "http", "ftp", "persistent", "ftp-all"}));
    app.add_option("--nth", current.nth, "make the Nth thing fail that can, and nothing else");
    app.add_option("--events", events, "a file that gets every event, a line each");
    app.add_flag("--no-file-cache{false}", current.keeps_files, "the server keeps no file open");
    app.add_flag("--no-extras{false}", current.has_extras, "in no world clients ask for codings");
    app.add_flag("--tls", current.has_tls, "the server speaks TLS in every world");
    app.add_flag("--every-nth", every_nth, "run each world once for every N");
    app.add_flag("--twice", runs_twice, "run each world twice: the trace must be the same");
    app.add_flag("--quiet", is_quiet, "one line of progress a world, details of violations only");
    CLI11_PARSE(app, argc, argv);

    ferry::log::set_level(ferry::log::level::off);
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
        std::signal(signal, tell_of_abort);
    }
    current.faults = faults == "none"    ? fault_level::none
                     : faults == "light" ? fault_level::light
                     : faults == "heavy" ? fault_level::heavy
                                         : fault_level::nth;
    current.clients = clients == "http"         ? cast::http
                      : clients == "ftp"        ? cast::ftp
                      : clients == "persistent" ? cast::persistent
                      : clients == "ftp-all"    ? cast::ftp_all
                                                : cast::mixed;
    std::uint64_t first = current.seed;
    std::uint64_t last = current.seed;
    if (!seeds.empty() && !parse_range(seeds, first, last)) {
        std::fputs("ferry-sim: --seeds is A..B, as in 1..1000\n", stderr);
        return 2;
    }

    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> events_file(
        events.empty() ? nullptr : std::fopen(events.c_str(), "w"), &std::fclose);
    if (!events.empty() && events_file == nullptr) {
        std::perror(fmt::format("ferry-sim: {}", events).c_str());
        return 2;
    }
    std::function<void(std::string_view)> follower;
    if (events_file != nullptr) {
        std::fputs(
            "# time since the start of the server's machine; what happened; to which "
            "descriptor, or how often; its value, negative: an errno\n",
            events_file.get());
        follower = [&events_file](std::string_view line) {
            std::fputs(fmt::format("{}\n", line).c_str(), events_file.get());
        };
    }

    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    std::uint64_t operations = 0;
    const auto count = [&](const run_options& options, const run_result& result, bool is_verbose) {
        operations += result.operations;
        (tell(options, result, is_verbose) ? passed : failed) += 1;
    };
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        current.seed = seed;
        if (every_nth) {
            current.faults = fault_level::nth;
            current.nth = 0;
        }
        const run_result result = simulate(current, follower);
        count(current, result, !is_quiet && first == last && !every_nth);
        if (runs_twice) {
            run_result again = simulate(current);
            if (again.trace_hash != result.trace_hash) {
                again.seen.add({.client = "the simulator",
                                .rule = "the same seed gives another trace",
                                .details = fmt::format("{:016x} and {:016x}", result.trace_hash,
                                                       again.trace_hash),
                                .request = {}});
            }
            count(current, again, false);
        }
        if (every_nth) {
            const std::uint64_t decisions = result.decisions;
            for (std::uint64_t nth = 1; nth <= decisions; ++nth) {
                current.nth = nth;
                count(current, simulate(current), false);
                if (is_quiet && nth % 100 == 0) {
                    std::fputs(
                        fmt::format("part {} {} {} {}\n", seed, nth, decisions, operations).c_str(),
                        stdout);
                    std::fflush(stdout);
                }
            }
            current.nth = 0;
        }
        if (is_quiet) {
            std::fputs(fmt::format("world {} {} {}\n", seed, operations, failed).c_str(), stdout);
            std::fflush(stdout);
        }
    }
    std::fputs(
        fmt::format("{} operations simulated\n{} passed, {} failed\n", operations, passed, failed)
            .c_str(),
        stdout);
    return failed == 0 ? 0 : 1;
}
