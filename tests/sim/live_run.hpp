#pragma once

#include <string>
#include <utility>

#include "client_context.hpp"
#include "live_server.hpp"
#include "model_tree.hpp"
#include "seed_tree.hpp"

namespace ferry::sim::test {

/// What one run of clients on the real machine needs besides a `live_server`.
struct live_run {
    explicit live_run(std::uint64_t seed)
        : rng(seed), model([this] { return machine.here().now(); }) {
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
                .accounts = usual_accounts(true),
                .own_directory = own_directory(number),
                .conversations = 3,
                .pause_max = std::chrono::milliseconds(1),
                .copies_files = true,
                .says_all = true};
    }

    /// Ends the server and compares the disk with the model.
    void check_disk(live_server& server) {
        server.end();
        model.settle_all();
        const auto names = server.names();
        model.check_disk(
            {.names = names,
             .content_of = [&server](std::string_view path,
                                     std::string& into) { return server.content(path, into); }},
            findings);
    }

    static constexpr std::size_t clients_each = 3;
    client_machine machine;
    ferry::random rng;
    server_numbers numbers;
    model_tree model;
    report findings;
};

}  // namespace ferry::sim::test
