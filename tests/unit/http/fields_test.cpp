#include "http/fields.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A head with a value in every member.
response_head full(status what) {
    response_head head;
    head.what = what;
    head.date = date;
    head.server = "ferry";
    head.connection = connection_option::close;
    head.content_length = 100;
    head.content_type = "text/plain; charset=utf-8";
    head.etag = "\"tag\"";
    head.last_modified = date;
    head.accepts_ranges = true;
    if (what == status::partial_content) {
        head.part = byte_range{.offset = 10, .size_bytes = 100};
    }
    head.whole_size_bytes = 1'000;
    head.cache_control = "no-cache";
    head.content_encoding = "gzip";
    head.content_location = "/x.gz";
    head.vary = "Accept-Encoding";
    head.location = "/dir/";
    head.allow = "GET, HEAD, OPTIONS";
    head.retry_after = "1";
    head.content_security_policy = "default-src 'none'";
    head.no_sniff = true;
    return head;
}

std::string written(const response_head& head) {
    std::string out;
    append_head(out, head);
    CHECK(out.starts_with("HTTP/1.1 "));
    CHECK(out.ends_with("\r\n\r\n"));
    return out;
}

bool has(const std::string& head, const std::string& name) {
    return head.find("\r\n" + name + ": ") != std::string::npos;
}

}  // namespace

TEST_CASE("fields: a file's answer (RFC 9112 section 4)") {
    CHECK(written({.what = status::ok,
                   .date = date,
                   .server = "ferry",
                   .content_length = 1024,
                   .content_type = "text/html; charset=utf-8",
                   .etag = "\"1-2-3\"",
                   .last_modified = date,
                   .accepts_ranges = true}) ==
          "HTTP/1.1 200 OK\r\n"
          "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
          "Server: ferry\r\n"
          "Content-Type: text/html; charset=utf-8\r\n"
          "ETag: \"1-2-3\"\r\n"
          "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
          "Accept-Ranges: bytes\r\n"
          "Content-Length: 1024\r\n"
          "\r\n");
    CHECK(written({.what = status::ok, .date = date, .content_length = 0})
              .find("Content-Length: 0\r\n") != std::string::npos);
}

TEST_CASE("fields: 206 names the part and the whole (RFC 9110 section 14.4)") {
    const auto head = written(full(status::partial_content));
    CHECK(has(head, "Content-Range"));
    CHECK(head.find("Content-Range: bytes 10-109/1000\r\n") != std::string::npos);
    CHECK(has(head, "ETag"));
    CHECK(has(head, "Content-Length"));

    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    auto last = full(status::partial_content);
    last.whole_size_bytes = most;
    last.part = byte_range{.offset = most - 1, .size_bytes = 1};
    CHECK(written(last).find("Content-Range: bytes 18446744073709551614-18446744073709551614/"
                             "18446744073709551615\r\n") != std::string::npos);
}

TEST_CASE("fields: 304 carries what updates a cache and nothing else (RFC 9110 section 15.4.5)") {
    const auto head = written(full(status::not_modified));
    for (const auto* name : {"Date", "ETag", "Cache-Control", "Content-Location", "Vary"}) {
        CAPTURE(std::string(name));
        CHECK(has(head, name));
    }
    for (const auto* name : {"Content-Length", "Content-Type", "Content-Encoding", "Content-Range",
                             "Last-Modified", "Transfer-Encoding"}) {
        CAPTURE(std::string(name));
        CHECK_FALSE(has(head, name));
    }
    auto without_tag = full(status::not_modified);
    without_tag.etag = {};
    CHECK(has(written(without_tag), "Last-Modified"));
}

TEST_CASE("fields: errors carry no validators of the file") {
    for (const auto what : {status::not_found, status::range_not_satisfiable,
                            status::precondition_failed, status::internal_server_error}) {
        const auto head = written(full(what));
        for (const auto* name : {"ETag", "Last-Modified", "Accept-Ranges", "Content-Location"}) {
            CAPTURE(std::string(name));
            CHECK_FALSE(has(head, name));
        }
        CHECK(has(head, "Date"));
    }
}

TEST_CASE(
    "fields: 416 tells the size (RFC 9110 section 15.5.17), 405 the methods (section 15.5.6)") {
    CHECK(written(full(status::range_not_satisfiable)).find("Content-Range: bytes */1000\r\n") !=
          std::string::npos);
    CHECK(written(full(status::method_not_allowed)).find("Allow: GET, HEAD, OPTIONS\r\n") !=
          std::string::npos);
}

TEST_CASE("fields: framing by status (RFC 9110 section 8.6, RFC 9112 section 6.1)") {
    CHECK_FALSE(has(written(full(status::continue_)), "Content-Length"));
    CHECK_FALSE(has(written(full(status::no_content)), "Content-Length"));
    auto streamed = full(status::ok);
    streamed.content_length.reset();
    streamed.chunked = true;
    const auto head = written(streamed);
    CHECK(head.find("Transfer-Encoding: chunked\r\n") != std::string::npos);
    CHECK_FALSE(has(head, "Content-Length"));
    streamed.what = status::no_content;
    CHECK_FALSE(has(written(streamed), "Transfer-Encoding"));
}

TEST_CASE("fields: Connection (RFC 9112 section 9.6)") {
    CHECK(written({.date = date, .connection = connection_option::close})
              .find("Connection: close\r\n") != std::string::npos);
    CHECK(written({.date = date, .connection = connection_option::keep_alive})
              .find("Connection: keep-alive\r\n") != std::string::npos);
    CHECK_FALSE(has(written({.date = date}), "Connection"));
}

TEST_CASE("fields: an error page shows nothing as markup (row D30)") {
    const auto page = error_page(status::not_found, "<script>alert('1')</script>");
    CHECK(page.find("<script>") == std::string::npos);
    CHECK(page.find("&lt;script&gt;alert(&#39;1&#39;)") != std::string::npos);
    CHECK(page.find("<title>404 Not Found</title>") != std::string::npos);
    CHECK(page.find("<h1>404 Not Found</h1>") != std::string::npos);
    CHECK(error_page(status::not_found).find("<p>") == std::string::npos);
}

TEST_CASE("fields: a whole error answer, with the page and without") {
    std::string answer;
    append_error_answer(answer, {.what = status::not_found, .date = date}, true, "No such file.");
    const auto page = error_page(status::not_found, "No such file.");
    CHECK(answer.ends_with("\r\n\r\n" + page));
    CHECK(answer.find("Content-Length: " + std::to_string(page.size()) + "\r\n") !=
          std::string::npos);
    CHECK(answer.find("Content-Type: text/html; charset=utf-8\r\n") != std::string::npos);

    std::string to_head;
    append_error_answer(to_head, {.what = status::not_found, .date = date}, false, "No such file.");
    CHECK(answer == to_head + page);
}

TEST_CASE("fields: an error answer is given another page, and keeps all else it says") {
    response_head head;
    head.what = status::method_not_allowed;
    head.date = date;
    head.allow = "GET";
    std::string message;
    append_error_answer(message, head, true, "Content-Length: 5");
    std::string headless;
    append_error_answer(headless, head, false);
    REQUIRE(replace_page(message, "text/plain", 12'345));
    CHECK(message ==
          "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
          "Content-Type: text/plain\r\nAllow: GET\r\nContent-Length: 12345\r\n\r\n");
    // RFC 9110 section 9.3.2: HEAD has the same fields.
    REQUIRE(replace_page(headless, "text/plain", 12'345));
    CHECK(headless == message);

    std::string other = "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nContent-Type: x";
    const auto before = other;
    CHECK_FALSE(replace_page(other, "text/plain", 1));
    CHECK(other == before);
}
