#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <atomic>
#include <latch>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ferry/net/tls_server.hpp"
#include "net/tls_session.hpp"
#include "tls_client.hpp"
#include "tls_parts.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;

namespace {

/// A handshake through memory, a ticket behind it, and a word each way.
struct conversation {
    tls_client client;
    std::unique_ptr<tls_session> server;
    std::string heard;

    conversation(const std::shared_ptr<const tls_server>& by, const tls_client_options& how)
        : client(how),
          server(tls_session::make(by, {.mark = "a session", .gives_more = true}).value()) {}

    /// False: somebody has refused.
    [[nodiscard]] bool shake_hands() {
        std::optional<tls_session::progress> ours;
        for (auto theirs = tls_client::progress::wants_input;
             theirs != tls_client::progress::done || ours != tls_session::progress::done;) {
            theirs = client.shake_hands();
            const auto said = client.take();
            if (ours != tls_session::progress::done) {
                server->offer(said);
                const auto how = server->shake_hands();
                if (!how) {
                    return false;
                }
                ours = *how;
            }
            client.give(std::exchange(server->to_send(), {}));
            if (theirs == tls_client::progress::failed) {
                return false;
            }
        }
        return true;
    }

    [[nodiscard]] bool exchange_words() {
        server->give_ticket();
        const std::string_view word = "an answer";
        if (!server->write(std::as_bytes(std::span(word)))) {
            return false;
        }
        client.give(std::exchange(server->to_send(), {}));
        client.write("a question");
        const auto said = client.take();
        server->offer(said);
        std::string into(100, '\0');
        const auto got = server->read(std::as_writable_bytes(std::span(into)));
        return client.read() == word && got && into.substr(0, got->octets) == "a question";
    }
};

}  // namespace

// Goal: cores share the terms of TLS, the keys of tickets, what is known of those that were used,
// sessions with names, and ferry's part of OpenSSL; nobody waits for anybody else. Method: they
// begin at once with all of it, the first time it is used in this process; ThreadSanitizer looks
// on.
TEST_CASE("tls: several threads shake hands at once") {
    constexpr int count = 4;
    const auto one = identity_for("example.org");
    const auto tickets = std::make_shared<tls_ticket_keys>();
    std::shared_ptr<const tls_server> shared;
    std::latch begin(count);
    std::latch made(count);
    std::atomic<int> good = 0;
    std::atomic<int> resumed = 0;
    constexpr int handshakes = 6;
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&, i] {
            begin.arrive_and_wait();
            auto own = tls_server::make({.identities = {one}, .tickets = tickets}).value();
            if (i == 0) {
                shared = std::move(own);
            }
            made.arrive_and_wait();
            for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
                tls_ticket last;
                for (int k = 0; k < handshakes; ++k) {
                    conversation on(
                        shared,
                        {.version = version, .ticket = last.get(), .takes_tickets = k % 2 == 0});
                    good += on.shake_hands() && on.exchange_words() ? 1 : 0;
                    resumed += on.server->is_resumed() ? 1 : 0;
                    last = on.client.ticket();
                }
            }
        });
    }
    for (auto& each : threads) {
        each.join();
    }
    CHECK(good == 2 * count * handshakes);
    CHECK(resumed >= 2 * count);
}
