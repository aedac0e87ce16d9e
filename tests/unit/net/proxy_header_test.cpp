#include "net/proxy_header.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loopback.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;
using namespace ferry::runtime;
using namespace std::chrono_literals;
using namespace std::string_literals;

// Sections are those of haproxy's proxy-protocol.txt, 2020/03/05.

namespace {

endpoint at(std::string_view address, std::uint16_t port) {
    auto made = parse_address(address).value();
    made.port = port;
    return made;
}

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

/// A header of version 2: the octet of the command, of family and transport, and what follows.
std::string version_2(int command, int family, const std::string& block) {
    std::string made = signature;
    made += static_cast<char>(command);
    made += static_cast<char>(family);
    made += static_cast<char>(block.size() >> 8U);
    made += static_cast<char>(block.size() & 0xFFU);
    return made + block;
}

const std::string v4_block = "\xC0\x00\x02\x01\xC6\x33\x64\x02\x12\x34\x00\x50"s;
const std::string v6_block =
    "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"s
    "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x02"s
    "\xFF\xFE\x01\xBB"s;

std::string extension(int type, const std::string& value) {
    std::string made(1, static_cast<char>(type));
    made += static_cast<char>(value.size() >> 8U);
    made += static_cast<char>(value.size() & 0xFFU);
    return made + value;
}

void check_complete(const std::string& header, const std::optional<endpoint>& source) {
    CAPTURE(header);
    for (const std::string_view behind : {"", "GET / HTTP/1.1\r\n"}) {
        const auto read = parse_proxy_header(header + std::string(behind));
        CHECK(read.progress == proxy_progress::complete);
        CHECK(read.size_bytes == header.size());
        CHECK(read.source == source);
    }
    for (std::size_t size = 0; size < header.size(); ++size) {
        CAPTURE(size);
        CHECK(parse_proxy_header(header.substr(0, size)).progress == proxy_progress::incomplete);
    }
}

void check_refused(const std::string& input) {
    CAPTURE(input);
    CHECK(parse_proxy_header(input).progress == proxy_progress::refused);
}

}  // namespace

TEST_CASE("proxy_header: version 1 (section 2.1)") {
    check_complete("PROXY TCP4 192.0.2.1 198.51.100.2 4660 80\r\n", at("192.0.2.1", 4'660));
    check_complete("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                   at("255.255.255.255", 65'535));
    check_complete("PROXY TCP4 192.0.2.1 198.51.100.2 0 0\r\n", at("192.0.2.1", 0));
    check_complete("PROXY TCP6 2001:db8::1 2001:db8::2 65534 443\r\n", at("2001:db8::1", 65'534));
    check_complete("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", at("192.0.2.1", 1));
    check_complete("PROXY UNKNOWN\r\n", std::nullopt);
    check_complete("PROXY UNKNOWN ffff:f...f:ffff  whatever \n stands here 65535\r\n",
                   std::nullopt);
    const std::string longest =
        "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    CHECK(longest.size() == 107);
    check_complete(longest, std::nullopt);
}

TEST_CASE("proxy_header: what is no header of version 1 (section 2.1)") {
    for (const std::string& input : {"GET / HTTP/1.1\r\n"s,
                                     "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"s,
                                     "PROXYTCP4"s,
                                     "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n"s,
                                     "PROXY TCP4\t1.2.3.4 1.2.3.4 1 2\r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n"s,
                                     "PROXY TCP4 1.2.3.04 1.2.3.4 1 2\r\n"s,
                                     "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n"s,
                                     "PROXY TCP4 ::1 ::1 1 2\r\n"s,
                                     "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n"s,
                                     "PROXY TCP6 [::1] [::1] 1 2\r\n"s,
                                     "PROXY TCP6 fe80::1%1 ::1 1 2\r\n"s,
                                     "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"s,
                                     "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n"s,
                                     "PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n"s,
                                     "PROXY \r\n"s,
                                     "PROXY UNKNOWN" + std::string(93, ' ') + "\r\n",
                                     std::string(107, 'P')}) {
        check_refused(input);
    }
    // Without an end it is refused as soon as it is as long as one may be.
    const auto endless = "PROXY UNKNOWN" + std::string(94, 'x');
    check_refused(endless);
    CHECK(parse_proxy_header(endless.substr(0, 106)).progress == proxy_progress::incomplete);
}

TEST_CASE("proxy_header: version 2 (section 2.2)") {
    check_complete(version_2(0x21, 0x11, v4_block), at("192.0.2.1", 4'660));
    check_complete(version_2(0x21, 0x21, v6_block), at("2001:db8::1", 65'534));
    const auto mapped = "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\x00\x02\x01"s + v6_block.substr(16);
    check_complete(version_2(0x21, 0x21, mapped), at("192.0.2.1", 65'534));
    // LOCAL: the connection is the sender's own, and the block is discarded.
    check_complete(version_2(0x20, 0x00, ""), std::nullopt);
    check_complete(version_2(0x20, 0x11, v4_block), std::nullopt);
    check_complete(version_2(0x20, 0x11, "x"), std::nullopt);
    check_complete(version_2(0x20, 0x7F, "whatever"), std::nullopt);
    // Not by an address of TCP.
    check_complete(version_2(0x21, 0x00, ""), std::nullopt);
    check_complete(version_2(0x21, 0x12, v4_block), std::nullopt);
    check_complete(version_2(0x21, 0x31, std::string(216, 'x')), std::nullopt);
}

TEST_CASE("proxy_header: extensions are passed over (section 2.2.7)") {
    const auto several = extension(0x01, "h2") + extension(0x04, "") + extension(0xEA, "id");
    check_complete(version_2(0x21, 0x11, v4_block + several), at("192.0.2.1", 4'660));
    check_complete(version_2(0x21, 0x00, several), std::nullopt);
    const auto large = extension(0x20, std::string(4'096 - 16 - 12 - 3, 's'));
    check_complete(version_2(0x21, 0x11, v4_block + large), at("192.0.2.1", 4'660));
    check_refused(version_2(0x21, 0x11, v4_block + large + 'x'));
    check_refused(version_2(0x21, 0x11, v4_block + "\x01"));
    check_refused(version_2(0x21, 0x11, v4_block + "\x01\0"s));
    check_refused(version_2(0x21, 0x11, v4_block + "\x01\0\x02h"s));
}

// Goal: the sum is CRC32c as others make it. Method: the check value of RFC 3720 section B.4, made
// into a header whose octets before the sum are known; here by a second, bitwise, computation.
TEST_CASE("proxy_header: a checksum must be right (section 2.2.3)") {
    const auto sum_of = [](const std::string& text) {
        std::uint32_t value = 0xFFFF'FFFF;
        for (const char each : text) {
            value ^= static_cast<std::uint8_t>(each);
            for (int bit = 0; bit < 8; ++bit) {
                value = (value & 1U) != 0 ? value >> 1U ^ 0x82F6'3B78 : value >> 1U;
            }
        }
        return ~value;
    };
    REQUIRE(sum_of("123456789") == 0xE306'9283);  // The published check value of CRC32c.
    const auto with_sum = [](std::uint32_t sum, const std::string& behind) {
        std::string octets;
        for (int shift = 24; shift >= 0; shift -= 8) {
            octets += static_cast<char>(sum >> static_cast<unsigned>(shift) & 0xFFU);
        }
        return version_2(0x21, 0x11, v4_block + extension(0x03, octets) + behind);
    };
    for (const std::string& behind : {""s, extension(0x01, "h2")}) {
        const auto sum = sum_of(with_sum(0, behind));
        check_complete(with_sum(sum, behind), at("192.0.2.1", 4'660));
        check_refused(with_sum(sum ^ 1U, behind));
        check_refused(with_sum(0, behind));
    }
    const auto twice = extension(0x03, std::string(4, '\0'));
    check_refused(with_sum(sum_of(with_sum(0, twice)), twice));
    check_refused(version_2(0x21, 0x11, v4_block + extension(0x03, "abc")));
}

TEST_CASE("proxy_header: what is no header of version 2 (section 2.2)") {
    for (const int command : {0x00, 0x01, 0x11, 0x22, 0x2F, 0x31, 0xFF}) {
        check_refused(version_2(command, 0x11, v4_block));
    }
    for (const int family : {0x01, 0x10, 0x13, 0x20, 0x30, 0x41, 0xFF}) {
        check_refused(version_2(0x21, family, std::string(300, 'x')));
    }
    check_refused(version_2(0x21, 0x11, v4_block.substr(1)));
    check_refused(version_2(0x21, 0x21, v4_block));
    check_refused(version_2(0x21, 0x31, std::string(215, 'x')));
    auto damaged = version_2(0x21, 0x11, v4_block);
    damaged[11] = 'x';
    check_refused(damaged);
    check_refused("\r\n\r\nGET / HTTP/1.1");
    // A length that nobody will wait for.
    check_refused(signature + "\x21\x11\xFF\xFF");
}

TEST_CASE("read_proxy_header: what follows is left to the next fill, in whatever pieces it comes") {
    for (const bool in_one : {true, false}) {
        CAPTURE(in_one);
        test_core machine;
        auto ends = connect_ends();
        const int far = ends.far.get();
        plain_stream stream(machine.here, std::move(ends.near));
        machine.run(
            [](nursery& tasks, plain_stream& my, int peer, bool at_once) -> task<> {
                const auto before = my.peer();
                tasks.start(
                    [](core& here, int socket, bool whole) -> task<> {
                        const std::string all =
                            "PROXY TCP4 192.0.2.1 198.51.100.2 4660 80\r\nhello";
                        if (whole) {
                            CHECK(co_await say(here, socket, all) == all.size());
                            co_return;
                        }
                        for (std::size_t i = 0; i < all.size(); i += 7) {
                            const auto piece = std::string_view(all).substr(i, 7);
                            CHECK(co_await say(here, socket, piece) == piece.size());
                            co_await pause(here, 1ms);
                        }
                    },
                    std::ref(my.here()), peer, at_once);
                const auto read = co_await read_proxy_header(my, my.here().now() + 5s);
                REQUIRE(read);
                CHECK(*read == at("192.0.2.1", 4'660));
                CHECK(my.peer() == before);
                my.speak_for(**read);
                CHECK(my.peer() == at("192.0.2.1", 4'660));
                std::string text;
                while (text.size() < 5) {
                    REQUIRE(co_await my.fill(my.here().now() + 5s));
                    my.take_input(text);
                }
                CHECK(text == "hello");
                co_await my.close(farewell::orderly);
            },
            std::ref(stream), far, in_one);
    }
}

TEST_CASE("read_proxy_header: none, half of one, and the end") {
    struct row {
        std::string said;
        bool ends;
        errc why;
    };
    const std::vector<row> rows{{"GET / HTTP/1.1\r\n", false, errc::invalid},
                                {"PROXY TCP4 192.0.2.1", false, errc::timed_out},
                                {"PROXY TCP4 192.0.2.1", true, errc::closed},
                                {"", false, errc::timed_out}};
    for (const auto& each : rows) {
        CAPTURE(each.said);
        test_core machine;
        auto ends = connect_ends();
        plain_stream stream(machine.here, std::move(ends.near));
        machine.run(
            [](nursery&, plain_stream& my, unique_fd& peer, const row& it) -> task<> {
                CHECK(co_await say(my.here(), peer.get(), it.said) == it.said.size());
                if (it.ends) {
                    peer.reset();
                }
                CHECK(co_await read_proxy_header(my, my.here().now() + 50ms) == failure(it.why));
                co_await my.close(farewell::abort);
            },
            std::ref(stream), std::ref(ends.far), std::cref(each));
    }
}
