#include "http/forwarded.hpp"

#include <algorithm>
#include <cstddef>
#include <ranges>
#include <string>
#include <string_view>

#include "ferry/base/ascii.hpp"

namespace ferry::http {
namespace {

using nodes = std::vector<std::string_view>;

/// Adds the members of a list, without those that are empty (RFC 9110 section 5.6.1).
void add_members(nodes& into, std::string_view value) {
    while (!value.empty()) {
        const auto end = std::min(value.find(','), value.size());
        const auto member = ascii::trim(value.substr(0, end));
        if (!member.empty()) {
            into.push_back(member);
        }
        value.remove_prefix(std::min(end + 1, value.size()));
    }
}

/// Takes what stands before the next of `ends` that is in no quoted-string (RFC 9110 section
/// 5.6.4), and that one; gives which it was, or 0 at the end.
char take_until(std::string_view& value, std::string_view ends, std::string_view& taken) {
    bool is_quoted = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        const char c = value[i];
        if (is_quoted && c == '\\') {
            ++i;
        } else if (c == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && ends.contains(c)) {
            taken = ascii::trim(value.substr(0, i));
            value.remove_prefix(i + 1);
            return c;
        }
    }
    taken = ascii::trim(value);
    value = {};
    return 0;
}

/// Adds the `for` of each element (RFC 7239 section 4), or an empty text where it has none: that
/// proxy does not say.
void add_elements(nodes& into, std::string_view value) {
    while (!value.empty()) {
        std::string_view node;
        bool is_empty = true;
        char end = 0;
        do {
            std::string_view pair;
            end = take_until(value, ";,", pair);
            is_empty = is_empty && pair.empty();
            const auto equals = std::min(pair.find('='), pair.size());
            if (ascii::equal_ignoring_case(pair.substr(0, equals), "for")) {
                node = pair.substr(std::min(equals + 1, pair.size()));
            }
        } while (end == ';');
        if (!is_empty) {
            into.push_back(node);
        }
    }
}

bool is_quote_left_open(std::string_view value) noexcept {
    bool is_quoted = false;
    for (std::size_t i = 0; i < value.size(); ++i) {
        if (is_quoted && value[i] == '\\') {
            ++i;
        } else if (value[i] == '"') {
            is_quoted = !is_quoted;
        }
    }
    return is_quoted;
}

std::string_view name_of_field(forwarded_field which) noexcept {
    return which == forwarded_field::x_forwarded_for ? "X-Forwarded-For" : "Forwarded";
}

std::uint16_t port_of(std::string_view text) noexcept {
    unsigned value = 0;
    for (const char c : text) {
        if (!ascii::is_digit(c) || value > 65'535) {
            return 0;  // Nobody needs it.
        }
        value = value * 10 + static_cast<unsigned>(c - '0');
    }
    return value > 65'535 ? std::uint16_t{0} : static_cast<std::uint16_t>(value);
}

/// Reads a node (RFC 7239 section 6): an address, of IPv6 in brackets, maybe a port. Also without
/// quotes and brackets, as X-Forwarded-For has it.
std::optional<net::endpoint> parse_node(std::string_view text) {
    if (text.size() >= 2 && text.starts_with('"') && text.ends_with('"')) {
        text = text.substr(1, text.size() - 2);
    }
    std::string_view port;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) {
            return std::nullopt;
        }
        port = text.substr(close + 1);
        text = text.substr(1, close - 1);
        if (!text.contains(':') || (!port.empty() && !port.starts_with(':'))) {
            return std::nullopt;
        }
    } else if (const auto colon = text.find(':');
               colon != std::string_view::npos && colon == text.rfind(':')) {
        port = text.substr(colon);
        text = text.substr(0, colon);
    }
    const auto address = net::parse_address(text);
    if (!address) {
        return std::nullopt;
    }
    auto made = net::unmapped(*address);
    made.port = port_of(port.substr(std::min<std::size_t>(port.size(), 1)));
    return made;
}

}  // namespace

bool are_quotes_closed(const field_lines& fields, forwarded_field which) noexcept {
    for (std::size_t i = 0; which == forwarded_field::forwarded && i < fields.size(); ++i) {
        const auto line = fields.line(i);
        if (ascii::equal_ignoring_case(line.name, name_of_field(which)) &&
            is_quote_left_open(line.value)) {
            return false;
        }
    }
    return true;
}

std::optional<net::endpoint> find_forwarded_client(const field_lines& fields, forwarded_field which,
                                                   const std::vector<net::address_block>& trusted) {
    const bool is_list = which == forwarded_field::x_forwarded_for;
    const auto name = name_of_field(which);
    nodes told;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto line = fields.line(i);
        if (!ascii::equal_ignoring_case(line.name, name)) {
            continue;
        }
        if (is_list) {
            add_members(told, line.value);
        } else {
            add_elements(told, line.value);
        }
    }
    std::optional<net::endpoint> client;
    for (const auto node : std::views::reverse(told)) {
        const auto before = parse_node(node);
        if (!before) {
            break;
        }
        client = before;
        if (!net::contains(trusted, *before)) {
            break;
        }
    }
    return client;
}

}  // namespace ferry::http
