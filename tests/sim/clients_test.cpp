#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>

#include "ftp_client.hpp"
#include "http_client.hpp"
#include "live_run.hpp"

namespace ferry::sim::test {
namespace {

using runtime::task;

/// How many clients of each kind run at once.
struct crowd {
    std::size_t http = 0;
    std::size_t ftp = 0;
};

task<> drain_soon(live_run& run, live_server& server) {
    const auto when = run.machine.here().now() +
                      std::chrono::milliseconds(10 + static_cast<int>(run.rng.below(150)));
    static_cast<void>(co_await runtime::sleep_until(run.machine.here(), when));
    server.drain();
}

/// Clients that know the server will end, and its end.
task<> start_and_drain(runtime::nursery& all, live_run& run, live_server& server) {
    for (std::size_t i = 0; i < live_run::clients_each; ++i) {
        auto http = run.context(fmt::format("http {}", i), server, i);
        auto ftp = run.context(fmt::format("ftp {}", i), server, i);
        http.excused.server_ends = ftp.excused.server_ends = true;
        all.start(&run_http_client, std::move(http));
        all.start(&run_ftp_client, std::move(ftp));
    }
    all.start(&drain_soon, std::ref(run), std::ref(server));
    co_return;
}

task<> start_all(runtime::nursery& all, live_run& run, const live_server& server, crowd who) {
    for (std::size_t i = 0; i < who.http; ++i) {
        all.start(&run_http_client, run.context(fmt::format("http {}", i), server, i));
    }
    for (std::size_t i = 0; i < who.ftp; ++i) {
        all.start(&run_ftp_client, run.context(fmt::format("ftp {}", i), server, i));
    }
    co_return;
}

void run_seeds(std::uint64_t first, std::uint64_t last, crowd who) {
    for (auto seed = first; seed <= last; ++seed) {
        CAPTURE(seed);
        live_run run(seed);
        live_server server(run.model, run.numbers);
        run.machine.run(&start_all, std::ref(run), std::cref(server), who);
        run.check_disk(server);
        CHECK_MESSAGE(run.findings.is_clean(), run.findings.describe());
        if (seed == last) {
            MESSAGE(fmt::format("seed {}: {}", seed, run.findings.summary()));
        }
    }
}

// Goal: the clients' idea of ferry is what ferry does. Method: strict clients and the real thing.
TEST_CASE("clients: HTTP alone, on the real machine") {
    run_seeds(1, 1, {.http = 3});
}

TEST_CASE("clients: FTP alone, on the real machine") {
    run_seeds(101, 102, {.ftp = 3});
}

// Uploads, renames and removals under the eyes of others.
TEST_CASE("clients: HTTP and FTP together, on the real machine") {
    run_seeds(201, 202, {.http = 3, .ftp = 3});
}

// Goal: a server that drains breaks no promise: what was confirmed is there, nothing is torn.
TEST_CASE("clients: a server that ends in the middle, on the real machine") {
    for (std::uint64_t seed = 301; seed <= 303; ++seed) {
        CAPTURE(seed);
        live_run run(seed);
        live_server server(run.model, run.numbers);
        run.machine.run(&start_and_drain, std::ref(run), std::ref(server));
        run.check_disk(server);
        CHECK_MESSAGE(run.findings.is_clean(), run.findings.describe());
    }
}

}  // namespace
}  // namespace ferry::sim::test
