#include "http/site.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/http/host_names.hpp"
#include "http/target.hpp"

namespace ferry::http {
namespace {

/// Without the port and the dot of the root.
std::string_view name_of_host(std::string_view host) noexcept {
    const auto address_end = host.starts_with('[') ? host.find(']') : 0;
    if (address_end == std::string_view::npos) {
        return host;
    }
    host = host.substr(0, host.find(':', address_end));
    if (host.ends_with('.')) {
        host.remove_suffix(1);
    }
    return host;
}

bool fits(const std::optional<path_pattern>& pattern, std::string_view path) noexcept {
    return !pattern || pattern->match(path).has_value();
}

}  // namespace

bool answer_match::fits(std::string_view asked_path, std::string_view content_type) const noexcept {
    if (!type.empty()) {
        const auto essence = ascii::trim(content_type.substr(0, content_type.find(';')));
        const bool is_type = type.ends_with('/')
                                 ? ascii::equal_ignoring_case(essence.substr(0, type.size()), type)
                                 : ascii::equal_ignoring_case(essence, type);
        if (!is_type) {
            return false;
        }
    }
    return http::fits(path, asked_path);
}

void redirect_table::add(redirect row) {
    const auto index = rows_.size();
    if (row.from.has_star()) {
        starred_.push_back(index);
    } else {
        whole_.emplace(row.from.text(), index);  // Of two the first counts.
    }
    rows_.push_back(std::move(row));
}

redirect_table::found redirect_table::find(std::string_view path) const noexcept {
    auto first = rows_.size();
    std::string_view star;
    const auto look_up = [&](std::string_view whole) {
        if (const auto at = whole_.find(whole); at != whole_.end()) {
            first = std::min(first, at->second);
        }
    };
    if (!whole_.empty()) {
        look_up(path);
        if (path.size() > 1 && path.ends_with('/')) {
            look_up(path.substr(0, path.size() - 1));
        }
    }
    for (const auto index : starred_) {
        if (index > first) {
            break;
        }
        if (const auto matched = rows_[index].from.match(path)) {
            first = index;
            star = *matched;
            break;
        }
    }
    return first == rows_.size() ? found{} : found{.row = &rows_[first], .star = star};
}

std::string location_of(const redirect& row, std::string_view star,
                        std::optional<std::string_view> raw_query) {
    std::string made = row.before;
    if (row.has_star) {
        const bool has_slash_twice = made.ends_with('/') && star.starts_with('/');
        append_encoded_path(made, star.substr(has_slash_twice ? 1 : 0));
    }
    made += row.after;
    if (made.starts_with('/')) {
        // What follows the first may be another: that would be another server.
        const auto slashes = std::min(made.find_first_not_of('/'), made.size());
        made.erase(0, slashes - 1);
    }
    if (raw_query && !(row.has_query && raw_query->empty())) {
        made += row.has_query ? '&' : '?';
        append_encoded_query(made, *raw_query);
    }
    made += row.fragment;
    return made;
}

const vfs::path* site::error_page(status what, std::string_view path) const noexcept {
    const auto found = std::ranges::find_if(errors, [&](const error_row& row) {
        return std::ranges::binary_search(row.statuses, code_of(what)) && fits(row.path, path);
    });
    return found == errors.end() ? nullptr : &found->page;
}

const cors_row* site::cors_of(std::string_view path) const noexcept {
    const auto found =
        std::ranges::find_if(cors, [&](const cors_row& row) { return fits(row.path, path); });
    return found == cors.end() ? nullptr : &*found;
}

result<vfs::path> site::in_tree(vfs::path name) const {
    if (root.is_root()) {
        return name;
    }
    std::string text = root.text();
    if (!name.is_root()) {
        text += name.text();
    }
    if (name.wants_directory()) {
        text += '/';
    }
    return vfs::path::parse(text);
}

vfs::path site::in_site(const vfs::path& name) const {
    return name.seen_from(root);
}

std::optional<vfs::path> root_of_host(const sites& rules, std::string_view host) {
    const auto* const found = rules.find(host);
    return found == nullptr ? std::nullopt : std::optional(found->root);
}

bool has_host(const sites& rules, std::string_view host) noexcept {
    const auto* const found = rules.find(host);
    return found != nullptr && found != &rules.standard;
}

const site* sites::find(std::string_view host) const noexcept {
    const site* const others = refuses_others ? nullptr : &standard;
    if (hosts.empty()) {
        return others;
    }
    host = name_of_host(host);
    if (host.size() > host_name_bytes_max) {
        return others;
    }
    std::array<char, host_name_bytes_max> lower{};
    std::ranges::transform(host, lower.begin(), ascii::to_lower);
    std::string_view rest(lower.data(), host.size());
    if (const auto found = whole_names.find(rest); found != whole_names.end()) {
        return found->second;
    }
    while (!domains.empty()) {
        const auto dot = rest.find('.');
        if (dot == std::string_view::npos) {
            break;
        }
        rest.remove_prefix(dot + 1);
        if (const auto found = domains.find(rest); found != domains.end()) {
            return found->second;
        }
    }
    return others;
}

}  // namespace ferry::http
