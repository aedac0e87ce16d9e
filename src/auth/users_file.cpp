#include "ferry/auth/users_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ferry/auth/escapes.hpp"
#include "ferry/auth/password.hpp"
#include "ferry/base/ascii.hpp"
#include "ferry/base/split.hpp"

namespace ferry::auth {
namespace {

constexpr std::size_t fields_max = 5;

bool is_of_a_user(std::string_view line) noexcept {
    const auto words = ascii::trim(line);
    return !words.empty() && !words.starts_with('#');
}

/// Takes the next line off `text`, without its end.
std::string_view take_line(std::string_view& text) noexcept {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

std::expected<account, std::string> parse_user(std::string_view line) {
    auto fields = split(line, ':');
    if (fields.size() > fields_max) {
        return std::unexpected("it has more than five fields: name:hash:home:permissions:limits");
    }
    fields.resize(fields_max);
    const auto name = fields[0];
    const auto hash = fields[1];
    const auto home = fields[2];
    const auto allowed = fields[3];
    const auto bounds = fields[4];
    if (auto why = why_no_user_name(name); !why.empty()) {
        return std::unexpected(std::move(why));
    }
    account made{.name = std::string(name),
                 .password = {},
                 .hash = std::string(hash),
                 .allowed = rights::read_only(),
                 .bounds = {}};
    made.is_locked = hash.starts_with('!') || hash.starts_with('*');
    if (made.is_locked) {
        made.hash.clear();
    } else if (const auto why = why_no_hash(made.hash); !why.empty()) {
        return std::unexpected(fmt::format("the hash of {:?} cannot be used: {}", name,
                                           hash.empty() ? "it is empty" : why));
    }
    if (!home.empty()) {
        auto root = unescape(home);
        if (!root || !root->starts_with('/')) {
            return std::unexpected(
                fmt::format("the home {:?} is no path that begins with /", home));
        }
        made.root = std::move(*root);
    }
    if (!allowed.empty()) {
        auto parsed = permissions::parse(allowed);
        if (!parsed) {
            return std::unexpected(std::move(parsed.error()));
        }
        made.allowed = std::move(*parsed);
    }
    if (!bounds.empty()) {
        auto parsed = limits::parse(bounds);
        if (!parsed) {
            return std::unexpected(std::move(parsed.error()));
        }
        made.bounds = *parsed;
    }
    return made;
}

}  // namespace

std::string why_no_user_name(std::string_view name) {
    if (name.empty()) {
        return "the name is empty";
    }
    if (name.size() > user_name_bytes_max) {
        return fmt::format("the name has {} octets, {} are allowed", name.size(),
                           user_name_bytes_max);
    }
    if (name.find(':') != std::string_view::npos || name.starts_with('#') ||
        std::ranges::any_of(name, [](char each) { return ascii::is_control(each); }) ||
        ascii::trim(name).size() != name.size()) {
        return fmt::format(
            "the name {:?} has a colon, a control character, a blank at an end or "
            "begins with #",
            name);
    }
    if (is_name_of_anonymous(name)) {
        return fmt::format("{:?} is the anonymous user", name);
    }
    return {};
}

std::expected<std::vector<account>, std::string> parse_users(std::string_view text) {
    std::vector<account> users;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto line = take_line(text);
        if (!is_of_a_user(line)) {
            continue;
        }
        auto user = parse_user(line);
        if (!user) {
            return std::unexpected(fmt::format("line {}: {}", number, user.error()));
        }
        if (std::ranges::find(users, user->name, &account::name) != users.end()) {
            return std::unexpected(fmt::format("line {}: {:?} comes twice", number, user->name));
        }
        users.push_back(std::move(*user));
    }
    return users;
}

std::string with_hash(std::string_view text, std::string_view name, std::string_view hash) {
    std::string made;
    bool is_there = false;
    while (!text.empty()) {
        const auto before = text;
        const auto line = take_line(text);
        const auto whole = before.substr(0, before.size() - text.size());  // With its end.
        const auto name_end = line.find(':');
        if (is_there || !is_of_a_user(line) || line.substr(0, name_end) != name) {
            made += whole;
            continue;
        }
        is_there = true;
        const auto rest =
            name_end == std::string_view::npos ? std::string_view() : line.substr(name_end + 1);
        const auto hash_end = std::min(rest.find(':'), rest.size());
        made +=
            fmt::format("{}:{}{}{}", name, hash, rest.substr(hash_end), whole.substr(line.size()));
    }
    if (!is_there) {
        made += fmt::format("{}{}:{}:/:read-only:\n",
                            made.empty() || made.ends_with('\n') ? "" : "\n", name, hash);
    }
    return made;
}

}  // namespace ferry::auth
