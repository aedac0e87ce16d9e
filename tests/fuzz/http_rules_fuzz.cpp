// Rules of sites: what is refused harms nobody, and whatever is taken makes no answer that ends a
// line early, leads to a server that no row names, or lets anybody above the root of a site.
//
// A line each: from, to, a field's value, an origin, a host's name, a request's path, its query,
// its Host.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/assert.hpp"
#include "ferry/http/rules.hpp"
#include "http/answer_rules.hpp"
#include "http/fields.hpp"
#include "http/site.hpp"
#include "http/target.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

void check_location(std::string_view location, std::string_view to) {
    FERRY_ASSERT(std::ranges::none_of(location, [](char c) {
        return ascii::is_control(c) || static_cast<unsigned char>(c) > 0x7F || c == ' ' ||
               c == '"' || c == '<' || c == '>' || c == '\\';
    }));
    if (to.starts_with('/')) {
        FERRY_ASSERT(location.starts_with('/') && !location.starts_with("//"));
        return;
    }
    // The whole authority is the row's: what stands for the '*' comes behind it.
    const auto path = to.find_first_of("/?#", to.find("//") + 2);
    const auto origin = to.substr(0, path);
    FERRY_ASSERT(location.starts_with("http"));
    FERRY_ASSERT(
        std::ranges::any_of(to, [](char c) { return static_cast<unsigned char>(c) > 0x7F; }) ||
        location.starts_with(origin));
    if (location.size() > origin.size() && location.starts_with(origin)) {
        FERRY_ASSERT(std::string_view("/?#").contains(location[origin.size()]));
    }
}

/// One line of `text`, taken off its front.
std::string take_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    std::string line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string input(data, data + size);
    std::string_view rest = input;
    std::array<std::string, 8> lines;
    for (auto& each : lines) {
        each = take_line(rest);
    }
    const auto& [from, to, value, origin, name, path, query, host] = lines;

    const auto raw = decode_target(path);
    rules redirects;
    redirects.standard.redirects.push_back({.from = from, .to = to});
    if (const auto made = make_sites(redirects); made && raw) {
        const auto found = (*made)->standard.redirects.find(raw->text());
        if (found.row != nullptr) {
            FERRY_ASSERT(raw->text().contains(found.star));
            check_location(location_of(*found.row, found.star, query), to);
        }
    }

    rules fields;
    fields.standard.headers.push_back({.path = from, .set = {{"X-A", value}}});
    fields.standard.caches.push_back({.path = from, .control = value});
    fields.standard.cors.push_back({.origins = {origin}});
    if (const auto made = make_sites(fields); made && raw) {
        const answer_rules of{.of = &(*made)->standard, .path = raw->text(), .origin = origin};
        response_head head;
        head.rules = &of;
        std::string out;
        append_head(out, head);
        FERRY_ASSERT(out.ends_with("\r\n\r\n") && out.find("\r\n\r\n") == out.size() - 4);
        FERRY_ASSERT(std::ranges::count(out, '\r') == std::ranges::count(out, '\n'));
        std::size_t line_ends = 0;
        for (auto at = out.find("\r\n"); at != out.npos; at = out.find("\r\n", at + 2)) {
            ++line_ends;
        }
        FERRY_ASSERT(std::cmp_equal(std::ranges::count(out, '\n'), line_ends));
    }

    rules hosts;
    hosts.hosts.push_back({.names = {name}, .root = "/sites/one"});
    if (const auto made = make_sites(hosts)) {
        const site* const found = (*made)->find(host);
        FERRY_ASSERT(found != nullptr);
        if (raw) {
            const auto inside = found->in_tree(*raw);
            FERRY_ASSERT(!inside || inside->is_within(found->root));
            FERRY_ASSERT(!inside || found->in_site(*inside) == *raw);
        }
    }
    return 0;
}
