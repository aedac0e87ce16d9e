#include "authority.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ferry/base/ascii.hpp"
#include "ferry/base/quantities.hpp"

namespace ferry::load {

std::string authority::show() const {
    return fmt::format("{}:{}", host.contains(':') ? fmt::format("[{}]", host) : host, port);
}

std::optional<authority> parse_authority(std::string_view text, std::uint16_t default_port) {
    authority made{.host = {}, .port = default_port};
    auto end = text.find(':');
    if (text.starts_with('[')) {
        end = text.find(']');
        if (end == std::string_view::npos) {
            return std::nullopt;
        }
        made.host = text.substr(1, end - 1);
        text.remove_prefix(end + 1);
        end = text.empty() ? std::string_view::npos : 0;
    } else {
        made.host = text.substr(0, end);
    }
    if (end != std::string_view::npos) {
        const auto port = parse_number(text.substr(end + 1));
        if (!port || *port == 0 || *port > 65'535) {
            return std::nullopt;
        }
        made.port = static_cast<std::uint16_t>(*port);
    }
    if (made.host.empty() || std::ranges::any_of(made.host, ascii::is_control)) {
        return std::nullopt;
    }
    return made;
}

}  // namespace ferry::load
