#include "ftp/address.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "ferry/base/ascii.hpp"

namespace ferry::ftp {
namespace {

constexpr std::uint16_t port_min = 1'024;

// Address families by their IP version numbers (RFC 1639 section 3).
constexpr std::uint8_t long_v4 = 4;
constexpr std::uint8_t long_v6 = 6;

struct digits {
    std::size_t max;
    unsigned value_max;
};

/// Reads `text`, all of it, as one to `limit.max` decimal digits. Errors: errc::invalid.
result<unsigned> parse_decimal(std::string_view text, digits limit) {
    if (text.empty() || text.size() > limit.max || !std::ranges::all_of(text, ascii::is_digit)) {
        return failure(errc::invalid);
    }
    unsigned value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    if (value > limit.value_max) {
        return failure(errc::invalid);
    }
    return value;
}

/// Takes what stands before the next `delimiter` off `text`, with the delimiter. Errors:
/// errc::invalid (there is none).
result<std::string_view> take_field(std::string_view& text, char delimiter) {
    const auto at = text.find(delimiter);
    if (at == std::string_view::npos) {
        return failure(errc::invalid);
    }
    const auto field = text.substr(0, at);
    text.remove_prefix(at + 1);
    return field;
}

/// Reads net-prt: "1" or "2". Errors: errc::unsupported (another number), errc::invalid (no
/// number).
result<net::address_family> parse_protocol(std::string_view text) {
    if (text == "1") {
        return net::address_family::v4;
    }
    if (text == "2") {
        return net::address_family::v6;
    }
    const bool is_number = !text.empty() && std::ranges::all_of(text, ascii::is_digit);
    return failure(is_number ? errc::unsupported : errc::invalid);
}

}  // namespace

result<net::endpoint> parse_port(std::string_view argument) {
    std::array<std::uint8_t, 6> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        auto field = argument;
        if (i + 1 < numbers.size()) {
            FERRY_TRY(taken, take_field(argument, ','));
            field = taken;
        }
        FERRY_TRY(number, parse_decimal(field, {.max = 3, .value_max = 255}));
        numbers[i] = static_cast<std::uint8_t>(number);
    }
    net::endpoint made;
    std::copy_n(numbers.begin(), 4, made.octets.begin());
    made.port = static_cast<std::uint16_t>(numbers[4] << 8U | numbers[5]);
    return made;
}

result<net::endpoint> parse_eprt(std::string_view argument) {
    if (argument.empty() || argument.front() < 33 || argument.front() > 126) {
        return failure(errc::invalid);
    }
    const char delimiter = argument.front();
    argument.remove_prefix(1);
    FERRY_TRY(protocol, take_field(argument, delimiter));
    FERRY_TRY(address, take_field(argument, delimiter));
    FERRY_TRY(port_text, take_field(argument, delimiter));
    if (!argument.empty()) {
        return failure(errc::invalid);
    }
    FERRY_TRY(port, parse_decimal(port_text, {.max = 5, .value_max = 65'535}));
    FERRY_TRY(family, parse_protocol(protocol));
    FERRY_TRY(made, net::parse_address(address));
    if (made.family != family) {
        return failure(errc::invalid);
    }
    made.port = static_cast<std::uint16_t>(port);
    return made;
}

result<epsv_request> parse_epsv(std::string_view argument) {
    if (argument.empty()) {
        return epsv_request::any;
    }
    if (ascii::equal_ignoring_case(argument, "ALL")) {
        return epsv_request::all;
    }
    FERRY_TRY(family, parse_protocol(argument));
    return family == net::address_family::v4 ? epsv_request::v4 : epsv_request::v6;
}

reply unsupported_protocol(net::address_family usable) {
    return {522, usable == net::address_family::v4 ? "Network protocol not supported, use (1)"
                                                   : "Network protocol not supported, use (2)"};
}

result<reply> passive_reply(const net::endpoint& listening) {
    const auto shown = net::unmapped(listening);
    if (shown.family != net::address_family::v4) {
        return failure(errc::unsupported);
    }
    std::string text = "Entering Passive Mode (";
    for (std::size_t i = 0; i < 4; ++i) {
        text += std::to_string(shown.octets[i]) + ",";
    }
    text += std::to_string(shown.port >> 8U) + "," + std::to_string(shown.port & 0xFFU) + ")";
    return reply{227, std::move(text)};
}

reply extended_passive_reply(std::uint16_t port) {
    return {229, "Entering Extended Passive Mode (|||" + std::to_string(port) + "|)"};
}

result<net::endpoint> parse_lprt(std::string_view argument) {
    // Every number in turn: the family, how many octets an address has, those, the same of a port.
    std::array<std::uint8_t, 21> numbers{};
    std::size_t count = 0;
    for (bool more = true; more; ++count) {
        const auto comma = argument.find(',');
        more = comma != std::string_view::npos;
        FERRY_TRY(number, parse_decimal(argument.substr(0, comma), {.max = 3, .value_max = 255}));
        if (count == numbers.size()) {
            return failure(errc::invalid);
        }
        numbers[count] = static_cast<std::uint8_t>(number);
        argument.remove_prefix(more ? comma + 1 : argument.size());
    }
    net::endpoint made;
    if (numbers[0] != long_v4 && numbers[0] != long_v6) {
        return failure(errc::unsupported);
    }
    made.family = numbers[0] == long_v4 ? net::address_family::v4 : net::address_family::v6;
    const std::size_t octets = numbers[0] == long_v4 ? 4 : 16;
    if (count != octets + 5 || numbers[1] != octets || numbers[octets + 2] != 2) {
        return failure(errc::invalid);
    }
    std::copy_n(numbers.begin() + 2, octets, made.octets.begin());
    made.port = static_cast<std::uint16_t>(numbers[octets + 3] << 8U | numbers[octets + 4]);
    return made;
}

reply unsupported_family() {
    return {521, "Supported address families are (4, 6)"};
}

reply long_passive_reply(const net::endpoint& listening) {
    const auto shown = net::unmapped(listening);
    const bool is_v4 = shown.family == net::address_family::v4;
    std::string text =
        is_v4 ? "Entering Long Passive Mode (4,4," : "Entering Long Passive Mode (6,16,";
    for (std::size_t i = 0; i < (is_v4 ? 4U : 16U); ++i) {
        text += std::to_string(shown.octets[i]) + ",";
    }
    text +=
        "2," + std::to_string(shown.port >> 8U) + "," + std::to_string(shown.port & 0xFFU) + ")";
    return {228, std::move(text)};
}

bool may_connect(const active_target& target) noexcept {
    return target.given.port >= port_min && net::same_address(target.given, target.peer);
}

}  // namespace ferry::ftp
