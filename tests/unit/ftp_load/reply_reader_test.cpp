#include "reply_reader.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace ferry;
using namespace ferry::ftp_load;

TEST_CASE("reply reader: one line, several lines, one after the other (RFC 959 section 4.2)") {
    std::string input =
        "220 ready\r\n"
        "211-Features:\r\n SIZE\r\n211x\r\n2110 no end\r\nMDTM\r\n211 End\r\n"
        "230\r\n"
        "226 done\n"
        "15";
    reply got;
    CHECK(take_reply(input, got) == reply_reading::complete);
    CHECK(got.code == 220);
    CHECK(got.text == "ready");
    CHECK(take_reply(input, got) == reply_reading::complete);
    CHECK(got.code == 211);
    CHECK(got.text == "End");
    CHECK(take_reply(input, got) == reply_reading::complete);
    CHECK(got.code == 230);
    CHECK(got.text.empty());
    CHECK(take_reply(input, got) == reply_reading::complete);
    CHECK(got.code == 226);
    CHECK(take_reply(input, got) == reply_reading::incomplete);
    CHECK(input == "15");
}

TEST_CASE("reply reader: a reply cut anywhere waits for the rest") {
    const std::string whole = "230-Welcome\r\n230-to this\r\n230 Logged in\r\n";
    for (std::size_t cut = 0; cut < whole.size(); ++cut) {
        CAPTURE(cut);
        std::string input = whole.substr(0, cut);
        reply got;
        CHECK(take_reply(input, got) == reply_reading::incomplete);
        CHECK(input == whole.substr(0, cut));
        input += whole.substr(cut);
        CHECK(take_reply(input, got) == reply_reading::complete);
        CHECK(got.text == "Logged in");
        CHECK(input.empty());
    }
}

TEST_CASE("reply reader: what is no reply, and one without an end") {
    for (const std::string_view line :
         {"hello\r\n", "\r\n", "99 x\r\n", "620 x\r\n", "020 x\r\n", "22x y\r\n", "220x\r\n"}) {
        CAPTURE(line);
        std::string input(line);
        reply got;
        CHECK(take_reply(input, got) == reply_reading::malformed);
    }
    std::string endless = "220-" + std::string(reply_bytes_max, 'x');
    reply got;
    CHECK(take_reply(endless, got) == reply_reading::malformed);
}

TEST_CASE("reply reader: the port of 227, however it is written (RFC 1123 section 4.1.2.6)") {
    for (const std::string_view text :
         {"Entering Passive Mode (127,0,0,1,200,13)", "Entering Passive Mode (127,0,0,1,200,13).",
          "=127,0,0,1,200,13", "127,0,0,1,200,13"}) {
        CAPTURE(text);
        const auto got = passive_port(text);
        REQUIRE(got.has_value());
        CHECK(*got == 200 * 256 + 13);
    }
    for (const std::string_view text : {"", "none", "(127,0,0,1,200)", "(1,2,3,4,5,6,7)",
                                        "(256,0,0,1,200,13)", "(127,0,0,1,0,0)x"}) {
        CAPTURE(text);
        const auto got = passive_port(text);
        const bool refused = !got.has_value() || *got == 0;
        CHECK(refused);
    }
}

TEST_CASE("reply reader: the port of 229 (RFC 2428 section 3)") {
    const auto got = extended_passive_port("Entering Extended Passive Mode (|||6446|)");
    REQUIRE(got.has_value());
    CHECK(*got == 6446);
    CHECK(extended_passive_port("ok (!!!21!)").value_or(0) == 21);
    for (const std::string_view text : {"", "(|||", "(||6446|)", "(|||6446)", "(|||0|)",
                                        "(|||65536|)", "(|||12a|)", "|||6446|", "(||||)xx"}) {
        CAPTURE(text);
        const bool refused = !extended_passive_port(text).has_value();
        CHECK(refused);
    }
}

TEST_CASE("reply reader: the arguments of PORT and EPRT are as the server reads them") {
    const auto v4 = net::parse_endpoint("192.0.2.17:51213");
    const auto v6 = net::parse_endpoint("[2001:db8::1]:6275");
    REQUIRE(v4.has_value());
    REQUIRE(v6.has_value());
    CHECK(port_argument(*v4) == "192,0,2,17,200,13");
    CHECK(eprt_argument(*v4) == "|1|192.0.2.17|51213|");
    CHECK(eprt_argument(*v6) == "|2|2001:db8::1|6275|");
}
