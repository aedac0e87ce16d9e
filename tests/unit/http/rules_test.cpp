#include "ferry/http/rules.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/site.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

/// What is wrong with `site`, behind the line it is in; empty: nothing.
std::string wrong_with(const site_rules& of) {
    rules written;
    written.standard = of;
    const auto made = make_sites(written);
    if (made) {
        return {};
    }
    CHECK_FALSE(made.error().text.contains('\n'));
    return std::to_string(made.error().line) + ": " + made.error().text;
}

std::string wrong_with(redirect_rule row) {
    row.line = 7;
    return wrong_with(site_rules{.redirects = {std::move(row)}});
}
std::string wrong_with(header_rule row) {
    row.line = 7;
    return wrong_with(site_rules{.headers = {std::move(row)}});
}
std::string wrong_with(cors_rule row) {
    row.line = 7;
    return wrong_with(site_rules{.cors = {std::move(row)}});
}
std::string wrong_with(host_rules row) {
    row.line = 7;
    rules written;
    written.hosts.push_back(std::move(row));
    const auto made = make_sites(written);
    return made ? std::string() : made.error().text;
}

}  // namespace

TEST_CASE("rules: none at all are one site with index.html") {
    const auto made = make_sites({});
    REQUIRE(made.has_value());
    const site* const found = (*made)->find("any.example");
    REQUIRE(found != nullptr);
    CHECK(found->root.is_root());
    CHECK(found->index == std::vector<std::string>{"index.html"});
    CHECK_FALSE(found->has_rules());
}

TEST_CASE("rules: redirects that lead nowhere, to themselves or out by accident are refused") {
    CHECK(wrong_with(redirect_rule{.from = "/a", .to = "/b"}).empty());
    CHECK(wrong_with(redirect_rule{.from = "/a", .to = "", .status = 410}).empty());
    CHECK(wrong_with(redirect_rule{.from = "/a", .to = "/b", .status = 304}) ==
          "7: redirect: status: 304 is none of 301, 302, 303, 307, 308, 410");
    CHECK(wrong_with(redirect_rule{.from = "/a", .to = "/b", .status = 410}) ==
          "7: redirect: to: what is gone (410) is nowhere");
    for (const auto& [from, to] :
         {std::pair("/a", "/a"), std::pair("/a", "/a/"), std::pair("/a", "/%61#x"),
          std::pair("*", "/closed.html"), std::pair("/a/*", "/a/b/*"), std::pair("/a*", "/a/*")}) {
        CAPTURE(from);
        CHECK(wrong_with(redirect_rule{.from = from, .to = to})
                  .ends_with("would be sent back to the same row, again and again"));
    }
    for (const auto& rows : {std::vector<redirect_rule>{{.from = "/a", .to = "/b", .line = 7},
                                                        {.from = "/b", .to = "/a", .line = 8}},
                             std::vector<redirect_rule>{{.from = "/a/*", .to = "/b/*", .line = 7},
                                                        {.from = "/b/*", .to = "/c/*", .line = 8},
                                                        {.from = "/c/*", .to = "/a/*", .line = 9}},
                             std::vector<redirect_rule>{{.from = "/x", .to = "/y", .line = 6},
                                                        {.from = "/a", .to = "/b/c", .line = 7},
                                                        {.from = "/b/*", .to = "/a", .line = 8}}}) {
        rules wanted;
        wanted.standard.redirects = rows;
        const auto made = make_sites(wanted);
        REQUIRE_FALSE(made);
        CHECK(made.error().line == 7);
        CHECK(made.error().text.ends_with("would be sent from row to row, and there again"));
    }
    for (const auto& rows :
         {std::vector<redirect_rule>{{.from = "/a", .to = "/b"}, {.from = "/b", .to = "/c"}},
          std::vector<redirect_rule>{{.from = "/a", .to = "/b"},
                                     {.from = "/b", .to = "https://example.org/a"}},
          std::vector<redirect_rule>{{.from = "/a", .to = "", .status = 410},
                                     {.from = "/b", .to = "/a"}}}) {
        rules wanted;
        wanted.standard.redirects = rows;
        CHECK(make_sites(wanted));
    }
    CHECK(wrong_with(redirect_rule{.from = "/*.php", .to = "/*.html"}).empty());
    CHECK(wrong_with(redirect_rule{.from = "/a/", .to = "/a"}).empty());
    CHECK(wrong_with(redirect_rule{.from = "/*", .to = "https://example.org/*"}).empty());
    // threats.md, H7: "//host" is another server.
    for (const auto* const to :
         {"", "b", "//evil.example", "ftp://x/", "javascript:x", "https://", "https:///x",
          "https://u:p@x/", "/a\r\nX: 1", "/a b", "/a\\b", "/<", "/*", "https://x*/"}) {
        CAPTURE(to);
        CHECK(wrong_with(redirect_rule{.from = "/a", .to = to}).starts_with("7: redirect: to: "));
    }
    for (const auto* const to :
         {"/*/*", "https://example.org*", "https://*.example.org/", "/b#*"}) {
        CAPTURE(to);
        CHECK(wrong_with(redirect_rule{.from = "/a/*", .to = to}).starts_with("7: redirect: to: "));
    }
    CHECK(wrong_with(redirect_rule{.from = "a", .to = "/b"}).starts_with("7: redirect: from: "));
}

TEST_CASE(
    "rules: fields are tokens, their values printable (RFC 9110 section 5), none ferry's own") {
    const auto with = [](std::string name, std::string value) {
        return wrong_with(header_rule{.set = {{std::move(name), std::move(value)}}});
    };
    CHECK(with("X-Frame-Options", "DENY").empty());
    for (const auto* const name : {"", "X Y", "X:", "X\r\nY", "\xc3\xa9"}) {
        CAPTURE(name);
        CHECK(with(name, "1").ends_with("is no field name"));
    }
    // threats.md, H7: no answer split in two.
    for (const auto* const value : {"", " a", "a ", "a\r\nX: 1", "a\nb", "a\tb", "\xc3\xa9"}) {
        CAPTURE(value);
        CHECK(with("X", value).starts_with("7: header: X: "));
    }
    CHECK_FALSE(with("X", std::string(4'097, 'a')).empty());
    for (const auto* const name :
         {"content-length", "Transfer-Encoding", "Connection", "Date", "etag", "Content-Range",
          "Content-Type", "Content-Encoding", "Last-Modified", "Vary", "Location", "Upgrade",
          "WWW-Authenticate", "Cache-Control", "Access-Control-Allow-Origin", "Keep-Alive",
          "Trailer", "Age"}) {
        CAPTURE(name);
        CHECK(with(name, "1").contains("is ferry's own"));
        CHECK(wrong_with(header_rule{.remove = {name}}).contains("is ferry's own"));
    }
    CHECK(with("Cache-Control", "no-cache") ==
          "7: header: Cache-Control is ferry's own: [[cache]] sets it");
    CHECK(wrong_with(header_rule{.path = "/*"}) ==
          "7: header: a row without set, add or remove does nothing");
    CHECK(wrong_with(header_rule{.type = "html", .remove = {"X"}})
              .starts_with("7: header: type: \"html\" is no media type"));
    site_rules many;
    for (std::size_t i = 0; i <= field_names_max; ++i) {
        many.headers.push_back({.set = {{"X-" + std::to_string(i), "1"}}, .line = i + 1});
    }
    CHECK(wrong_with(many).starts_with("65: header: a site has at most 64 fields"));
}

TEST_CASE("rules: caches and error pages") {
    const auto cache = [](std::string control, std::vector<std::uint16_t> statuses) {
        return wrong_with(site_rules{
            .caches = {
                {.control = std::move(control), .statuses = std::move(statuses), .line = 3}}});
    };
    CHECK(cache("max-age=60", {}).empty());
    CHECK(cache("max-age=60", {200, 404}).empty());
    CHECK(cache("max-age=60\r\nX: 1", {}).starts_with("3: cache: control: "));
    CHECK(cache("max-age=60", {199}).starts_with("3: cache: status: 199"));
    const auto page = [](std::vector<std::uint16_t> statuses, std::string name) {
        return wrong_with(site_rules{
            .errors = {{.statuses = std::move(statuses), .page = std::move(name), .line = 3}}});
    };
    CHECK(page({404, 500}, "/404.html").empty());
    CHECK(page({}, "/404.html") == "3: error: status: there is none");
    CHECK(page({200}, "/404.html").starts_with("3: error: status: 200"));
    CHECK(page({431}, "/404.html").starts_with("3: error: status: 431"));
    CHECK(page({404}, "404.html").starts_with("3: error: page: "));
    CHECK(page({404}, "/dir/").starts_with("3: error: page: \"/dir/\" is a directory"));
    CHECK(page({404}, "/.ferry-x").starts_with("3: error: page: "));
}

TEST_CASE("rules: origins are as browsers write them, never * with credentials (Fetch standard)") {
    const auto from = [](std::vector<std::string> origins, bool credentials = false) {
        return wrong_with(cors_rule{.origins = std::move(origins), .credentials = credentials});
    };
    CHECK(from({"*"}).empty());
    CHECK(from({"https://app.example.org", "http://localhost:3000", "http://[::1]:80"}, true)
              .empty());
    CHECK_FALSE(from({"*"}, true).empty());
    CHECK_FALSE(from({"*", "https://a.example"}).empty());
    for (const auto* const origin :
         {"", "null", "app.example.org", "https://a.example/", "HTTPS://a.example",
          "https://A.example", "https://*.example", "https://a.example\r\nX: 1", "https://a b"}) {
        CAPTURE(origin);
        CHECK(from({origin}).starts_with("7: cors: origins: "));
    }
    CHECK(from({}).starts_with("7: cors: origins: 1 to "));
    CHECK_FALSE(wrong_with(cors_rule{.origins = {"*"}, .methods = {"GET,"}}).empty());
    CHECK_FALSE(wrong_with(cors_rule{.origins = {"*"}, .headers = {"X\r\nY"}}).empty());
    CHECK_FALSE(
        wrong_with(cors_rule{.origins = {"http://a"}, .headers = {"*"}, .credentials = true})
            .empty());
}

TEST_CASE("rules: hosts have good names, each once, and a root") {
    const auto with = [](std::vector<std::string> names, std::string root = "/") {
        return wrong_with(
            host_rules{.names = std::move(names), .root = std::move(root), .site = {}});
    };
    CHECK(with({"example.org", "*.example.org", "localhost", "127.0.0.1", "[::1]"}).empty());
    for (const auto* const name :
         {"", ".", "*", "*.", "a..b", "a b", "a:80", "a/b", ".a", "*.*.a", "a*.b", "[]", "::1"}) {
        CAPTURE(name);
        CHECK_FALSE(with({name}).empty());
    }
    CHECK_FALSE(with({}).empty());
    CHECK(with({"a", "A."}) == "host: names: \"A.\" is a host already");
    CHECK(with({"a"}, "sites").starts_with("host: root: "));
    rules nobody;
    nobody.refuses_other_hosts = true;
    CHECK_FALSE(make_sites(nobody).has_value());
}

TEST_CASE("rules: which files they name") {
    rules written;
    written.standard.errors = {{.statuses = {404}, .page = "/404.html"}};
    written.hosts = {
        {.names = {"A.example", "b"},
         .root = "/a",
         .site = {.spa = "/app.html", .errors = {{.statuses = {404}, .page = "/404.html"}}}}};
    const auto all = files_of(*make_sites(written).value());
    REQUIRE(all.size() == 4);
    CHECK(all[0].name.text() == "/404.html");
    CHECK(all[0].what == "a page for errors");
    CHECK(all[1].name.text() == "/a");
    CHECK(all[1].name.wants_directory());
    CHECK(all[1].what == "the root of \"A.example\"");
    CHECK(all[2].name.text() == "/a/app.html");
    CHECK(all[2].what == "the page of \"A.example\" for all paths");
    CHECK(all[3].name.text() == "/a/404.html");
    CHECK_FALSE(all[3].name.wants_directory());
    CHECK(files_of(*make_sites({}).value()).empty());
}

TEST_CASE("rules: settings of a site") {
    CHECK(wrong_with(site_rules{.index = {"index.html", "index.htm"}}).empty());
    CHECK(wrong_with(site_rules{.index = {}}).empty());
    for (const auto* const name : {"", ".", "..", "a/b", "/a", ".ferry-x"}) {
        CAPTURE(name);
        CHECK(wrong_with(site_rules{.index = {name}}).starts_with("0: index: "));
    }
    CHECK(wrong_with(site_rules{.spa = "/index.html"}).empty());
    CHECK(wrong_with(site_rules{.spa = "index.html"}).starts_with("0: spa: "));
    site_rules starred;
    for (std::size_t i = 0; i < 257; ++i) {
        starred.redirects.push_back(
            {.from = "/" + std::to_string(i) + "/*", .to = "/", .line = i + 1});
    }
    CHECK(wrong_with(starred) == "257: redirect: more than 256 redirects with a * in from");
}
