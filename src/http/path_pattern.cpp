#include "http/path_pattern.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ferry/base/ascii.hpp"

namespace ferry::http {

std::expected<path_pattern, std::string> path_pattern::parse(std::string_view text) {
    const auto wrong = [text](std::string_view why) {
        std::string shown;
        ascii::append_escaped(shown, text.substr(0, bytes_max));
        return std::unexpected(fmt::format("\"{}\" {}", shown, why));
    };
    if (text.size() > bytes_max) {
        return wrong(fmt::format("is longer than {} octets", bytes_max));
    }
    if (!text.starts_with('/') && !text.starts_with('*')) {
        return wrong("does not begin with / or *");
    }
    if (std::ranges::count(text, '*') > 1) {
        return wrong("has more than one *");
    }
    if (std::ranges::any_of(text, ascii::is_control) || text.contains('\\')) {
        return wrong("has an octet that no path has");
    }
    if (text.find_first_of("?#") != std::string_view::npos) {
        return wrong("has a ? or #: what comes from there is not of a path");
    }
    const auto closed = fmt::format("{}/", text);
    if (text.contains("//") || closed.contains("/./") || closed.contains("/../")) {
        return wrong("fits nothing: paths have no empty, . or .. parts");
    }
    path_pattern made;
    made.text_ = text;
    made.star_ = made.text_.find('*');
    return made;
}

std::optional<std::string_view> path_pattern::match(std::string_view path) const noexcept {
    const std::string_view own = text_;
    if (!has_star()) {
        const bool fits =
            path.starts_with(own) &&
            (path.size() == own.size() || (path.size() == own.size() + 1 && path.back() == '/'));
        return fits ? std::optional<std::string_view>("") : std::nullopt;
    }
    const auto before = own.substr(0, star_);
    const auto after = own.substr(star_ + 1);
    if (path.size() < before.size() + after.size() || !path.starts_with(before) ||
        !path.ends_with(after)) {
        return std::nullopt;
    }
    return path.substr(before.size(), path.size() - before.size() - after.size());
}

}  // namespace ferry::http
