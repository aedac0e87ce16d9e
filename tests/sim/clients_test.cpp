#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdio>
#include <functional>

#include "ftp_client.hpp"
#include "http_client.hpp"
#include "live_server.hpp"
#include "model_tree.hpp"
#include "seed_tree.hpp"

namespace ferry::sim::test {
namespace {

using runtime::task;

/// What one run on the real machine needs.
struct live_run {
    explicit live_run(std::uint64_t seed_given)
        : seed(seed_given), rng(seed_given), model([this] { return machine.here().now(); }) {
        numbers.header_timeout = std::chrono::milliseconds(1'500);
        numbers.idle_timeout = std::chrono::milliseconds(1'500);
        numbers.data_connect_timeout = std::chrono::milliseconds(400);
        plant_seed_tree(model, rng, clients_each);
    }

    client_context context(std::string name, const live_server& server, std::size_t number) {
        return {.here = machine.here(),
                .model = model,
                .findings = findings,
                .rng = ferry::random(rng.next()),
                .name = std::move(name),
                .http = server.http(),
                .ftp = server.ftp(),
                .server = numbers,
                .accounts = usual_accounts(),
                .own_directory = own_directory(number),
                .conversations = 3,
                .pause_max = std::chrono::milliseconds(1)};
    }

    static constexpr std::size_t clients_each = 3;
    std::uint64_t seed;
    client_machine machine;
    ferry::random rng;
    server_numbers numbers;
    model_tree model;
    report findings;
};

void check_end(live_run& run, live_server& server) {
    server.end();
    run.model.settle_all();
    const auto names = server.names();
    run.model.check_disk(
        {.names = names,
         .content_of = [&server](std::string_view path,
                                 std::string& into) { return server.content(path, into); }},
        run.findings);
    CHECK_MESSAGE(run.findings.is_clean(), run.findings.describe());
}

/// How many clients of each kind run at once.
struct crowd {
    std::size_t http = 0;
    std::size_t ftp = 0;
};

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
        check_end(run, server);
        if (seed == last) {
            MESSAGE(fmt::format("seed {}: {}", seed, run.findings.summary()));
        }
    }
}

// Goal: the clients' idea of ferry is what ferry does. Method: strict clients and the real thing.
TEST_CASE("clients: HTTP alone, on the real machine") {
    run_seeds(1, 15, {.http = 3});
}

TEST_CASE("clients: FTP alone, on the real machine") {
    run_seeds(101, 120, {.ftp = 3});
}

// Uploads, renames and removals under the eyes of others.
TEST_CASE("clients: HTTP and FTP together, on the real machine") {
    run_seeds(201, 215, {.http = 3, .ftp = 3});
}

}  // namespace
}  // namespace ferry::sim::test
