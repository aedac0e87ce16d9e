#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "model_tree.hpp"

namespace ferry::sim::test {
namespace {

constexpr std::string_view reserved_prefix = ".ferry-";
constexpr std::string_view part_prefix = ".ferry-part-";

std::string describe_all(const std::vector<node_state>& states) {
    std::string text;
    for (const auto& each : states) {
        text += (text.empty() ? "" : "; ") + each.describe();
    }
    return text;
}

bool has_kind(const std::vector<node_state>& states, node_kind kind) {
    return std::ranges::any_of(states, [kind](const node_state& each) {
        return each.kind == kind || each.kind == node_kind::anything;
    });
}

}  // namespace

void model_tree::check_disk(const disk_view& disk, report& into) {
    expire();
    const auto complain = [&into](std::string_view rule, std::string details) {
        into.add({.client = "the disk",
                  .rule = std::string(rule),
                  .details = std::move(details),
                  .request = {}});
    };
    std::set<std::string, std::less<>> seen{"/"};
    for (const auto& listed : disk.names) {
        const bool is_directory = listed.ends_with('/');
        const auto path = is_directory ? listed.substr(0, listed.size() - 1) : listed;
        if (path.empty()) {
            continue;
        }
        seen.insert(path);
        if (keeps_parts_ && name_of(path).starts_with(part_prefix)) {
            continue;
        }
        if (name_of(path).starts_with(reserved_prefix)) {
            if (!disk.may_be_left || !disk.may_be_left(path)) {
                complain("a hidden name of an upload is left", path);
            }
            continue;
        }
        const auto states = look_at(path).possible();
        if (is_directory) {
            if (!has_kind(states, node_kind::directory)) {
                complain("a directory is where none may be",
                         fmt::format("{}: possible: {}", path, describe_all(states)));
            }
            continue;
        }
        std::string octets;
        if (!disk.content_of(path, octets)) {
            complain("a file cannot be read", path);
            continue;
        }
        const bool is_right = std::ranges::any_of(
            states, [&octets](const node_state& each) { return may_hold(each, octets); });
        if (!is_right && !(has_kind(states, node_kind::absent) && matches_unnamed(path, octets))) {
            complain("a file holds what was never written to it",
                     fmt::format("{}: {} octets, {}; possible: {}", path, octets.size(),
                                 identify(octets), describe_all(states)));
        }
    }
    for (auto& [path, history] : names_) {
        const auto states = history.possible();
        if (!seen.contains(path) && !has_kind(states, node_kind::absent)) {
            complain("a name is gone from the disk",
                     fmt::format("{}: possible: {}", path, describe_all(states)));
        }
    }
}

void model_tree::adopt(const disk_view& disk) {
    settle_all();
    ++now_;
    std::set<std::string, std::less<>> seen{"/"};
    for (const auto& listed : disk.names) {
        const bool is_directory = listed.ends_with('/');
        const auto path = is_directory ? listed.substr(0, listed.size() - 1) : listed;
        if (path.empty() || name_of(path).starts_with(reserved_prefix)) {
            continue;
        }
        seen.insert(path);
        auto& history = at(path);
        if (is_directory) {
            history.become({directory_state()}, now_);
            continue;
        }
        std::string octets;
        std::vector<node_state> left;
        if (disk.content_of(path, octets)) {
            for (auto& each : history.possible()) {
                if (each.kind == node_kind::file && may_hold(each, octets)) {
                    left.push_back(std::move(each));
                }
            }
            for (const auto& each : unnamed_) {
                if (left.empty() && matches_unnamed(path, octets) &&
                    each.directory == parent_of(path) && !each.what.first_difference(0, octets)) {
                    left.push_back(file_state(each.what.prefix(octets.size())));
                }
            }
        }
        if (left.empty()) {
            left.push_back({.kind = node_kind::anything});
        }
        history.become(std::move(left), now_);
    }
    for (auto& [path, history] : names_) {
        if (!seen.contains(path)) {
            history.become({absent_state()}, now_);
        }
        history.reset_touched(now_);
        history.reset_durable(now_);
    }
}

}  // namespace ferry::sim::test
