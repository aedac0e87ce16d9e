#include "target.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "load/authority.hpp"

namespace ferry::ftp_load {
namespace {

/// Undoes the percent-encoding. Nothing where it is malformed, or where the result could not stand
/// on a command line (RFC 959 section 5.3.1).
std::optional<std::string> decoded(std::string_view text) {
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char octet = text[i];
        if (octet == '%') {
            if (i + 2 >= text.size()) {
                return std::nullopt;
            }
            const int high = ascii::hex_value(text[i + 1]);
            const int low = ascii::hex_value(text[i + 2]);
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            octet = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (ascii::is_control(octet)) {
            return std::nullopt;
        }
        made += octet;
    }
    return made;
}

bool take_login(std::string_view text, target& into) {
    const auto colon = text.find(':');
    auto user = decoded(text.substr(0, colon));
    auto password = decoded(colon == std::string_view::npos ? "" : text.substr(colon + 1));
    if (!user || !password) {
        return false;
    }
    into.user = std::move(*user);
    into.password = std::move(*password);
    return true;
}

}  // namespace

std::string target::show() const {
    const load::authority where{.host = host, .port = port};
    return fmt::format("{}://{}/{}", is_ftps ? "ftps" : "ftp", where.show(), path);
}

std::expected<target, std::string> parse_url(std::string_view url) {
    constexpr std::string_view scheme = "ftp://";
    constexpr std::string_view secure_scheme = "ftps://";
    const auto refused = [url](std::string_view why) {
        std::string shown;
        ascii::append_escaped(shown, url);
        return std::unexpected(
            fmt::format("{}: {}; ftp://user:password@host:port/path is meant", shown, why));
    };
    target made;
    made.is_ftps = ascii::equal_ignoring_case(url.substr(0, secure_scheme.size()), secure_scheme);
    if (!made.is_ftps && !ascii::equal_ignoring_case(url.substr(0, scheme.size()), scheme)) {
        return refused("not a URL of FTP");
    }
    if (made.is_ftps) {
        made.port = 990;
    }
    auto rest = url.substr(made.is_ftps ? secure_scheme.size() : scheme.size());
    const auto slash = std::min(rest.find('/'), rest.size());
    auto authority = rest.substr(0, slash);
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        if (!take_login(authority.substr(0, at), made)) {
            return refused("the login is not percent-encoded");
        }
        authority.remove_prefix(at + 1);
    }
    auto where = load::parse_authority(authority, made.port);
    if (!where) {
        return refused("no host, or no port from 1 to 65535");
    }
    made.host = std::move(where->host);
    made.port = where->port;
    auto path = decoded(slash < rest.size() ? rest.substr(slash + 1) : "");
    if (!path) {
        return refused("the path is not percent-encoded");
    }
    made.path = std::move(*path);
    return made;
}

}  // namespace ferry::ftp_load
