#include "ftp/address.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace ferry;
using namespace std::string_view_literals;
using ftp::epsv_request;

namespace {

net::endpoint at(std::string_view text) {
    return net::parse_endpoint(text).value();
}

}  // namespace

TEST_CASE("address: PORT is six decimal numbers from 0 to 255 (RFC 959 section 5.3.2)") {
    CHECK(ftp::parse_port("192,0,2,1,24,131") == at("192.0.2.1:6275"));
    CHECK(ftp::parse_port("0,0,0,0,0,0") == at("0.0.0.0:0"));
    CHECK(ftp::parse_port("255,255,255,255,255,255") == at("255.255.255.255:65535"));
    CHECK(ftp::parse_port("127,000,00,01,004,01") == at("127.0.0.1:1025"));
    for (const auto text : {""sv,
                            ","sv,
                            ",,,,,"sv,
                            "1,2,3,4,5"sv,
                            "1,2,3,4,5,"sv,
                            "1,2,3,4,5,6,"sv,
                            "1,2,3,4,5,6,7"sv,
                            "256,0,0,1,4,1"sv,
                            "127,0,0,1,4,256"sv,
                            "127,0,0,1,1025"sv,
                            "-1,0,0,1,4,1"sv,
                            "+1,0,0,1,4,1"sv,
                            " 1,0,0,1,4,1"sv,
                            "1,0,0,1,4,1 "sv,
                            "1, 0,0,1,4,1"sv,
                            "1,0,0,1,4,x"sv,
                            "0x1,0,0,1,4,1"sv,
                            "0001,0,0,1,4,1"sv,
                            "1.0.0.1.4.1"sv,
                            "(1,0,0,1,4,1)"sv,
                            "1,0,0,1,4,1\0"sv,
                            "4294967297,0,0,1,4,1"sv}) {
        CAPTURE(text);
        REQUIRE_FALSE(ftp::parse_port(text));
        CHECK(ftp::parse_port(text).error() == errc::invalid);
    }
}

TEST_CASE("address: EPRT with both families and any delimiter (RFC 2428 section 2)") {
    CHECK(ftp::parse_eprt("|1|132.235.1.2|6275|") == at("132.235.1.2:6275"));
    CHECK(ftp::parse_eprt("|2|1080::8:800:200C:417A|5282|") == at("[1080::8:800:200c:417a]:5282"));
    CHECK(ftp::parse_eprt("|2|::ffff:192.0.2.1|5282|") == at("[::ffff:192.0.2.1]:5282"));
    for (int delimiter = 33; delimiter <= 126; ++delimiter) {
        // A delimiter that the address itself needs cannot be read any more.
        if ("0123456789."sv.contains(static_cast<char>(delimiter))) {
            continue;
        }
        const std::string d(1, static_cast<char>(delimiter));
        CAPTURE(d);
        CHECK(ftp::parse_eprt(d + "1" + d + "192.0.2.1" + d + "6275" + d) == at("192.0.2.1:6275"));
    }
    for (const auto text : {""sv,
                            "|"sv,
                            "||||"sv,
                            "|1|192.0.2.1|6275"sv,
                            "|1|192.0.2.1|6275||"sv,
                            "|1|192.0.2.1|6275|x"sv,
                            "|1|192.0.2.1||"sv,
                            "|1||6275|"sv,
                            "||192.0.2.1|6275|"sv,
                            "|x|192.0.2.1|6275|"sv,
                            "|-1|192.0.2.1|6275|"sv,
                            "|1|192.0.2.1|65536|"sv,
                            "|1|192.0.2.1|-1|"sv,
                            "|1|192.0.2.1|6275 |"sv,
                            "|1|192.0.2.1|000001|"sv,
                            "|1|192.0.2|6275|"sv,
                            "|1|localhost|6275|"sv,
                            "|1|192.0.2.01|6275|"sv,
                            "|1|::1|6275|"sv,
                            "|2|192.0.2.1|6275|"sv,
                            "|2|fe80::1%eth0|6275|"sv,
                            "|2|[::1]|6275|"sv,
                            " 1 192.0.2.1 6275 "sv,
                            "\x7f"
                            "1\x7f"
                            "192.0.2.1\x7f"
                            "6275\x7f"sv,
                            "\xff"
                            "1\xff"
                            "192.0.2.1\xff"
                            "6275\xff"sv,
                            "\0"
                            "1\0"
                            "192.0.2.1\0"
                            "6275\0"sv,
                            "1,2,3,4,5,6"sv}) {
        CAPTURE(text);
        REQUIRE_FALSE(ftp::parse_eprt(text));
        CHECK(ftp::parse_eprt(text).error() == errc::invalid);
    }
}

TEST_CASE("address: other protocols are 522 with the one there is (RFC 2428 section 2)") {
    for (const auto text : {"|3|192.0.2.1|6275|"sv, "|0|192.0.2.1|6275|"sv, "|99|x|1|"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_eprt(text).error() == errc::unsupported);
    }
    const auto refusal = ftp::unsupported_protocol(net::address_family::v4);
    CHECK(refusal.code == 522);
    CHECK(refusal.text.ends_with("(1)"));
    CHECK(ftp::unsupported_protocol(net::address_family::v6).text.ends_with("(2)"));
}

TEST_CASE("address: EPSV's argument (RFC 2428 section 3)") {
    CHECK(ftp::parse_epsv("") == epsv_request::any);
    CHECK(ftp::parse_epsv("1") == epsv_request::v4);
    CHECK(ftp::parse_epsv("2") == epsv_request::v6);
    CHECK(ftp::parse_epsv("ALL") == epsv_request::all);
    CHECK(ftp::parse_epsv("all") == epsv_request::all);
    CHECK(ftp::parse_epsv("3").error() == errc::unsupported);
    CHECK(ftp::parse_epsv("99999999999999999999").error() == errc::unsupported);
    for (const auto text : {" "sv, "1 "sv, "x"sv, "-1"sv, "ALL "sv, "1,2"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_epsv(text).error() == errc::invalid);
    }
}

TEST_CASE("address: replies to PASV and EPSV (RFC 959 section 4.1.2, RFC 2428 section 3)") {
    const auto passive = ftp::passive_reply(at("192.0.2.1:6275"));
    REQUIRE(passive);
    CHECK(passive->code == 227);
    CHECK(passive->text == "Entering Passive Mode (192,0,2,1,24,131)");
    CHECK(ftp::passive_reply(at("[::ffff:192.0.2.1]:255"))->text ==
          "Entering Passive Mode (192,0,2,1,0,255)");
    CHECK(ftp::passive_reply(at("[2001:db8::1]:6275")).error() == errc::unsupported);
    const auto extended = ftp::extended_passive_reply(6'446);
    CHECK(extended.code == 229);
    CHECK(extended.text == "Entering Extended Passive Mode (|||6446|)");
}

TEST_CASE("address: no bounce to another address or a port below 1024 (RFC 2577, threats.md F1)") {
    struct row {
        const char* given;
        const char* peer;
        bool allowed;
    };
    static constexpr row rows[] = {
        {"192.0.2.1:1024", "192.0.2.1:40000", true},
        {"192.0.2.1:65535", "192.0.2.1:40000", true},
        {"192.0.2.1:1023", "192.0.2.1:40000", false},
        {"192.0.2.1:25", "192.0.2.1:40000", false},
        {"192.0.2.1:0", "192.0.2.1:40000", false},
        {"192.0.2.2:40000", "192.0.2.1:40000", false},
        {"0.0.0.0:40000", "127.0.0.1:40000", false},
        {"127.0.0.1:40000", "192.0.2.1:40000", false},
        {"192.0.2.1:40000", "[::ffff:192.0.2.1]:40000", true},
        {"[::ffff:192.0.2.1]:40000", "192.0.2.1:40000", true},
        {"[::192.0.2.1]:40000", "192.0.2.1:40000", false},
        {"[2001:db8::1]:40000", "[2001:db8::1]:40000", true},
        {"[2001:db8::2]:40000", "[2001:db8::1]:40000", false},
        {"[::1]:40000", "127.0.0.1:40000", false},
    };
    for (const auto& each : rows) {
        CAPTURE(each.given);
        CAPTURE(each.peer);
        CHECK(ftp::may_connect({.given = at(each.given), .peer = at(each.peer)}) == each.allowed);
    }
}

TEST_CASE("address: LPRT and LPSV name a family, an address and a port (RFC 1639)") {
    const auto v4 = ftp::parse_lprt("4,4,192,0,2,1,2,24,131");
    REQUIRE(v4);
    CHECK(net::format_endpoint(*v4) == "192.0.2.1:6275");
    const auto v6 = ftp::parse_lprt("6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1,2,24,131");
    REQUIRE(v6);
    CHECK(net::format_endpoint(*v6) == "[2001:db8::1]:6275");
    CHECK(ftp::long_passive_reply(*v4).text ==
          "Entering Long Passive Mode (4,4,192,0,2,1,2,24,131)");
    CHECK(ftp::long_passive_reply(*v6).text ==
          "Entering Long Passive Mode (6,16,32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1,2,24,131)");
    CHECK(ftp::long_passive_reply(*v4).code == 228);
    CHECK(ftp::parse_lprt("5,4,192,0,2,1,2,24,131").error() == errc::unsupported);
    CHECK(ftp::unsupported_family().code == 521);
    for (const char* text :
         {"", "4", "4,4,192,0,2,1,2,24", "4,4,192,0,2,1,2,24,131,1", "4,3,192,0,2,2,24,131",
          "4,4,192,0,2,256,2,24,131", "4,4,192,0,2,1,3,24,131", "6,4,192,0,2,1,2,24,131",
          "4,4,192,0,2,1,2,24,", "4,4,192,0,2,-1,2,24,131",
          "6,16,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,2,1,1,1"}) {
        CAPTURE(text);
        CHECK(ftp::parse_lprt(text).error() == errc::invalid);
    }
}
