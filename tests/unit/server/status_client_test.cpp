#include "server/status_client.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace ferry::server;

TEST_CASE("status_client: content is taken from a whole good answer only") {
    const auto good = content_of("HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 2\r\n\r\n{}");
    REQUIRE(good.has_value());
    CHECK(*good == "{}");
    for (const std::string_view bad :
         {"", "HTTP/1.1 200 OK\r\n", "220 ftp\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n",
          "HTTP/1.1 200 OK\r\n\r\n{}", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
          "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"}) {
        CAPTURE(bad);
        const bool is_taken = content_of(bad).has_value();
        CHECK_FALSE(is_taken);
    }
}

TEST_CASE("status_client: what is no address is refused before anything is asked") {
    for (const std::string_view bad : {"", "localhost:1", "127.0.0.1", "127.0.0.1:0", "unix:"}) {
        CAPTURE(bad);
        const bool is_asked = fetch_status(bad).has_value();
        CHECK_FALSE(is_asked);
    }
}
