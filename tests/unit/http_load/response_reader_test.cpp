#include "response_reader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace ferry::http_load;

namespace {

/// What `octets` are read as when they come in pieces of `piece` octets.
std::vector<response> read_in_pieces(std::string_view octets, std::size_t piece,
                                     bool has_bodies = true) {
    response_reader reader(has_bodies);
    std::vector<response> made;
    std::string waiting;
    while (!octets.empty()) {
        waiting += octets.substr(0, piece);
        octets.remove_prefix(std::min(piece, octets.size()));
        for (;;) {
            std::size_t taken = 0;
            const auto reading = reader.take(waiting, taken);
            waiting.erase(0, taken);
            if (reading == response_reading::malformed) {
                made.push_back({.status = 0});
                return made;
            }
            if (reading == response_reading::incomplete) {
                break;
            }
            made.push_back(reader.current());
        }
    }
    if (reader.is_under_way() && reader.take_end() == response_reading::complete) {
        made.push_back(reader.current());
    }
    return made;
}

}  // namespace

TEST_CASE("response reader: answers by length, by chunks and without content, in any pieces") {
    constexpr std::string_view octets =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain"
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 206 Partial Content\r\ncontent-length:3 \r\n\r\nabc"
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nwiki\r\n0\r\nA: b\r\n\r\n"
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (std::size_t piece = 1; piece <= octets.size(); ++piece) {
        CAPTURE(piece);
        const auto read = read_in_pieces(octets, piece);
        REQUIRE(read.size() == 6);
        CHECK(read[0].body_bytes == 5);
        CHECK(read[1].status == 200);
        CHECK(read[2].status == 206);
        CHECK(read[2].body_bytes == 3);
        CHECK(read[3].body_bytes == 4);
        CHECK(read[4].status == 304);
        CHECK(read[4].body_bytes == 0);
        CHECK(!read[4].ends_connection);
        CHECK(read[5].status == 404);
        CHECK(read[5].ends_connection);
    }
}

TEST_CASE("response reader: a body without a length lasts until the connection ends") {
    const auto read = read_in_pieces("HTTP/1.0 200 OK\r\n\r\nto the end", 4);
    REQUIRE(read.size() == 1);
    CHECK(read[0].body_bytes == 10);
    CHECK(read[0].ends_connection);
}

TEST_CASE("response reader: answers to HEAD have a length and no content") {
    const auto read = read_in_pieces(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        7, false);
    REQUIRE(read.size() == 2);
    CHECK(read[1].body_bytes == 0);
}

TEST_CASE("response reader: what is no answer") {
    for (const std::string_view octets :
         {"SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"}) {
        CAPTURE(octets);
        const auto read = read_in_pieces(octets, octets.size());
        REQUIRE(read.size() == 1);
        CHECK(read[0].status == 0);
    }
}

TEST_CASE("response reader: the end of a connection ends no answer that has a length") {
    response_reader reader(true);
    std::size_t taken = 0;
    CHECK(reader.take("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", taken) ==
          response_reading::incomplete);
    CHECK(reader.is_under_way());
    CHECK(reader.take_end() == response_reading::malformed);
}
