#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/random.hpp"

namespace ferry::sim::test {

/// What a rules file says of one site, as far as clients judge it. Paths are the site's own, but
/// `root`; patterns have at most one '*'.
struct site_settings {
    struct redirect {
        std::string from;
        std::string to;  ///< Empty: 410.
        int status = 301;
    };
    struct header_row {
        std::string path{};
        std::string type{};
        std::vector<std::pair<std::string, std::string>> set{};
        std::vector<std::string> remove{};
    };
    struct cache_row {
        std::string path{};
        std::string type{};
        std::string control{};
        std::vector<int> statuses{};  ///< Empty: those of files.
    };
    struct error_row {
        std::vector<int> statuses{};
        std::string path{};
        std::string page{};
    };
    struct cors_row {
        std::string path{};
        std::vector<std::string> origins{};  ///< "*" alone: any.
        std::string expose{};                ///< A field; empty: none.
        bool credentials = false;
        std::optional<std::uint32_t> max_age{};
    };

    std::vector<std::string> names{};  ///< "*.example" is all below it.
    std::string root = "/";            ///< In the tree.
    std::vector<std::string> index{"index.html"};
    std::string spa{};
    bool clean_urls = false;
    bool listings = true;
    std::vector<redirect> redirects{};
    std::vector<header_row> headers{};
    std::vector<cache_row> caches{};
    std::vector<error_row> errors{};
    std::vector<cors_row> cors{};

    /// The name in the tree of what the site knows as `path`.
    [[nodiscard]] std::string in_tree(const std::string& path) const;
    /// The other way round; nothing: it is not within the root.
    [[nodiscard]] std::optional<std::string> in_site(const std::string& path) const;
    /// Where a redirect sends `path`, asked for with `query` (with its '?'). Null: there is none.
    [[nodiscard]] const redirect* moved(const std::string& path, std::string_view query,
                                        std::string& location) const;
    [[nodiscard]] const error_row* error_page(int status, std::string_view path) const;
};

/// All sites of a server. Without any there is one, with everything as it is by default.
struct sites_settings {
    std::vector<site_settings> hosts{};
    bool refuses_others = false;  ///< 421.

    /// The site of a field Host; null: who asks for that is refused.
    [[nodiscard]] const site_settings* find(std::string_view host) const;
};

/// Sites over the tree of `plant_seed_tree`. One of them, or none, is for the names that requests
/// have otherwise, and has no rules.
[[nodiscard]] sites_settings draw_sites(ferry::random& rng);

/// What rows do to the fields of one answer.
struct site_fields {
    std::map<std::string, std::string> there{};  ///< By names in lower case.
    bool has_server = true;
    bool varies_by_origin = false;
};
struct judged_answer {
    std::string path;    ///< That rows go by.
    std::string type;    ///< Its media type, without parameters; empty: none.
    std::string origin;  ///< As asked with; empty: none.
    int status = 200;
    bool has_cache_control = false;  ///< Of its own.
    bool is_preflight = false;
};
[[nodiscard]] site_fields fields_of(const site_settings& site, const judged_answer& what);

}  // namespace ferry::sim::test
