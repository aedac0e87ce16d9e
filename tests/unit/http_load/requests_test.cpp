#include "requests.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace ferry::http_load;

namespace {

load_options options_at(std::string path) {
    load_options made;
    made.where = {.host = "h", .port = 80};
    made.path = std::move(path);
    return made;
}

std::string text_of(const load_options& options, request_choice which = {}) {
    std::string made;
    request_maker(options).append(made, which);
    return made;
}

}  // namespace

TEST_CASE("requests: one path is one request, with the fields asked for") {
    auto options = options_at("/a?b");
    options.fields = {"Accept: */*", "X: y"};
    CHECK(request_maker(options).is_constant());
    CHECK(text_of(options) == "GET /a?b HTTP/1.1\r\nHost: h:80\r\nAccept: */*\r\nX: y\r\n\r\n");
    options.method = "HEAD";
    options.closes = true;
    CHECK(text_of(options).starts_with("HEAD /a?b HTTP/1.1\r\n"));
    CHECK(text_of(options).ends_with("X: y\r\nConnection: close\r\n\r\n"));
}

TEST_CASE("requests: a number in the path, a range") {
    auto options = options_at("/f/{}.bin");
    CHECK(!request_maker(options).is_constant());
    CHECK(text_of(options, {.number = 42}).starts_with("GET /f/42.bin HTTP/1.1\r\n"));
    options = options_at("/big");
    options.range_bytes = 100;
    CHECK(!request_maker(options).is_constant());
    CHECK(text_of(options, {.range_offset = 1'000}).ends_with("Range: bytes=1000-1099\r\n\r\n"));
}
