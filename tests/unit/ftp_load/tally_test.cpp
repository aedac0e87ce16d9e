#include "tally.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <span>
#include <string_view>

using namespace ferry::ftp_load;

TEST_CASE("tally: what threads found is added up") {
    const auto all = std::make_unique<tally>();
    const auto one = std::make_unique<tally>();
    const auto other = std::make_unique<tally>();
    one->of(operation::retr).latency.record(5);
    one->of(operation::retr).octets = 10;
    one->count_error("retr: reply 550");
    other->of(operation::stor).latency.record(7);
    other->of(operation::stor).failed = 2;
    other->count_error("retr: reply 550");
    other->count_error("connect: timed out");
    all->add(*one);
    all->add(*other);
    CHECK(all->done() == 2);
    CHECK(all->failed() == 2);
    CHECK(all->octets() == 10);
    CHECK(all->errors.size() == 2);
    CHECK(all->errors.at("retr: reply 550").times == 2);
}

TEST_CASE("tally: first downloads of one name that differ between threads are an error") {
    const auto all = std::make_unique<tally>();
    const auto same = std::make_unique<tally>();
    const auto different = std::make_unique<tally>();
    all->marks.emplace("a", content_mark{.octets = 3, .hash = 1});
    same->marks.emplace("a", content_mark{.octets = 3, .hash = 1});
    different->marks.emplace("a", content_mark{.octets = 3, .hash = 2});
    all->add(*same);
    CHECK(all->errors.empty());
    all->add(*different);
    CHECK(all->errors.size() == 1);
}

TEST_CASE("tally: the hash is FNV-1a of all pieces") {
    // Of the reference: http://www.isthe.com/chongo/tech/comp/fnv/
    const std::string_view text = "foobar";
    content_hash whole;
    whole.take(std::as_bytes(std::span(text)));
    CHECK(whole.value() == 0x85944171f73967e8U);
    content_hash pieces;
    pieces.take(std::as_bytes(std::span(text.substr(0, 2))));
    pieces.take(std::as_bytes(std::span(text.substr(2))));
    CHECK(pieces.value() == whole.value());
}
