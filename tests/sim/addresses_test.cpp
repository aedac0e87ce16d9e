#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/net/address_rules.hpp"
#include "ferry/net/address_table.hpp"
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

constexpr std::string_view small_text = "hello";
constexpr std::string_view ask_small = "GET /small HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view ask_large = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::size_t large_bytes = 2'000'000;
constexpr auto soon = 5s;

/// A v4 address as a number.
std::uint32_t number_of(std::string_view text) {
    const auto octets = net::parse_address(text).value().octets;
    std::uint32_t made = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        made = made << 8U | static_cast<std::uint32_t>(octets[i]);
    }
    return made;
}

/// Blocks as a flag has them, with what they are.
struct block {
    const char* text;
    const char* first;
    unsigned bits;
};
constexpr auto blocks = std::to_array<block>({{"10.0.0.0/8", "10.0.0.0", 8},
                                              {"10.1.0.0/16", "10.1.0.0", 16},
                                              {"10.1.2.0/24", "10.1.2.0", 24},
                                              {"10.1.2.3", "10.1.2.3", 32},
                                              {"10.1.2.128/25", "10.1.2.128", 25},
                                              {"0.0.0.0/0", "0.0.0.0", 0}});
constexpr auto addresses = std::to_array<const char*>(
    {"10.9.9.9", "10.1.9.9", "10.1.2.9", "10.1.2.3", "10.1.2.200", "198.51.100.7"});
/// A load balancer, which says for whom its connections are, and a proxy, whose requests do.
constexpr const char* balancer = "192.0.2.1";
constexpr const char* proxy = "192.0.2.129";
/// Nobody that the server knows of.
constexpr const char* stranger = "203.0.113.5";

/// Blocks that may connect, and such that may not.
struct drawn_rules {
    std::vector<const block*> allowed{};
    std::vector<const block*> denied{};
};

struct scenario : small_scene {
    scenario(std::uint64_t seed, ferry_settings settings, drawn_rules rules = {})
        : small_scene(seed, std::move(settings)),
          allowed(std::move(rules.allowed)),
          denied(std::move(rules.denied)) {
        store("/srv/small", small_text);
        store("/srv/large", std::string(large_bytes, 'x'));
        if (in().chance(2)) {
            in().wires().set_weather({.latency_min = 50us, .latency_max = 2ms});
        }
    }

    std::vector<const block*> allowed;
    std::vector<const block*> denied;
    unsigned visitors = 0;  ///< Still there.
    unsigned honest = 0;    ///< Answers that the honest client got.

    /// The one with the most bits decides, of two alike the one that denies; who allows some denies
    /// all others (threats.md, H9).
    [[nodiscard]] bool lets_in(const char* address) const {
        const auto most = [address](const std::vector<const block*>& all) {
            int bits = -1;
            for (const block* each : all) {
                const auto mask = each->bits == 0 ? 0U : ~0U << (32 - each->bits);
                if ((number_of(address) & mask) == number_of(each->first)) {
                    bits = std::max(bits, static_cast<int>(each->bits));
                }
            }
            return bits;
        };
        const int for_it = most(allowed);
        const int against = most(denied);
        return for_it < 0 && against < 0 ? allowed.empty() : for_it > against;
    }
};

/// A connection from `from`.
task<wire> come(small_scene& at, const char* from) {
    auto connected = co_await net::connect(
        at.client_core(),
        {.to = ferry_host::http_address(), .from = net::parse_address(from).value()},
        at.in().now() + soon);
    REQUIRE(connected.has_value());
    co_return wire(at.client_core(), std::move(*connected));
}

struct told {
    int status = 0;  ///< 0: the connection ended, or nothing came.
    std::string body;
    bool is_late = false;
};

/// The next answer.
task<told> hear(small_scene& at, wire& peer, runtime::duration patience = soon) {
    told made;
    const auto deadline = at.in().now() + patience;
    head_reading read;
    for (;;) {
        read = take_answer_head(peer.input(), false);
        REQUIRE(read.progress != answer_progress::malformed);
        if (read.progress == answer_progress::complete) {
            break;
        }
        const auto got = co_await peer.fill(deadline);
        if (!got || !*got) {
            made.is_late = !got && got.error() == errc::timed_out;
            co_return made;
        }
    }
    while (peer.input().size() < read.head.content_length) {
        const auto got = co_await peer.fill(deadline);
        if (!got || !*got) {
            made.is_late = !got && got.error() == errc::timed_out;
            co_return made;
        }
    }
    made.status = read.head.status;
    made.body = peer.input().substr(0, read.head.content_length);
    peer.input().erase(0, read.head.content_length);
    co_return made;
}

task<told> ask(small_scene& at, wire& peer, std::string octets) {
    static_cast<void>(co_await peer.send(octets, at.in().now() + soon));
    auto heard = co_await hear(at, peer);
    co_return heard;
}

/// The header of version 1 or 2 that says that a connection is from `source`.
std::string proxy_header(unsigned version, const char* source) {
    if (version == 1) {
        return fmt::format("PROXY TCP4 {} 10.0.0.1 4711 80\r\n", source);
    }
    std::string made("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16);
    for (const auto address : {number_of(source), number_of("10.0.0.1")}) {
        for (int shift = 24; shift >= 0; shift -= 8) {
            made += static_cast<char>(address >> static_cast<unsigned>(shift) & 255U);
        }
    }
    made += std::string("\x12\x67\x00\x50", 4);
    return made;
}

/// Whoever comes from `from`, itself or by a load balancer, is let in or not as the rules have it.
task<> visit(scenario& at, const char* from, unsigned version) {
    auto peer = co_await come(at, version == 0 ? from : balancer);
    if (version == 0 && !at.lets_in(from)) {  // It is told without asking.
        const auto heard = co_await hear(at, peer);
        CHECK(heard.status == 403);
        --at.visitors;
        co_return;
    }
    if (version != 0) {
        const auto header = proxy_header(version, from);
        const auto cut = at.in().rng().below(header.size());  // In two pieces.
        static_cast<void>(co_await peer.send(header.substr(0, cut), at.in().now() + soon));
        static_cast<void>(co_await runtime::sleep_until(at.client_core(),
                                                        at.in().now() + at.in().between(0s, 3ms)));
        static_cast<void>(co_await peer.send(header.substr(cut), at.in().now() + soon));
    }
    const auto first = co_await ask(at, peer, std::string(ask_small));
    CHECK_MESSAGE(first.status == (at.lets_in(from) ? 200 : 403),
                  fmt::format("{} by version {}", from, version));
    if (first.status == 200) {
        CHECK(first.body == small_text);
        const auto second = co_await ask(at, peer, std::string(ask_small));
        CHECK(second.status == 200);
    } else {
        const auto ended = co_await peer.fill(at.in().now() + soon);
        CHECK((!ended || !*ended));
    }
    --at.visitors;
}

/// Neither is a header guessed, nor waited for without end: who must begin with one and does not,
/// or sends a damaged one, is let go without a word.
task<> visit_wrongly(scenario& at, std::string beginning, const char* from, int status) {
    auto peer = co_await come(at, from);
    const auto began = at.in().now();
    static_cast<void>(co_await peer.send(beginning, began + soon));
    const auto heard = co_await hear(at, peer, 15s);
    CHECK_MESSAGE(heard.status == status, beginning);
    CHECK_FALSE(heard.is_late);
    CHECK(at.in().now() - began <= 11s);
    --at.visitors;
}

task<> wait_for_visitors(scenario& at) {
    while (at.visitors > 0) {
        static_cast<void>(co_await runtime::sleep_until(at.client_core(), at.in().now() + 10ms));
    }
}

task<> all_kinds(runtime::nursery& clients, small_scene& small) {
    auto& at = static_cast<scenario&>(small);
    for (const char* each : addresses) {
        for (unsigned version = 0; version < 3; ++version) {
            ++at.visitors;
            clients.start(&visit, std::ref(at), each, version);
        }
    }
    struct wrong {
        std::string beginning;
        const char* from;
        int status;
    };
    // Of who is not to begin with a header one is a request, of a method that nobody has.
    const std::array<wrong, 5> wrongs{
        {{std::string(ask_small), balancer, 0},
         {"PROXY TCP4 10.1.2.3", balancer, 0},
         {"PROXY TCP4 10.1.2.300 10.0.0.1 1 2\r\n", balancer, 0},
         {std::string("\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", 16), balancer, 0},
         {proxy_header(1, "10.1.2.3"), stranger, at.lets_in(stranger) ? 501 : 403}}};
    for (const auto& each : wrongs) {
        ++at.visitors;
        clients.start(&visit_wrongly, std::ref(at), each.beginning, each.from, each.status);
    }
    co_await wait_for_visitors(at);
}

ferry_settings with_rules(ferry::random& rng, drawn_rules& rules) {
    ferry_settings made;
    auto& policy = made.http.addresses;
    for (const auto& each : blocks) {
        if (rng.below(3) == 0) {
            rules.allowed.push_back(&each);
            policy.rules.allowed.push_back(net::address_block::parse(each.text).value());
        }
        if (rng.below(3) == 0) {
            rules.denied.push_back(&each);
            policy.rules.denied.push_back(net::address_block::parse(each.text).value());
        }
    }
    policy.proxy_senders.push_back(net::address_block::parse(balancer).value());
    return made;
}

constexpr std::uint64_t connections_max = 3;
constexpr std::uint64_t requests_per_second = 10;
constexpr std::uint64_t requests_saved_max = 4;
constexpr std::uint64_t sent_per_second = 1'000'000;

/// An address has so many connections and no more; others do not feel that, and whoever leaves
/// makes room.
task<> crowd(scenario& at, const char* from) {
    std::vector<wire> those;
    for (std::uint64_t i = 0; i < connections_max; ++i) {
        auto peer = co_await come(at, from);
        those.push_back(std::move(peer));
        const auto served = co_await ask(at, those.back(), std::string(ask_small));
        CHECK(served.status == 200);
    }
    auto one_more = co_await come(at, from);
    const auto refused = co_await hear(at, one_more);
    CHECK(refused.status == 503);
    those.pop_back();
    static_cast<void>(co_await runtime::sleep_until(at.client_core(), at.in().now() + 1s));
    auto after = co_await come(at, from);
    const auto served = co_await ask(at, after, std::string(ask_small));
    CHECK(served.status == 200);
}

/// Requests of an address, whatever connection they come by: so many at once, and from then on so
/// many a second. `by_proxy`: a proxy asks for it.
task<> hurry(scenario& at, const char* from, bool by_proxy) {
    auto peer = co_await come(at, by_proxy ? proxy : from);
    const auto request = by_proxy ? fmt::format(
                                        "GET /small HTTP/1.1\r\nHost: a\r\n"
                                        "X-Forwarded-For: 9.9.9.9, {}\r\n\r\n",
                                        from)
                                  : std::string(ask_small);
    const auto began = at.in().now();
    std::uint64_t served = 0;
    constexpr unsigned tries = 60;
    for (unsigned i = 0; i < tries; ++i) {
        const auto heard = co_await ask(at, peer, request);
        CHECK((heard.status == 200 || heard.status == 429));
        served += heard.status == 200 ? 1 : 0;
        if (i < requests_saved_max) {
            CHECK(heard.status == 200);
        }
        static_cast<void>(co_await runtime::sleep_until(at.client_core(),
                                                        at.in().now() + at.in().between(0s, 50ms)));
    }
    const auto took = std::chrono::duration<double>(at.in().now() - began).count();
    const auto due = static_cast<double>(requests_saved_max) + took * requests_per_second;
    CHECK(static_cast<double>(served) <= due + 1);
    CHECK(static_cast<double>(served) >= std::min(due / 2, tries * 0.9));
}

/// What an address is sent goes at its rate, over all its connections.
task<> read_large(scenario& at, const char* from) {
    auto peer = co_await come(at, from);
    static_cast<void>(co_await peer.send(ask_large, at.in().now() + soon));
    const auto heard = co_await hear(at, peer, 30s);
    CHECK(heard.status == 200);
    CHECK(heard.body.size() == large_bytes);
    --at.visitors;
}

task<> draw_at_rate(runtime::nursery& clients, scenario& at, const char* from) {
    const auto began = at.in().now();
    for (int i = 0; i < 2; ++i) {
        ++at.visitors;
        clients.start(&read_large, std::ref(at), from);
    }
    co_await wait_for_visitors(at);
    const auto took = std::chrono::duration<double>(at.in().now() - began).count();
    constexpr double due = 2.0 * large_bytes / sent_per_second;
    CHECK(took >= due - 0.5);
    CHECK(took <= due + 2);
}

task<> all_limits(runtime::nursery& clients, small_scene& small) {
    auto& at = static_cast<scenario&>(small);
    co_await crowd(at, "10.0.0.2");
    co_await hurry(at, "10.0.0.3", false);
    co_await hurry(at, "10.0.0.4", true);
    auto other = co_await come(at, "10.0.0.5");
    const auto served = co_await ask(at, other, std::string(ask_small));
    CHECK(served.status == 200);  // Whatever those before have used.
    co_await draw_at_rate(clients, at, "10.0.0.6");
}

// How slow is too slow: all of it over two seconds.
constexpr std::uint64_t rate_min = 20'000;
constexpr auto window = 2s;
constexpr auto head_time_max = 3s;
/// What fits into buffers, some 64 KiB, counts as taken at first; and two seconds of air.
constexpr auto gone_after = std::max(head_time_max, window + 2s) + 2s;

enum class slowness : std::uint8_t { head, body, reading, reading_at_the_rate };

/// Moves octets as slowly as `how` until the server has had enough, which it must have in time.
task<> be_slow(scenario& at, slowness how) {
    auto peer = co_await come(at, "198.51.100.1");
    const auto began = at.in().now();
    std::string beginning = "GET /small HTTP/1.1\r\nHost: a\r\nX: ";
    if (how == slowness::body) {
        beginning = "PUT /new HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    } else if (how != slowness::head) {
        beginning = ask_large;
        peer.shrink_receive_buffer();
    }
    static_cast<void>(co_await peer.send(beginning, began + soon));
    const bool reads = how == slowness::reading || how == slowness::reading_at_the_rate;
    const std::size_t share = how == slowness::reading_at_the_rate ? 3'000 : 100;
    std::size_t taken = 0;
    bool is_let_go = false;
    while (!is_let_go && at.in().now() - began < 120s) {  // 100 octets each 50 ms: a tenth.
        static_cast<void>(co_await runtime::sleep_until(at.client_core(), at.in().now() + 50ms));
        if (reads) {
            const auto got = co_await peer.fill(at.in().now() + soon, share);
            is_let_go = !got || !*got;
            taken += peer.input().size();
            peer.input().clear();
        } else {
            const auto sent = co_await peer.send(std::string(how == slowness::head ? 1 : 100, 'x'),
                                                 at.in().now() + soon);
            const auto got = co_await peer.fill(at.in().now() + 1ms);
            is_let_go = !sent || got || got.error() != errc::timed_out;
        }
    }
    const auto took = at.in().now() - began;
    if (how == slowness::reading_at_the_rate) {  // Thrice as fast as it must be: all of it comes.
        CHECK(taken > large_bytes);
    } else if (!reads) {  // Who reads slowly has octets left that came before.
        CHECK(is_let_go);
        CHECK(took <= gone_after);
    }
    --at.visitors;
}

/// Sees nothing of all that.
task<> be_honest(scenario& at) {
    while (at.visitors > 1) {
        const auto began = at.in().now();
        auto peer = co_await come(at, "10.0.0.2");
        const auto heard = co_await ask(at, peer, std::string(ask_small));
        CHECK(heard.status == 200);
        CHECK(heard.body == small_text);
        CHECK(at.in().now() - began < 100ms);
        ++at.honest;
        static_cast<void>(co_await runtime::sleep_until(at.client_core(), at.in().now() + 100ms));
    }
    --at.visitors;
}

task<> all_slow(runtime::nursery& clients, small_scene& small) {
    auto& at = static_cast<scenario&>(small);
    ++at.visitors;
    for (const auto how :
         {slowness::head, slowness::body, slowness::reading, slowness::reading_at_the_rate}) {
        for (int i = 0; i < (how == slowness::reading_at_the_rate ? 1 : 6); ++i) {
            ++at.visitors;
            clients.start(&be_slow, std::ref(at), how);
        }
    }
    clients.start(&be_honest, std::ref(at));
    static_cast<void>(co_await runtime::sleep_until(at.client_core(), at.in().now() + gone_after));
    // Whoever is there now is honest, or reads at the rate.
    CHECK(at.server().connections() <= 2);
    co_await wait_for_visitors(at);
    CHECK(at.honest > 10);
}

}  // namespace

// Goal: rules, and PROXY headers of who is to send them, decide about each address as the
// documentation has it (threats.md, H9 and H11; haproxy's proxy-protocol.txt, sections 2 and 5).
// Method: nested blocks drawn by the seed, and a model of six lines.
TEST_CASE("sim: who may connect, itself or by a load balancer") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        ferry::random rng(seed);
        drawn_rules rules;
        auto settings = with_rules(rng, rules);
        settings.cores = 1 + rng.below(2);
        scenario at(seed, std::move(settings), std::move(rules));
        at.serve(all_kinds);
    }
}

// Goal: an address has no more than it may have, by whatever way it comes, and no other address
// feels that (threats.md, H12).
TEST_CASE("sim: connections, requests and octets of an address") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        net::address_table table({.connections_max = connections_max,
                                  .requests_per_second = requests_per_second,
                                  .requests_saved_max = requests_saved_max,
                                  .sent_octets_per_second = sent_per_second});
        ferry_settings settings;
        settings.cores = 1 + seed % 2;
        settings.http.addresses.table = &table;
        settings.http.addresses.trusted_proxies.push_back(net::address_block::parse(proxy).value());
        scenario at(seed, std::move(settings));
        at.serve(all_limits);
    }
}

// Goal: who is slower than the minimum rates is gone in bounded time, and who is not sees nothing
// of it (threats.md, H3; decision 0024).
TEST_CASE("sim: slow heads, slow bodies and slow readers are let go") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        ferry_settings settings;
        settings.cores = 1 + seed % 2;
        settings.http.header_timeout = head_time_max;
        settings.http.send_rate_min = {.octets_per_second = rate_min, .window = window};
        settings.http.receive_rate_min = {.octets_per_second = rate_min, .window = window};
        settings.http.visitors = auth::rights::read_only() | auth::rights{auth::right::create};
        scenario at(seed, std::move(settings));
        at.serve(all_slow);
    }
}

}  // namespace ferry::sim::test
