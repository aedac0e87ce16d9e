#include "ferry/auth/rights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

#include "ferry/auth/escapes.hpp"
#include "ferry/base/split.hpp"

namespace ferry::auth {
namespace {

struct right_word {
    std::string_view text;
    rights means;
};

// Those that stand for several come first, so that `text` finds the shortest form.
constexpr auto right_words = std::to_array<right_word>({
    {"all", rights::all()},
    {"read-only", rights::read_only()},
    {"write", {right::create, right::replace}},
    {"list", {right::list}},
    {"read", {right::read}},
    {"create", {right::create}},
    {"delete", {right::remove}},
    {"rename", {right::rename}},
    {"mkdir", {right::make_directory}},
    {"admin", {right::administer}},
});

std::expected<rights, std::string> parse_words(std::string_view text) {
    if (text == "none") {
        return rights{};
    }
    rights made;
    for (const auto name : split(text, '+')) {
        const auto found = std::ranges::find(right_words, name, &right_word::text);
        if (found == right_words.end()) {
            return std::unexpected(fmt::format(
                "{:?} is no permission: list, read, create, write, delete, rename, mkdir, or "
                "read-only, all, none, admin",
                name));
        }
        made = made | found->means;
    }
    return made;
}

std::string text_of(rights some) {
    if (some == rights{}) {
        return "none";
    }
    std::string text;
    rights told;
    for (const right_word& each : right_words) {
        const bool is_in = (some | each.means) == some;
        if (is_in && (told | each.means) != told) {
            text += (text.empty() ? "" : "+");
            text += each.text;
            told = told | each.means;
        }
    }
    return text;
}

/// A path of a rule, normalised: "/a//b/" is "/a/b", "/" is "".
std::expected<std::string, std::string> parse_path(std::string_view text) {
    const auto decoded = unescape(text);
    if (!decoded) {
        return std::unexpected(fmt::format("{:?} has a % that no octet follows", text));
    }
    std::string path;
    std::string_view left = *decoded;
    while (!left.empty()) {
        const auto end = left.find('/');
        const auto component = left.substr(0, end);
        if (component == "." || component == ".." ||
            component.find('\0') != std::string_view::npos) {
            return std::unexpected(fmt::format("{:?} is no path of the tree", text));
        }
        if (!component.empty()) {
            path += '/';
            path += component;
        }
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    }
    return path;
}

/// Whether `rule` is `path` or a directory on the way to it.
bool leads_to(std::string_view rule, std::string_view path) noexcept {
    return path.starts_with(rule) && (path.size() == rule.size() || path[rule.size()] == '/');
}

}  // namespace

std::expected<permissions, std::string> permissions::parse(std::string_view text) {
    permissions made;
    bool has_everywhere = false;
    for (const auto part : split(text, ',')) {
        const auto equals = part.find('=');
        const bool has_path = equals != std::string_view::npos;
        const auto allowed = parse_words(has_path ? part.substr(equals + 1) : part);
        if (!allowed) {
            return std::unexpected(allowed.error());
        }
        if (!has_path || part.substr(0, equals) == "/") {
            if (std::exchange(has_everywhere, true)) {
                return std::unexpected(
                    fmt::format("what holds everywhere is said twice; + joins permissions: {}",
                                text_of(made.everywhere_ | *allowed)));
            }
            made.everywhere_ = *allowed;
            continue;
        }
        if (!part.starts_with('/')) {
            return std::unexpected(fmt::format("{:?} does not begin with /", part));
        }
        auto path = parse_path(part.substr(0, equals));
        if (!path) {
            return std::unexpected(path.error());
        }
        if (path->empty() ||
            std::ranges::find(made.rules_, *path, &rule::path) != made.rules_.end()) {
            return std::unexpected(fmt::format("the path of {:?} comes twice", part));
        }
        const auto behind =
            std::ranges::upper_bound(made.rules_, path->size(), std::ranges::greater{},
                                     [](const rule& each) { return each.path.size(); });
        made.rules_.insert(behind, {.path = std::move(*path), .allowed = *allowed});
    }
    return made;
}

std::string permissions::text() const {
    std::string made = text_of(everywhere_);
    for (const rule& each : rules_) {
        made += fmt::format(",{}={}", escape(each.path), text_of(each.allowed));
    }
    return made;
}

rights permissions::at(std::string_view path) const noexcept {
    for (const rule& each : rules_) {
        if (leads_to(each.path, path)) {
            return each.allowed;
        }
    }
    return everywhere_;
}

rights permissions::at(std::string_view directory, std::string_view name) const noexcept {
    if (directory == "/") {
        directory = {};
    }
    const std::size_t whole = directory.size() + 1 + name.size();
    for (const rule& each : rules_) {
        const std::string_view path = each.path;
        const bool is_it = path.size() == whole && path.starts_with(directory) &&
                           path[directory.size()] == '/' && path.ends_with(name);
        if (is_it || leads_to(path, directory)) {
            return each.allowed;
        }
    }
    return everywhere_;
}

bool permissions::has_anywhere(rights some) const noexcept {
    return everywhere_.has_any(some) || std::ranges::any_of(rules_, [some](const rule& each) {
               return each.allowed.has_any(some);
           });
}

std::vector<std::string_view> permissions::paths() const {
    std::vector<std::string_view> found;
    found.reserve(rules_.size());
    for (const rule& each : rules_) {
        found.emplace_back(each.path);
    }
    return found;
}

bool permissions::has_rules_below(std::string_view path) const noexcept {
    if (path == "/") {
        path = {};
    }
    return std::ranges::any_of(rules_, [path](const rule& each) {
        return each.path.size() > path.size() && leads_to(path, each.path);
    });
}

}  // namespace ferry::auth
