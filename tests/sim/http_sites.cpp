#include "http_sites.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace ferry::sim::test {
namespace {

std::string in_lower_case(std::string_view text) {
    std::string made(text);
    std::ranges::transform(made, made.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return made;
}

/// What the '*' of `pattern` stands for in `path`; nothing: it does not fit. A pattern without one
/// and without a '/' at its end fits a path with that '/', too.
std::optional<std::string> match(const std::string& pattern, std::string_view path) {
    const auto star = pattern.find('*');
    if (star == std::string::npos) {
        const bool fits = path == pattern || (!pattern.ends_with('/') && path == pattern + "/");
        return fits ? std::optional(std::string()) : std::nullopt;
    }
    const auto before = pattern.substr(0, star);
    const auto after = pattern.substr(star + 1);
    if (path.size() < before.size() + after.size() || !path.starts_with(before) ||
        !path.ends_with(after)) {
        return std::nullopt;
    }
    return std::string(path.substr(before.size(), path.size() - before.size() - after.size()));
}

template <class Item>
bool contains(const std::vector<Item>& all, const Item& one) {
    return std::ranges::find(all, one) != all.end();
}

bool fits_path(const std::string& pattern, std::string_view path) {
    return pattern.empty() || match(pattern, path);
}

/// "text/" is any of these.
bool fits_type(const std::string& wanted, const std::string& type) {
    return wanted.empty() ||
           (wanted.ends_with("/*") ? type.starts_with(wanted.substr(0, wanted.size() - 1))
                                   : type == wanted);
}

void draw_rows(ferry::random& rng, site_settings& made) {
    const auto may = [&rng] { return rng.below(2) == 0; };
    if (may()) {
        made.redirects = {{.from = "/old/*", .to = "/sub/*", .status = 301},
                          {.from = "/old/not/*", .to = "/never", .status = 302},
                          {.from = "/gone", .to = "", .status = 410},
                          {.from = "/away", .to = "https://else.example/x?y=1#z", .status = 302},
                          {.from = "*.old", .to = "/new/*.bin", .status = 308},
                          {.from = "/sub/deep.bin", .to = "/short", .status = 307}};
    }
    if (may()) {
        made.headers.push_back(
            {.path = "/*", .set = {{"X-Layer", "one"}, {"X-Site", made.names.front()}}});
    }
    if (may()) {
        made.headers.push_back({.path = "*.txt", .set = {{"X-Layer", "two"}}});
    }
    if (may()) {
        made.headers.push_back({.type = "text/html", .set = {{"X-Page", "yes"}}});
    }
    if (may()) {
        made.headers.push_back({.path = "/s*", .remove = {"X-Layer", "Server"}});
    }
    if (may()) {
        made.headers.push_back({.type = "text/*", .set = {{"X-Layer", "three"}}});
    }
    if (may()) {
        made.caches.push_back({.path = "*.bin", .control = "public, max-age=60"});
        made.caches.push_back({.control = "no-store", .statuses = {301, 404, 410}});
        made.caches.push_back({.type = "text/html", .control = "no-cache"});
    }
    if (may()) {
        made.errors.push_back({.statuses = {404, 410},
                               .path = "*-not-there",
                               .page = made.spa.empty() ? "/no" : made.spa});
        made.errors.push_back({.statuses = {404, 403, 412, 416},
                               .page = made.root == "/" ? "/shared/text.txt" : "/short.txt"});
    }
    if (may()) {
        made.cors.push_back({.path = "*.bin", .origins = {"*"}, .expose = "ETag"});
        made.cors.push_back({.origins = {"https://app.example", "http://localhost:3000"},
                             .credentials = may(),
                             .max_age = 600});
    }
}

}  // namespace

std::string site_settings::in_tree(const std::string& path) const {
    return root == "/" ? path : path == "/" ? root : root + path;
}

std::optional<std::string> site_settings::in_site(const std::string& path) const {
    if (root == "/") {
        return path;
    }
    if (path == root) {
        return "/";
    }
    return path.starts_with(root + "/") ? std::optional(path.substr(root.size())) : std::nullopt;
}

const site_settings::redirect* site_settings::moved(const std::string& path, std::string_view query,
                                                    std::string& location) const {
    for (const auto& row : redirects) {
        const auto star = match(row.from, path);
        if (!star) {
            continue;
        }
        location = row.to;
        const auto fragment_at = std::min(location.find('#'), location.size());
        const auto fragment = location.substr(fragment_at);
        location.resize(fragment_at);
        if (const auto at = location.find('*'); at != std::string::npos) {
            const bool has_slash_twice =
                star->starts_with('/') && location.substr(0, at).ends_with('/');
            location.replace(at, 1, star->substr(has_slash_twice ? 1 : 0));
        }
        const bool has_own = location.contains('?');
        if (!query.empty() && !(has_own && query == "?")) {
            location += has_own ? "&" : "?";
            location += query.substr(1);
        }
        location += fragment;
        return &row;
    }
    return nullptr;
}

const site_settings::error_row* site_settings::error_page(int status, std::string_view path) const {
    const auto found = std::ranges::find_if(errors, [&](const error_row& row) {
        return contains(row.statuses, status) && fits_path(row.path, path);
    });
    return found == errors.end() ? nullptr : &*found;
}

const site_settings* sites_settings::find(std::string_view host) const {
    static const site_settings standard;
    auto name = in_lower_case(host.substr(0, host.find(':')));
    if (name.ends_with('.')) {
        name.pop_back();
    }
    const site_settings* best = refuses_others ? nullptr : &standard;
    std::size_t best_size = 0;
    for (const auto& each : hosts) {
        for (const auto& known : each.names) {
            const bool is_domain = known.starts_with("*.");
            const bool fits = is_domain ? name.ends_with(known.substr(1)) : name == known;
            const auto size = is_domain ? known.size() : known.size() + 1'000;
            if (fits && size > best_size) {
                best = &each;
                best_size = size;
            }
        }
    }
    return best;
}

sites_settings draw_sites(ferry::random& rng) {
    static constexpr std::array<std::string_view, 3> roots{"/", "/static", "/static/site"};
    static constexpr std::array<std::string_view, 3> pages{"/static/site/index.html",
                                                           "/site/index.html", "/index.html"};
    sites_settings made;
    made.refuses_others = rng.below(2) == 0;
    if (made.refuses_others) {
        made.hosts.push_back({.names = {"ferry.example", "a"}});
    }
    for (const auto* name : {"docs.example", "*.apps.example", "*.in.apps.example"}) {
        site_settings site;
        site.names = {name};
        const auto root = rng.below(roots.size());
        site.root = roots[root];
        if (rng.below(2) == 0) {
            site.spa = pages[root];
        }
        site.clean_urls = rng.below(2) == 0;
        site.listings = rng.below(3) != 0;
        if (rng.below(3) == 0) {
            site.index = {"page.html", "index.html"};
        } else if (rng.below(4) == 0) {
            site.index = {"no.html"};
        }
        draw_rows(rng, site);
        made.hosts.push_back(std::move(site));
    }
    return made;
}

site_fields fields_of(const site_settings& site, const judged_answer& what) {
    site_fields made;
    for (const auto& row : site.headers) {
        if (!fits_path(row.path, what.path) || !fits_type(row.type, what.type)) {
            continue;
        }
        for (const auto& [name, value] : row.set) {
            made.there[in_lower_case(name)] = value;
        }
        for (const auto& name : row.remove) {
            made.there.erase(in_lower_case(name));
            made.has_server = made.has_server && name != "Server";
        }
    }
    const auto is_for_it = [&what](const std::vector<int>& statuses) {
        static const std::vector<int> of_files{200, 206, 304};
        return contains(statuses.empty() ? of_files : statuses, what.status);
    };
    const auto cache = std::ranges::find_if(site.caches, [&](const auto& row) {
        return is_for_it(row.statuses) && fits_path(row.path, what.path) &&
               fits_type(row.type, what.type);
    });
    if (cache != site.caches.end() && !what.has_cache_control) {
        made.there["cache-control"] = cache->control;
    }
    const auto cors = std::ranges::find_if(
        site.cors, [&](const auto& row) { return fits_path(row.path, what.path); });
    if (cors == site.cors.end()) {
        return made;
    }
    const bool is_for_any = cors->origins.front() == "*";
    made.varies_by_origin = !is_for_any;
    if (!is_for_any && !contains(cors->origins, what.origin)) {
        return made;
    }
    made.there["access-control-allow-origin"] = is_for_any ? "*" : what.origin;
    if (!cors->expose.empty()) {
        made.there["access-control-expose-headers"] = cors->expose;
    }
    if (cors->credentials) {
        made.there["access-control-allow-credentials"] = "true";
    }
    if (what.is_preflight) {
        made.there["access-control-allow-methods"] = "GET, HEAD";
        if (cors->max_age) {
            made.there["access-control-max-age"] = fmt::format("{}", *cors->max_age);
        }
    }
    return made;
}

}  // namespace ferry::sim::test
