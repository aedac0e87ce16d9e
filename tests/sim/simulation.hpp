#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/runtime/time.hpp"
#include "report.hpp"

namespace ferry::sim::test {

/// How much goes wrong in a run.
enum class fault_level : std::uint8_t {
    none,
    light,
    heavy,
    nth,  ///< Nothing by chance: only `run_options::nth`.
};

/// Who talks to the server in a run.
enum class cast : std::uint8_t {
    mixed,       ///< Several clients of both protocols, as many as the seed draws.
    http,        ///< One HTTP client with a short conversation.
    ftp,         ///< One FTP client with a short session.
    persistent,  ///< As mixed, but each goes on for long on one connection.
    ftp_all,     ///< As persistent, but of FTP alone, and they use all of it.
};

struct run_options {
    std::uint64_t seed = 1;
    /// How many operations the server may have submitted before the liveness phase begins. A run of
    /// fewer is the beginning of a run of more.
    std::uint64_t operations = 5'000;
    fault_level faults = fault_level::light;
    cast clients = cast::mixed;
    /// With `fault_level::nth`: the thing that could go wrong (from 1) and does; 0: none, they are
    /// counted.
    std::uint64_t nth = 0;
    /// The server keeps files open, in most worlds. False: in none, as before it could: worlds of
    /// then come again.
    bool keeps_files = true;
    /// In some worlds clients ask for codings, and the server has several sites. False: in none, so
    /// that worlds of before come again.
    bool has_extras = true;
    /// The server speaks TLS in every world, and clients half the time. False: in every fourth, if
    /// there are extras.
    bool has_tls = false;
};

struct run_result {
    std::uint64_t trace_hash = 0;
    std::uint64_t events = 0;
    std::uint64_t operations = 0;
    std::uint64_t decisions = 0;  ///< How often something could have gone wrong.
    std::uint64_t struck = 0;     ///< How often it did.
    std::uint64_t crashes = 0;
    std::size_t heap_peak_bytes = 0;  ///< The most that the server has held.
    runtime::duration simulated{};
    report seen;
    std::vector<std::string> last_events;

    [[nodiscard]] bool is_clean() const noexcept { return seen.is_clean(); }
};

/// Runs ferry in a world of its own: a safety phase, in which things go wrong and nothing wrong may
/// be seen, then a liveness phase, in which all is calm and a fresh client is served within a
/// second (a minute where the server has few places: it is to get one that others leave), then a
/// drain, after which nothing may be left. A function of its options: the same ones give the same
/// trace hash. Cost: some microseconds an operation. Not thread-safe: one at a time in a process.
///
/// `follower`, if any, gets every event of it as a line.
[[nodiscard]] run_result simulate(const run_options& options,
                                  std::function<void(std::string_view)> follower = {});

/// The trace of the run under way, for whoever handles an abort; empty when there is none.
[[nodiscard]] std::vector<std::string> events_so_far();

}  // namespace ferry::sim::test
