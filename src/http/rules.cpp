#include "ferry/http/rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "http/site.hpp"
#include "http/target.hpp"

namespace ferry::http {
namespace {

// What a file of rules may have; a request goes through the rows of one site.
constexpr std::size_t redirects_max = 10'000;
constexpr std::size_t rows_max = 256;  // Of a kind and a site; of redirects those with a '*'.
constexpr std::size_t hosts_max = 1'000;
constexpr std::size_t names_max = 100;  // Of a host; also of the lists in a row.
constexpr std::size_t index_names_max = 8;
constexpr std::size_t value_bytes_max = 4'096;
constexpr std::size_t site_lines_bytes_max = 16 * 1'024;  // Of all fields in an answer.

/// One mistake, without the line that it is in.
using wrong = std::unexpected<std::string>;
using checked = std::expected<void, std::string>;

std::string quoted(std::string_view text) {
    constexpr std::size_t shown_bytes_max = 200;
    std::string shown = "\"";
    ascii::append_escaped(shown, text.substr(0, shown_bytes_max));
    shown += '"';
    return shown;
}

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, ascii::is_token_char);
}

/// What a field value may be (RFC 9110 section 5.5).
bool is_field_value(std::string_view text) {
    return text.size() <= value_bytes_max && ascii::trim(text) == text && !text.empty() &&
           std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

std::string not_a_value(std::string_view name, std::string_view value) {
    return fmt::format(
        "{}: {} is no field value: 1 to {} visible US-ASCII characters, and blanks "
        "between them",
        name, quoted(value), value_bytes_max);
}

/// Fields that ferry alone writes, and what to write instead where there is something.
struct own_field {
    std::string_view name;
    std::string_view instead = {};
};
constexpr auto own_fields = std::to_array<own_field>({
    {"Accept-Patch"},
    {"Accept-Ranges"},
    {"Age"},
    {"Allow"},
    {"Cache-Control", "[[cache]] sets it"},
    {"Connection"},
    {"Content-Digest"},
    {"Content-Encoding"},
    {"Content-Length"},
    {"Content-Location"},
    {"Content-Range"},
    {"Content-Type"},
    {"Date"},
    {"ETag"},
    {"Keep-Alive"},
    {"Last-Modified"},
    {"Location", "[[redirect]] sets it"},
    {"Proxy-Authenticate"},
    {"Proxy-Connection"},
    {"Repr-Digest"},
    {"Retry-After"},
    {"TE"},
    {"Trailer"},
    {"Transfer-Encoding"},
    {"Upgrade"},
    {"Upload-Complete"},
    {"Upload-Draft-Interop-Version"},
    {"Upload-Length"},
    {"Upload-Limit"},
    {"Upload-Offset"},
    {"Vary"},
    {"WWW-Authenticate"},
});

checked check_field_name(std::string_view name) {
    constexpr std::size_t name_bytes_max = 64;
    if (!is_token(name) || name.size() > name_bytes_max) {
        return wrong(fmt::format("{} is no field name", quoted(name)));
    }
    const auto own = std::ranges::find_if(own_fields, [name](const own_field& each) {
        return ascii::equal_ignoring_case(each.name, name);
    });
    if (own != own_fields.end()) {
        return wrong(fmt::format("{} is ferry's own{}{}", own->name,
                                 own->instead.empty() ? "" : ": ", own->instead));
    }
    constexpr std::string_view cors = "Access-Control-";
    if (ascii::equal_ignoring_case(name.substr(0, cors.size()), cors)) {
        return wrong(fmt::format("{} is ferry's own: [[cors]] sets it", name));
    }
    return {};
}

std::expected<std::optional<path_pattern>, std::string> read_pattern(std::string_view text) {
    if (text.empty()) {
        return std::nullopt;
    }
    auto made = path_pattern::parse(text);
    if (!made) {
        return wrong("path: " + made.error());
    }
    return std::move(*made);
}

/// A media type or the first half of one, as `answer_match::type` has it.
std::expected<std::string, std::string> read_type(std::string_view text) {
    if (text.empty() || text == "*/*") {
        return std::string();
    }
    const auto slash = text.find('/');
    const auto second = slash == std::string_view::npos ? "" : text.substr(slash + 1);
    if (!is_token(text.substr(0, slash)) || !is_token(second)) {
        return wrong(
            fmt::format("type: {} is no media type, such as text/html or image/*", quoted(text)));
    }
    return std::string(second == "*" ? text.substr(0, slash + 1) : text);
}

/// What `control` becomes in an answer to who has logged in: no cache that serves others may keep
/// it, whatever the row says of the file (RFC 9111 sections 3.5, 5.2.2.7).
std::string control_for_one(std::string_view control) {
    std::string made = "private";
    while (!control.empty()) {
        const auto comma = std::min(control.find(','), control.size());
        const auto directive = ascii::trim(control.substr(0, comma));
        control.remove_prefix(std::min(comma + 1, control.size()));
        const auto name = ascii::trim(directive.substr(0, directive.find('=')));
        const bool is_about_sharing = ascii::equal_ignoring_case(name, "public") ||
                                      ascii::equal_ignoring_case(name, "private") ||
                                      ascii::equal_ignoring_case(name, "s-maxage");
        if (!directive.empty() && !is_about_sharing) {
            made += ", ";
            made += directive;
        }
    }
    return made;
}

std::expected<answer_match, std::string> read_match(std::string_view path, std::string_view type) {
    auto pattern = read_pattern(path);
    if (!pattern) {
        return wrong(std::move(pattern.error()));
    }
    auto media_type = read_type(type);
    if (!media_type) {
        return wrong(std::move(media_type.error()));
    }
    return answer_match{.path = std::move(*pattern), .type = std::move(*media_type)};
}

std::expected<vfs::path, std::string> read_name(std::string_view key, std::string_view text) {
    auto name = vfs::path::parse(text);
    if (!text.starts_with('/') || !name) {
        return wrong(fmt::format("{}: {} is no usable path{}{}", key, quoted(text),
                                 name ? "" : ": ", name ? "" : describe(name.error().code)));
    }
    return std::move(*name);
}

/// Octets of a URI as they are, those above US-ASCII encoded (RFC 3987 section 3.1); false for
/// what no URI has.
bool append_uri(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (static_cast<unsigned char>(c) > 0x7F) {
            append_encoded_path(out, {&c, 1});
        } else if (c <= ' ' || ascii::is_control(c) ||
                   std::string_view("\"<>\\^`{|}").contains(c)) {
            return false;
        } else {
            out += c;
        }
    }
    return true;
}

/// Where the authority of an absolute http(s) URI ends; 0 for an absolute path; nothing for
/// anything else.
std::optional<std::size_t> end_of_authority(std::string_view to) {
    if (to.starts_with('/')) {
        return to.starts_with("//") ? std::nullopt : std::optional<std::size_t>(0);
    }
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (to.starts_with(scheme)) {
            const auto end = std::min(to.find_first_of("/?#", scheme.size()), to.size());
            const auto authority = to.substr(scheme.size(), end - scheme.size());
            const bool is_usable =
                !authority.empty() && authority.find_first_of("@*") == std::string_view::npos;
            return is_usable ? std::optional(end) : std::nullopt;
        }
    }
    return std::nullopt;
}

/// The path on this site that a redirect leads to, as patterns know it; nothing: to another server.
std::optional<std::string> path_behind(const redirect& row, std::string_view star) {
    const auto location = location_of(row, star, std::nullopt);
    if (!location.starts_with('/')) {
        return std::nullopt;
    }
    const auto target = decode_target(location.substr(0, location.find_first_of("?#")));
    if (!target) {
        return std::nullopt;
    }
    auto path = target->text();
    if (target->wants_directory() && !target->is_root()) {
        path += '/';
    }
    return path;
}

/// Whether what comes of a redirect would be redirected by it once more, whatever is asked for.
bool leads_to_itself(const redirect& row) {
    const auto path = path_behind(row, "x");
    return path && row.from.match(*path).has_value();
}

// More than clients follow.
constexpr int redirects_followed_max = 32;
// What no row will have spelled out.
constexpr std::string_view any_name = "ferry-any-name";

/// Whether the rows send what comes of `row` round, each to the next.
bool goes_round(const redirect_table& all, const redirect& row) {
    const auto begin = path_behind(row, any_name);
    auto path = begin;
    for (int i = 0; path && i < redirects_followed_max; ++i) {
        const auto next = all.find(*path);
        if (next.row == nullptr || next.row->what == status::gone) {
            return false;
        }
        path = path_behind(*next.row, next.star);
        if (path == begin) {
            return true;
        }
    }
    return false;
}

std::expected<redirect, std::string> read_redirect(const redirect_rule& row) {
    constexpr auto statuses = std::to_array<std::uint16_t>({301, 302, 303, 307, 308, 410});
    auto from = path_pattern::parse(row.from);
    if (!from) {
        return wrong("from: " + from.error());
    }
    if (std::ranges::find(statuses, row.status) == statuses.end()) {
        return wrong(fmt::format("status: {} is none of 301, 302, 303, 307, 308, 410", row.status));
    }
    redirect made{.from = std::move(*from), .what = static_cast<status>(row.status)};
    if (made.what == status::gone) {
        return row.to.empty() ? std::expected<redirect, std::string>(std::move(made))
                              : wrong("to: what is gone (410) is nowhere");
    }
    const std::string_view to = row.to;
    const auto authority_end = end_of_authority(to);
    if (!authority_end || to.size() > path_pattern::bytes_max) {
        return wrong(
            fmt::format("to: {} is no absolute path and no whole http or https URI of up "
                        "to {} octets",
                        quoted(to), path_pattern::bytes_max));
    }
    const auto fragment = std::min(to.find('#'), to.size());
    const auto star = to.find('*');
    made.has_star = star != std::string_view::npos;
    if (made.has_star) {
        // Behind the authority: never a part of another server's name.
        const bool is_in_place = star > *authority_end && star < fragment;
        if (!made.from.has_star() || !is_in_place || to.substr(star + 1).contains('*')) {
            return wrong(
                fmt::format("to: {} has a * although from has none, more than one, or one "
                            "outside of path and query",
                            quoted(to)));
        }
    }
    const auto before_end = made.has_star ? star : fragment;
    const bool is_uri =
        append_uri(made.before, to.substr(0, before_end)) &&
        append_uri(made.after, made.has_star ? to.substr(star + 1, fragment - star - 1) : "") &&
        append_uri(made.fragment, to.substr(fragment));
    if (!is_uri) {
        return wrong(fmt::format("to: {} has a character that no URI has", quoted(to)));
    }
    made.has_query = to.substr(0, fragment).contains('?');
    if (leads_to_itself(made)) {
        return wrong(
            fmt::format("{} would be sent back to the same row, again and again", quoted(to)));
    }
    return made;
}

std::expected<std::vector<std::uint16_t>, std::string> read_statuses(
    const std::vector<std::uint16_t>& given, std::uint16_t least) {
    // Of requests that could not be read, so nobody knows what they ask for.
    constexpr auto before_a_request = std::to_array<std::uint16_t>({408, 414, 431, 505});
    for (const auto each : given) {
        if (each < least || each > 599 ||
            std::ranges::find(before_a_request, each) != before_a_request.end()) {
            return wrong(
                fmt::format("status: {} is none from {} to 599, or one that is answered "
                            "before a request is known",
                            each, least));
        }
    }
    auto sorted = given;
    std::ranges::sort(sorted);
    return sorted;
}

/// Reads the rows of one site.
class site_maker {
  public:
    explicit site_maker(site& into) : made_(into) {}

    checked read_settings(const site_rules& from) {
        if (from.index.size() > index_names_max) {
            return wrong(fmt::format("index: {} names; at most {} are possible", from.index.size(),
                                     index_names_max));
        }
        for (const auto& each : from.index) {
            const auto name = vfs::path::parse(each);
            if (each.empty() || each.contains('/') || !name || name->is_root() ||
                name->name() != each) {
                return wrong(fmt::format("index: {} is no name of a file", quoted(each)));
            }
        }
        made_.index = from.index;
        made_.clean_urls = from.clean_urls;
        made_.listings = from.listings;
        if (from.spa.empty()) {
            return {};
        }
        auto page = read_file("spa", from.spa);
        if (!page) {
            return wrong(std::move(page.error()));
        }
        made_.spa = std::move(*page);
        return {};
    }

    checked add(const redirect_rule& row) {
        auto read = read_redirect(row);
        if (!read) {
            return wrong(std::move(read.error()));
        }
        starred_redirects_ += read->from.has_star() ? 1U : 0U;
        if (starred_redirects_ > rows_max) {
            return wrong(fmt::format("more than {} redirects with a * in from", rows_max));
        }
        made_.redirects.add(std::move(*read));
        return {};
    }

    /// Once all redirects are there.
    checked check(const redirect_rule& row) const {
        const auto read = read_redirect(row);
        if (read && read->what != status::gone && goes_round(made_.redirects, *read)) {
            return wrong(
                fmt::format("{} would be sent from row to row, and there again", quoted(row.to)));
        }
        return {};
    }

    checked add(const header_rule& row) {
        auto when = read_match(row.path, row.type);
        if (!when) {
            return wrong(std::move(when.error()));
        }
        if (row.set.empty() && row.add.empty() && row.remove.empty()) {
            return wrong("a row without set, add or remove does nothing");
        }
        using kind = field_action::kind;
        const auto first = made_.actions.size();
        for (const auto& name : row.remove) {
            if (auto added = add_action(kind::remove, name, {}); !added) {
                return added;
            }
        }
        for (const auto& [does, fields] :
             {std::pair(kind::set, &row.set), std::pair(kind::add, &row.add)}) {
            for (const auto& [name, value] : *fields) {
                const auto first_of_name = std::ranges::find_if(*fields, [&](const auto& each) {
                    return ascii::equal_ignoring_case(each.first, name);
                });
                // A second value is a second line, and does not take the place of the first.
                const bool is_further = &first_of_name->second != &value;
                if (auto added = add_action(is_further ? kind::add : does, name, value); !added) {
                    return added;
                }
            }
        }
        made_.headers.push_back(
            {.when = std::move(*when), .first = first, .end = made_.actions.size()});
        return {};
    }

    checked add(const cache_rule& row) {
        auto when = read_match(row.path, row.type);
        if (!when) {
            return wrong(std::move(when.error()));
        }
        if (!is_field_value(row.control)) {
            return wrong(not_a_value("control", row.control));
        }
        auto statuses = read_statuses(row.statuses, 200);
        if (!statuses) {
            return wrong(std::move(statuses.error()));
        }
        made_.caches.push_back({.when = std::move(*when),
                                .control = row.control,
                                .control_for_one = control_for_one(row.control),
                                .statuses = std::move(*statuses)});
        return {};
    }

    checked add(const error_rule& row) {
        auto pattern = read_pattern(row.path);
        if (!pattern) {
            return wrong(std::move(pattern.error()));
        }
        auto statuses = read_statuses(row.statuses, 400);
        if (!statuses) {
            return wrong(std::move(statuses.error()));
        }
        if (statuses->empty()) {
            return wrong("status: there is none");
        }
        auto page = read_file("page", row.page);
        if (!page) {
            return wrong(std::move(page.error()));
        }
        made_.errors.push_back({.path = std::move(*pattern),
                                .statuses = std::move(*statuses),
                                .page = std::move(*page)});
        return {};
    }

    checked add(const cors_rule& row) {
        auto pattern = read_pattern(row.path);
        if (!pattern) {
            return wrong(std::move(pattern.error()));
        }
        cors_row made{.path = std::move(*pattern), .origins = row.origins};
        if (auto checked_ones = check_origins(row); !checked_ones) {
            return checked_ones;
        }
        if (row.origins.front() == "*") {
            made.origins.clear();
        }
        std::ranges::sort(made.origins);
        const std::vector<std::string> usual = {"GET", "HEAD"};
        struct list {
            std::string_view key;
            std::string_view name;
            const std::vector<std::string>& values;
            std::string& into;
        };
        for (const auto& each :
             {list{"methods", "Access-Control-Allow-Methods",
                   row.methods.empty() ? usual : row.methods, made.preflight_lines},
              list{"headers", "Access-Control-Allow-Headers", row.headers, made.preflight_lines},
              list{"expose", "Access-Control-Expose-Headers", row.expose, made.lines}}) {
            if (each.values.empty()) {
                continue;
            }
            const bool is_any = each.values.size() == 1 && each.values.front() == "*";
            if (is_any && row.credentials) {
                return wrong(
                    fmt::format("{}: with credentials a * means nothing: list them", each.key));
            }
            const auto bad = std::ranges::find_if_not(each.values, is_token);
            if (each.values.size() > names_max || bad != each.values.end()) {
                return wrong(fmt::format("{}: {} is no name, or there are more than {}", each.key,
                                         bad == each.values.end() ? "" : quoted(*bad), names_max));
            }
            each.into += fmt::format("{}: {}\r\n", each.name, fmt::join(each.values, ", "));
        }
        if (row.credentials) {
            made.lines += "Access-Control-Allow-Credentials: true\r\n";
        }
        if (row.max_age_seconds) {
            made.preflight_lines +=
                fmt::format("Access-Control-Max-Age: {}\r\n", *row.max_age_seconds);
        }
        if (made.lines.size() + made.preflight_lines.size() > value_bytes_max) {
            return wrong("the lists are too long for one answer");
        }
        made_.cors.push_back(std::move(made));
        return {};
    }

  private:
    /// The name of a file of the site, as the tree knows it.
    std::expected<vfs::path, std::string> read_file(std::string_view key, std::string_view text) {
        auto name = read_name(key, text);
        if (!name) {
            return name;
        }
        if (name->wants_directory()) {
            return wrong(fmt::format("{}: {} is a directory", key, quoted(text)));
        }
        auto whole = made_.in_tree(std::move(*name));
        if (!whole) {
            return wrong(fmt::format("{}: {} is too long", key, quoted(text)));
        }
        return std::move(*whole);
    }

    checked add_action(field_action::kind does, std::string_view name, std::string_view value) {
        if (auto usable = check_field_name(name); !usable) {
            return usable;
        }
        const bool has_value = does != field_action::kind::remove;
        if (has_value && !is_field_value(value)) {
            return wrong(not_a_value(name, value));
        }
        auto known = std::ranges::find_if(names_, [name](const std::string& each) {
            return ascii::equal_ignoring_case(each, name);
        });
        if (known == names_.end()) {
            known = names_.emplace(names_.end(), name);
        }
        field_action made{.does = does,
                          .name = static_cast<std::uint8_t>(known - names_.begin()),
                          .which = classify_field(name)};
        if (has_value) {
            made.line = fmt::format("{}: {}\r\n", name, value);
        }
        lines_bytes_ += made.line.size();
        made_.actions.push_back(std::move(made));
        if (names_.size() > field_names_max || made_.actions.size() > field_actions_max ||
            lines_bytes_ > site_lines_bytes_max) {
            return wrong(fmt::format(
                "a site has at most {} fields, {} values for them and {} octets of these",
                field_names_max, field_actions_max, site_lines_bytes_max));
        }
        return {};
    }

    static checked check_origins(const cors_rule& row) {
        if (row.origins.empty() || row.origins.size() > names_max) {
            return wrong(fmt::format("origins: 1 to {} are needed", names_max));
        }
        for (const auto& each : row.origins) {
            if (each == "*") {
                if (row.origins.size() > 1 || row.credentials) {
                    return wrong(
                        "origins: * stands alone, and not with credentials: list the origins");
                }
                continue;
            }
            // As browsers write it (RFC 6454 section 6.2): it is compared octet by octet.
            const auto end = end_of_authority(each);
            const bool is_origin = end && *end == each.size() && is_field_value(each) &&
                                   std::ranges::none_of(each, [](char c) {
                                       return ascii::to_lower(c) != c || c == ',' || c == ' ';
                                   });
            if (!is_origin) {
                return wrong(
                    fmt::format("origins: {} is none such as \"https://app.example.org\", "
                                "in lower case and without a path",
                                quoted(each)));
            }
        }
        return {};
    }

    site& made_;
    std::vector<std::string> names_;
    std::size_t lines_bytes_ = 0;
    std::size_t starred_redirects_ = 0;
};

using rules_outcome = std::expected<void, rules_error>;

std::unexpected<rules_error> wrong_at(std::size_t line, std::string text) {
    return std::unexpected(rules_error{.line = line, .text = std::move(text)});
}

template <class Row>
rules_outcome add_rows(site_maker& maker, const std::vector<Row>& rows, std::string_view kind,
                       std::size_t most) {
    for (const auto& row : rows) {
        if (std::cmp_greater_equal(&row - rows.data(), most)) {
            return wrong_at(row.line, fmt::format("{}: more than {}", kind, most));
        }
        if (auto added = maker.add(row); !added) {
            return wrong_at(row.line, fmt::format("{}: {}", kind, added.error()));
        }
    }
    return {};
}

/// `into.root` is known. `line`: of the site, for what has no row.
rules_outcome make_site(site& into, const site_rules& from, std::size_t line) {
    site_maker maker(into);
    if (auto read = maker.read_settings(from); !read) {
        return wrong_at(line, std::move(read.error()));
    }
    auto done = add_rows(maker, from.redirects, "redirect", redirects_max);
    for (const auto& row : from.redirects) {
        if (auto fits = done ? maker.check(row) : checked(); !fits) {
            return wrong_at(row.line, "redirect: " + fits.error());
        }
    }
    if (done) {
        done = add_rows(maker, from.headers, "header", rows_max);
    }
    if (done) {
        done = add_rows(maker, from.caches, "cache", rows_max);
    }
    if (done) {
        done = add_rows(maker, from.errors, "error", rows_max);
    }
    if (done) {
        done = add_rows(maker, from.cors, "cors", rows_max);
    }
    return done;
}

/// A host as `sites` knows it, without the "*." of a domain; nothing where it is none.
std::optional<std::string> read_host_name(std::string_view text) {
    if (text.ends_with('.')) {
        text.remove_suffix(1);
    }
    const bool is_address = text.starts_with('[') && text.ends_with(']') && text.size() > 2;
    const auto inner = is_address ? text.substr(1, text.size() - 2) : text;
    const bool is_name = !inner.empty() && text.size() <= host_name_bytes_max &&
                         std::ranges::all_of(inner, [is_address](char c) {
                             return ascii::is_alpha(c) || ascii::is_digit(c) || c == '.' ||
                                    (is_address ? c == ':' : c == '-' || c == '_');
                         });
    if (!is_name || inner.starts_with('.') || inner.contains("..")) {
        return std::nullopt;
    }
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), ascii::to_lower);
    return lower;
}

rules_outcome add_host(sites& into, const host_rules& from) {
    auto made = std::make_unique<site>();
    auto root = read_name("root", from.root);
    if (!root) {
        return wrong_at(from.line, "host: " + root.error());
    }
    made->host = from.names.empty() ? std::string() : from.names.front();
    // As a directory or not it is the same one.
    made->root = std::move(*root);
    if (from.names.empty() || from.names.size() > names_max) {
        return wrong_at(from.line, fmt::format("host: names: 1 to {} are needed", names_max));
    }
    for (const std::string_view each : from.names) {
        const bool is_domain = each.starts_with("*.");
        auto name = read_host_name(is_domain ? each.substr(2) : each);
        if (!name) {
            return wrong_at(from.line, fmt::format("host: names: {} is none such as \"example.org\""
                                                   " or \"*.example.org\", without a port",
                                                   quoted(each)));
        }
        auto& table = is_domain ? into.domains : into.whole_names;
        if (!table.emplace(std::move(*name), made.get()).second) {
            return wrong_at(from.line,
                            fmt::format("host: names: {} is a host already", quoted(each)));
        }
    }
    auto done = make_site(*made, from.site, from.line);
    into.hosts.push_back(std::move(made));
    return done;
}

}  // namespace

std::expected<std::shared_ptr<const sites>, rules_error> make_sites(const rules& written) {
    auto made = std::make_shared<sites>();
    if (auto done = make_site(made->standard, written.standard, 0); !done) {
        return std::unexpected(std::move(done.error()));
    }
    std::size_t redirects = written.standard.redirects.size();
    for (const auto& each : written.hosts) {
        redirects += each.site.redirects.size();
        if (redirects > redirects_max || made->hosts.size() >= hosts_max) {
            return wrong_at(each.line, fmt::format("more than {} hosts or {} redirects", hosts_max,
                                                   redirects_max));
        }
        if (auto done = add_host(*made, each); !done) {
            return std::unexpected(std::move(done.error()));
        }
    }
    if (written.refuses_other_hosts && made->hosts.empty()) {
        return wrong_at(0, "hosts without a site are refused, and there is none with one");
    }
    made->refuses_others = written.refuses_other_hosts;
    return made;
}

std::vector<named_file> files_of(const sites& rules) {
    std::vector<named_file> all;
    const auto add_pages = [&all](const site& of) {
        const auto where = of.host.empty() ? std::string() : fmt::format(" of {}", quoted(of.host));
        if (of.spa) {
            all.push_back(
                {.name = *of.spa, .what = fmt::format("the page{} for all paths", where)});
        }
        for (const auto& each : of.errors) {
            all.push_back({.name = each.page, .what = fmt::format("a page{} for errors", where)});
        }
    };
    add_pages(rules.standard);
    for (const auto& each : rules.hosts) {
        if (auto root = vfs::path::parse(each->root.text() + "/")) {
            all.push_back({.name = std::move(*root),
                           .what = fmt::format("the root of {}", quoted(each->host))});
        }
        add_pages(*each);
    }
    return all;
}

}  // namespace ferry::http
