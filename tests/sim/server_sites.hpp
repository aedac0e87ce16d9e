#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ferry/base/assert.hpp"
#include "ferry/http/rules.hpp"
#include "http_sites.hpp"

namespace ferry::sim::test {

[[nodiscard]] inline std::vector<std::uint16_t> as_statuses(const std::vector<int>& from) {
    return {from.begin(), from.end()};
}

[[nodiscard]] inline http::site_rules as_rules(const site_settings& from) {
    http::site_rules made{.index = from.index,
                          .spa = from.spa,
                          .clean_urls = from.clean_urls,
                          .listings = from.listings};
    for (const auto& each : from.redirects) {
        made.redirects.push_back(
            {.from = each.from, .to = each.to, .status = static_cast<std::uint16_t>(each.status)});
    }
    for (const auto& each : from.headers) {
        made.headers.push_back(
            {.path = each.path, .type = each.type, .set = each.set, .remove = each.remove});
    }
    for (const auto& each : from.caches) {
        made.caches.push_back({.path = each.path,
                               .type = each.type,
                               .control = each.control,
                               .statuses = as_statuses(each.statuses)});
    }
    for (const auto& each : from.errors) {
        made.errors.push_back(
            {.statuses = as_statuses(each.statuses), .path = each.path, .page = each.page});
    }
    for (const auto& each : from.cors) {
        http::cors_rule row{.path = each.path,
                            .origins = each.origins,
                            .methods = {"GET", "HEAD"},
                            .credentials = each.credentials,
                            .max_age_seconds = each.max_age};
        if (!each.expose.empty()) {
            row.expose.push_back(each.expose);
        }
        made.cors.push_back(std::move(row));
    }
    return made;
}

/// The sites as the server has them; null where there are none.
[[nodiscard]] inline std::shared_ptr<const http::sites> server_sites(const sites_settings& from) {
    if (from.hosts.empty()) {
        return nullptr;
    }
    http::rules made{.refuses_other_hosts = from.refuses_others};
    for (const auto& each : from.hosts) {
        made.hosts.push_back({.names = each.names, .root = each.root, .site = as_rules(each)});
    }
    const auto checked = http::make_sites(made);
    FERRY_ASSERT(checked.has_value());
    return *checked;
}

}  // namespace ferry::sim::test
