#include "http/request_body.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../vfs/test_core.hpp"

using namespace ferry;
using namespace ferry::http;
using runtime::task;
using namespace std::chrono_literals;

namespace {

/// A peer that says `octets` in pieces of at most `step`, and then what `end` is: errc::closed for
/// an end in order.
class saying_stream final : public net::stream {
  public:
    saying_stream(runtime::core& here, std::string octets, std::size_t step,
                  errc end = errc::closed)
        : here_(here), octets_(std::move(octets)), step_(step), end_(end) {}

    std::string told;           ///< What was sent to it.
    std::size_t most_room = 0;  ///< That it was offered at once.

    [[nodiscard]] std::string_view input() const noexcept override { return {}; }
    void take_input(std::string&) override {}
    void consume(std::size_t) noexcept override {}
    task<result<void>> fill(runtime::time_point) override { co_return failure(errc::closed); }
    task<result<std::size_t>> receive(std::span<std::byte> into, runtime::time_point) override {
        REQUIRE_FALSE(into.empty());
        most_room = std::max(most_room, into.size());
        if (said_ == octets_.size()) {
            if (end_ != errc::closed) {
                co_return failure(end_);
            }
            co_return std::size_t{0};
        }
        const auto size = std::min({into.size(), step_, octets_.size() - said_});
        std::memcpy(into.data(), octets_.data() + said_, size);
        said_ += size;
        co_return size;
    }
    task<result<void>> send(std::span<const std::byte> octets, runtime::duration) override {
        told.append(static_cast<const char*>(static_cast<const void*>(octets.data())),
                    octets.size());
        co_return result<void>{};
    }
    task<result<std::uint64_t>> send_file(file_message, runtime::duration) override {
        co_return failure(errc::closed);
    }
    void shut_down_sending() noexcept override {}
    task<> close(net::farewell) override { co_return; }
    [[nodiscard]] const net::endpoint& peer() const noexcept override { return nobody_; }
    [[nodiscard]] const net::endpoint& local() const noexcept override { return nobody_; }
    [[nodiscard]] runtime::core& here() noexcept override { return here_; }

  private:
    runtime::core& here_;
    net::endpoint nobody_;
    std::string octets_;
    std::size_t said_ = 0;
    std::size_t step_;
    errc end_;
};

request with_length(std::uint64_t size_bytes, bool expects = false) {
    request asked;
    asked.framing = body_framing::length;
    asked.content_length = size_bytes;
    asked.expect_continue = expects && size_bytes > 0;
    return asked;
}

request with_chunks(bool expects = false) {
    request asked;
    asked.framing = body_framing::chunked;
    asked.expect_continue = expects;
    return asked;
}

constexpr std::initializer_list<std::size_t> steps = {1, 300, 5'000};

const body_limits generous{.content_bytes_max = 0,
                           .drain_bytes_max = 1'000,
                           .stall_timeout = 10s,
                           .drain_timeout = 10s,
                           .chunks = {}};

struct heard {
    std::string content;
    std::optional<errc> failed;
};

task<heard> read_all(runtime::core&, request_body& body) {
    heard got;
    for (;;) {
        const auto piece = co_await body.next();
        if (!piece) {
            got.failed = piece.error().code;
            const auto again = co_await body.next();
            CHECK_FALSE(again.has_value());
            CHECK(again.error() == *got.failed);
            co_return got;
        }
        if (piece->empty()) {
            const auto again = co_await body.next();
            CHECK(again.has_value());
            CHECK(again->empty());
            co_return got;
        }
        got.content.append(static_cast<const char*>(static_cast<const void*>(piece->data())),
                           piece->size());
    }
}

task<std::optional<errc>> skip_all(runtime::core&, request_body& body) {
    const auto skipped = co_await body.skip();
    co_return skipped ? std::nullopt : std::optional(skipped.error().code);
}

std::string numbered(std::size_t size_bytes) {
    std::string made;
    while (made.size() < size_bytes) {
        made += std::to_string(made.size()) + ' ';
    }
    made.resize(size_bytes);
    return made;
}

std::string chunked(std::string_view content, std::size_t step) {
    std::string made;
    while (!content.empty()) {
        const auto piece = content.substr(0, step);
        char size[20];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
        made += size;
        made += piece;
        made += "\r\n";
        content.remove_prefix(piece.size());
    }
    return made + "0\r\n\r\n";
}

}  // namespace

TEST_CASE("request body: Content-Length ends it wherever the octets come (RFC 9112 section 6.3)") {
    vfs_test::test_core machine;
    const auto content = numbered(1'000);
    const std::string all = content + "GET /next HTTP/1.1\r\n";
    for (const std::size_t at_hand : std::initializer_list<std::size_t>{0, 1, 999, 1'000, 1'007}) {
        for (const std::size_t step : steps) {
            CAPTURE(at_hand);
            CAPTURE(step);
            saying_stream peer(machine.here, all.substr(at_hand), step);
            const auto asked = with_length(1'000);
            request_body body(peer, asked, std::string_view(all).substr(0, at_hand), generous);
            CHECK_FALSE(body.is_over());
            const auto got = machine.run(&read_all, std::ref(body));
            CHECK_FALSE(got.failed.has_value());
            CHECK(got.content == content);
            CHECK(body.is_over());
            CHECK(body.lets_go_on());
            CHECK(body.used_at_hand_bytes() == std::min<std::size_t>(at_hand, 1'000));
            CHECK(body.following().empty());
            CHECK(body.received_bytes() == 1'000);
            CHECK(peer.told.empty());
        }
    }
}

TEST_CASE("request body: chunks end it, and what follows them is kept (section 7.1)") {
    vfs_test::test_core machine;
    const auto content = numbered(1'000);
    const auto framed = chunked(content, 77);
    const std::string next = "GET /next HTTP/1.1\r\n";
    const std::string all = framed + next;
    for (const std::size_t at_hand :
         {std::size_t{0}, std::size_t{1}, framed.size() - 1, framed.size(), all.size()}) {
        for (const std::size_t step : steps) {
            CAPTURE(at_hand);
            CAPTURE(step);
            saying_stream peer(machine.here, all.substr(at_hand), step);
            const auto asked = with_chunks();
            request_body body(peer, asked, std::string_view(all).substr(0, at_hand), generous);
            const auto got = machine.run(&read_all, std::ref(body));
            CHECK_FALSE(got.failed.has_value());
            CHECK(got.content == content);
            CHECK(body.is_over());
            CHECK(body.lets_go_on());
            CHECK(body.received_bytes() == framed.size());
            CHECK(body.used_at_hand_bytes() == std::min(at_hand, framed.size()));
            CHECK(next.starts_with(body.following()));
            CHECK((body.following().empty() || at_hand < framed.size()));
        }
    }
}

TEST_CASE("request body: none is over at once (section 6.3)") {
    vfs_test::test_core machine;
    saying_stream peer(machine.here, "GET", 10);
    for (const auto& asked : {request{}, with_length(0)}) {
        request_body body(peer, asked, "GET", generous);
        CHECK(body.is_over());
        CHECK(body.lets_go_on());
        CHECK(machine.run(&read_all, std::ref(body)).content.empty());
        CHECK(body.used_at_hand_bytes() == 0);
    }
}

TEST_CASE("request body: a client that waits is told to go on, once (RFC 9110 section 10.1.1)") {
    vfs_test::test_core machine;
    {
        saying_stream peer(machine.here, "abc", 1);
        const auto asked = with_length(3, true);
        request_body body(peer, asked, "", generous);
        CHECK_FALSE(body.lets_go_on());  // It may send its content or not: nobody could tell.
        CHECK(machine.run(&read_all, std::ref(body)).content == "abc");
        CHECK(peer.told == "HTTP/1.1 100 Continue\r\n\r\n");
    }
    {
        saying_stream peer(machine.here, "3\r\nabc\r\n0\r\n\r\n", 1);
        const auto asked = with_chunks(true);
        request_body body(peer, asked, "", generous);
        CHECK(machine.run(&read_all, std::ref(body)).content == "abc");
        CHECK(peer.told == "HTTP/1.1 100 Continue\r\n\r\n");
    }
    {  // It has not waited.
        saying_stream peer(machine.here, "bc", 1);
        const auto asked = with_length(3, true);
        request_body body(peer, asked, "a", generous);
        CHECK(machine.run(&read_all, std::ref(body)).content == "abc");
        CHECK(peer.told.empty());
    }
}

TEST_CASE("request body: one that is cut short is never whole") {
    vfs_test::test_core machine;
    for (const auto end : {errc::closed, errc::reset, errc::timed_out}) {
        for (const bool in_chunks : {false, true}) {
            CAPTURE(in_chunks);
            const auto framed = in_chunks ? chunked("abcdef", 4) : std::string("abcdef");
            for (std::size_t size = 0; size < framed.size(); ++size) {
                saying_stream peer(machine.here, framed.substr(0, size), 3, end);
                const auto asked = in_chunks ? with_chunks() : with_length(6);
                request_body body(peer, asked, "", generous);
                const auto got = machine.run(&read_all, std::ref(body));
                CHECK(got.failed == end);
                CHECK_FALSE(body.is_over());
                CHECK_FALSE(body.lets_go_on());
            }
        }
    }
}

TEST_CASE("request body: broken chunks say with what to answer") {
    vfs_test::test_core machine;
    saying_stream peer(machine.here, "x\r\n", 10);
    const auto asked = with_chunks();
    request_body body(peer, asked, "3\r\nabc\r\n", generous);
    const auto got = machine.run(&read_all, std::ref(body));
    CHECK(got.content == "abc");
    CHECK(got.failed == errc::invalid);
    CHECK(body.refusal().what == status::bad_request);
    CHECK_FALSE(body.lets_go_on());
}

TEST_CASE(
    "request body: more than the limit is refused, before it comes where its length is known") {
    vfs_test::test_core machine;
    auto limits = generous;
    limits.content_bytes_max = 1'000;
    {
        saying_stream peer(machine.here, numbered(1'001), 100);
        const auto asked = with_length(1'001, true);
        request_body body(peer, asked, "", limits);
        const auto got = machine.run(&read_all, std::ref(body));
        CHECK(got.failed == errc::too_large);
        CHECK(got.content.empty());
        CHECK(peer.told.empty());
    }
    {
        saying_stream peer(machine.here, chunked(numbered(1'001), 10), 100);
        const auto asked = with_chunks();
        request_body body(peer, asked, "", limits);
        const auto got = machine.run(&read_all, std::ref(body));
        CHECK(got.failed == errc::too_large);
        CHECK(got.content.size() <= 1'000);
    }
    for (const bool in_chunks : {false, true}) {
        saying_stream peer(machine.here, in_chunks ? chunked(numbered(1'000), 10) : numbered(1'000),
                           100);
        const auto asked = in_chunks ? with_chunks() : with_length(1'000);
        request_body body(peer, asked, "", limits);
        CHECK(machine.run(&read_all, std::ref(body)).content.size() == 1'000);
    }
}

TEST_CASE("request body: what nobody wants is skipped up to a limit (RFC 9112 section 9.3)") {
    vfs_test::test_core machine;
    {
        saying_stream peer(machine.here, numbered(1'000), 100);
        const auto asked = with_length(1'000);
        request_body body(peer, asked, "", generous);
        CHECK(body.lets_go_on());
        CHECK(machine.run(&skip_all, std::ref(body)) == std::nullopt);
        CHECK(body.is_over());
    }
    {
        saying_stream peer(machine.here, numbered(10), 100);
        const auto asked = with_length(1'000);
        request_body body(peer, asked, "", generous);
        CHECK(machine.run(&skip_all, std::ref(body)) == errc::closed);
    }
    saying_stream peer(machine.here, "", 100);
    const auto too_long = with_length(1'001);
    CHECK_FALSE(request_body(peer, too_long, "", generous).lets_go_on());
    const auto endless = with_chunks();
    CHECK_FALSE(request_body(peer, endless, "", generous).lets_go_on());
}

TEST_CASE("request body: only a fast one gets much memory (threats.md, H4)") {
    vfs_test::test_core machine;
    const auto content = numbered(1'000'000);
    for (const bool in_chunks : {false, true}) {
        CAPTURE(in_chunks);
        const auto framed = in_chunks ? chunked(content, 255) : content;
        saying_stream slow(machine.here, framed, 16'383);
        const auto asked = in_chunks ? with_chunks() : with_length(content.size());
        request_body dripping(slow, asked, "", generous);
        CHECK(machine.run(&read_all, std::ref(dripping)).content == content);
        CHECK(slow.most_room == 16 * 1024);
        saying_stream fast(machine.here, framed, framed.size());
        request_body pouring(fast, asked, "", generous);
        CHECK(machine.run(&read_all, std::ref(pouring)).content == content);
        CHECK(fast.most_room == 256 * 1024);
    }
}
