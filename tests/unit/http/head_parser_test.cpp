#include "http/head_parser.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace ferry;
using namespace ferry::http;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

/// What a parse came to, in one line, so that two parses compare and a failure prints both.
std::string describe(const head_parser& parser, head_progress progress) {
    std::string out;
    if (progress == head_progress::incomplete) {
        return "incomplete";
    }
    if (progress == head_progress::refused) {
        return "refused " + std::to_string(code_of(parser.refusal().what));
    }
    const auto& head = parser.head();
    out = "complete " + std::to_string(parser.consumed_bytes()) + " " +
          std::string(head.method_name) + " " + std::string(head.target) +
          " path=" + std::string(head.path) +
          " query=" + (head.has_query ? std::string(head.query) : "-"s) +
          " authority=" + std::string(head.authority) + " host=" + std::string(head.host) + " 1." +
          std::to_string(head.version_minor) + (head.keep_alive ? " stay" : " close") +
          (head.expect_continue ? " expects" : "") +
          " body=" + std::to_string(static_cast<int>(head.framing)) + "/" +
          std::to_string(head.content_length);
    for (std::size_t i = 0; i < head.fields.size(); ++i) {
        const auto line = head.fields.line(i);
        out += " [" + std::string(line.name) + "=" + std::string(line.value) + "]";
    }
    return out;
}

/// Parses `text` in pieces that end at `cuts`. Every call sees the octets in a new place, allocated
/// to size, so that a view kept from one call to the next is found by the address sanitizer.
std::string parse_cut(std::string_view text, const std::vector<std::size_t>& cuts,
                      const head_limits& limits) {
    head_parser parser(limits);
    std::unique_ptr<char[]> buffer;
    auto progress = head_progress::incomplete;
    for (const auto cut : cuts) {
        auto moved = std::make_unique<char[]>(cut);
        std::memcpy(moved.get(), text.data(), cut);
        buffer = std::move(moved);
        progress = parser.parse({buffer.get(), cut});
        if (progress != head_progress::incomplete) {
            break;
        }
    }
    return describe(parser, progress);
}

/// Parses whole, in every two pieces, one octet at a time, and demands one result. Long texts are
/// cut at some places only.
std::string parse_every_way(std::string_view text, const head_limits& limits = {}) {
    const auto whole = parse_cut(text, {text.size()}, limits);
    const std::size_t step = text.size() <= 600 ? 1 : text.size() / 64;
    for (std::size_t cut = 0; cut <= text.size(); cut += step) {
        CAPTURE(cut);
        CHECK(parse_cut(text, {cut, text.size()}, limits) == whole);
    }
    std::vector<std::size_t> each;
    for (std::size_t cut = 1; cut <= text.size(); cut += text.size() <= 20'000 ? 1 : 977) {
        each.push_back(cut);
    }
    if (each.empty() || each.back() != text.size()) {
        each.push_back(text.size());
    }
    CHECK(parse_cut(text, each, limits) == whole);
    return whole;
}

struct head_row {
    std::string id;
    std::string text;
    std::string expected;  ///< The beginning of the description.
};

void check(const std::vector<head_row>& rows) {
    for (const auto& each : rows) {
        CAPTURE(each.id);
        const auto got = parse_every_way(each.text);
        CAPTURE(got);
        CHECK(got.starts_with(each.expected));
    }
}

const std::string host = "Host: localhost\r\n\r\n";

/// A parser that holds its request, for tests that ask the request itself.
struct parsed {
    explicit parsed(std::string given) : text(std::move(given)), parser(head_limits{}) {
        progress = parser.parse(text);
    }
    const request& head() const { return parser.head(); }
    std::string text;
    head_parser parser;
    head_progress progress;
};

}  // namespace

TEST_CASE("head: the request line (RFC 9112 section 3), rows A01 to A28 of the specification") {
    check({
        {"A01", "GET /hello.txt HTTP/1.1\r\n" + host,
         "complete 44 GET /hello.txt path=/hello.txt query=-"},
        {"A02", "\r\nGET /hello.txt HTTP/1.1\r\n" + host, "complete 46 GET /hello.txt"},
        {"A02 twice", "\r\n\r\nGET /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A02 bare LF", "\nGET /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A02 bare CR", "\rGET /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A02 CRLF LF", "\r\n\nGET /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A03", "get /hello.txt HTTP/1.1\r\n" + host, "refused 501"},
        {"A03 mixed", "Get /hello.txt HTTP/1.1\r\n" + host, "refused 501"},
        {"A04", "FOO /hello.txt HTTP/1.1\r\n" + host, "refused 501"},
        {"A04 longer", "GETT /hello.txt HTTP/1.1\r\n" + host, "refused 501"},
        {"A04 shorter", "GE /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A04 of RTSP", "DESCRIBE /hello.txt HTTP/1.1\r\n" + host, "refused 501"},
        {"A04 of RTSP 2", "FLUSH /hello.txt HTTP/1.1\r\n" + host, "refused 501"},
        {"A05", "GE(T /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A06", "GET  /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A06 three", "GET   /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A06 later", "GET /hello.txt  HTTP/1.1\r\n" + host, "refused 400"},
        {"A06 before", " GET /hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A07", "GET\t/hello.txt\tHTTP/1.1\r\n" + host, "refused 400"},
        {"A07 second", "GET /hello.txt\tHTTP/1.1\r\n" + host, "refused 400"},
        {"A08", "GET /hello.txt HTTP/1.1 \r\n" + host, "refused 400"},
        {"A09", "GET /hello.txt\r\n\r\n", "refused 400"},
        {"A09 at once", "GET /hello.txt\r\n", "refused 400"},
        {"A09 explicit", "GET /hello.txt HTTP/0.9\r\n" + host, "refused 400"},
        {"A10", "GET /hello.txt\r\n" + host, "refused 400"},
        {"A11", "GET /hello.txt HTTP/1.2\r\n" + host, "refused 505"},
        {"A12", "GET /hello.txt HTTP/2.0\r\n" + host, "refused 505"},
        {"A12 three", "GET /hello.txt HTTP/3.0\r\n" + host, "refused 505"},
        {"A12 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused 505"},
        {"A13", "GET /hello.txt HTTP/1.10\r\n" + host, "refused 400"},
        {"A14", "GET /hello.txt HTTP/01.1\r\n" + host, "refused 400"},
        {"A15", "GET /hello.txt http/1.1\r\n" + host, "refused 400"},
        {"A15 other", "GET /hello.txt RTSP/1.0\r\n" + host, "refused 400"},
        {"A15 icecast", "SOURCE /hello.txt ICE/1.0\r\n" + host, "refused 400"},
        {"A15 garbage", "GET /hello.txt HTTQ/1.1\r\n" + host, "refused 400"},
        {"A16", "GET /hello.txt HTTP/+1.1\r\n" + host, "refused 400"},
        {"A17", "GET /hello.txt HTTP/1,1\r\n" + host, "refused 400"},
        {"A17 short", "GET /hello.txt HTTP/1\r\n" + host, "refused 400"},
        {"A18", "GET /hello.txt HTTP/1.1\nHost: localhost\n\n", "refused 400"},
        {"A19", "GET /hello.txt\rHTTP/1.1\r\n" + host, "refused 400"},
        {"A19 after", "GET /hello.txt HTTP/1.1\r" + host, "refused 400"},
        {"A20", "GET /hello.txt HTTP/1.1\r\r\n" + host, "refused 400"},
        {"A21", "GET /hello.txt\0.png HTTP/1.1\r\n"s + host, "refused 400"},
        {"A22", "GET /hel\x01lo.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A22 tab", "GET /hel\tlo.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A22 form feed", "GET /hel\flo.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A23", "GET /hel\x7flo.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A24", "GET /\xc3\xbcn\xc3\xaf.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A25", "GET /sp ace.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A26", "GET /hello.txt#frag HTTP/1.1\r\n" + host, "refused 400"},
        {"A26 after query", "GET /hello.txt?a#frag HTTP/1.1\r\n" + host, "refused 400"},
        {"A26 absolute", "GET http://localhost/#frag HTTP/1.1\r\n" + host, "refused 400"},
        {"A27", "GET  HTTP/1.1\r\n" + host, "refused 400"},
        {"A28", "GET hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A28 query", "GET ?a HTTP/1.1\r\n" + host, "refused 400"},
        {"TLS", "\x16\x03\x01\x02", "refused 400"},
        {"NUL", std::string(4, '\0'), "refused 400"},
    });
}

TEST_CASE(
    "head: limits of target, head and fields (RFC 9112 section 3, RFC 6585 section 5), rows A29, "
    "A30, A45") {
    const head_limits limits;
    const auto with_target = [](std::size_t bytes) {
        return "GET /" + std::string(bytes - 1, 'a') + " HTTP/1.1\r\n" + host;
    };
    CHECK(parse_every_way(with_target(7'990)).starts_with("complete"));
    CHECK(parse_every_way(with_target(limits.target_bytes_max)).starts_with("complete"));
    CHECK(parse_every_way(with_target(limits.target_bytes_max + 1)) == "refused 414");
    CHECK(parse_every_way(with_target(262'144)) == "refused 414");
    CHECK(parse_every_way(std::string(65'536, 'A') + " / HTTP/1.1\r\n" + host) == "refused 501");

    const auto small = head_limits{.head_bytes_max = 200, .target_bytes_max = 20, .fields_max = 3};
    CHECK(parse_every_way("GET /" + std::string(19, 'a') + " HTTP/1.1\r\n" + host, small)
              .starts_with("complete"));
    CHECK(parse_every_way("GET /" + std::string(20, 'a') + " HTTP/1.1\r\n" + host, small) ==
          "refused 414");
    CHECK(parse_every_way("GET /" + std::string(20, 'a') + "\x01 HTTP/1.1\r\n" + host, small) ==
          "refused 414");
    CHECK(parse_every_way("GET /" + std::string(18, 'a') + "\x01 HTTP/1.1\r\n" + host, small) ==
          "refused 400");
    CHECK(parse_every_way("GET  /" + std::string(40, 'a') + " HTTP/1.1\r\n" + host, small) ==
          "refused 400");
    CHECK(parse_every_way("GET /" + std::string(20, 'a') + "\r\n", small) == "refused 414");

    const auto of_size = [](std::size_t bytes) {
        const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        return begin + std::string(bytes - begin.size() - 4, 'x') + "\r\n\r\n";
    };
    CHECK(parse_every_way(of_size(200), small).starts_with("complete 200"));
    CHECK(parse_every_way(of_size(200) + "more", small).starts_with("complete 200"));
    CHECK(parse_every_way(of_size(201), small) == "refused 431");
    CHECK(parse_every_way(of_size(5'000), small) == "refused 431");
    CHECK(parse_every_way(of_size(200).substr(0, 199), small) == "incomplete");

    const auto with_fields = [](std::size_t fields) {
        std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (std::size_t i = 1; i < fields; ++i) {
            text += "a: b\r\n";
        }
        return text + "\r\n";
    };
    CHECK(parse_every_way(with_fields(3), small).starts_with("complete"));
    CHECK(parse_every_way(with_fields(4), small) == "refused 431");
    CHECK(parse_every_way(with_fields(limits.fields_max)).starts_with("complete"));
    CHECK(parse_every_way(with_fields(limits.fields_max + 1)) == "refused 431");
}

TEST_CASE("head: the four forms of a target (RFC 9112 section 3.2), rows A31 to A42") {
    check({
        {"origin", "GET /a/b?c=d&e HTTP/1.1\r\n" + host,
         "complete 44 GET /a/b?c=d&e path=/a/b query=c=d&e a"},
        {"D18", "GET /a? HTTP/1.1\r\n" + host, "complete 37 GET /a? path=/a query= "},
        {"D17", "GET /hello.txt?a=/../..&b HTTP/1.1\r\n" + host,
         "complete 55 GET /hello.txt?a=/../..&b path=/hello.txt query=a=/../..&b"},
        {"double", "GET //a HTTP/1.1\r\n" + host, "complete 37 GET //a path=//a "},
        {"A31", "GET http://localhost/hello.txt HTTP/1.1\r\n" + host,
         "complete 60 GET http://localhost/hello.txt path=/hello.txt query=- authority=localhost "
         "host=localhost"},
        {"A31 Host is ignored", "GET http://a.example:81/ HTTP/1.1\r\n" + host,
         "complete 54 GET http://a.example:81/ path=/ query=- authority=a.example:81 "
         "host=a.example:81"},
        {"A31 https", "GET https://localhost/ HTTP/1.1\r\n" + host,
         "complete 52 GET https://localhost/ path=/"},
        {"A31 IPv6", "GET http://[::1]:80/x HTTP/1.1\r\n" + host,
         "complete 51 GET http://[::1]:80/x path=/x query=- authority=[::1]:80 "},
        {"A32", "GET http://localhost HTTP/1.1\r\n" + host,
         "complete 50 GET http://localhost path=/ query=- "},
        {"A32 query", "GET http://localhost?q HTTP/1.1\r\n" + host,
         "complete 52 GET http://localhost?q path=/ query=q "},
        {"A33", "GET HTTP://localhost/hello.txt HTTP/1.1\r\n" + host,
         "complete 60 GET HTTP://localhost/hello.txt path=/hello.txt"},
        {"A34", "GET http://u:p@localhost/hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"A34 name only", "GET http://u@localhost/ HTTP/1.1\r\n" + host, "refused 400"},
        {"A35", "GET http://localhost/hello.txt HTTP/1.1\r\n\r\n", "refused 400"},
        {"A35 bad Host", "GET http://localhost/ HTTP/1.1\r\nHost: a b\r\n\r\n", "refused 400"},
        {"A36", "GET ftp://localhost/hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"no host", "GET http:///hello.txt HTTP/1.1\r\n" + host, "refused 400"},
        {"no host 2", "GET http:// HTTP/1.1\r\n" + host, "refused 400"},
        {"no host 3", "GET http://:80/ HTTP/1.1\r\n" + host, "refused 400"},
        {"bad port", "GET http://a:8x/ HTTP/1.1\r\n" + host, "refused 400"},
        {"one slash", "GET http:/a HTTP/1.1\r\n" + host, "refused 400"},
        {"A37", "GET localhost:80 HTTP/1.1\r\n" + host, "refused 400"},
        {"A38", "CONNECT localhost:80 HTTP/1.1\r\n" + host,
         "complete 50 CONNECT localhost:80 path= query=- authority=localhost:80 host=localhost:80 "
         "1.1 close"},
        {"A38 then octets", "CONNECT localhost:80 HTTP/1.1\r\n" + host + "tunnel",
         "complete 50 CONNECT"},
        {"A38 no port", "CONNECT localhost HTTP/1.1\r\n" + host, "refused 400"},
        {"A38 path", "CONNECT /x HTTP/1.1\r\n" + host, "refused 400"},
        {"A38 user", "CONNECT u@localhost:80 HTTP/1.1\r\n" + host, "refused 400"},
        {"A38 asterisk", "CONNECT * HTTP/1.1\r\n" + host, "refused 400"},
        {"A39", "OPTIONS * HTTP/1.1\r\n" + host,
         "complete 39 OPTIONS * path= query=- authority= host=localhost"},
        {"A40", "GET * HTTP/1.1\r\n" + host, "refused 400"},
        {"A40 longer", "OPTIONS *x HTTP/1.1\r\n" + host, "refused 400"},
        {"A41", "OPTIONS /hello.txt HTTP/1.1\r\n" + host,
         "complete 48 OPTIONS /hello.txt path=/hello.txt"},
        {"A41 absolute", "OPTIONS http://localhost HTTP/1.1\r\n" + host,
         "complete 54 OPTIONS http://localhost path=/"},
        {"A42", "TRACE /hello.txt HTTP/1.1\r\nHost: localhost\r\nX-Echo: secretvalue\r\n\r\n",
         "complete 67 TRACE /hello.txt"},
        {"known, not ours", "PROPFIND / HTTP/1.1\r\n" + host, "complete 40 PROPFIND / path=/"},
        {"D30", "GET /<script>alert(1)</script> HTTP/1.1\r\n" + host,
         "complete 60 GET /<script>alert(1)</script>"},
    });
}

TEST_CASE(
    "head: pipelined requests are left alone (RFC 9112 section 9.3.2), rows A44 and A46 to A50") {
    const std::string one = "GET /one.txt HTTP/1.1\r\n" + host;
    std::string text = "HEAD /hello.txt HTTP/1.1\r\n" + host;
    for (int i = 0; i < 100; ++i) {
        text += one;
    }
    head_parser parser(head_limits{});
    std::string_view rest = text;
    REQUIRE(parser.parse(rest) == head_progress::complete);
    CHECK(parser.head().method == method::head);
    rest.remove_prefix(parser.consumed_bytes());
    for (int i = 0; i < 100; ++i) {
        parser.reset();
        REQUIRE(parser.parse(rest) == head_progress::complete);
        CHECK(parser.head().path == "/one.txt");
        CHECK(parser.head().fields.size() == 1);
        CHECK(parser.consumed_bytes() == one.size());
        rest.remove_prefix(parser.consumed_bytes());
    }
    CHECK(rest.empty());

    // One empty line between requests is the one before the next (section 2.2).
    parser.reset();
    CHECK(parser.is_idle());
    CHECK(parser.parse("\r\n") == head_progress::incomplete);
    CHECK(parser.is_idle());
    CHECK(parser.parse("\r\nG") == head_progress::incomplete);
    CHECK_FALSE(parser.is_idle());
}

TEST_CASE(
    "head: Host is there once and well formed (RFC 9112 section 3.2, RFC 9110 section 7.2), rows "
    "A57, D29") {
    const auto with_host = [](std::string_view value) {
        return "GET / HTTP/1.1\r\nHost: " + std::string(value) + "\r\n\r\n";
    };
    for (const auto* good : {"a", "A.example", "a:80", "a:", "127.0.0.1:8080", "[::1]", "[::1]:80",
                             "[::ffff:1.2.3.4]", "[v1.fe80::a]", "a_b~c", "%41%6a", "a,b"}) {
        CAPTURE(good);
        CHECK(parse_every_way(with_host(good)).find("host="s + good + " ") != std::string::npos);
    }
    for (const auto* bad : {"",
                            " ",
                            "a b",
                            "a/b",
                            "u@a",
                            "a\"><script>",
                            "a:8x",
                            "a:80:90",
                            "[::1",
                            "[",
                            "[]",
                            "[::1]x",
                            "[::1]80",
                            "[x]",
                            "[12]",
                            "[v.a]",
                            "[v1.]",
                            "a\\b",
                            "%4",
                            "%zz",
                            "a?b",
                            "a#b",
                            "\xc3\xbc",
                            ":80",
                            "a, b",
                            "<",
                            "[::1]:"
                            "x"}) {
        CAPTURE(bad);
        CHECK(parse_every_way(with_host(bad)) == "refused 400");
    }
    check({
        {"none", "GET / HTTP/1.1\r\n\r\n", "refused 400"},
        {"two", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "refused 400"},
        {"two of 1.0", "GET / HTTP/1.0\r\nHost: a\r\nhOST: b\r\n\r\n", "refused 400"},
        {"bad of 1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", "refused 400"},
        {"A57", "GET /hello.txt HTTP/1.0\r\n\r\n",
         "complete 27 GET /hello.txt path=/hello.txt query=- authority= host= 1.0"},
        {"empty of 1.0", "GET / HTTP/1.0\r\nHost:\r\n\r\n", "complete 25 GET /"},
        {"case of the name", "GET / HTTP/1.1\r\nhOsT:a\r\n\r\n",
         "complete 26 GET / path=/ query=- authority= host=a"},
    });
}

TEST_CASE("head: field lines (RFC 9112 section 5)") {
    const std::string line = "GET / HTTP/1.1\r\nHost: a\r\n";
    check({
        {"values are trimmed", line + "A:\r\nB: \r\nC: \t x \t y \t \r\nD:z\r\n\r\n",
         "complete 56 GET / path=/ query=- authority= host=a 1.1 stay body=0/0 [Host=a] [A=] [B=] "
         "[C=x \t y] [D=z]"},
        {"octets over 127 in a value", line + "A: \xc3\xbc\xff\r\n\r\n", "complete"},
        {"space before the colon", line + "A : b\r\n\r\n", "refused 400"},
        {"tab before the colon", line + "A\t: b\r\n\r\n", "refused 400"},
        {"empty name", line + ": b\r\n\r\n", "refused 400"},
        {"no colon", line + "AB\r\n\r\n", "refused 400"},
        {"not a token", line + "A(: b\r\n\r\n", "refused 400"},
        {"name over 127", line + "A\xc3: b\r\n\r\n", "refused 400"},
        {"folded", line + "A: b\r\n c\r\n\r\n", "refused 400"},
        {"folded by tab", line + "A: b\r\n\tc\r\n\r\n", "refused 400"},
        {"folded empty", line + "A: \r\n b\r\n\r\n", "refused 400"},
        {"space before the first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "refused 400"},
        {"bare LF after a field", line + "A: b\nC: d\r\n\r\n", "refused 400"},
        {"bare LF after an empty field", line + "A:\nC: d\r\n\r\n", "refused 400"},
        {"bare CR in a value", line + "A: b\rc\r\n\r\n", "refused 400"},
        {"CR CR LF", line + "A: b\r\r\n\r\n", "refused 400"},
        {"NUL in a value", line + "A: b\0c\r\n\r\n"s, "refused 400"},
        {"control in a value", line + "A: b\x1b\r\n\r\n", "refused 400"},
        {"DEL in a value", line + "A: b\x7f\r\n\r\n", "refused 400"},
        {"NUL in a name", line + "A\0: b\r\n\r\n"s, "refused 400"},
        {"bare LF ends the head", line + "\n", "refused 400"},
        {"bare CR ends the head", line + "\rX", "refused 400"},
        {"CR CR at the end", line + "\r\r\n", "refused 400"},
    });
}

TEST_CASE("head: where the body ends (RFC 9112 section 6.3)") {
    const std::string line = "POST / HTTP/1.1\r\nHost: a\r\n";
    const std::string line10 = "POST / HTTP/1.0\r\nHost: a\r\n";
    const auto body = [](const std::string& start, const std::string& fields) {
        const auto got = parse_every_way(start + fields + "\r\nhello");
        const auto at = got.find("body=");
        return at == std::string::npos ? got : got.substr(at, got.find(' ', at) - at);
    };
    CHECK(body(line, "") == "body=0/0");

    SUBCASE("Content-Length") {
        CHECK(body(line, "Content-Length: 5\r\n") == "body=1/5");
        CHECK(body(line, "content-length:5  \r\n") == "body=1/5");
        CHECK(body(line, "Content-Length: 0\r\n") == "body=1/0");
        CHECK(body(line, "Content-Length: 0000000000000000000000000000005\r\n") == "body=1/5");
        CHECK(body(line, "Content-Length: 18446744073709551615\r\n") ==
              "body=1/18446744073709551615");
        CHECK(body(line10, "Content-Length: 5\r\n") == "body=1/5");
        for (const auto* bad :
             {"18446744073709551616", "99999999999999999999999", "+5", "-5", "0x5", "5 5", "5,5",
              "5, 5", "", "5a", "a5", "5.0", "\"5\"", "5\x0b"}) {
            CAPTURE(bad);
            CHECK(body(line, "Content-Length: "s + bad + "\r\n") == "refused 400");
        }
        CHECK(body(line, "Content-Length: 5\r\nContent-Length: 5\r\n") == "refused 400");
        CHECK(body(line, "Content-Length: 5\r\nContent-Length: 6\r\n") == "refused 400");
    }
    SUBCASE("Transfer-Encoding (section 6.1)") {
        CHECK(body(line, "Transfer-Encoding: chunked\r\n") == "body=2/0");
        CHECK(body(line, "transfer-encoding:Chunked \r\n") == "body=2/0");
        for (const auto* bad :
             {"", "gzip", "chunked, gzip", "chunked, chunked", "xchunked", "chunkedx",
              "\"chunked\"", "chunked;q=1", "identity", "chunked, identity",
              "\x0b"
              "chunked",
              "chunk", "chunked\x0c"}) {
            CAPTURE(bad);
            CHECK(body(line, "Transfer-Encoding: "s + bad + "\r\n") == "refused 400");
        }
        CHECK(body(line, "Transfer-Encoding: gzip, chunked\r\n") == "refused 501");
        CHECK(body(line, "Transfer-Encoding: identity, chunked\r\n") == "refused 501");
        CHECK(body(line, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n") ==
              "refused 501");
        CHECK(body(line, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") ==
              "refused 400");
        CHECK(body(line, "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n") ==
              "refused 400");
        CHECK(body(line, "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n") == "body=2/0");
        CHECK(body(line10, "Transfer-Encoding: chunked\r\n") == "refused 400");
    }
    SUBCASE("both, in either order (section 6.3, rule 3)") {
        CHECK(body(line, "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") == "refused 400");
        CHECK(body(line, "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == "refused 400");
        CHECK(body(line, "Content-Length: 5\r\nTransfer-Encoding:\r\n") == "refused 400");
    }
}

TEST_CASE("head: persistence (RFC 9112 section 9.3), rows A52 to A59") {
    const auto stays = [](const std::string& text) {
        const auto got = parse_every_way(text);
        REQUIRE(got.starts_with("complete"));
        return got.find(" stay body=") != std::string::npos;
    };
    const std::string new_line = "GET / HTTP/1.1\r\nHost: a\r\n";
    const std::string old_line = "GET / HTTP/1.0\r\n";
    CHECK(stays(new_line + "\r\n"));
    CHECK_FALSE(stays(new_line + "Connection: close\r\n\r\n"));
    CHECK_FALSE(stays(new_line + "Connection: foo , CLOSE\r\n\r\n"));
    CHECK_FALSE(stays(new_line + "Connection: keep-alive\r\nConnection:,Close,\r\n\r\n"));
    CHECK_FALSE(stays(new_line + "connection: close, keep-alive\r\n\r\n"));
    CHECK(stays(new_line + "Connection: closed\r\n\r\n"));
    CHECK(stays(new_line + "Connection: keep-alive\r\n\r\n"));
    CHECK(stays(new_line + "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n"));
    CHECK_FALSE(stays(old_line + "\r\n"));
    CHECK(stays(old_line + "Connection: Keep-Alive\r\n\r\n"));
    CHECK_FALSE(stays(old_line + "Connection: keep-alive, close\r\n\r\n"));

    CHECK(parsed(old_line + "Connection: keep-alive\r\n\r\n").head().says_keep_alive);
    CHECK_FALSE(parsed(new_line + "Connection: keep-alive\r\n\r\n").head().says_keep_alive);
}

TEST_CASE("head: an Upgrade does not stop the parser (RFC 9110 section 7.8)") {
    const parsed got(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nGET /2 ");
    REQUIRE(got.progress == head_progress::complete);
    CHECK(got.text.substr(got.parser.consumed_bytes()) == "GET /2 ");
}

TEST_CASE("head: Expect (RFC 9110 section 10.1.1)") {
    const auto expects = [](const std::string& text) {
        const parsed got(text);
        REQUIRE(got.progress == head_progress::complete);
        return got.head().expect_continue;
    };
    const std::string fields = "Host: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n";
    CHECK(expects("PUT /x HTTP/1.1\r\n" + fields));
    CHECK_FALSE(expects("PUT /x HTTP/1.0\r\n" + fields));
    CHECK_FALSE(expects("PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"));
    CHECK_FALSE(
        expects("PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n"));
    CHECK(
        expects("PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: "
                "100-continue\r\n\r\n"));
}

TEST_CASE("head: fields are found by name whatever their case (RFC 9110 section 5.1)") {
    std::string text =
        "GET / HTTP/1.1\r\nHost: a\r\nif-none-match: \"1\"\r\nX-Y: first\r\nx-y: second\r\n";
    for (int i = 0; i < 30; ++i) {  // More than the lines that are kept without allocation.
        text += "Z" + std::to_string(i) + ": v\r\n";
    }
    const parsed got(text + "If-None-Match: \"2\"\r\nRange: bytes=0-\r\n\r\n");
    REQUIRE(got.progress == head_progress::complete);
    const auto& fields = got.head().fields;
    CHECK(fields.size() == 36);
    CHECK(fields.line(33).name == "Z29");
    CHECK(fields.has(field::if_none_match));
    CHECK_FALSE(fields.has(field::if_match));
    CHECK(fields.count(field::if_none_match) == 2);
    CHECK_FALSE(fields.only(field::if_none_match));
    CHECK_FALSE(fields.only(field::if_match));
    CHECK(fields.only(field::range) == "bytes=0-");
    CHECK(fields.first("X-Y") == "first");
    CHECK(fields.first("z17") == "v");
    CHECK_FALSE(fields.first("x"));
    std::string lines;
    fields.for_each(field::if_none_match, [&lines](std::string_view value) {
        lines += value;
        return true;
    });
    CHECK(lines == "\"1\"\"2\"");
}

TEST_CASE("head: names of methods") {
    struct named {
        const char* name;
        method expected;
    };
    for (const auto& each : {named{"GET", method::get}, named{"HEAD", method::head},
                             named{"PUT", method::put}, named{"DELETE", method::delete_},
                             named{"POST", method::post}, named{"PATCH", method::patch},
                             named{"TRACE", method::trace}, named{"OPTIONS", method::options},
                             named{"M-SEARCH", method::other}, named{"QUERY", method::other}}) {
        CAPTURE(each.name);
        const parsed got(each.name + " / HTTP/1.1\r\n"s + host);
        REQUIRE(got.progress == head_progress::complete);
        CHECK(got.head().method == each.expected);
        CHECK(got.head().method_name == each.name);
    }
}
