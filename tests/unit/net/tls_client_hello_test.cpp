#include "net/tls_client_hello.hpp"

#include <doctest/doctest.h>

#include <string>

using ferry::net::tls_client_hello_watch;

namespace {

std::string hello_record(char kind, const std::string& octets) {
    std::string made{kind, 3, 1};
    made += static_cast<char>(octets.size() >> 8U);
    made += static_cast<char>(octets.size() & 0xFFU);
    return made + octets;
}

/// A ClientHello that says it is `said` long, with `there` octets of it.
std::string hello(std::size_t said, std::size_t there) {
    std::string made{1};
    made += static_cast<char>(said >> 16U);
    made += static_cast<char>(said >> 8U & 0xFFU);
    made += static_cast<char>(said & 0xFFU);
    return made + std::string(there, 'h');
}

}  // namespace

TEST_CASE("tls_client_hello_watch: knows when it is whole, whatever the pieces (RFC 8446, 5.1)") {
    const auto message = hello(300, 300);
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 299U, 304U}) {
        CAPTURE(piece);
        std::string records;
        for (std::size_t at = 0; at < message.size(); at += piece) {
            records += hello_record(22, message.substr(at, piece));
        }
        tls_client_hello_watch watch;
        for (std::size_t i = 0; i < records.size(); ++i) {
            CHECK(!watch.is_whole());
            CHECK(watch.take(records.substr(i, 1)));
        }
        CHECK(watch.is_whole());
    }
}

TEST_CASE("tls_client_hello_watch: one that is too long shows by its first octets") {
    tls_client_hello_watch honest;
    CHECK(honest.take(hello_record(22, hello(tls_client_hello_watch::hello_bytes_max, 5))));
    CHECK(!honest.is_whole());
    tls_client_hello_watch hostile;
    CHECK(!hostile.take(hello_record(22, hello(tls_client_hello_watch::hello_bytes_max + 1, 0))));
}

TEST_CASE("tls_client_hello_watch: what is no hello is there to be answered") {
    tls_client_hello_watch http;
    CHECK(http.take("GET /"));
    CHECK(http.is_whole());
    tls_client_hello_watch content;
    CHECK(content.take(hello_record(23, "content").substr(0, 5)));
    CHECK(content.is_whole());
    tls_client_hello_watch nothing;
    CHECK(!nothing.is_whole());
}

TEST_CASE("tls_client_hello_watch: watches another one behind other records") {
    tls_client_hello_watch watch;
    CHECK(watch.take(hello_record(22, hello(10, 10))));
    watch.expect_another();
    CHECK(watch.take(hello_record(20, "\x01")));
    CHECK(!watch.take(hello_record(22, hello(70'000, 0))));
}
