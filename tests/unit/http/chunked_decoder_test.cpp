#include "http/chunked_decoder.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

using namespace ferry;
using namespace ferry::http;

namespace {

struct outcome {
    std::string content;
    std::string rest;  ///< What was not taken.
    bool is_complete = false;
    bool is_refused = false;
    status refused_with = status::ok;

    bool operator==(const outcome&) const = default;
};

/// Decodes `octets`, given in pieces of at most `step`.
outcome decode(std::string_view octets, std::size_t step, std::size_t overhead_bytes_max = 1'000) {
    chunked_decoder decoder({.overhead_bytes_max = overhead_bytes_max});
    outcome got;
    std::size_t done = 0;
    while (done < octets.size() && !decoder.is_complete() && !decoder.is_refused()) {
        const auto piece = decoder.decode(octets.substr(done, step));
        REQUIRE(piece.consumed_bytes > 0);
        got.content += piece.content;
        done += piece.consumed_bytes;
    }
    got.rest = octets.substr(done);
    got.is_complete = decoder.is_complete();
    got.is_refused = decoder.is_refused();
    if (got.is_refused) {
        got.refused_with = decoder.refused_with();
        got.rest.clear();  // How much of broken framing is looked at says nothing.
        CHECK_FALSE(decoder.reason().empty());
    }
    return got;
}

/// The same result however it is cut.
outcome decode_all_ways(std::string_view octets, std::size_t overhead_bytes_max = 1'000) {
    const auto whole = decode(octets, octets.size() + 1, overhead_bytes_max);
    for (std::size_t step = 1; step <= octets.size(); ++step) {
        CAPTURE(step);
        CHECK(decode(octets, step, overhead_bytes_max) == whole);
    }
    return whole;
}

}  // namespace

TEST_CASE("chunked: content comes out, and what follows the body stays (RFC 9112 section 7.1)") {
    const auto got = decode_all_ways("4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
    CHECK(got.content == "Wikipedia");
    CHECK(got.is_complete);
    CHECK(got.rest == "GET / HTTP/1.1\r\n");
}

TEST_CASE("chunked: a size is hexadecimal in either case, leading zeros or not (section 7.1)") {
    CHECK(decode_all_ways("a\r\n0123456789\r\n0\r\n\r\n").content == "0123456789");
    CHECK(decode_all_ways("A\r\n0123456789\r\n000\r\n\r\n").is_complete);
    CHECK(decode_all_ways("00000000000000002\r\nab\r\n0\r\n\r\n").is_refused);
    CHECK(decode_all_ways("0000000000000002\r\nab\r\n0\r\n\r\n").content == "ab");
    CHECK_FALSE(decode("ffffffffffffffff\r\nab", 100).is_refused);
}

TEST_CASE("chunked: content may hold what looks like framing (threats.md, H1)") {
    CHECK(decode_all_ways("5\r\n0\r\n\r\n\r\n0\r\n\r\n").content == "0\r\n\r\n");
}

TEST_CASE("chunked: extensions are passed over (section 7.1.1)") {
    for (const std::string_view each :
         {";a", ";a=b", " ; a = b", ";a=\"q;\\\"\t \"", ";a;b=c;d", "\t;a", ";a=b ;c", ";a=\"\""}) {
        CAPTURE(each);
        const auto got = decode_all_ways("2" + std::string(each) + "\r\nab\r\n0" +
                                         std::string(each) + "\r\n\r\n");
        CHECK(got.is_complete);
        CHECK(got.content == "ab");
    }
}

TEST_CASE("chunked: trailer fields are dropped (section 7.1.2)") {
    const auto got =
        decode_all_ways("1\r\na\r\n0\r\nExpires: now\r\nX:\r\nContent-Length: 7\r\n\r\nrest");
    CHECK(got.is_complete);
    CHECK(got.content == "a");
    CHECK(got.rest == "rest");
}

TEST_CASE(
    "chunked: broken framing is refused, whatever some recipients let pass (threats.md, H1)") {
    for (const std::string_view each : {
             "\r\n",                    // No size.
             "g\r\n",                   // No digit.
             "0x2\r\nab\r\n0\r\n\r\n",  // No prefix.
             "-2\r\n",
             "+2\r\n",
             " 2\r\n",     // No sign, no blank before.
             "2\nab\r\n",  // A bare line feed.
             "2\r\rab",
             "2\rab",               // A bare carriage return.
             "2 \r\nab\r\n",        // White space that no extension follows.
             "2\r\nabc\r\n",        // Longer than its size,
             "2\r\nab\n0\r\n\r\n",  // or followed by a bare line feed,
             "2\r\nab\rx",          // or by a bare carriage return.
             "2;\r\nab\r\n",
             "2;=b\r\n",  // Extensions without a name,
             "2;a=\r\n",
             "2;a=\"b\r\n",  // with no value, with an open quote,
             "2;a=\"b\"c\r\n",
             "2;a b\r\n",  // with more behind a value or a name,
             "2;a=\"\x01\"\r\n",
             "2;a\x7f\r\n",         // with control octets.
             "0\r\n a: b\r\n\r\n",  // A folded line,
             "0\r\na\r\n\r\n",
             "0\r\n: b\r\n",        // a trailer without a colon or a name,
             "0\r\na : b\r\n\r\n",  // with white space before the colon,
             "0\r\na: b\n\r\n",
             "0\r\na: \x01\r\n",  // with a bare line feed or a control octet.
             "0\r\n\n",
             "0\r\n\rx",
         }) {
        CAPTURE(each);
        const auto got = decode_all_ways(each);
        CHECK(got.is_refused);
        CHECK(got.refused_with == status::bad_request);
    }
}

TEST_CASE("chunked: extensions and trailers have one limit together (threats.md, H4)") {
    const std::string body = "1;abcdefgh\r\na\r\n0\r\nb: c\r\n\r\n";
    // "abcdefgh", CR; "b: c", CR LF, CR LF. The ';' and the LF of a size's line count as the size.
    CHECK(decode_all_ways(body, 17).is_complete);
    for (std::size_t less = 0; less < 17; ++less) {
        CAPTURE(less);
        const auto got = decode_all_ways(body, less);
        CHECK(got.is_refused);
        CHECK(got.refused_with == status::request_header_fields_too_large);
    }
}

TEST_CASE("chunked: a body that is cut short is never whole") {
    const std::string_view body = "3;a=b\r\nabc\r\n0\r\nx: y\r\n\r\n";
    for (std::size_t size = 0; size < body.size(); ++size) {
        CAPTURE(size);
        const auto got = decode(body.substr(0, size), body.size());
        CHECK_FALSE(got.is_complete);
        CHECK_FALSE(got.is_refused);
    }
}
