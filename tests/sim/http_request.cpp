#include "http_request.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "http_misfits.hpp"

namespace ferry::sim::test {
namespace {

constexpr std::string_view old_date_text = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view wrong_tag_text = "\"not-a-tag-of-yours\"";

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string pick_path(client_context& context) {
    if (context.packing.is_asked_for && context.chance(3)) {  // What is packed.
        static constexpr std::array<std::string_view, 6> texts{
            "/static/lines.txt",      "/static/packed.txt", "/static/site",
            "/static/site/page.html", "/shared/text.txt",   "/shared/s0.bin"};
        return std::string(texts[context.rng.below(texts.size())]);
    }
    const auto paths = context.model.paths();
    switch (context.rng.below(16)) {
        case 0:
            return joined(paths[context.rng.below(paths.size())], "no-such-name");
        case 1:
            return "/";
        default:
            return paths[context.rng.below(paths.size())];
    }
}

/// Chooses a site, and a path of it for `path` or, where that is not of it, for another.
void draw_site(client_context& context, http_request& made) {
    const auto& sites = context.sites;
    const auto chosen = context.rng.below(sites.hosts.size() + 2);
    if (chosen >= sites.hosts.size()) {
        made.host = chosen == sites.hosts.size() ? "else.example" : "ferry.example";
        return;
    }
    const auto& site = sites.hosts[chosen];
    auto name = site.names[context.rng.below(site.names.size())];
    if (name.starts_with('*')) {
        name = (context.chance(2) ? "one" : "a.two") + name.substr(1);
    }
    made.host = name + (context.chance(6) ? "." : "") + (context.chance(6) ? ":8080" : "");
    if (context.chance(4)) {
        std::ranges::replace(made.host, 'e', 'E');
    }
    auto inside = site.in_site(made.path);
    if (!inside) {
        auto paths = context.model.paths();
        std::erase_if(paths, [&site](const auto& each) { return !site.in_site(each); });
        inside = site.in_site(paths[context.rng.below(paths.size())]);
    }
    if (!site.redirects.empty() && context.chance(5)) {
        static constexpr std::array<std::string_view, 6> moved{
            "/old/one", "/old/not/two", "/gone", "/away", "/three.old", "/sub/deep.bin"};
        inside = moved[context.rng.below(moved.size())];
    } else if (inside->ends_with(".html") && context.chance(2)) {
        inside->resize(inside->size() - 5);
    } else if (context.chance(10)) {
        *inside += context.chance(2) ? "-not-there" : ".no";
    }
    made.site_path = *inside;
    made.path = site.in_tree(*inside);
}

/// What scripts of other sites, and browsers that navigate, say besides.
std::string draw_site_fields(client_context& context, http_request& made) {
    std::string fields;
    if (context.chance(2)) {
        static constexpr std::array<std::string_view, 3> origins{
            "https://app.example", "http://localhost:3000", "https://evil.example"};
        made.origin = origins[context.rng.below(origins.size())];
        fields += fmt::format("Origin: {}\r\n", made.origin);
        if (made.sort == request_sort::options && context.chance(2)) {
            made.is_preflight = true;
            fields += "Access-Control-Request-Method: GET\r\n";
        }
    }
    struct accepted {
        std::string_view value;
        bool is_html;
    };
    static constexpr std::array<accepted, 5> accepts{{{"", true},
                                                      {"text/html,image/*;q=0.8", true},
                                                      {"*/*", true},
                                                      {"image/png", false},
                                                      {"text/html;q=0, text/css", false}}};
    const auto& chosen = accepts[context.rng.below(accepts.size())];
    made.accepts_html = chosen.is_html;
    if (!chosen.value.empty()) {
        fields += fmt::format("Accept: {}\r\n", chosen.value);
    }
    return fields;
}

/// The same place in other words: dot segments, doubled slashes.
std::string roundabout(client_context& context, const std::string& path) {
    switch (context.rng.below(8)) {
        case 0:
            return "/." + path;
        case 1:
            return "/no-such-directory/.." + path;
        case 2:
            return "//" + path.substr(1);
        default:
            return path;
    }
}

std::string value_of(compared_with what, const seen_validators& seen) {
    switch (what) {
        case compared_with::anything:
            return "*";
        case compared_with::seen_tag:
            return seen.tag;
        case compared_with::seen_date:
            return seen.last_modified;
        case compared_with::wrong_tag:
            return std::string(wrong_tag_text);
        case compared_with::old_date:
            return std::string(old_date_text);
        case compared_with::garbage:
            return "yesterday, about noon";
    }
    return {};
}

std::string draw_condition(client_context& context, http_request& made, bool has_seen) {
    using enum compared_with;
    made.condition = static_cast<condition_field>(1 + context.rng.below(4));
    const bool is_date = made.condition == condition_field::if_modified_since ||
                         made.condition == condition_field::if_unmodified_since;
    switch (context.rng.below(has_seen ? 6 : 3)) {
        case 0:
            made.condition_value = is_date ? garbage : wrong_tag;
            break;
        case 1:
            made.condition_value = is_date ? old_date : anything;
            break;
        case 2:
            made.condition_value = is_date ? old_date : wrong_tag;
            break;
        default:
            made.condition_value = !is_date         ? seen_tag
                                   : made.seen.page ? garbage  // It has no date.
                                                    : seen_date;
            break;
    }
    auto value = value_of(made.condition_value, made.seen);
    if (made.condition_value == seen_tag && context.chance(3)) {
        value = fmt::format(" {},, {} ", wrong_tag_text, value);  // A list, empty members too.
    }
    static constexpr std::array<std::string_view, 5> names{
        "", "If-Match", "if-none-match", "If-Modified-Since", "If-Unmodified-Since"};
    return fmt::format("{}: {}\r\n", names[static_cast<std::size_t>(made.condition)], value);
}

std::string draw_if_range(client_context& context, http_request& made, bool has_seen) {
    using enum compared_with;
    made.has_if_range = true;
    switch (context.rng.below(has_seen ? 5 : 2)) {
        case 0:
            made.if_range_value = wrong_tag;
            break;
        case 1:
            made.if_range_value = old_date;
            break;
        case 2:
            made.if_range_value = made.seen.page ? old_date : seen_date;
            break;
        default:
            made.if_range_value = seen_tag;
            break;
    }
    return fmt::format("If-Range: {}\r\n", value_of(made.if_range_value, made.seen));
}

std::uint64_t likely_size(client_context& context, const std::string& path) {
    for (const auto& each : context.model.possible(path)) {
        if (each.kind == node_kind::file) {
            return each.octets.size_bytes();
        }
    }
    return 1'000;
}

std::string draw_range(client_context& context, http_request& made) {
    using form = asked_range::form;
    const auto size = likely_size(context, made.path);
    asked_range wanted;
    std::string text;
    switch (context.rng.below(9)) {
        case 0:
        case 1:
        case 2:
            wanted.first = context.rng.below(size + 1);
            wanted.last = wanted.first + context.rng.below(context.chance(2) ? 100 : size + 10);
            text = fmt::format("{}-{}", wanted.first, wanted.last);
            break;
        case 3:
            wanted.what = form::from;
            wanted.first = context.rng.below(size + size / 8 + 2);
            text = fmt::format("{}-", wanted.first);
            break;
        case 4:
            wanted.what = form::suffix;
            wanted.last = context.rng.below(size + size / 8 + 2);
            text = fmt::format("-{}", wanted.last);
            break;
        case 5:  // Beyond 2^64: clipped, never wrapped.
            wanted.what = context.chance(2) ? form::from_to : form::from;
            wanted.first =
                wanted.what == form::from_to ? context.rng.below(size + 1) : ~std::uint64_t{0};
            wanted.last = ~std::uint64_t{0};
            text = wanted.what == form::from_to
                       ? fmt::format("{}-99999999999999999999999", wanted.first)
                       : std::string("18446744073709551616-");
            break;
        case 6:
            wanted.what = form::suffix;
            wanted.last = ~std::uint64_t{0};
            text = "-340282366920938463463374607431768211456";
            break;
        case 7:
            wanted.what = form::ignored;
            made.range = wanted;
            return context.chance(2) ? "Range: bytes=7-3\r\n" : "Range: pages=1-2\r\n";
        default:
            if (size < 40) {
                return {};
            }
            wanted.what = form::several;
            text = several_ranges;
            break;
    }
    made.range = wanted;
    return fmt::format("Range: {}={}\r\n", context.chance(4) ? "BYTES" : "bytes", text);
}

std::string draw_body(client_context& context, http_request& made, bool may_be_last) {
    const auto drained = context.server.body_drain_bytes_max;
    switch (context.rng.below(may_be_last ? 6 : 3)) {
        case 0:
        case 1: {
            const auto size = context.rng.below(3'000);
            made.octets += fmt::format("Content-Length: {}\r\n", size);
            return std::string(size, 'b');
        }
        case 2: {
            made.is_big = true;
            const auto size = std::min<std::size_t>(drained, 60'000);
            made.octets += fmt::format("Content-Length: {}\r\n", size);
            return std::string(size, 'b');
        }
        case 3: {
            made.is_big = true;
            made.is_last = true;
            const auto size = drained + 1 + context.rng.below(60'000);
            made.octets += fmt::format("Content-Length: {}\r\n", size);
            return std::string(size, 'b');
        }
        case 4:
            made.is_last = true;
            made.octets += "Transfer-Encoding: chunked\r\n";
            return "5\r\nhello\r\n0\r\n\r\n";
        default:
            made.is_last = true;  // It holds the body back, and is told at once what it is worth.
            made.octets += "Content-Length: 100\r\nExpect: 100-continue\r\n";
            return {};
    }
}

void draw_tree_request(client_context& context, const validator_book& book, http_request& made,
                       bool may_be_last) {
    made.path = pick_path(context);
    const bool has_sites = !context.sites.hosts.empty();
    if (has_sites) {
        draw_site(context, made);
    }
    const auto& named = made.site_path.empty() ? made.path : made.site_path;
    const auto states = context.model.possible(made.path);
    const bool is_directory = !states.empty() && states.front().kind == node_kind::directory;
    made.wants_directory = named == "/" || context.chance(is_directory ? 2 : 12);
    if (is_directory && !made.wants_directory) {
        made.wants_directory = context.chance(2);
    }
    auto target = encode_path(roundabout(context, named), context.rng.next());
    if (made.wants_directory && named != "/") {
        target += context.chance(6) ? "/." : "/";
    }
    if (context.chance(5)) {
        // Chosen by the path: a draw more would be another world.
        static constexpr std::array<std::string_view, 4> queries{
            "?a=/../b&c=d", "?format=json", "?order=desc&sort=size", "?format=tar"};
        made.query = context.chance(3) ? "?" : queries[made.path.size() % queries.size()];
        target += made.query;
    }
    if (context.chance(8)) {
        target = fmt::format("http://{}{}", made.host, target);
    }
    made.version_minor = may_be_last && context.chance(8) ? 0 : 1;
    made.sort = context.chance(4)    ? request_sort::head
                : context.chance(16) ? request_sort::options
                                     : request_sort::get;
    static constexpr std::array<std::string_view, 3> methods{"GET", "HEAD", "OPTIONS"};
    made.octets =
        fmt::format("{} {} HTTP/1.{}\r\nHost: {}\r\n", methods[static_cast<std::size_t>(made.sort)],
                    target, made.version_minor, made.host);
    if (has_sites) {
        made.octets += draw_site_fields(context, made);
    }
    const auto of_listing = made.wants_directory ? book.find(made.path + '/') : book.end();
    const auto seen = of_listing != book.end() ? of_listing : book.find(made.path);
    const bool has_seen = seen != book.end() && !seen->second.tag.empty();
    if (has_seen) {
        made.seen = seen->second;
    }
    if (context.chance(4)) {
        made.octets += draw_condition(context, made, has_seen);
    }
    if (context.chance(3)) {
        made.octets += draw_range(context, made);
        if (context.chance(3)) {
            made.octets += draw_if_range(context, made, has_seen);
        }
    }
    const bool is_in_parts = made.range && made.range->what == asked_range::form::several;
    if (context.packing.is_asked_for && !is_in_parts && !context.chance(4)) {
        made.octets += draw_accept_encoding(context.rng, made.accepts.emplace());
    }
}

}  // namespace

std::string http_request::describe() const {
    const auto end = octets.find("\r\n\r\n");
    return octets.substr(0, std::min<std::size_t>(end, 400));
}

http_request draw_request(client_context& context, const validator_book& book, bool may_be_last) {
    http_request made;
    if (context.chance(12)) {
        made = draw_misfit(context, may_be_last);
        return made;
    }
    draw_tree_request(context, book, made, may_be_last);
    std::string body;
    if (context.chance(10)) {
        body = draw_body(context, made, may_be_last && made.version_minor == 1);
    }
    if (context.chance(4)) {
        made.octets += "X-Filler: " + std::string(context.rng.below(300), 'x') + "\r\n";
    }
    if (made.version_minor == 0) {
        made.says_keep_alive = !made.is_last && context.chance(2);
        made.octets += made.says_keep_alive ? "Connection: keep-alive\r\n" : "";
        made.is_last = !made.says_keep_alive;
    } else if (may_be_last && context.chance(8)) {
        made.octets += context.chance(2) ? "Connection: close\r\n" : "connection: foo , CLOSE\r\n";
        made.is_last = true;
    }
    made.octets += "\r\n" + body;
    return made;
}

http_request plain_get(const std::string& path) {
    http_request made;
    made.wants_directory = path.ends_with('/');
    made.path = path.size() > 1 && made.wants_directory ? path.substr(0, path.size() - 1) : path;
    made.octets = fmt::format("GET {} HTTP/1.1\r\nHost: ferry.example\r\n\r\n", encode_path(path));
    return made;
}

std::string encode_path(std::string_view path, std::uint64_t weather) {
    constexpr std::string_view plain = "-._~/!$()*,:=@";
    std::string made;
    for (const char c : path) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || plain.find(c) != std::string_view::npos;
        weather = weather * 6'364'136'223'846'793'005U + (weather != 0 ? 1 : 0);
        const bool is_chosen = weather >> 60U == 5 && c != '/';
        if (is_plain && !is_chosen) {
            made += c;
        } else {
            made += weather >> 59U & 1U ? fmt::format("%{:02x}", static_cast<unsigned char>(c))
                                        : fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return made;
}

std::optional<std::string> decode_path(std::string_view text) {
    std::string made;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            made += text[i];
            continue;
        }
        if (text.size() - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0) {
            return std::nullopt;
        }
        made += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
        i += 2;
    }
    return made;
}

}  // namespace ferry::sim::test
