#include "ferry/net/tls_stream.hpp"

#include <doctest/doctest.h>
#include <malloc.h>
#include <openssl/ssl.h>

#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include "../allocation_faults.hpp"
#include "ferry/net/plain_stream.hpp"
#include "ferry/runtime/frame_pool.hpp"
#include "loopback.hpp"
#include "tls_client.hpp"
#include "tls_parts.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;

namespace {

std::shared_ptr<const tls_server> make_server() {
    return tls_server::make({.identities = {identity_for("localhost")},
                             .tickets = std::make_shared<tls_ticket_keys>()})
        .value();
}

/// One stream, its peer and the core they are on.
struct tls_scene {
    explicit tls_scene(const tls_client_options& how = {}) : client(how) {}

    test_core machine;
    core& here = machine.here;
    connection_ends ends = connect_ends();
    plain_stream below{machine.here, std::move(ends.near)};
    tls_stream stream{below};
    permits turns{machine.here, 1};
    seal_buffers sealing;
    std::shared_ptr<const tls_server> by = make_server();
    tls_client client;
    bool is_shaken = false;  ///< At the client.
    std::string client_heard;
    ending client_saw = ending::still_open;
    std::size_t piece_bytes = 1 << 20;  ///< Of what the client sends at a time.

    template <class Body>
    void run(Body body) {
        machine.run(body, std::ref(*this));
    }
    [[nodiscard]] time_point in(duration from_now) const { return here.now() + from_now; }
    [[nodiscard]] tls_terms terms(duration timeout = 10s) {
        return {.by = by, .turns = &turns, .timeout = timeout, .buffers = &sealing};
    }
};

/// Sends what the client has to send.
task<> client_sends(tls_scene& on) {
    const auto all = on.client.take();
    for (std::size_t at = 0; at < all.size(); at += on.piece_bytes) {
        static_cast<void>(co_await say(on.here, on.ends.far.get(), all.substr(at, on.piece_bytes)));
        if (all.size() > on.piece_bytes) {
            co_await on.here.yield();
        }
    }
}

task<> client_shakes_hands(tls_scene& on) {
    for (;;) {
        const auto how = on.client.shake_hands();
        co_await client_sends(on);
        if (how != tls_client::progress::wants_input) {
            on.is_shaken = how == tls_client::progress::done;
            co_return;
        }
        const auto more = co_await hear_some(on.here, on.ends.far.get());
        if (more.octets.empty()) {
            co_return;
        }
        on.client.give(more.octets);
    }
}

/// Reads to the end, its own or the connection's.
task<> client_listens(tls_scene& on) {
    while (on.client_saw == ending::still_open) {
        const auto more = co_await hear_some(on.here, on.ends.far.get());
        on.client.give(more.octets);
        on.client_heard += on.client.read();
        on.client_saw = more.how;
    }
}

/// Both ends shake hands.
task<> begin(nursery& tasks, tls_scene& on) {
    tasks.start(client_shakes_hands, std::ref(on));
    const auto begun = co_await on.stream.accept(on.terms());
    REQUIRE(begun);
    while (!on.is_shaken) {
        co_await pause(on.here, 1ms);
    }
}

/// Allocation `which` of a send fails.
task<> out_of_memory(nursery& tasks, tls_scene& on, std::size_t which, std::size_t& happened) {
    co_await begin(tasks, on);
    const auto much = pattern(100'000);
    keep_frames(false);
    bool is_sent = false;
    bool has_happened = false;
    bool is_thrown = false;
    try {
        const test::allocation_fault fault(which);
        const auto sent = co_await on.stream.send(as_octets(much), 5s);
        is_sent = sent.has_value();
        has_happened = fault.has_happened();
    } catch (const std::bad_alloc&) {
        has_happened = is_thrown = true;
    }
    keep_frames(true);
    CHECK(is_sent != has_happened);
    happened += has_happened ? 1 : 0;
    if (is_thrown) {  // Nothing of it has gone: it may be said again.
        CHECK((co_await on.stream.send(as_octets(much), 5s)).has_value());
    }
    co_await on.stream.close(farewell::orderly);
    co_await client_listens(on);
    CHECK(on.client_heard.size() <= much.size());
    CHECK(much.starts_with(on.client_heard));
    CHECK((on.client_heard.size() == much.size()) == (is_sent || is_thrown));
    CHECK(
        !on.client.has_failed());  // No record, and no close_notify, comes behind one that is lost.
}

}  // namespace

TEST_CASE("tls_stream: is like the stream below until TLS begins") {
    tls_scene on;
    on.run([](nursery&, tls_scene& my) -> task<> {
        CHECK(!my.stream.is_secure());
        CHECK(co_await say(my.here, my.ends.far.get(), "in clear") == 8);
        REQUIRE(co_await my.stream.fill(my.in(5s)));
        CHECK(my.stream.input() == "in clear");
        my.stream.consume(3);
        std::string text;
        my.stream.take_input(text);
        CHECK(text == "clear");
        REQUIRE(co_await my.stream.send(as_octets("so is this"), 5s));
        const auto got = co_await hear(my.here, my.ends.far.get(), 10);
        CHECK(got.octets == "so is this");
        CHECK(co_await say(my.here, my.ends.far.get(), "bulk") == 4);
        std::string bulk(16, '\0');
        const auto received =
            co_await my.stream.receive(std::as_writable_bytes(std::span(bulk)), my.in(5s));
        CHECK(received == result<std::size_t>(4));
        CHECK(my.stream.peer() == my.below.peer());
        CHECK(my.stream.local() == my.below.local());
        co_await my.stream.close(farewell::abort);
    });
}

TEST_CASE("tls_stream: content goes both ways, in whatever pieces it comes") {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{137}, std::size_t{1} << 20U}) {
            CAPTURE(version);
            CAPTURE(piece);
            tls_scene on({.version = version});
            on.piece_bytes = piece;
            on.run([](nursery& tasks, tls_scene& my) -> task<> {
                co_await begin(tasks, my);
                CHECK(my.stream.facts().version.starts_with("TLSv1."));
                const auto there = pattern(my.piece_bytes == 1 ? 500 : 50'000);
                my.client.write(there);
                tasks.start(client_sends, std::ref(my));
                std::string text;
                while (text.size() < there.size()) {
                    REQUIRE(co_await my.stream.fill(my.in(5s)));
                    my.stream.take_input(text);
                }
                CHECK((text == there));
                tasks.start(client_listens, std::ref(my));
                const auto back = pattern(300'000, 2);
                REQUIRE(co_await my.stream.send(as_octets(back), 5s));
                co_await my.stream.close(farewell::orderly);
                while (my.client_saw == ending::still_open) {
                    co_await pause(my.here, 1ms);
                }
                CHECK((my.client_heard == back));
                CHECK(my.client.has_ended());  // close_notify (RFC 8446 section 6.1).
                CHECK(my.client_saw == ending::end_of_stream);
            });
        }
    }
}

TEST_CASE("tls_stream: input is bounded, and what is not read is not lost (threats.md, H4)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto there = pattern(300'000);
        my.client.write(there);
        tasks.start(client_sends, std::ref(my));
        for (;;) {
            const auto filled = co_await my.stream.fill(my.in(5s));
            CHECK(my.stream.input().size() < input_bytes_max + 16'384);
            if (!filled) {
                CHECK(filled.error() == errc::exhausted);
                break;
            }
        }
        std::string text;
        while (text.size() < there.size()) {
            my.stream.take_input(text);
            if (text.size() < there.size()) {
                REQUIRE(co_await my.stream.fill(my.in(5s)));
            }
        }
        CHECK((text == there));
        co_await my.stream.close(farewell::abort);
    });
}

TEST_CASE("tls_stream: a file goes with its head, quantum by quantum") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto content = pattern(400'000);
        const auto file = unnamed_file(content);
        tasks.start(client_listens, std::ref(my));
        stream::file_message left{.head = as_octets("the head "),
                                  .body = {.fd = file.get(), .offset = 10, .size_bytes = 399'000}};
        std::uint64_t sent_bytes = 0;
        while (left.body.size_bytes > 0 || !left.head.empty()) {
            const auto sent = co_await my.stream.send_file(left, 5s);
            REQUIRE(sent);
            sent_bytes += *sent;
            const auto of_head = std::min<std::uint64_t>(*sent, left.head.size());
            left.head = left.head.subspan(of_head);
            left.body.offset += *sent - of_head;
            left.body.size_bytes -= *sent - of_head;
        }
        CHECK(sent_bytes == 399'009);
        // Shorter than it was: what was promised cannot be kept.
        const auto beyond = co_await my.stream.send_file(
            {.head = {}, .body = {.fd = file.get(), .offset = 400'000, .size_bytes = 5}}, 5s);
        CHECK(beyond.error() == errc::closed);
        co_await my.stream.close(farewell::orderly);
        while (my.client_saw == ending::still_open) {
            co_await pause(my.here, 1ms);
        }
        CHECK((my.client_heard == "the head " + content.substr(10, 399'000)));
    });
}

/// Reads to the end, and wants new keys of both every now and then.
task<> client_renews_keys(tls_scene& on, int& renewed) {
    constexpr std::size_t octets_a_key = 1'000'000;
    while (on.client_saw == ending::still_open) {
        const auto more = co_await hear_some(on.here, on.ends.far.get());
        on.client.give(more.octets);
        on.client_heard += on.client.read();
        on.client_saw = more.how;
        if (on.client_heard.size() / octets_a_key > static_cast<std::size_t>(renewed)) {
            ++renewed;
            REQUIRE(on.client.renew_keys());
            co_await client_sends(on);
        }
    }
}

task<> reads_meanwhile(tls_scene& on) {
    static_cast<void>(co_await on.stream.fill(never));
}

TEST_CASE("tls_stream: keys are renewed while a file is sent (RFC 8446 section 4.6.3)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        const auto content = pattern(10'000'000);
        const auto file = unnamed_file(content);
        co_await begin(tasks, my);
        int renewed = 0;
        tasks.start(client_renews_keys, std::ref(my), std::ref(renewed));
        stop_scope reading(&co_await current_scope());
        tasks.start(
            [](tls_scene& of, stop_scope& until) -> task<> {
                co_await reads_meanwhile(of).in_scope(until);
            },
            std::ref(my), std::ref(reading));
        std::uint64_t sent = 0;
        while (sent < content.size()) {
            const auto some = co_await my.stream.send_file(
                {.head = {},
                 .body = {.fd = file.get(), .offset = sent, .size_bytes = content.size() - sent}},
                5s);
            REQUIRE(some);
            sent += *some;
        }
        // What it says behind the end would have TCP reset the connection.
        while (my.client_heard.size() < content.size() && my.client_saw == ending::still_open) {
            co_await pause(my.here, 1ms);
        }
        reading.request_stop();
        co_await my.here.yield();
        co_await my.stream.close(farewell::orderly);
        while (my.client_saw == ending::still_open) {
            co_await pause(my.here, 1ms);
        }
        CHECK(renewed >= 5);
        CHECK(!my.client.has_failed());
        CHECK((my.client_heard == content));
    });
}

TEST_CASE("tls_stream: bulk is received to the end, which is said (RFC 8446 section 6.1)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto there = pattern(500'000);
        my.client.write(there);
        my.client.end();
        tasks.start(client_sends, std::ref(my));
        std::string text;
        std::string some(40'000, '\0');
        for (;;) {
            const auto got =
                co_await my.stream.receive(std::as_writable_bytes(std::span(some)), my.in(5s));
            REQUIRE(got);
            if (*got == 0) {
                break;
            }
            text.append(some, 0, *got);
        }
        CHECK((text == there));
        co_await my.stream.close(farewell::orderly);
    });
}

TEST_CASE("tls_stream: an end that is not said is none (threats.md, T2)") {
    for (const bool in_bulk : {false, true}) {
        CAPTURE(in_bulk);
        tls_scene on;
        on.piece_bytes = in_bulk ? 1 << 20 : 1 << 19;
        on.run([](nursery& tasks, tls_scene& my) -> task<> {
            co_await begin(tasks, my);
            my.client.write("as if it were all");
            co_await client_sends(my);
            my.ends.far.reset();  // TCP's end, which anybody in between can make.
            std::string some(100, '\0');
            const auto into = std::as_writable_bytes(std::span(some));
            if (my.piece_bytes == 1 << 20) {
                const auto got = co_await my.stream.receive(into, my.in(5s));
                CHECK(got == result<std::size_t>(17));
                const auto end = co_await my.stream.receive(into, my.in(5s));
                CHECK(end.error() == errc::reset);
            } else {
                REQUIRE(co_await my.stream.fill(my.in(5s)));
                CHECK(my.stream.input() == "as if it were all");
                const auto end = co_await my.stream.fill(my.in(5s));
                CHECK(end.error() == errc::reset);
            }
            co_await my.stream.close(farewell::abort);
        });
    }
}

TEST_CASE("tls_stream: fill tells the end that is said from the other") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        my.client.write("last words");
        my.client.end();
        co_await client_sends(my);
        REQUIRE(co_await my.stream.fill(my.in(5s)));
        CHECK(my.stream.input() == "last words");
        const auto end = co_await my.stream.fill(my.in(5s));
        CHECK(end.error() == errc::closed);
        // Our side goes on (RFC 8446 section 6.1).
        tasks.start(client_listens, std::ref(my));
        REQUIRE(co_await my.stream.send(as_octets("an answer"), 5s));
        co_await my.stream.close(farewell::orderly);
    });
}

TEST_CASE("tls_stream: an abort says nothing, so that the half is not taken for the whole") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        tasks.start(client_listens, std::ref(my));
        REQUIRE(co_await my.stream.send(as_octets("the half"), 5s));
        co_await my.stream.close(farewell::abort);
        while (my.client_saw == ending::still_open) {
            co_await pause(my.here, 1ms);
        }
        CHECK(!my.client.has_ended());
    });
}

TEST_CASE("tls_stream: shut_down_sending ends our side only, with the next wait") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        tasks.start(client_listens, std::ref(my));
        my.stream.shut_down_sending();
        const auto nothing = co_await my.stream.fill(my.in(20ms));
        CHECK(nothing.error() == errc::timed_out);
        while (my.client_saw == ending::still_open) {
            co_await pause(my.here, 1ms);
        }
        CHECK(my.client.has_ended());
        my.client.write("one thing more");
        co_await client_sends(my);
        REQUIRE(co_await my.stream.fill(my.in(5s)));
        CHECK(my.stream.input() == "one thing more");
        co_await my.stream.close(farewell::abort);
    });
}

TEST_CASE("tls_stream: a handshake has a deadline, wherever it stalls (threats.md, T3)") {
    for (const std::string_view beginning : {"", "\x16\x03\x01", "\x16\x03\x01\x01\x00\x01\x00"}) {
        tls_scene on;
        on.run([](nursery&, tls_scene& my) -> task<> {
            const auto begun = co_await my.stream.accept(my.terms(20ms));
            CHECK(begun.error() == errc::timed_out);
            co_await my.stream.close(farewell::abort);
        });
    }
    SUBCASE("behind its hello") {
        tls_scene on;
        on.run([](nursery&, tls_scene& my) -> task<> {
            static_cast<void>(my.client.shake_hands());
            co_await client_sends(my);
            const auto begun = co_await my.stream.accept(my.terms(50ms));
            CHECK(begun.error() == errc::timed_out);
            co_await my.stream.close(farewell::abort);
        });
    }
}

TEST_CASE("tls_stream: a hello that is not whole costs what was sent of it (threats.md, T3)") {
    tls_scene on;
    on.run([](nursery&, tls_scene& my) -> task<> {
        static_cast<void>(my.client.shake_hands());
        auto hello = my.client.take();
        hello.pop_back();
        CHECK(co_await say(my.here, my.ends.far.get(), hello) == hello.size());
        const auto begun = co_await my.stream.accept(my.terms(20ms));
        CHECK(begun.error() == errc::timed_out);
        CHECK(!my.stream.is_secure());  // OpenSSL has not heard of it.
        CHECK(my.below.input().size() == hello.size());
        co_await my.stream.close(farewell::abort);
    });
}

TEST_CASE("tls_stream: what is no TLS gets an alert and the end (threats.md, T1)") {
    tls_scene on;
    on.run([](nursery&, tls_scene& my) -> task<> {
        static_cast<void>(
            co_await say(my.here, my.ends.far.get(), std::string("\x17\x03\x03\0\x05hello", 10)));
        const auto begun = co_await my.stream.accept(my.terms());
        CHECK(begun.error() == errc::invalid);
        CHECK(!my.stream.why().empty());
        const auto again = co_await my.stream.fill(my.in(5s));
        CHECK(again.error() == errc::invalid);
        co_await my.stream.close(farewell::orderly);
        const auto got = co_await hear_all(my.here, my.ends.far.get());
        CHECK(got.octets.starts_with("\x15\x03"));
        CHECK(got.how == ending::end_of_stream);
    });
}

TEST_CASE(
    "tls_stream: what is said in clear where TLS is to be stays below, to be answered there") {
    tls_scene on;
    on.run([](nursery&, tls_scene& my) -> task<> {
        CHECK(co_await say(my.here, my.ends.far.get(), "GET / HTTP/1.1") == 14);
        const auto begun = co_await my.stream.accept(my.terms());
        CHECK(begun.error() == errc::invalid);
        CHECK(my.stream.heard_clear_text());
        CHECK(!my.stream.is_secure());
        CHECK(my.stream.input() == "GET / HTTP/1.1");
        co_await my.stream.close(farewell::abort);
    });
}

TEST_CASE("tls_stream: a handshake computes when its turn has come (threats.md, T4)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        {
            const auto taken = my.turns.try_take();
            REQUIRE(taken);
            static_cast<void>(my.client.shake_hands());
            co_await client_sends(my);
            const auto begun = co_await my.stream.accept(my.terms(20ms));
            CHECK(begun.error() == errc::timed_out);
        }
        CHECK(my.turns.try_take());  // It has given back what it took.
        co_await my.stream.close(farewell::abort);
        static_cast<void>(tasks);
    });
}

TEST_CASE("tls_stream: a stop ends the handshake and every wait behind it") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        stop_scope stopped;
        stopped.request_stop();
        const auto begun = co_await my.stream.accept(my.terms()).in_scope(stopped);
        CHECK(begun.error() == errc::cancelled);
        co_await begin(tasks, my);
        const auto filled = co_await my.stream.fill(never).in_scope(stopped);
        CHECK(filled.error() == errc::cancelled);
        my.client.write("still there");
        co_await client_sends(my);
        REQUIRE(co_await my.stream.fill(my.in(5s)));
        CHECK(my.stream.input() == "still there");
        co_await my.stream.close(farewell::orderly);
    });
}

TEST_CASE(
    "tls_stream: a drain ends a handshake that has not begun, and no other (threats.md, H8)") {
    SUBCASE("nothing is said") {
        tls_scene on;
        on.run([](nursery&, tls_scene& my) -> task<> {
            stop_scope draining;
            auto terms = my.terms(runtime::duration(1h));
            terms.draining = &draining;
            draining.request_stop();
            const auto begun = co_await my.stream.accept(std::move(terms));
            CHECK(begun.error() == errc::timed_out);
            co_await my.stream.close(farewell::abort);
        });
    }
    SUBCASE("the hello is on its way") {
        tls_scene on;
        on.run([](nursery& tasks, tls_scene& my) -> task<> {
            stop_scope draining;
            auto terms = my.terms();
            terms.draining = &draining;
            draining.request_stop();
            tasks.start(client_shakes_hands, std::ref(my));
            CHECK(co_await my.stream.accept(std::move(terms)));
            co_await my.stream.close(farewell::abort);
        });
    }
    SUBCASE("half of the hello has come") {
        tls_scene on;
        on.run([](nursery& tasks, tls_scene& my) -> task<> {
            stop_scope draining;
            auto terms = my.terms();
            terms.draining = &draining;
            static_cast<void>(my.client.shake_hands());
            const auto hello = my.client.take();
            const auto half = hello.size() / 2;
            CHECK(co_await say(my.here, my.ends.far.get(), hello.substr(0, half)) == half);
            tasks.start(
                [](tls_scene& with, stop_scope& stops, std::string rest) -> task<> {
                    while (with.below.input().empty()) {
                        co_await pause(with.here, 1ms);
                    }
                    stops.request_stop();
                    co_await pause(with.here, 5ms);
                    static_cast<void>(co_await say(with.here, with.ends.far.get(), rest));
                    co_await client_shakes_hands(with);
                },
                std::ref(my), std::ref(draining), hello.substr(half));
            CHECK(co_await my.stream.accept(std::move(terms)));
            co_await my.stream.close(farewell::abort);
        });
    }
}

TEST_CASE("tls_stream: goes back to clear when both have ended TLS (RFC 4217 section 12.3)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        my.client.write("said before the end");
        my.client.end();
        co_await client_sends(my);
        CHECK(co_await say(my.here, my.ends.far.get(), "in clear") == 8);
        REQUIRE(co_await my.stream.go_back_to_clear(my.in(5s)));
        CHECK(!my.stream.is_secure());
        while (my.stream.input().size() < 8) {
            REQUIRE(co_await my.stream.fill(my.in(5s)));
        }
        CHECK(my.stream.input() == "in clear");
        REQUIRE(co_await my.stream.send(as_octets("so are we"), 5s));
        const auto got = co_await hear_some(my.here, my.ends.far.get());
        my.client.give(got.octets);
        CHECK(my.client.read().empty());
        CHECK(my.client.has_ended());
        co_await my.stream.close(farewell::orderly);
    });
}

TEST_CASE("tls_stream: a peer that takes nothing stalls out (threats.md, H3)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        const auto much = pattern(20'000'000);
        const auto sent = co_await my.stream.send(as_octets(much), 50ms);
        CHECK(sent.error() == errc::timed_out);
        const auto again = co_await my.stream.send(as_octets("more"), 50ms);
        CHECK(again.error() == errc::reset);  // No record begins in the middle of another.
        co_await my.stream.close(farewell::abort);
    });
}

TEST_CASE("tls_stream: want of memory ends a connection, and nothing worse (threats.md, R14)" *
          doctest::skip(!test::allocation_fault::is_possible)) {
    std::size_t happened = 0;
    for (std::size_t which = 1; which <= 8; ++which) {
        CAPTURE(which);
        tls_scene on;
        on.run([&happened, which](nursery& tasks, tls_scene& my) -> task<> {
            return out_of_memory(tasks, my, which, happened);
        });
    }
    CHECK(happened >= 3);  // Two coroutines, and what is sealed.
}

TEST_CASE(
    "tls_stream: what is large is sealed in the core's memory, which it has back once it is sent") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        co_await begin(tasks, my);
        std::array<std::string, 2> own{my.sealing.take(), my.sealing.take()};
        const std::array<const char*, 2> places{own[0].data(), own[1].data()};
        my.sealing.give_back(own[1]);
        my.sealing.give_back(own[0]);
        tasks.start(client_listens, std::ref(my));
        // More than there is room for at once, so that some of it waits.
        const auto much = pattern(20'000'000);
        REQUIRE(co_await my.stream.send(as_octets(much), 5s));
        REQUIRE(co_await my.stream.send(as_octets("the end"), 5s));
        CHECK(my.sealing.take().data() == places[0]);
        CHECK(my.sealing.take().data() == places[1]);
        co_await my.stream.close(farewell::orderly);
        while (my.client_saw == ending::still_open) {
            co_await pause(my.here, 1ms);
        }
        CHECK(my.client_heard.size() == much.size() + 7);
        CHECK(my.client_heard.starts_with(much));
    });
}

#if !defined(__SANITIZE_ADDRESS__) && \
    !(defined(__has_feature) &&       \
      (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))
TEST_CASE("tls_stream: an idle one holds no buffers (decision 0030)") {
    tls_scene on;
    on.run([](nursery& tasks, tls_scene& my) -> task<> {
        // Freed in the end, and what comes back is what it has held.
        auto own = std::make_unique<tls_stream>(my.below);
        tasks.start(client_shakes_hands, std::ref(my));
        REQUIRE(co_await own->accept(my.terms()));
        while (!my.is_shaken) {
            co_await pause(my.here, 1ms);
        }
        my.client.write(pattern(100'000));
        tasks.start(client_sends, std::ref(my));
        std::string text;
        while (text.size() < 100'000) {
            REQUIRE(co_await own->fill(my.in(5s)));
            own->take_input(text);
        }
        tasks.start(client_listens, std::ref(my));
        REQUIRE(co_await own->send(as_octets(pattern(200'000)), 5s));
        const auto idle = co_await own->fill(my.in(20ms));
        CHECK(idle.error() == errc::timed_out);
        const auto before = ::mallinfo2().uordblks;
        own.reset();
        const auto held = before - ::mallinfo2().uordblks;
        MESSAGE("an idle stream holds ", held, " octets");
        CHECK(held <= 4 * 1'024);
        co_await my.stream.close(farewell::abort);
    });
}
#endif
