#include "http/forwarded.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

/// Whom a request with these field lines is from, "ADDR" or "ADDR:PORT"; "(nobody)". 10.0.0.0/8 and
/// 2001:db8:ffff::/48 are trusted.
std::string client_of(forwarded_field which, const std::vector<std::string>& lines) {
    static const std::vector<net::address_block> trusted{
        net::address_block::parse("10.0.0.0/8").value(),
        net::address_block::parse("2001:db8:ffff::/48").value()};
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& each : lines) {
        text += each + "\r\n";
    }
    text += "\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(text) == head_progress::complete);
    const auto found = find_forwarded_client(parser.head().fields, which, trusted);
    if (!found) {
        return "(nobody)";
    }
    return found->port == 0 ? net::format_address(*found) : net::format_endpoint(*found);
}

struct row {
    std::vector<std::string> lines;
    std::string_view client;
};

}  // namespace

TEST_CASE("forwarded: X-Forwarded-For is read from its end, past those that are trusted") {
    const std::vector<row> rows{
        {{}, "(nobody)"},
        {{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
        {{"x-forwarded-for: 192.0.2.1 , 10.0.0.2"}, "192.0.2.1"},
        {{"X-Forwarded-For: 203.0.113.9, 192.0.2.1,10.0.0.3, 10.0.0.2"}, "192.0.2.1"},
        // What a client has written stands in front of what the proxies add, lines in order.
        {{"X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
        {{"X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.2"}, "192.0.2.1"},
        {{"X-Forwarded-For: 10.0.0.9, 10.0.0.2"}, "10.0.0.9"},
        {{"X-Forwarded-For: 2001:db8::1, 2001:db8:ffff::2"}, "2001:db8::1"},
        {{"X-Forwarded-For: ::ffff:192.0.2.1"}, "192.0.2.1"},
        {{"X-Forwarded-For: 192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
        {{"X-Forwarded-For: 192.0.2.1:4711"}, "192.0.2.1:4711"},
        {{"X-Forwarded-For: [2001:db8::1]:4711"}, "[2001:db8::1]:4711"},
        {{"X-Forwarded-For: [2001:db8::1]"}, "2001:db8::1"},
        {{"X-Forwarded-For: 192.0.2.1:99999"}, "192.0.2.1"},
        // What is no address hides what stands before it.
        {{"X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
        {{"X-Forwarded-For: 192.0.2.1, unknown"}, "(nobody)"},
        {{"X-Forwarded-For: 192.0.2.1, 192.0.2.1 192.0.2.2"}, "(nobody)"},
        {{"X-Forwarded-For: 192.0.2.1, [192.0.2.2]"}, "(nobody)"},
        {{"X-Forwarded-For: 192.0.2.1, [2001:db8::1"}, "(nobody)"},
        {{"X-Forwarded-For: 192.0.2.1, [2001:db8::1]x"}, "(nobody)"},
        {{"X-Forwarded-For: localhost"}, "(nobody)"},
        {{"X-Forwarded-For:"}, "(nobody)"},
        // Empty members do not count (RFC 9110 section 5.6.1).
        {{"X-Forwarded-For: , 192.0.2.1, ,"}, "192.0.2.1"},
        // The other field is not read.
        {{"Forwarded: for=192.0.2.1"}, "(nobody)"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.lines);
        CHECK(client_of(forwarded_field::x_forwarded_for, each.lines) == each.client);
    }
}

TEST_CASE("forwarded: a quote that does not end is told (RFC 9110 section 5.6.4)") {
    const auto are_closed = [](std::string_view line,
                               forwarded_field which = forwarded_field::forwarded) {
        const auto text = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(line) + "\r\n\r\n";
        head_parser parser({});
        REQUIRE(parser.parse(text) == head_progress::complete);
        return are_quotes_closed(parser.head().fields, which);
    };
    for (const std::string_view open :
         {"Forwarded: for=\"x, for=192.0.2.1", "forwarded: for=\"x\\\", for=192.0.2.1",
          "Forwarded: for=\", for=\"[2001:db8::1]:4711\"",
          // The proxy quotes a Host that its client has chosen.
          "Forwarded: x=\", for=192.0.2.1;host=\"a,for=203.0.113.9;b\"",
          "Forwarded: for=\"x\r\nForwarded: for=192.0.2.1"}) {
        CAPTURE(open);
        CHECK_FALSE(are_closed(open));
    }
    CHECK(are_closed("Forwarded: for=\"192.0.2.1\";host=\"a\\\",b\""));
    CHECK(are_closed("Forwarded: for=a\\, for=192.0.2.1"));
    CHECK(are_closed("A: \""));
    CHECK(are_closed("X-Forwarded-For: \"", forwarded_field::x_forwarded_for));
}

TEST_CASE("forwarded: the `for` of Forwarded (RFC 7239 sections 4 to 6)") {
    const std::vector<row> rows{
        {{"Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43"}, "192.0.2.60"},
        {{"Forwarded: proto=http; FOR=\"192.0.2.60\""}, "192.0.2.60"},
        {{"Forwarded: for=192.0.2.43, for=10.0.0.2"}, "192.0.2.43"},
        {{"Forwarded: for=192.0.2.43", "Forwarded: for=10.0.0.2"}, "192.0.2.43"},
        {{"Forwarded: For=\"[2001:db8:cafe::17]:4711\""}, "[2001:db8:cafe::17]:4711"},
        {{"Forwarded: for=203.0.113.9, for=192.0.2.1;by=10.0.0.2, for=10.0.0.3"}, "192.0.2.1"},
        // A quoted-string holds what ends an element elsewhere.
        {{"Forwarded: for=192.0.2.1;host=\"a,for=203.0.113.9;b\""}, "192.0.2.1"},
        {{"Forwarded: for=192.0.2.1;host=\"a\\\",for=203.0.113.9\""}, "192.0.2.1"},
        {{"Forwarded: for=192.0.2.1, host=\"a, for=10.0.0.9"}, "(nobody)"},
        // Hidden, unknown or not told (sections 6.2 and 6.3): whoever is before it may lie.
        {{"Forwarded: for=192.0.2.1, for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
        {{"Forwarded: for=192.0.2.1, for=unknown"}, "(nobody)"},
        {{"Forwarded: for=192.0.2.1, proto=https, for=10.0.0.2"}, "10.0.0.2"},
        {{"Forwarded: for"}, "(nobody)"},
        {{"Forwarded: ,, for=192.0.2.1, ,"}, "192.0.2.1"},
        {{"Forwarded: form=192.0.2.9"}, "(nobody)"},
        {{"X-Forwarded-For: 192.0.2.1"}, "(nobody)"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.lines);
        CHECK(client_of(forwarded_field::forwarded, each.lines) == each.client);
    }
}
