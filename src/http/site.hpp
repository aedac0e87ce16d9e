#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ferry/base/result.hpp"
#include "ferry/base/text_hash.hpp"
#include "ferry/http/rules.hpp"
#include "ferry/vfs/path.hpp"
#include "http/field_name.hpp"
#include "http/path_pattern.hpp"
#include "http/status.hpp"

namespace ferry::http {

/// Which answers a row is for.
struct answer_match {
    std::optional<path_pattern> path;  ///< Nothing: any.
    std::string type;                  ///< "text/html"; "text/": any of these; empty: any.

    /// `content_type` may have parameters.
    [[nodiscard]] bool fits(std::string_view asked_path,
                            std::string_view content_type) const noexcept;
};

/// What a row of redirects does. `what` is 410: there is nothing to go to.
struct redirect {
    path_pattern from;
    status what = status::moved_permanently;
    std::string before = {};    ///< Of the target, up to what the '*' stands for.
    std::string after = {};     ///< From there to the fragment.
    std::string fragment = {};  ///< With its '#', or empty.
    bool has_star = false;
    bool has_query = false;
};

/// The redirects of a site: whole paths are looked up, only those with a '*' are gone through.
class redirect_table {
  public:
    struct found {
        const redirect* row = nullptr;
        std::string_view star;
    };

    void add(redirect row);

    /// The first row, in their order, that fits `path`. Cost: at most two look-ups, and two
    /// comparisons for each row with a '*'.
    [[nodiscard]] found find(std::string_view path) const noexcept;

    [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

  private:
    std::vector<redirect> rows_;
    std::vector<std::size_t> starred_;
    std::unordered_map<std::string, std::size_t, text_hash, std::equal_to<>> whole_;
};

/// Where `row` sends a request for a path of which its '*' is `star`, with the request's query: a
/// whole URI only if the row has one, else an absolute path that begins with exactly one '/'
/// (threats.md, H7); free of control octets.
[[nodiscard]] std::string location_of(const redirect& row, std::string_view star,
                                      std::optional<std::string_view> raw_query);

/// What header rows do to one field.
struct field_action {
    enum class kind : std::uint8_t { set, add, remove };

    kind does = kind::set;
    std::uint8_t name = 0;  ///< The same for the same field name, below `field_names_max`.
    field which = field::other;
    std::string line = {};  ///< With its CRLF; empty for `remove`.
};
inline constexpr std::size_t field_names_max = 64;     ///< Of a site.
inline constexpr std::size_t field_actions_max = 256;  ///< Of a site.

struct header_row {
    answer_match when;
    std::size_t first = 0;  ///< Of `site::actions`.
    std::size_t end = 0;
};

struct cache_row {
    answer_match when;
    std::string control;
    std::string control_for_one = {};     ///< Where the client has logged in.
    std::vector<std::uint16_t> statuses;  ///< Sorted.
};

struct error_row {
    std::optional<path_pattern> path;
    std::vector<std::uint16_t> statuses;  ///< Sorted.
    vfs::path page;                       ///< In the tree.
};

struct cors_row {
    std::optional<path_pattern> path;
    std::vector<std::string> origins;  ///< Sorted; empty: any.
    std::string lines = {};            ///< Of every answer to an origin that may have it.
    std::string preflight_lines = {};  ///< And of one to a preflight.
};

/// One site: where it lies in the tree, and its rules.
struct site {
    std::string host;  ///< The first of its names, as it was written; empty: of all others.
    vfs::path root;
    std::vector<std::string> index;
    std::optional<vfs::path> spa;  ///< In the tree.
    bool clean_urls = false;
    bool listings = true;
    redirect_table redirects;
    std::vector<header_row> headers;
    std::vector<field_action> actions;
    std::vector<cache_row> caches;
    std::vector<error_row> errors;
    std::vector<cors_row> cors;

    [[nodiscard]] bool has_rules() const noexcept {
        return has_field_rules() || !redirects.empty() || !errors.empty();
    }
    /// Any that change the fields of answers.
    [[nodiscard]] bool has_field_rules() const noexcept {
        return !headers.empty() || !caches.empty() || !cors.empty();
    }
    /// The file to show instead of ferry's page, or null.
    [[nodiscard]] const vfs::path* error_page(status what, std::string_view path) const noexcept;
    /// Null: pages of other sites may do nothing special.
    [[nodiscard]] const cors_row* cors_of(std::string_view path) const noexcept;

    /// The name in the tree of what the site knows as `name`. Errors: errc::name_too_long.
    [[nodiscard]] result<vfs::path> in_tree(vfs::path name) const;
    /// The other way round: `name` must be within the root.
    [[nodiscard]] vfs::path in_site(const vfs::path& name) const;
};

class sites {
  public:
    /// The site for `host`, as in the field Host: its port, its case and a dot at its end do not
    /// count (RFC 9110 section 4.2.3, RFC 3986 section 3.2.2). A whole name goes before one with a
    /// '*', and of these the longest decides. Null: who asks for that is to be told 421. Cost:
    /// without hosts nothing, else a look-up for each part of the name.
    [[nodiscard]] const site* find(std::string_view host) const noexcept;

    site standard;
    bool refuses_others = false;
    std::vector<std::unique_ptr<site>> hosts;
    /// By names in lower case without a dot at the end.
    using name_table = std::unordered_map<std::string, const site*, text_hash, std::equal_to<>>;
    name_table whole_names;
    name_table domains;  ///< "example.org" for "*.example.org".
};

inline constexpr std::size_t host_name_bytes_max = 253;  ///< RFC 1035 section 2.3.4.

}  // namespace ferry::http
