#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/net/connect.hpp"
#include "ferry/runtime/nursery.hpp"
#include "ferry/runtime/wait.hpp"
#include "http_answer.hpp"
#include "small_scene.hpp"
#include "wire.hpp"

namespace ferry::sim::test {
namespace {

using namespace std::chrono_literals;
using runtime::task;

constexpr const char* swapped = "/srv/file";
constexpr const char* beside = "/beside";
constexpr std::string_view honest = "what may be seen";
constexpr std::string_view secret = "what lies outside the root";
constexpr unsigned requests = 300;

/// A server that keeps files open, one client, and another program that turns a file into a link
/// out of the tree, or into a FIFO, and back.
struct links_scenario : small_scene {
    explicit links_scenario(std::uint64_t seed) : small_scene(seed) {
        store("/secret", secret);
        store(swapped, honest);
    }

    /// Now, and again and again, at moments that the seed chooses: between any two operations.
    void swap_on() {
        if (is_over) {
            return;
        }
        ++swaps;
        is_file = !is_file;
        if (is_file) {
            store(beside, honest);
        } else if (in().chance(3)) {
            REQUIRE(files().make_fifo(files().root(), beside, 0644) == 0);
        } else {
            REQUIRE(files().make_symlink(files().root(), beside, "../secret") == 0);
        }
        REQUIRE(files().rename(files().root(), beside, files().root(), swapped, 0) == 0);
        // Now and then for so long that the server keeps the file open.
        in().events().after(in().chance(20) ? in().between(5ms, 50ms) : in().between(1us, 300us),
                            [this] { swap_on(); });
    }

    bool is_file = true;
    std::uint64_t swaps = 0;
    std::uint64_t honest_answers = 0;
    std::uint64_t refusals = 0;
    bool is_over = false;
};

/// Asks for the file on one connection. What was so from before a request to behind its answer is
/// what the answer must tell.
task<> ask_again_and_again(runtime::nursery&, small_scene& scene) {
    auto& on = static_cast<links_scenario&>(scene);
    runtime::core& core = on.client_core();
    auto connected =
        co_await net::connect(core, {.to = ferry_host::http_address()}, core.now() + 10s);
    REQUIRE(connected);
    wire peer(core, std::move(*connected));
    for (unsigned i = 0; i < requests; ++i) {
        const bool was_file = on.is_file;
        const std::uint64_t swaps_before = on.swaps;
        const auto deadline = core.now() + 10s;
        const auto sent =
            co_await peer.send("GET /file HTTP/1.1\r\nHost: ferry.example\r\n\r\n", deadline);
        REQUIRE(sent);
        head_reading got;
        do {
            const auto more = co_await peer.fill(deadline);
            REQUIRE((more && *more));
            got = take_answer_head(peer.input(), false);
        } while (got.progress == answer_progress::incomplete);
        REQUIRE_MESSAGE(got.progress == answer_progress::complete, got.problem);
        while (peer.input().size() < got.head.content_length) {
            const auto more = co_await peer.fill(deadline);
            REQUIRE((more && *more));
        }
        const std::string body = peer.input().substr(0, got.head.content_length);
        peer.input().erase(0, got.head.content_length);
        CAPTURE(i);
        REQUIRE(body.find(secret) == std::string::npos);
        const bool is_honest = got.head.status == 200;
        CHECK((is_honest ? body == honest : got.head.status == 403 || got.head.status == 404));
        if (on.swaps == swaps_before) {
            CHECK(is_honest == was_file);
        }
        ++(is_honest ? on.honest_answers : on.refusals);
    }
    on.is_over = true;
}

}  // namespace

// Goal: a name that turns into a link out of the tree leaks nothing, kept open or not, no core
// waits for a FIFO, and no answer is older than its request (threats.md, V3, V4, V8). Method:
// another program swaps it between any two operations of the server.
TEST_CASE("swapped links: nothing from outside, and nothing that was so before the request") {
    std::uint64_t honest_answers = 0;
    std::uint64_t refusals = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        links_scenario on(seed);
        on.swap_on();
        on.serve(ask_again_and_again);
        honest_answers += on.honest_answers;
        refusals += on.refusals;
    }
    CHECK(honest_answers > 500);  // Else nothing was shown.
    CHECK(refusals > 500);
}

}  // namespace ferry::sim::test
