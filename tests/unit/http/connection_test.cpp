#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "../allocation_faults.hpp"
#include "ferry/http/server.hpp"
#include "ferry/runtime/wait.hpp"
#include "web.hpp"

using namespace ferry;
using namespace ferry::http;
using namespace ferry::http::test;
using namespace ferry::runtime;
using namespace std::chrono_literals;
using net_test::ending;
using net_test::pattern;
using net_test::pause;

namespace {

std::string get(std::string_view target, std::string_view lines = "") {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}

/// One request of a conversation and what must come of it.
struct exchange {
    std::string request;
    int status = 0;
    std::string body;
    bool to_head = false;
};

/// A tree with something of every kind, and `count` exchanges with it that `seed` chooses.
std::vector<exchange> make_exchanges(web& on, std::size_t count, std::uint64_t seed) {
    const std::string large = pattern(30'000, 5);
    on.files.write("small.txt", "small");
    on.files.write("empty.txt", "");
    on.files.write("large.bin", large);
    const std::vector<exchange> kinds = {
        {.request = get("/small.txt"), .status = 200, .body = "small"},
        {.request = get("/empty.txt"), .status = 200, .body = ""},
        {.request = get("/large.bin"), .status = 200, .body = large},
        {.request = get("/large.bin", "Range: bytes=100-199\r\n"),
         .status = 206,
         .body = large.substr(100, 100)},
        {.request = "HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n",
         .status = 200,
         .body = "",
         .to_head = true},
        {.request = "HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n",
         .status = 404,
         .body = "",
         .to_head = true},
        {.request = "\r\n" + get("/small.txt"), .status = 200, .body = "small"},
        {.request = get("/small.txt", "If-None-Match: *\r\n"), .status = 304, .body = ""},
        {.request = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", .status = 204, .body = ""},
        // Its body looks like a request (threats.md, H1).
        {.request = "GET /small.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n"
                    "GET /missing HTTP/1.1\r\nHost: evil\r\n\r\n",
         .status = 200,
         .body = "small"},
    };
    ferry::random rng(seed);
    std::vector<exchange> chosen;
    for (std::size_t i = 0; i < count; ++i) {
        chosen.push_back(kinds[rng.below(kinds.size())]);
    }
    return chosen;
}

std::string requests_of(const std::vector<exchange>& exchanges) {
    std::string all;
    for (const auto& each : exchanges) {
        all += each.request;
    }
    return all;
}

/// Holds `octets` against what `exchanges` must lead to, in their order.
void check_answers(const std::vector<exchange>& exchanges, std::string octets) {
    for (std::size_t i = 0; i < exchanges.size(); ++i) {
        CAPTURE(i);
        CAPTURE(exchanges[i].request);
        const auto answer = take_answer(octets, exchanges[i].to_head);
        REQUIRE(answer.status == exchanges[i].status);
        REQUIRE((answer.body == exchanges[i].body || answer.status == 404));
    }
    CHECK(octets.empty());
}

/// The client reads `octets_each` at a time with `gap` between.
task<> hear_slowly(web& on, visit& guest, std::size_t octets_each, duration gap) {
    while (guest.hears.how == ending::still_open) {
        co_await pause(on.here, gap);
        const auto piece = co_await net_test::hear(on.here, guest.client.get(), octets_each);
        guest.hears.octets += piece.octets;
        guest.hears.how = piece.how;
        if (piece.octets.empty()) {
            co_return;
        }
    }
}

task<> say_endlessly(web& on, visit& guest, std::string text) {
    while (co_await net_test::say(on.here, guest.client.get(), text) == text.size()) {}
}

/// The answers to `text` from a client that ends its side after it.
std::string answers_to(web& on, std::string text) {
    std::string heard;
    on.machine.run(
        [](nursery& tasks, web& my, std::string says, std::string& into) -> task<> {
            auto& guest = my.arrive_saying(tasks, std::move(says));
            co_await until_over(my, guest);
            while (guest.hears.how == ending::still_open) {
                co_await pause(my.here, 1ms);
            }
            CHECK(guest.hears.how == ending::end_of_stream);
            into = guest.hears.octets;
        },
        std::ref(on), std::move(text), std::ref(heard));
    return heard;
}

}  // namespace

TEST_CASE("connection: stays open from request to request (RFC 9112 section 9.3)") {
    web on;
    on.files.write("a.txt", "content");
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        for (int i = 0; i < 5; ++i) {
            co_await say(my, guest, get("/a.txt"));
            const auto answer = co_await next_answer(my, guest);
            CHECK(answer.status == 200);
            CHECK(answer.body == "content");
            CHECK_FALSE(answer.has("Connection"));
        }
        CHECK_FALSE(guest.is_over);
        ::shutdown(guest.client.get(), SHUT_WR);
        co_await until_over(my, guest);
        CHECK(guest.is_over);
        co_await hear_all(my, guest);
        CHECK(guest.hears.how == ending::end_of_stream);
    });
}

TEST_CASE("connection: ends when the client or HTTP/1.0 says so (RFC 9112 sections 9.3 and 9.6)") {
    for (const std::string& request :
         {get("/a.txt", "Connection: close\r\n"), get("/a.txt", "Connection: x , CLOSE\r\n"),
          std::string("GET /a.txt HTTP/1.0\r\n\r\n")}) {
        CAPTURE(request);
        web on;
        on.files.write("a.txt", "content");
        on.machine.run(
            [](nursery& tasks, web& my, std::string text) -> task<> {
                auto& guest = my.arrive(tasks);
                co_await say(my, guest, text + get("/a.txt"));  // The second is not answered.
                co_await hear_all(my, guest);
                CHECK(guest.hears.how == ending::end_of_stream);
                const auto answer = take_answer(guest.hears.octets);
                CHECK(answer.body == "content");
                CHECK(answer.field("Connection") == "close");
                CHECK(guest.hears.octets.empty());
                guest.client.reset();
                co_await until_over(my, guest);
                CHECK(guest.is_over);
            },
            std::ref(on), request);
    }
    web on;
    on.files.write("a.txt", "content");
    auto answers = answers_to(on,
                              "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                              "GET /a.txt HTTP/1.0\r\n\r\n");
    CHECK(take_answer(answers).field("Connection") == "keep-alive");
    CHECK(take_answer(answers).field("Connection") == "close");
}

// Goal: a conversation does not depend on how the network cuts it (RFC 9112 section 9.3.2). Method:
// the seed chooses the requests and the places where they are cut; the answers must come in order.
TEST_CASE("connection: a hundred pipelined requests in any split are answered in order") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);  // A failure prints the seed; the seed replays it.
        web on;
        const auto exchanges = make_exchanges(on, 100, seed);
        std::string heard;
        on.machine.run(
            [](nursery& tasks, web& my, const std::vector<exchange>& all, std::uint64_t cuts,
               std::string& into) -> task<> {
                auto& guest = my.arrive(tasks);
                tasks.start(hear_all, std::ref(my), std::ref(guest));
                co_await say_in_pieces(my, guest, requests_of(all), cuts);
                ::shutdown(guest.client.get(), SHUT_WR);
                co_await until_over(my, guest);
                while (guest.hears.how == ending::still_open) {
                    co_await pause(my.here, 1ms);
                }
                into = guest.hears.octets;
            },
            std::ref(on), std::cref(exchanges), seed, std::ref(heard));
        check_answers(exchanges, heard);
        CHECK(on.log.kept.size() == exchanges.size());
    }
}

TEST_CASE("connection: a few requests in any split, from a client that waits for its answers") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        CAPTURE(seed);
        web on;
        const auto exchanges = make_exchanges(on, 4, seed);
        on.machine.run(
            [](nursery& tasks, web& my, const std::vector<exchange>& all,
               std::uint64_t cuts) -> task<> {
                auto& guest = my.arrive(tasks);
                ferry::random rng(cuts);
                // Some wait for each answer, some have two requests under way.
                const std::size_t ahead = 1 + rng.below(2);
                for (std::size_t i = 0; i < all.size(); i += ahead) {
                    std::string text;
                    for (std::size_t j = i; j < std::min(i + ahead, all.size()); ++j) {
                        text += all[j].request;
                    }
                    tasks.start(say_in_pieces, std::ref(my), std::ref(guest), text, rng.next());
                    for (std::size_t j = i; j < std::min(i + ahead, all.size()); ++j) {
                        const auto answer = co_await next_answer(my, guest, all[j].to_head);
                        REQUIRE(answer.status == all[j].status);
                        REQUIRE((answer.body == all[j].body || answer.status == 404));
                    }
                    while (!guest.has_said_all) {  // A body may still be under way.
                        co_await my.here.yield();
                    }
                    guest.has_said_all = false;
                }
                guest.client.reset();
                co_await until_over(my, guest);
                CHECK(guest.is_over);
            },
            std::ref(on), std::cref(exchanges), seed);
    }
}

TEST_CASE(
    "connection: answers to a pipelining client that does not read are bounded (threats.md, "
    "H4)") {
    web on;
    on.files.write("large.bin", pattern(8'000));
    on.settings.send_timeout = 200ms;
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        net_test::shrink_buffers(guest.client.get());
        net_test::shrink_buffers(guest.served);
        std::string much;
        for (int i = 0; i < 20'000; ++i) {
            much += get("/large.bin");
        }
        co_await pause(my.here, 1ms);
        const auto began = my.here.now();
        tasks.start(say_endlessly, std::ref(my), std::ref(guest), much);
        co_await until_over(my, guest);
        CHECK(guest.is_over);
        CHECK(my.here.now() - began < 5s);
        // What was answered is what fitted on its way, not what was asked.
        CHECK(my.log.kept.size() < 200);
        co_await hear_all(my, guest);  // Its sending may have been told of the reset.
        CHECK(guest.hears.how != ending::still_open);
    });
}

TEST_CASE("connection: a body nobody wants is skipped up to a limit (RFC 9112 section 9.3)") {
    web on;
    on.files.write("a.txt", "content");
    on.settings.body_drain_bytes_max = 1'000;
    const auto post = [](std::size_t body_bytes) {
        return "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body_bytes) +
               "\r\n\r\n" + std::string(body_bytes, 'x');
    };
    auto answers = answers_to(on, post(0) + post(1'000) + get("/a.txt"));
    CHECK(take_answer(answers).status == 405);
    CHECK(take_answer(answers).status == 405);
    CHECK(take_answer(answers).body == "content");
    CHECK(answers.empty());

    // Beyond it, of unknown length, or held back until 100: one final answer, then the end
    // (RFC 9110 section 10.1.1).
    const std::string chunked =
        "POST /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n";
    const std::string expecting =
        "POST /a.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    for (const auto& last : {post(1'001), post(300'000), chunked, expecting}) {
        CAPTURE(last.substr(0, 100));
        auto ended = answers_to(on, last + get("/a.txt"));
        const auto answer = take_answer(ended);
        CHECK(answer.status == 405);
        CHECK(answer.field("Connection") == "close");
        CHECK(ended.empty());
    }
}

TEST_CASE("connection: the answer reaches a client that first sends all of a large body") {
    web on;
    const std::string body(4'000'000, 'x');
    on.machine.run(
        [](nursery& tasks, web& my, std::string text) -> task<> {
            auto& guest = my.arrive(tasks);
            co_await say(my, guest, std::move(text));  // And reads only then.
            CHECK(guest.has_said_all);
            const auto answer = co_await next_answer(my, guest);
            CHECK(answer.status == 405);
            co_await hear_all(my, guest);
            CHECK(guest.hears.how == ending::end_of_stream);
            guest.client.reset();
            co_await until_over(my, guest);
        },
        std::ref(on),
        "PUT /a HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

TEST_CASE("connection: the answer reaches a client whose body never comes") {
    struct row {
        const char* how;
        bool ends_its_side;
    };
    for (const row& each : {row{"ends", true}, row{"falls silent", false}}) {
        CAPTURE(each.how);
        web on;
        on.settings.header_timeout = 50ms;
        on.machine.run(
            [](nursery& tasks, web& my, bool ends) -> task<> {
                auto& guest = my.arrive(tasks);
                co_await say(
                    my, guest,
                    "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf of it");
                if (ends) {
                    ::shutdown(guest.client.get(), SHUT_WR);
                }
                co_await pause(my.here, 200ms);  // Too slow to read it at once.
                co_await hear_all(my, guest);
                CHECK(guest.hears.how == ending::end_of_stream);
                const auto answer = take_answer(guest.hears.octets);
                CHECK(answer.status == 405);
                CHECK(guest.hears.octets.empty());
                guest.client.reset();
                co_await until_over(my, guest);
                CHECK(guest.is_over);
            },
            std::ref(on), each.ends_its_side);
    }
}

TEST_CASE("connection: a head that drips is 408 after its total time (RFC 9110 section 15.5.9)") {
    web on;
    on.settings.header_timeout = 150ms;
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        tasks.start(hear_all, std::ref(my), std::ref(guest));
        const auto began = my.here.now();
        const std::string head = get("/" + std::string(1'000, 'a'));
        for (std::size_t i = 0; i < head.size() && guest.hears.how == ending::still_open; ++i) {
            co_await say(my, guest, head.substr(i, 1));  // Never silent for long.
            co_await pause(my.here, 20ms);
        }
        const auto took = my.here.now() - began;
        CHECK(took >= 150ms);
        CHECK(took < 2s);
        const auto answer = take_answer(guest.hears.octets);
        CHECK(answer.status == 408);
        CHECK(answer.field("Connection") == "close");
        CHECK(guest.hears.octets.empty());
        guest.client.reset();
        co_await until_over(my, guest);
        CHECK(guest.is_over);
    });
}

TEST_CASE("connection: an idle one is closed in silence (RFC 9112 section 9.5)") {
    // An empty line is no beginning of a request (section 2.2).
    for (const std::string& text : {std::string(), get("/a.txt"), std::string("\r\n")}) {
        CAPTURE(text);
        web on;
        on.files.write("a.txt", "content");
        on.settings.idle_timeout = 80ms;
        on.settings.header_timeout = 80ms;
        on.machine.run(
            [](nursery& tasks, web& my, std::string says) -> task<> {
                auto& guest = my.arrive(tasks);
                const auto began = my.here.now();
                co_await say(my, guest, says);
                co_await hear_all(my, guest);
                CHECK(guest.hears.how == ending::end_of_stream);
                CHECK(my.here.now() - began >= 80ms);
                if (says.starts_with("GET")) {
                    CHECK(take_answer(guest.hears.octets).body == "content");
                }
                CHECK(guest.hears.octets.empty());
                co_await until_over(my, guest);
                CHECK(guest.is_over);
            },
            std::ref(on), text);
    }
}

TEST_CASE("connection: one that ends in the middle of a head gets no answer") {
    web on;
    CHECK(answers_to(on, "GET /a.txt HTTP/1.1\r\nHo").empty());
    CHECK(answers_to(on, "").empty());
    CHECK(on.log.kept.empty());
}

TEST_CASE("connection: a refusal arrives although more input is unread (RFC 9112 section 9.6)") {
    struct row {
        std::string text;
        int status;
    };
    for (const row& each : {row{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
                            row{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
                            row{get("/" + std::string(10'000, 'a')), 414},
                            row{get("/", "X: " + std::string(20'000, 'a') + "\r\n"), 431},
                            row{"GET / HTTP/1.1\r\n\r\n", 400}}) {
        CAPTURE(each.text.substr(0, 40));
        web on;
        on.machine.run(
            [](nursery& tasks, web& my, std::string text, int status) -> task<> {
                auto& guest = my.arrive(tasks);
                tasks.start(say, std::ref(my), std::ref(guest), text + get("/") + pattern(150'000));
                co_await pause(my.here, 30ms);
                co_await hear_all(my, guest);
                CHECK(guest.hears.how == ending::end_of_stream);
                const auto answer = take_answer(guest.hears.octets);
                CHECK(answer.status == status);
                CHECK(answer.field("Connection") == "close");
                CHECK(guest.hears.octets.empty());  // Nothing after it is answered.
                while (!guest.has_said_all) {
                    co_await pause(my.here, 1ms);
                }
                guest.client.reset();
                co_await until_over(my, guest);
                CHECK(guest.is_over);
            },
            std::ref(on), each.text, each.status);
    }
}

TEST_CASE("connection: answers before a refusal are sent before it") {
    web on;
    on.files.write("a.txt", "content");
    auto answers =
        answers_to(on, get("/a.txt") + get("/a.txt") + "garbage\r\n\r\n" + get("/a.txt"));
    CHECK(take_answer(answers).body == "content");
    CHECK(take_answer(answers).body == "content");
    CHECK(take_answer(answers).status == 501);  // No method called "garbage" (section 9.1).
    CHECK(answers.empty());
}

TEST_CASE("connection: the last of the requests allowed says that it is the last") {
    web on;
    on.files.write("a.txt", "content");
    on.settings.requests_per_connection_max = 3;
    auto answers = answers_to(on, get("/a.txt") + get("/a.txt") + get("/a.txt") + get("/a.txt"));
    CHECK_FALSE(take_answer(answers).has("Connection"));
    CHECK_FALSE(take_answer(answers).has("Connection"));
    CHECK(take_answer(answers).field("Connection") == "close");
    CHECK(answers.empty());
}

TEST_CASE("connection: a file that shrinks while it is sent ends in a reset (threats.md, V6)") {
    web on;
    on.files.write("a.bin", pattern(8'000'000));
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        net_test::shrink_buffers(guest.client.get());
        net_test::shrink_buffers(guest.served);
        co_await say(my, guest, get("/a.bin"));
        auto first = co_await net_test::hear(my.here, guest.client.get(), 100'000);
        guest.hears.octets = first.octets;
        REQUIRE(::truncate((my.files / "a.bin").c_str(), 2'000'000) == 0);
        const auto began = my.here.now();
        co_await hear_all(my, guest);
        CHECK(guest.hears.how == ending::reset);
        CHECK(my.here.now() - began < 1s);
        CHECK(guest.hears.octets.size() < 2'000'000 + 1'000);  // No padding.
        co_await until_over(my, guest);
        REQUIRE(my.log.kept.size() == 1);
        CHECK(my.log.kept.front().status == 200);
        CHECK(my.log.kept.front().body_bytes == 2'000'000);
        CHECK(my.log.kept.front().is_broken_off);
    });
}

TEST_CASE("connection: a file that is replaced or removed is sent as it was (threats.md, V7)") {
    web on;
    const std::string content = pattern(4'000'000);
    on.files.write("a.bin", content);
    std::string heard;
    on.machine.run(
        [](nursery& tasks, web& my, std::string& into) -> task<> {
            auto& guest = my.arrive(tasks);
            net_test::shrink_buffers(guest.client.get());
            net_test::shrink_buffers(guest.served);
            co_await say(my, guest, get("/a.bin"));
            auto first = co_await net_test::hear(my.here, guest.client.get(), 100'000);
            guest.hears.octets = first.octets;
            REQUIRE(::unlink((my.files / "a.bin").c_str()) == 0);
            my.files.write("a.bin", "new");
            const auto answer = co_await next_answer(my, guest);
            into = answer.body;
            co_await say(my, guest, get("/a.bin", "Connection: close\r\n"));
            const auto after = co_await next_answer(my, guest);
            CHECK(after.body == "new");
            co_await until_over(my, guest);
        },
        std::ref(on), std::ref(heard));
    CHECK((heard == content));
}

TEST_CASE("connection: a client that never reads is gone after the send timeout (threats.md, H3)") {
    web on;
    on.files.write("a.bin", pattern(8'000'000));
    on.settings.send_timeout = 100ms;
    on.run([](nursery& tasks, web& my) -> task<> {
        for (const bool keeps_talking : {false, true}) {
            CAPTURE(keeps_talking);
            auto& guest = my.arrive(tasks);
            net_test::shrink_buffers(guest.client.get());
            net_test::shrink_buffers(guest.served);
            co_await pause(my.here, 1ms);
            const auto began = my.here.now();
            co_await say(my, guest, get("/a.bin") + (keeps_talking ? "GET /a" : ""));
            co_await until_over(my, guest);
            CHECK(guest.is_over);
            const auto took = my.here.now() - began;
            CHECK(took >= 100ms);
            CHECK(took < 2s);
            co_await hear_all(my, guest);
            CHECK(guest.hears.how == ending::reset);
        }
    });
}

TEST_CASE("connection: small answers that are not taken are no reason for a 408") {
    web on;
    on.files.write("a.bin", pattern(8'000));
    on.settings.send_timeout = 100ms;
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        net_test::shrink_buffers(guest.client.get());
        net_test::shrink_buffers(guest.served);
        // From here on hardly anything that is sent finds room.
        const std::string filling(100'000, 'x');
        while (::send(guest.served, filling.data(), filling.size(), MSG_DONTWAIT) > 0) {}
        co_await pause(my.here, 1ms);
        const auto began = my.here.now();
        std::string text;
        for (int i = 0; i < 7; ++i) {  // So few that they wait for more before they are sent.
            text += get("/a.bin");
        }
        co_await say(my, guest, text + "GET /a");
        co_await until_over(my, guest);
        CHECK(guest.is_over);
        CHECK(my.here.now() - began < 1s);
        REQUIRE(my.log.kept.size() == 7);  // No further one to the half of a head.
        CHECK(my.log.kept.back().status == 200);
    });
}

TEST_CASE("connection: a client slower than the send timeout in all gets everything") {
    web on;
    const std::string content = pattern(2'000'000);
    on.files.write("a.bin", content);
    on.settings.send_timeout = 200ms;
    std::string heard;
    on.machine.run(
        [](nursery& tasks, web& my, std::string& into) -> task<> {
            auto& guest = my.arrive(tasks);
            net_test::shrink_buffers(guest.client.get());
            net_test::shrink_buffers(guest.served);
            co_await say(my, guest, get("/a.bin", "Connection: close\r\n"));
            const auto began = my.here.now();
            co_await hear_slowly(my, guest, 100'000, 30ms);
            CHECK(my.here.now() - began > 400ms);
            CHECK(guest.hears.how == ending::end_of_stream);
            into = take_answer(guest.hears.octets).body;
            co_await until_over(my, guest);
        },
        std::ref(on), std::ref(heard));
    CHECK((heard == content));
}

TEST_CASE("connection: a reset by the client ends it, whatever was under way") {
    web on;
    on.files.write("a.bin", pattern(8'000'000));
    on.run([](nursery& tasks, web& my) -> task<> {
        for (const std::string& text :
             {std::string(), std::string("GET /a"), get("/a.bin"),
              std::string("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")}) {
            CAPTURE(text);
            auto& guest = my.arrive(tasks);
            co_await say(my, guest, text);
            co_await pause(my.here, 20ms);
            CHECK_FALSE(guest.is_over);
            net_test::reset_on_close(guest.client.get());
            guest.client.reset();
            co_await until_over(my, guest);
            CHECK(guest.is_over);
        }
    });
}

TEST_CASE(
    "drain: idle connections end at once, a request under way has its answer (threats.md, "
    "H8)") {
    web on;
    const std::string content = pattern(4'000'000);
    on.files.write("a.bin", content);
    on.files.write("a.txt", "content");
    std::string heard;
    on.machine.run(
        [](nursery& tasks, web& my, std::string& into) -> task<> {
            auto& fresh = my.arrive(tasks);
            auto& idle = my.arrive(tasks);
            co_await say(my, idle, get("/a.txt"));
            CHECK((co_await next_answer(my, idle)).status == 200);
            auto& asking = my.arrive(tasks);
            co_await say(my, asking, get("/a.txt"));
            CHECK((co_await next_answer(my, asking)).status == 200);
            auto& half = my.arrive(tasks);
            co_await say(my, half, "GET /a.txt HTTP/1.1\r\nHo");
            auto& busy = my.arrive(tasks);
            net_test::shrink_buffers(busy.client.get());
            net_test::shrink_buffers(busy.served);
            co_await say(my, busy, get("/a.bin"));
            auto first = co_await net_test::hear(my.here, busy.client.get(), 100'000);
            busy.hears.octets = first.octets;

            my.draining.request_stop();
            const auto began = my.here.now();
            co_await say(my, asking, get("/a.txt"));  // It could not know.
            CHECK((co_await next_answer(my, asking)).field("Connection") == "close");
            for (auto* each : {&fresh, &idle, &asking}) {
                co_await hear_all(my, *each);
                CHECK(each->hears.how == ending::end_of_stream);
                CHECK(each->hears.octets.empty());
                co_await until_over(my, *each);
                CHECK(each->is_over);
            }
            CHECK(my.here.now() - began < 1s);

            CHECK_FALSE(half.is_over);
            co_await say(my, half, "st: a\r\n\r\n" + get("/a.txt"));
            const auto last = co_await next_answer(my, half);
            CHECK(last.body == "content");
            CHECK(last.field("Connection") == "close");
            co_await hear_all(my, half);
            CHECK(half.hears.how == ending::end_of_stream);
            CHECK(half.hears.octets.empty());
            half.client.reset();

            CHECK_FALSE(busy.is_over);
            const auto answer = co_await next_answer(my, busy);
            into = answer.body;
            co_await hear_all(my, busy);
            CHECK(busy.hears.how == ending::end_of_stream);

            auto& late = my.arrive(tasks);  // Accepted just before.
            co_await hear_all(my, late);
            CHECK(late.hears.how == ending::end_of_stream);
            for (auto* each : {&half, &busy, &late}) {
                co_await until_over(my, *each);
                CHECK(each->is_over);
            }
        },
        std::ref(on), std::ref(heard));
    CHECK((heard == content));
}

TEST_CASE("stop: everything ends at once") {
    web on;
    on.files.write("a.bin", pattern(8'000'000));
    on.files.make_directory("dir");
    on.run([](nursery& tasks, web& my) -> task<> {
        time_point began;
        co_await with_nursery(
            tasks.here(),
            [](nursery& served, web& mine, time_point& at) -> task<> {
                for (const std::string& text :
                     {std::string(), std::string("GET /a"), get("/a.bin"), get("/dir/"),
                      std::string("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")}) {
                    auto& guest = mine.arrive(served);
                    co_await say(mine, guest, text);
                }
                co_await pause(mine.here, 30ms);
                at = mine.here.now();
                served.request_stop();
            },
            std::ref(my), std::ref(began));
        CHECK(my.here.now() - began < 500ms);
        for (auto& each : my.visits) {
            CHECK(each.is_over);
            co_await hear_all(my, each);
            CHECK(each.hears.how != ending::still_open);
        }
        // The half of a file is not to be taken for the whole.
        CHECK(std::next(my.visits.begin(), 2)->hears.how == ending::reset);
    });
}

TEST_CASE(
    "connection: a large directory is streamed, and the next answer follows (RFC 9112 section "
    "7.1)") {
    web on;
    on.settings.list_sorted_max = 100;
    on.files.make_directory("dir");
    for (int i = 0; i < 700; ++i) {
        on.files.write("dir/file-" + std::to_string(i), "");
    }
    auto answers = answers_to(on, get("/dir/") + get("/missing"));
    const auto listed = take_answer(answers);
    CHECK(listed.field("Transfer-Encoding") == "chunked");
    for (int i = 0; i < 700; ++i) {
        CHECK(listed.body.find("./file-" + std::to_string(i) + "\"") != std::string::npos);
    }
    CHECK(listed.body.ends_with("</script>\n"));
    CHECK(listed.body.find("700 files") != std::string::npos);
    CHECK(take_answer(answers).status == 404);
    CHECK(answers.empty());
    REQUIRE(on.log.kept.size() == 2);
    CHECK(on.log.kept.front().body_bytes == listed.body.size());

    auto old = answers_to(on, "GET /dir/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/x"));
    const auto by_close = take_answer(old);
    CHECK_FALSE(by_close.has("Transfer-Encoding"));
    CHECK(by_close.field("Connection") == "close");
    CHECK(by_close.body == listed.body);
}

TEST_CASE("connection: what the access log is told") {
    web on;
    on.files.write("a.txt", "content");
    const auto before = read_wall_clock();
    std::string text =
        get("/a.txt?x=%20", "Referer: http://r/\r\nUser-Agent: test/1\r\nX-Forwarded-For: c\r\n");
    const auto first_bytes = text.size();
    text += "HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    text += get("/missing", "User-Agent: one\r\nUser-Agent: two\r\n");
    text += "PROPFIND /a.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    text += "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\nRange: bytes=1-3\r\n\r\n";
    text += "garbage\r\n\r\n";
    const auto answered = answers_to(on, text);
    const auto after = read_wall_clock();
    const auto& kept = on.log.kept;
    REQUIRE(kept.size() == 6);
    CHECK(kept[0].peer == "127.0.0.1");
    CHECK(kept[0].user.empty());
    CHECK(kept[0].method == "GET");
    CHECK(kept[0].target == "/a.txt?x=%20");
    CHECK(kept[0].protocol == "HTTP/1.1");
    CHECK(kept[0].status == 200);
    CHECK(kept[0].body_bytes == 7);
    CHECK(kept[0].referer == "http://r/");
    CHECK(kept[0].user_agent == "test/1");
    CHECK(kept[1].method == "HEAD");
    CHECK(kept[1].body_bytes == 0);
    CHECK(kept[1].referer.empty());
    CHECK(kept[2].status == 404);
    CHECK(kept[2].user_agent.empty());
    CHECK(kept[3].method == "PROPFIND");
    CHECK(kept[3].status == 501);
    CHECK(kept[4].protocol == "HTTP/1.0");
    CHECK(kept[4].status == 206);
    CHECK(kept[4].body_bytes == 3);
    CHECK(kept[5].method.empty());  // What cannot be read is not repeated.
    CHECK(kept[5].target.empty());
    CHECK(kept[5].status == 501);
    CHECK(kept[5].forwarded_for == "(no request)");
    CHECK(kept[0].host == "a");
    CHECK(kept[4].host.empty());  // HTTP/1.0 has no need of one.
    CHECK(kept[0].received_bytes == first_bytes);
    CHECK(kept[0].forwarded_for == "c");
    CHECK(kept[1].forwarded_for.empty());
    std::uint64_t sent_bytes = 0;
    for (const auto& each : kept) {
        sent_bytes += each.sent_bytes;
        CHECK(each.connection == kept.front().connection);
        CHECK(each.peer_port != 0);
        CHECK_FALSE(each.is_broken_off);
        CHECK(each.when >= before);
        CHECK(each.when <= after);
        CHECK(each.duration >= 0us);
        CHECK(each.duration < 5s);
    }
    CHECK(sent_bytes == answered.size());
}

TEST_CASE("connection: a slow request is logged with when it began and how long it took") {
    web on;
    on.files.write("a.txt", "content");
    const auto before = read_wall_clock();
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive(tasks);
        co_await pause(my.here, 100ms);  // Idle: not the request's time.
        for (int i = 0; i < 2; ++i) {
            co_await say(my, guest, "GET /a.txt HTTP/1.1\r\nHo");
            co_await pause(my.here, 50ms);
            co_await say(my, guest, "st: a\r\n\r\n");
            CHECK((co_await next_answer(my, guest)).status == 200);
        }
        guest.client.reset();
        co_await until_over(my, guest);
    });
    REQUIRE(on.log.kept.size() == 2);
    for (const auto& each : on.log.kept) {
        CHECK(each.duration >= 45ms);
        CHECK(each.duration < 95ms);
        CHECK(each.when > before);
    }
}

TEST_CASE("connection: fifty at once share sixteen receive buffers") {
    web on;
    on.run([](nursery& tasks, web& my) -> task<> {
        const auto exchanges = make_exchanges(my, 20, 9);
        for (int i = 0; i < 50; ++i) {
            static_cast<void>(my.arrive_saying(tasks, requests_of(exchanges)));
        }
        for (auto& each : my.visits) {
            co_await until_over(my, each);
            while (each.hears.how == ending::still_open) {
                co_await pause(my.here, 1ms);
            }
            check_answers(exchanges, each.hears.octets);
        }
    });
}

namespace {

/// A client on a thread of its own, where no fault of the core's reaches it: says `first`, waits
/// for the beginning of an answer, says `rest`, hears all, ends its side.
std::string visit_from_thread(int socket, std::string_view first, std::string_view rest) {
    int blocking = 0;
    const timeval patience{.tv_sec = 10, .tv_usec = 0};
    REQUIRE(::fcntl(socket, F_SETFL, blocking) == 0);
    REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    std::string heard;
    std::vector<char> piece(65'536);
    static_cast<void>(::send(socket, first.data(), first.size(), MSG_NOSIGNAL));
    for (bool has_said_all = false;;) {
        const auto got = ::recv(socket, piece.data(), piece.size(), 0);
        if (got <= 0) {
            ::shutdown(socket, SHUT_WR);
            return heard;
        }
        heard.append(piece.data(), static_cast<std::size_t>(got));
        if (!std::exchange(has_said_all, true)) {
            static_cast<void>(::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL));
        }
    }
}

/// Serves one connection while allocation number `which` fails. False: there were not that many.
task<> serve_with_fault(nursery&, web& on, unique_fd socket, std::size_t which, bool& happened) {
    const ferry::test::allocation_fault fault(which);
    try {
        co_await serve_connection(on.shared, std::move(socket));
    } catch (const std::bad_alloc&) {
        // The very first: nothing was begun.
    }
    happened = fault.has_happened();
}

/// Serves one connection and waits for it while it pauses; counts the pauses.
task<> serve_with_pauses(web& on, visit& guest, unique_fd socket, std::size_t& pauses) {
    idle_connection between;
    co_await serve_connection(on.shared, std::move(socket), {}, &between);
    while (between.socket) {
        ++pauses;
        CHECK(between.until > on.here.now());
        auto came = co_await net_test::hear_some(on.here, between.socket.get());
        if (came.how != ending::still_open) {
            break;
        }
        between.said = std::move(came.octets);
        auto next = std::move(between.socket);
        co_await serve_connection(on.shared, std::move(next), {}, &between);
    }
    guest.is_over = true;
}

}  // namespace

TEST_CASE("connection: one that is silent is given away, and goes on as it was") {
    web on;
    on.settings.pause_after = 5ms;
    on.settings.requests_per_connection_max = 3;
    on.files.write("small.txt", "small");
    on.run([](nursery& tasks, web& my) -> task<> {
        auto ends = net_test::connect_ends();
        visit guest{.client = std::move(ends.far)};
        std::size_t pauses = 0;
        tasks.start(serve_with_pauses, std::ref(my), std::ref(guest), std::move(ends.near),
                    std::ref(pauses));
        for (std::size_t i = 1; i <= 3; ++i) {
            while (pauses < i) {
                co_await pause(my.here, 1ms);
            }
            const auto asked = get("/small.txt");
            co_await say(my, guest, asked.substr(0, 7));
            co_await pause(my.here, 10ms);  // Half a head is no silence.
            co_await say(my, guest, asked.substr(7));
            const auto answer = co_await next_answer(my, guest);
            CHECK(answer.status == 200);
            CHECK(answer.body == "small");
            CHECK((answer.field("Connection") == "close") == (i == 3));
        }
        co_await until_over(my, guest);
        CHECK(pauses == 3);
    });
    REQUIRE(on.log.kept.size() == 3);
    CHECK(on.log.kept[0].connection != 0);
    CHECK(on.log.kept[0].connection == on.log.kept[2].connection);
}

/// A client is silent until its connection is given away, asks, and resets it.
task<> ask_and_vanish(nursery&, web& my) {
    auto ends = net_test::connect_ends();
    idle_connection between;
    co_await serve_connection(my.shared, std::move(ends.near), {}, &between);
    CHECK(between.socket);
    co_await net_test::say(my.here, ends.far.get(), get("/small.txt"));
    auto came = co_await net_test::hear_some(my.here, between.socket.get());
    net_test::reset_on_close(ends.far.get());
    ends.far.reset();
    pollfd gone{.fd = between.socket.get(), .events = POLLRDHUP, .revents = 0};
    CHECK(::poll(&gone, 1, 10'000) == 1);
    between.said = std::move(came.octets);
    auto next = std::move(between.socket);
    co_await serve_connection(my.shared, std::move(next), {}, &between);
    CHECK(!between.socket);
}

// Nobody is left for the answer, and who has asked would be 0.0.0.0 to the log, the rules and the
// limits of addresses.
TEST_CASE("connection: who asks and is gone before it is known who he is gets nothing") {
    web on;
    on.settings.pause_after = 1ms;
    on.files.write("small.txt", "small");
    on.run(ask_and_vanish);
    CHECK(on.log.kept.empty());
}

// Goal: want of memory costs one connection, never the process, a descriptor or a wrong answer
// (threats.md, R14). Method: the first allocation fails, then the second, and so on until there are
// no more; each time a client asks for something of every kind.
TEST_CASE("connection: any allocation may fail" *
          doctest::skip(!ferry::test::allocation_fault::is_possible)) {
    web on;
    on.settings.list_sorted_max = 3;
    on.files.write("small.txt", "small");
    on.files.write("large.bin", pattern(100'000));
    on.files.make_directory("dir");
    for (int i = 0; i < 5; ++i) {
        on.files.write("dir/" + std::to_string(i), "");
    }
    on.files.make_directory("few");
    on.shared.use_rules(
        make_sites({.standard = {.clean_urls = true,
                                 .redirects = {{.from = "/moved/*", .to = "/*"}},
                                 .headers = {{.set = {{"X-Frame-Options", "DENY"}}}},
                                 .caches = {{.control = "max-age=60"}},
                                 .errors = {{.statuses = {404}, .page = "/small.txt"}},
                                 .cors = {{.origins = {"https://app.example.org"}}}}})
            .value());
    const std::string text =
        get("/moved/x", "Origin: https://app.example.org\r\n") + get("/small.txt") +
        get("/large.bin") + get("/dir/") + get("/few/") + get("/dir/?format=json") +
        get("/dir/?format=zip") + get("/?format=tar") + get("/few") + get("/missing") +
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxx" + "garbage\r\n\r\n";
    const auto descriptors = net_test::count_descriptors();
    bool happened = true;
    std::size_t whole_conversations = 0;
    for (std::size_t which = 1; happened; ++which) {
        CAPTURE(which);
        auto ends = net_test::connect_ends();
        std::string heard;
        // In two parts, so that a receive stays armed from then on.
        std::thread client([&heard, &text, socket = ends.far.get()] {
            heard = visit_from_thread(socket, get("/small.txt"), text);
        });
        on.machine.run(serve_with_fault, std::ref(on), std::move(ends.near), which,
                       std::ref(happened));
        client.join();
        ends.far.reset();
        on.open_files.clear();
        CHECK(net_test::count_descriptors() == descriptors);
        int answers = 0;
        for (auto answer = take_answer(heard); answer.status != 0; answer = take_answer(heard)) {
            ++answers;
            if (answer.status == 200 && answer.field("Content-Length") == "100000") {
                CHECK((answer.body == pattern(100'000)));
            }
        }
        CHECK(answers <= 13);
        whole_conversations += answers == 13 ? 1 : 0;
    }
    CHECK(whole_conversations >= 1);
}

TEST_CASE(
    "connection: who is turned away by a proxy's request has its own rate (threats.md, H12)") {
    net::address_table table(
        {.requests_per_second = 1, .requests_saved_max = 1, .sent_octets_per_second = 1'000'000});
    web on;
    on.settings.addresses.trusted_proxies = {net::address_block::parse("127.0.0.0/8").value()};
    on.settings.addresses.table = &table;
    on.files.write("a", "x");
    on.run([](nursery& tasks, web& my) -> task<> {
        auto& guest = my.arrive_saying(
            tasks, get("/a", "X-Forwarded-For: 192.0.2.1\r\n") +
                       get("/a", "X-Forwarded-For: 192.0.2.2\r\n") +
                       get("/a", "X-Forwarded-For: 192.0.2.1\r\nConnection: close\r\n"));
        co_await until_over(my, guest);
    });
    auto heard = on.visits.front().hears.octets;
    CHECK(take_answer(heard).status == 200);
    CHECK(take_answer(heard).status == 200);
    CHECK(take_answer(heard).status == 429);
    // All were sent at once, behind the last.
    const auto was_never_drawn_from = [&table](std::string_view address) {
        const auto use = table.of(net::parse_address(address).value(), {});
        return use->sent.is_paid_for({});
    };
    CHECK_FALSE(was_never_drawn_from("192.0.2.1"));
    CHECK(was_never_drawn_from("192.0.2.2"));
}

TEST_CASE("connection: answers go no faster than visitors may have them") {
    web on;
    const std::string content = pattern(32'000);
    on.files.write("a", content);
    on.settings.connection_rates.download = 64'000;
    on.run([](nursery& tasks, web& my) -> task<> {
        const auto began = my.here.now();
        auto& guest = my.arrive_saying(tasks, get("/a", "Connection: close\r\n"));
        co_await until_over(my, guest);
        // Half a second, less the eighth that is saved and the quantum that nobody waits for.
        CHECK(my.here.now() - began >= 310ms);
    });
    CHECK(on.visits.front().hears.octets.ends_with(content));
}

// Goal: as above, of what changes files: an account logs in, uploads, is cut off, moves, copies and
// removes. A file is old or new, whatever fails, and nothing hidden stays behind (threats.md, V12).
TEST_CASE("connection: any allocation may fail while files are changed" *
          doctest::skip(!ferry::test::allocation_fault::is_possible)) {
    web on;
    on.files.make_directory("ann");
    auth::account ann;
    ann.name = "ann";
    ann.password = "a";
    ann.root = "/ann";
    ann.allowed = auth::rights::all();
    const std::vector named{ann};
    const auto change = [](std::string_view how, std::string_view lines,
                           std::string_view content = "") {
        return std::string(how) + " HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uOmE=\r\n" +
               std::string(lines) + "\r\n" + std::string(content);
    };
    const std::string large = pattern(100'000);
    const std::string first =
        change("PUT /ann/chunks", "Transfer-Encoding: chunked\r\n", "3\r\nnew\r\n0\r\n\r\n");
    const std::string text =
        change("PUT /ann/large", "Content-Length: 100000\r\nIf-None-Match: *\r\n", large) +
        change("PUT /ann/chunks", "Content-Length: 2\r\nContent-Range: bytes 3-4/5\r\n", "er") +
        change("MKCOL /ann/dir", "") +
        change("MOVE /ann/chunks", "Destination: /ann/dir/moved\r\n") +
        change("COPY /ann/large", "Destination: /ann/copy\r\n") + change("DELETE /ann/large", "") +
        change("GET /ann/dir/moved", "") +
        change("PUT /ann/copy", "Transfer-Encoding: chunked\r\n", "3\r\nnew\r\nbroken");
    constexpr int requests = 9;
    const auto descriptors = net_test::count_descriptors();
    bool happened = true;
    std::size_t whole_conversations = 0;
    for (std::size_t which = 1; happened; ++which) {
        CAPTURE(which);
        on.users = std::make_shared<auth::accounts>(named, std::nullopt);  // So it logs in anew.
        auto ends = net_test::connect_ends();
        std::string heard;
        std::thread client([&heard, &first, &text, socket = ends.far.get()] {
            heard = visit_from_thread(socket, first, text);
        });
        on.machine.run(serve_with_fault, std::ref(on), std::move(ends.near), which,
                       std::ref(happened));
        client.join();
        ends.far.reset();
        on.open_files.clear();
        CHECK(net_test::count_descriptors() <= descriptors + 1);  // The home of who is known.
        int answers = 0;
        for (auto answer = take_answer(heard); answer.status != 0; answer = take_answer(heard)) {
            ++answers;
        }
        CHECK(answers <= requests);
        whole_conversations += answers == requests ? 1 : 0;
        for (const auto& name : on.files.names("ann")) {
            CAPTURE(name);
            const auto in = "ann/" + name;
            CHECK((name == "chunks" || name == "large" || name == "copy" || name == "dir"));
            if (name == "chunks") {
                CHECK((on.files.read(in) == "new" || on.files.read(in) == "newer"));
            } else if (name != "dir") {
                CHECK((on.files.read(in) == large));
            }
            if (name != "dir") {
                REQUIRE(::unlink((on.files / in).c_str()) == 0);
            }
        }
        static_cast<void>(::unlink((on.files / "ann/dir/moved").c_str()));
        static_cast<void>(::rmdir((on.files / "ann/dir").c_str()));
        REQUIRE(on.files.names("ann").empty());
    }
    CHECK(whole_conversations >= 1);
}
