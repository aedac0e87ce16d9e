#include "reply_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"
#include "ftp/address.hpp"

namespace ferry::ftp_load {
namespace {

/// The code a line begins with, or 0.
int code_of(std::string_view line) noexcept {
    if (line.size() < 3 || !std::ranges::all_of(line.substr(0, 3), ascii::is_digit) ||
        line[0] < '1' || line[0] > '5') {
        return 0;
    }
    return (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
}

}  // namespace

reply_reading take_reply(std::string& input, reply& into) {
    int code = 0;
    std::size_t at = 0;
    for (;;) {
        const auto end = input.find('\n', at);
        if (end == std::string::npos) {
            return input.size() > reply_bytes_max ? reply_reading::malformed
                                                  : reply_reading::incomplete;
        }
        auto line = std::string_view(input).substr(at, end - at);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        at = end + 1;
        const int here = code_of(line);
        const char behind = line.size() > 3 ? line[3] : ' ';
        if (code == 0) {
            if (here == 0 || (behind != ' ' && behind != '-')) {
                return reply_reading::malformed;
            }
            code = here;
        }
        if (here == code && behind == ' ') {
            into.code = code;
            into.text = line.substr(std::min<std::size_t>(line.size(), 4));
            input.erase(0, at);
            return reply_reading::complete;
        }
    }
}

result<std::uint16_t> passive_port(std::string_view text) {
    const auto begin = text.find_first_of("0123456789");
    if (begin == std::string_view::npos) {
        return failure(errc::invalid);
    }
    text.remove_prefix(begin);
    FERRY_TRY(where, ftp::parse_port(text.substr(0, text.find_first_not_of("0123456789,"))));
    return where.port;
}

result<std::uint16_t> extended_passive_port(std::string_view text) {
    const auto begin = text.find('(');
    if (begin == std::string_view::npos || text.size() < begin + 6) {
        return failure(errc::invalid);
    }
    text.remove_prefix(begin + 1);
    const char delimiter = text[0];
    const auto end = text.find(delimiter, 3);
    if (text[1] != delimiter || text[2] != delimiter || end == std::string_view::npos) {
        return failure(errc::invalid);
    }
    const auto port = parse_number(text.substr(3, end - 3));
    if (!port || *port == 0 || *port > 65'535) {
        return failure(errc::invalid);
    }
    return static_cast<std::uint16_t>(*port);
}

std::string port_argument(const net::endpoint& where) {
    const auto v4 = net::unmapped(where);
    return fmt::format("{},{},{},{},{},{}", v4.octets[0], v4.octets[1], v4.octets[2], v4.octets[3],
                       v4.port >> 8, v4.port & 0xFF);
}

std::string eprt_argument(const net::endpoint& where) {
    const auto plain = net::unmapped(where);
    return fmt::format("|{}|{}|{}|", plain.family == net::address_family::v4 ? 1 : 2,
                       net::format_address(plain), plain.port);
}

}  // namespace ferry::ftp_load
