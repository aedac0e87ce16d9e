// Goal: no argument of PORT, EPRT or EPSV, and no endpoint in a flag, is read as another address
// than it says. Method: what is accepted is written out again in ferry's own form and must read
// back the same; what may be connected to must be the peer's own address and no privileged port.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/assert.hpp"
#include "ferry/net/endpoint.hpp"
#include "ftp/address.hpp"

namespace {

using namespace ferry;

void check_bounce(const net::endpoint& given) {
    const auto peer = net::parse_endpoint("192.0.2.1:40000").value();
    if (ftp::may_connect({.given = given, .peer = peer})) {
        FERRY_ASSERT(given.port >= 1'024);
        FERRY_ASSERT(net::format_address(given) == "192.0.2.1");
    }
}

void check_port(std::string_view argument) {
    const auto given = ftp::parse_port(argument);
    if (!given) {
        FERRY_ASSERT(given.error() == errc::invalid);
        return;
    }
    check_bounce(*given);
    const auto reply = ftp::passive_reply(*given);
    FERRY_ASSERT(reply.has_value());
    const std::string_view text = reply->text;
    const auto begin = text.find('(') + 1;
    FERRY_ASSERT(ftp::parse_port(text.substr(begin, text.find(')') - begin)) == *given);
}

void check_eprt(std::string_view argument) {
    const auto given = ftp::parse_eprt(argument);
    if (!given) {
        FERRY_ASSERT(given.error() == errc::invalid || given.error() == errc::unsupported);
        return;
    }
    check_bounce(*given);
    // format_address shows a v4-mapped address as v4, so the protocol follows what is shown.
    const auto shown = net::unmapped(*given);
    const auto* const protocol = shown.family == net::address_family::v4 ? "|1|" : "|2|";
    const auto again = ftp::parse_eprt(protocol + net::format_address(shown) + "|" +
                                       std::to_string(shown.port) + "|");
    FERRY_ASSERT(again == shown);
}

void check_lprt(std::string_view argument) {
    const auto given = ftp::parse_lprt(argument);
    if (!given) {
        FERRY_ASSERT(given.error() == errc::invalid || given.error() == errc::unsupported);
        return;
    }
    check_bounce(*given);
    const auto reply = ftp::long_passive_reply(*given);
    const std::string_view text = reply.text;
    const auto begin = text.find('(') + 1;
    FERRY_ASSERT(ftp::parse_lprt(text.substr(begin, text.find(')') - begin)) ==
                 net::unmapped(*given));
}

void check_endpoint(std::string_view text) {
    const auto parsed = net::parse_endpoint(text);
    if (!parsed) {
        FERRY_ASSERT(parsed.error() == errc::invalid);
        return;
    }
    const auto again = net::parse_endpoint(net::format_endpoint(*parsed));
    FERRY_ASSERT(again.has_value());
    FERRY_ASSERT(net::same_address(*again, *parsed));
    FERRY_ASSERT(again->port == parsed->port);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size_bytes) {
    const std::string_view input(static_cast<const char*>(static_cast<const void*>(data)),
                                 size_bytes);
    check_port(input);
    check_eprt(input);
    check_lprt(input);
    check_endpoint(input);
    const auto epsv = ftp::parse_epsv(input);
    FERRY_ASSERT(epsv || epsv.error() == errc::invalid || epsv.error() == errc::unsupported);
    return 0;
}
