#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdio>
#include <functional>

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

    client_context context(std::string name, const live_server& server) {
        return {.here = machine.here(),
                .model = model,
                .findings = findings,
                .rng = ferry::random(rng.next()),
                .name = std::move(name),
                .http = server.http(),
                .ftp = server.ftp(),
                .server = numbers,
                .accounts = usual_accounts(),
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

task<> start_http(runtime::nursery& all, live_run& run, const live_server& server) {
    for (std::size_t i = 0; i < live_run::clients_each; ++i) {
        all.start(&run_http_client, run.context(fmt::format("http {}", i), server));
    }
    co_return;
}

// Goal: the clients' idea of ferry is what ferry does. Method: strict clients and the real thing.
TEST_CASE("clients: HTTP alone, on the real machine") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        live_run run(seed);
        live_server server(run.model, run.numbers);
        run.machine.run(&start_http, std::ref(run), std::cref(server));
        check_end(run, server);
        MESSAGE(fmt::format("seed {}: {}", seed, run.findings.summary()));
    }
}

}  // namespace
}  // namespace ferry::sim::test
