#include "server/public_address.hpp"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include "ferry/base/ascii.hpp"
#include "server/flag_values.hpp"

namespace ferry::server {
namespace {

constexpr std::string_view address_list_bounds =
    "an IPv4 address such as 192.0.2.1, a host name, or auto, each alone or as NETWORK=ADDR";
constexpr std::size_t name_bytes_max = 253;  // RFC 1035 section 2.3.4.

/// Something that can be looked up, and is no address that was mistyped.
bool is_host_name(std::string_view text) noexcept {
    const auto last = text.substr(text.rfind('.') + 1);
    return !text.empty() && text.size() <= name_bytes_max && !last.empty() &&
           std::ranges::any_of(last, ascii::is_alpha) && std::ranges::all_of(text, [](char c) {
               return ascii::is_alpha(c) || ascii::is_digit(c) || c == '-' || c == '.';
           });
}

std::optional<public_address> parse_row(std::string_view text) {
    public_address row;
    if (const auto equals = text.find('='); equals != std::string_view::npos) {
        const auto clients = net::address_block::parse(text.substr(0, equals));
        if (!clients) {
            return std::nullopt;
        }
        row.clients = *clients;
        text.remove_prefix(equals + 1);
    }
    if (text == "auto") {
        return row;
    }
    // PASV has room for four octets (RFC 959 section 4.1.2), and nobody can connect to 0.0.0.0.
    if (const auto address = net::parse_address(text)) {
        if (address->family != net::address_family::v4 || *address == net::endpoint{}) {
            return std::nullopt;
        }
        row.address = *address;
        return row;
    }
    if (!is_host_name(text)) {
        return std::nullopt;
    }
    row.name = text;
    return row;
}

std::expected<net::endpoint, std::string> look_up(const std::string& name) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int refused = ::getaddrinfo(name.c_str(), nullptr, &hints, &found)) {
        return std::unexpected(
            fmt::format("--public-address {}: {}", name, ::gai_strerror(refused)));
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> all(found, &::freeaddrinfo);
    const auto made = net::from_sockaddr(all->ai_addr, all->ai_addrlen);
    if (!made) {
        return std::unexpected(fmt::format("--public-address {}: no IPv4 address", name));
    }
    return *made;
}

}  // namespace

std::expected<std::vector<public_address>, std::string> parse_public_addresses(
    std::string_view text) {
    std::vector<public_address> rows;
    for (auto rest = text;;) {
        const auto comma = rest.find(',');
        const auto each = rest.substr(0, comma);
        auto row = parse_row(each);
        if (!row) {
            return std::unexpected(
                fmt::format("{} is not {}", in_quotes(each), address_list_bounds));
        }
        if (std::ranges::find(rows, row->clients, &public_address::clients) != rows.end()) {
            return std::unexpected(
                fmt::format("{}: there are two addresses for the same clients", in_quotes(text)));
        }
        rows.push_back(std::move(*row));
        if (comma == std::string_view::npos) {
            return rows;
        }
        rest.remove_prefix(comma + 1);
    }
}

std::string show_public_addresses(const std::vector<public_address>& rows) {
    std::string text;
    for (const auto& each : rows) {
        text += text.empty() ? "" : ",";
        if (each.clients) {
            text += each.clients->text() + "=";
        }
        text += each.address ? net::format_address(*each.address)
                             : (each.name.empty() ? std::string("auto") : each.name);
    }
    return text.empty() ? "auto" : text;
}

std::expected<ftp::public_addresses, std::string> resolve_public_addresses(
    const std::vector<public_address>& rows) {
    ftp::public_addresses made;
    for (const auto& each : rows) {
        auto address = each.address;
        if (!each.name.empty()) {
            const auto found = look_up(each.name);
            if (!found) {
                return std::unexpected(found.error());
            }
            address = *found;
        }
        if (each.clients) {
            made.of_networks.push_back({.clients = *each.clients, .shown = address});
        } else {
            made.usual = address;
        }
    }
    std::ranges::stable_sort(made.of_networks, std::ranges::greater{},
                             [](const auto& each) { return each.clients.bits(); });
    return made;
}

}  // namespace ferry::server
