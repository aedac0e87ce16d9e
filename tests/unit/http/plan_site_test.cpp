#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ferry/base/ascii.hpp"
#include "ferry/http/rules.hpp"
#include "http/head_parser.hpp"
#include "planned_site.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::planned;

namespace {

struct ruled_site : http::test::planned_site {
    explicit ruled_site(const rules& written, options numbers = {})
        : planned_site(std::move(numbers)) {
        go_by(written);
    }
    ruled_site(site_rules written, troubled names) : planned_site(options{}, names) {
        go_by({.standard = std::move(written)});
    }
    explicit ruled_site(site_rules written, options numbers = {})
        : ruled_site(rules{.standard = std::move(written)}, std::move(numbers)) {}

  private:
    void go_by(const rules& written) {
        auto made = make_sites(written);
        REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().text));
        shared.use_rules(std::move(*made));
    }
};

options visitors_may(std::string_view permissions) {
    options numbers;
    numbers.visitors = auth::permissions::parse(permissions).value();
    return numbers;
}

/// Begins to plan, and while that waits for the disk has other rules take the place of all.
runtime::task<> plan_while_rules_change(runtime::nursery& bottom, ruled_site& on,
                                        const request& asked, std::optional<response_plan>& made,
                                        std::shared_ptr<const sites> next, bool& was_under_way) {
    bottom.start(
        [](service::state& shared, const request& head,
           std::optional<response_plan>& into) -> runtime::task<> {
            const http::test::content_given none;
            http::test::given_content content(none);
            const net::endpoint nowhere;
            const auto by = co_await identify(shared, head, nowhere);
            into = co_await plan_response(shared, head, content, by, after::keep_alive);
        },
        std::ref(on.shared.inside()), std::cref(asked), std::ref(made));
    co_await on.machine.here.yield();
    was_under_way = !made.has_value();
    on.shared.use_rules(std::move(next));
}

// ann, whose password is "a".
constexpr std::string_view by_ann = "Authorization: Basic YW5uOmE=\n";

std::size_t count_lines(const planned& made, std::string_view name) {
    return static_cast<std::size_t>(std::ranges::count_if(
        made.head.fields, [name](const auto& each) { return each.first == name; }));
}

}  // namespace

TEST_CASE("plan: the first index file that is there is the directory's") {
    ruled_site on(site_rules{.index = {"home.html", "index.htm"}});
    on.files.make_directory("a");
    on.files.make_directory("b");
    on.put("a/home.html", "home");
    on.put("a/index.htm", "other");
    on.put("b/index.htm", "index");
    on.put("index.html", "not an index here");
    CHECK(on.get("/a/").inline_body == "home");
    CHECK(on.get("/b/").inline_body == "index");
    CHECK(on.get("/").inline_body.starts_with("<!DOCTYPE html>"));
    ruled_site none(site_rules{.index = {}});
    none.put("index.html", "index");
    CHECK(none.get("/").inline_body.contains(">index.html<"));
}

TEST_CASE("plan: a site may have no listings and no archives") {
    ruled_site on(site_rules{.listings = false});
    on.files.make_directory("dir");
    on.put("index.html", "index");
    on.put("dir/a", "a");
    CHECK(on.get("/").inline_body == "index");
    CHECK(on.get("/dir/a").inline_body == "a");
    for (const auto* const target : {"/dir/", "/dir/?format=json", "/dir/?format=zip"}) {
        CAPTURE(target);
        CHECK(on.get(target).head.status == 403);
    }
}

TEST_CASE("plan: clean URLs, one address for a page") {
    ruled_site on(site_rules{.clean_urls = true});
    on.files.make_directory("dir");
    on.files.make_directory("both");
    on.put("page.html", "page");
    on.put("both.html", "both");
    on.put("dir/index.html", "index");
    on.put("dir/a b.html", "a b");
    on.put("v1.2.html", "version");
    on.put("LICENSE", "free");
    on.put("style.css", "css");
    const auto page = on.get("/page");
    CHECK(page.head.status == 200);
    CHECK(page.head.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(page.inline_body == "page");
    CHECK(on.head("/page").head.field("Content-Length") == "4");
    CHECK(on.get("/LICENSE").inline_body == "free");
    CHECK(on.get("/style.css").inline_body == "css");
    CHECK(on.get("/both").inline_body == "both");
    CHECK(on.get("/both/").head.status == 200);
    CHECK(on.get("/nothing").head.status == 404);
    CHECK(on.get("/page/").head.status == 404);
    const auto moved = on.get("/page.html?a=b");
    CHECK(moved.head.status == 308);  // RFC 9110 section 15.4.9.
    CHECK(moved.head.field("Location") == "/page?a=b");
    CHECK(on.get("/dir/index.html").head.field("Location") == "/dir/");
    CHECK(on.get("/dir/a%20b.html").head.field("Location") == "/dir/a%20b");
    CHECK(on.get("/dir/a%20b").inline_body == "a b");
    CHECK(on.get("/dir").head.field("Location") == "/dir/");
    CHECK(on.get("/dir/").inline_body == "index");
    CHECK(on.get("/nothing.html").head.status == 404);
    // Its address without the end would be one with another end.
    CHECK(on.get("/v1.2.html").inline_body == "version");
}

// RFC 9110 section 15.6.1: what would be answered without the page may be wrong.
TEST_CASE("plan: a page that the disk does not give is the server's error, not another answer") {
    ruled_site on(site_rules{.spa = "/broken app.html", .clean_urls = true},
                  ruled_site::troubled{});
    on.files.make_directory("broken");
    on.put("broken.html", "page");
    on.put("broken/a", "a");
    on.put("broken app.html", "app");
    on.put("page.html", "page");
    CHECK(on.get("/broken").head.status == 500);  // Not the redirection to the directory's listing.
    CHECK(on.get("/route").head.status == 500);   // Not 404.
    CHECK(on.get("/page").inline_body == "page");
    CHECK(on.get("/none.js").head.status == 404);
}

TEST_CASE("plan: how often the tree is asked for a name that is none, and for a page") {
    ruled_site on(site_rules{.spa = "/app.html", .clean_urls = true});
    on.put("app.html", "app");
    on.put("page.html", "page");
    const auto opens = [&](std::string_view target) {
        const auto before = on.open_files.counted();
        static_cast<void>(on.get(target));
        const auto& after = on.open_files.counted();
        return after.misses + after.hits - before.misses - before.hits;
    };
    CHECK(opens("/page") == 1);
    CHECK(opens("/none.js") == 1);
    CHECK(opens("/route") == 3);
    CHECK(opens("/a/b/") == 2);
}

TEST_CASE("plan: clean URLs are no way around permissions") {
    ruled_site on(site_rules{.clean_urls = true}, visitors_may("read-only,/page.html=none"));
    on.put("page.html", "secret");
    CHECK(on.get("/page").head.status == 404);
    CHECK(on.get("/page.html").head.status == 403);
}

TEST_CASE("plan: a site of one page gives it for paths that are none, to who wants pages") {
    ruled_site on(site_rules{.spa = "/app.html"});
    on.put("app.html", "app");
    on.files.make_directory("dir");
    on.put("file", "file");
    const auto page = on.get("/users/42", "Accept: text/html,*/*;q=0.8\n");
    CHECK(page.head.status == 200);
    CHECK(page.inline_body == "app");
    CHECK(page.head.field("ETag") != "(none)");
    CHECK(page.head.field("Vary") == "Accept");  // RFC 9110 section 12.5.5.
    CHECK(on.get("/users/42/").inline_body == "app");
    CHECK(on.get("/x", "Accept: */*\n").inline_body == "app");
    CHECK(on.get("/file/below").inline_body == "app");
    CHECK(on.head("/x").head.field("Content-Length") == "3");
    const auto json = on.get("/users/42", "Accept: application/json\n");
    CHECK(json.head.status == 404);
    CHECK(json.head.field("Vary") == "Accept");
    CHECK(on.get("/x", "Accept: text/html;q=0\n").head.status == 404);
    const auto asset = on.get("/app.1234.js");
    CHECK(asset.head.status == 404);
    CHECK_FALSE(asset.head.has("Vary"));
    CHECK(on.get("/file").inline_body == "file");
    CHECK(on.get("/dir").head.status == 301);
    CHECK(on.get("/%00").head.status == 400);
    CHECK(on.get("/x", "If-None-Match: " + page.head.field("ETag") + "\n").head.status == 304);
}

TEST_CASE("plan: without its page a site of one page has 404, and closed paths stay closed") {
    ruled_site on(site_rules{.spa = "/app.html"}, visitors_may("read-only,/private=none"));
    CHECK(on.get("/x").head.status == 404);
    on.put("app.html", "app");
    CHECK(on.get("/x").inline_body == "app");
    CHECK(on.get("/private/x").head.status == 403);
}

TEST_CASE("plan: redirects by path go before the tree (RFC 9110 section 15.4)") {
    ruled_site on(site_rules{.redirects = {{.from = "/old/*", .to = "/new/*", .status = 302},
                                           {.from = "/page.html", .to = "https://example.org/"},
                                           {.from = "/gone", .to = "", .status = 410}}});
    on.put("page.html", "page");
    const auto moved = on.get("/old/a%20b?x=1");
    CHECK(moved.head.status == 302);
    CHECK(moved.head.field("Location") == "/new/a%20b?x=1");
    CHECK(moved.head.field("Content-Length") == "0");
    CHECK(on.head("/page.html").head.field("Location") == "https://example.org/");
    const auto gone = on.get("/gone");
    CHECK(gone.head.status == 410);
    CHECK_FALSE(gone.head.has("Location"));
    // However it is spelled (threats.md, V1).
    CHECK(on.get("/%6fld/../old/x").head.field("Location") == "/new/x");
    CHECK(on.get("//old//x").head.field("Location") == "/new/x");
    CHECK(on.ask("OPTIONS /old/x HTTP/1.1\nHost: a").head.status == 204);
}

TEST_CASE("plan: fields by path and type, on every answer there") {
    ruled_site on(site_rules{
        .headers = {{.path = "/*",
                     .set = {{"X-Frame-Options", "DENY"}, {"X-A", "1"}},
                     .remove = {"Server"}},
                    {.type = "text/html", .add = {{"Link", "</a.css>; rel=preload"}}},
                    {.path = "/sub/*",
                     .set = {{"X-A", "2"}, {"Content-Security-Policy", "default-src 'self'"}},
                     .add = {{"Link", "</b.css>; rel=preload"}}}}});
    on.files.make_directory("sub");
    on.put("a.txt", "text");
    on.put("sub/a.html", "html");
    const auto text = on.get("/a.txt");
    CHECK(text.head.field("X-Frame-Options") == "DENY");
    CHECK(text.head.field("X-A") == "1");
    CHECK_FALSE(text.head.has("Server"));
    CHECK_FALSE(text.head.has("Link"));
    const auto html = on.get("/sub/a.html");
    CHECK(html.head.field("X-A") == "2");
    CHECK(html.head.field("Content-Security-Policy") == "default-src 'self'");
    CHECK(count_lines(html, "Link") == 2);
    const auto unchanged =
        on.get("/sub/a.html", "If-None-Match: " + html.head.field("ETag") + "\n");
    CHECK(unchanged.head.status == 304);
    CHECK(unchanged.head.field("X-A") == "2");
    const auto missing = on.get("/sub/none");
    CHECK(missing.head.status == 404);
    CHECK(missing.head.field("X-A") == "2");
    CHECK(count_lines(missing, "Link") == 2);  // ferry's page is HTML, too.
    CHECK(on.get("/sub").head.field("X-Frame-Options") == "DENY");
    CHECK(on.ask("OPTIONS /sub/a.html HTTP/1.1\nHost: a").head.field("X-A") == "2");
    // Only the listing's own script may run in it (threats.md, V11).
    CHECK(on.get("/sub/").head.field("Content-Security-Policy").contains("sha256-"));
}

TEST_CASE("plan: a field that a row sets to several values has as many lines, and no others") {
    ruled_site on(site_rules{
        .headers = {{.set = {{"Link", "<old>"}}},
                    {.set = {{"Link", "<a>"}, {"link", "<b>"}}, .add = {{"Link", "<c>"}}}}});
    on.put("a", "a");
    const auto made = on.get("/a");
    std::string values;
    for (const auto& [name, value] : made.head.fields) {
        values += ascii::equal_ignoring_case(name, "Link") ? value : "";
    }
    CHECK(values == "<a><b><c>");
}

TEST_CASE("plan: ferry's own fields give way to rows that set or remove them") {
    ruled_site on(site_rules{
        .headers = {
            {.path = "*.bin", .set = {{"Server", "other"}}, .remove = {"X-Content-Type-Options"}},
            {.path = "/b.bin", .remove = {"Server"}}}});
    on.put("a.bin", "a");
    on.put("b.bin", "b");
    on.put("c", "c");
    CHECK(on.get("/a.bin").head.field("Server") == "other");
    CHECK_FALSE(on.get("/a.bin").head.has("X-Content-Type-Options"));
    CHECK_FALSE(on.get("/b.bin").head.has("Server"));
    CHECK(on.get("/c").head.field("Server") == "ferry");
    CHECK(on.get("/c").head.field("X-Content-Type-Options") == "nosniff");
}

TEST_CASE("plan: Cache-Control of files, on 304 and 206 too (RFC 9110 section 15.4.5)") {
    ruled_site on(
        site_rules{.spa = "/index.html",
                   .caches = {{.path = "/assets/*", .control = "max-age=31536000, immutable"},
                              {.type = "text/html", .control = "no-cache"},
                              {.type = "image/*", .control = "max-age=60"},
                              {.path = "/late/*", .control = "max-age=5", .statuses = {404}}}});
    on.files.make_directory("assets");
    on.files.make_directory("list");
    on.put("assets/a.js", "script");
    on.put("a.png", "picture");
    on.put("a.txt", "text");
    on.put("index.html", "index");
    const auto asset = on.get("/assets/a.js");
    CHECK(asset.head.field("Cache-Control") == "max-age=31536000, immutable");
    const auto tag = asset.head.field("ETag");
    CHECK(on.get("/assets/a.js", "If-None-Match: " + tag + "\n").head.field("Cache-Control") ==
          "max-age=31536000, immutable");
    CHECK(on.get("/assets/a.js", "Range: bytes=0-1\n").head.field("Cache-Control") ==
          "max-age=31536000, immutable");
    CHECK_FALSE(on.get("/assets/a.js", "If-Match: \"x\"\n").head.has("Cache-Control"));
    CHECK_FALSE(on.get("/assets/a.js", "Range: bytes=9-\n").head.has("Cache-Control"));
    CHECK(on.get("/a.png").head.field("Cache-Control") == "max-age=60");
    CHECK_FALSE(on.get("/a.txt").head.has("Cache-Control"));
    CHECK(on.get("/").head.field("Cache-Control") == "no-cache");
    CHECK_FALSE(on.get("/assets/none.js").head.has("Cache-Control"));
    CHECK(on.get("/late/none.js").head.field("Cache-Control") == "max-age=5");
    // The page of a site of one page is not an asset wherever it is shown.
    CHECK(on.get("/assets/route").head.field("Cache-Control") == "no-cache");
    CHECK(on.get("/list/").head.field("Cache-Control") == "no-cache");
}

TEST_CASE("rules: what an account gets no cache keeps for others (RFC 9111 section 3.5)") {
    ruled_site on({.caches = {{.path = "/a.txt", .control = "Public,max-age=60, S-MaxAge=9"},
                              {.path = "/b.txt", .control = "must-revalidate"},
                              {.path = "/c.txt", .control = "public"}}});
    auth::account ann;
    ann.name = "ann";
    ann.password = "a";
    ann.allowed = auth::rights::read_only();
    on.users = std::make_shared<auth::accounts>(std::vector{ann}, std::nullopt);
    for (const std::string_view name : {"a.txt", "b.txt", "c.txt"}) {
        on.put(name, "x");
    }
    CHECK(on.get("/a.txt").head.field("Cache-Control") == "Public,max-age=60, S-MaxAge=9");
    CHECK(on.get("/a.txt", by_ann).head.field("Cache-Control") == "private, max-age=60");
    CHECK(on.get("/b.txt", by_ann).head.field("Cache-Control") == "private, must-revalidate");
    CHECK(on.get("/c.txt", by_ann).head.field("Cache-Control") == "private");
    const auto tag = on.get("/c.txt", by_ann).head.field("ETag");
    const auto again = on.get("/c.txt", std::string(by_ann) + "If-None-Match: " + tag + "\n");
    CHECK(again.head.status == 304);
    CHECK(again.head.field("Cache-Control") == "private");
}

TEST_CASE("rules: nor that somebody may not have what others may (RFC 9111 section 3.5)") {
    ruled_site on(
        site_rules{.caches = {{.control = "public, max-age=60", .statuses = {401, 403, 404}}}},
        visitors_may("read-only,/private=none"));
    CHECK(on.get("/private/x").head.status == 403);
    CHECK(on.get("/private/x").head.field("Cache-Control") == "private, max-age=60");
    CHECK(on.get("/none").head.field("Cache-Control") == "public, max-age=60");
    auth::account ann;
    ann.name = "ann";
    ann.password = "a";
    ann.allowed = auth::rights::read_only();
    on.users = std::make_shared<auth::accounts>(std::vector{ann}, std::nullopt);
    CHECK(on.get("/private/x").head.status == 401);
    CHECK(on.get("/private/x").head.field("Cache-Control") == "private, max-age=60");
}

TEST_CASE("plan: pages of the site for errors, with their status and without their validators") {
    ruled_site on(site_rules{.errors = {{.statuses = {404}, .path = "/sub/*", .page = "/none.html"},
                                        {.statuses = {404, 403}, .page = "/404.html"},
                                        {.statuses = {410}, .page = "/large.json"},
                                        {.statuses = {405}, .page = "/404.html"}}},
                  visitors_may("read-only,/private=none"));
    on.put("404.html", "<p>lost");
    const auto lost = on.get("/x");
    CHECK(lost.head.status == 404);
    CHECK(lost.head.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(lost.head.field("Content-Length") == "7");
    CHECK(lost.inline_body == "<p>lost");
    CHECK(lost.plan.body_bytes == 7);
    // RFC 9110 section 8.8: validators are of what was asked for, and that is not there.
    CHECK_FALSE(lost.head.has("ETag"));
    CHECK_FALSE(lost.head.has("Last-Modified"));
    CHECK_FALSE(lost.head.has("Accept-Ranges"));
    // Section 9.3.2: HEAD has the same fields, and no content.
    const auto head = on.head("/x");
    CHECK(head.head.field("Content-Length") == "7");
    CHECK(head.inline_body.empty());
    CHECK(head.plan.body_bytes == 0);
    CHECK(on.get("/private/x").head.status == 403);
    CHECK(on.get("/private/x").inline_body == "<p>lost");
    CHECK(on.get("/x", "Range: bytes=0-1\n").inline_body == "<p>lost");
    // A page that is missing: ferry's own.
    CHECK(on.get("/sub/x").inline_body.starts_with("<!DOCTYPE html>"));
    const auto refused = on.ask("TRACE /x HTTP/1.1\nHost: a");
    CHECK(refused.head.status == 405);
    CHECK(refused.head.has("Allow"));
    CHECK(refused.inline_body == "<p>lost");
    // Asked for by its name it is a file like others.
    CHECK(on.get("/404.html").head.status == 200);
}

TEST_CASE("plan: an error page that is large is sent as files are") {
    ruled_site on(site_rules{.errors = {{.statuses = {404}, .page = "/large.txt"}}});
    on.put("large.txt", std::string(inline_body_bytes_max + 1, 'x'));
    const auto made = on.get("/x");
    CHECK(made.head.status == 404);
    CHECK(made.inline_body.empty());
    REQUIRE(made.plan.file);
    CHECK(made.plan.part.size_bytes == inline_body_bytes_max + 1);
    CHECK(made.plan.body_bytes == inline_body_bytes_max + 1);
    CHECK(made.head.field("Content-Length") == std::to_string(inline_body_bytes_max + 1));
    CHECK_FALSE(on.head("/x").plan.file);
}

TEST_CASE("plan: an error page that visitors may not read is not shown") {
    ruled_site on(site_rules{.errors = {{.statuses = {404}, .page = "/private/404.html"}}},
                  visitors_may("read-only,/private=none"));
    on.files.make_directory("private");
    on.put("private/404.html", "secret");
    CHECK(on.get("/x").inline_body.starts_with("<!DOCTYPE html>"));
}

TEST_CASE("plan: CORS for listed origins (Fetch standard, CORS protocol)") {
    ruled_site on(site_rules{.cors = {{.path = "/api/*",
                                       .origins = {"https://app.example", "https://b.example"},
                                       .methods = {"GET", "PUT"},
                                       .headers = {"Range", "Content-Type"},
                                       .expose = {"ETag"},
                                       .credentials = true,
                                       .max_age_seconds = 600},
                                      {.path = "/open/*", .origins = {"*"}}}});
    on.files.make_directory("api");
    on.files.make_directory("open");
    on.put("api/a.bin", "a");
    on.put("open/a.bin", "a");
    const auto allowed = on.get("/api/a.bin", "Origin: https://b.example\n");
    CHECK(allowed.head.field("Access-Control-Allow-Origin") == "https://b.example");
    CHECK(allowed.head.field("Access-Control-Allow-Credentials") == "true");
    CHECK(allowed.head.field("Access-Control-Expose-Headers") == "ETag");
    CHECK_FALSE(allowed.head.has("Access-Control-Allow-Methods"));
    CHECK(allowed.head.field("Vary") == "Origin");
    for (const auto* const line : {"", "Origin: https://evil.example\n", "Origin: null\n",
                                   "Origin: https://b.example\nOrigin: https://b.example\n",
                                   "Origin: HTTPS://B.EXAMPLE\n"}) {
        CAPTURE(line);
        const auto refused = on.get("/api/a.bin", line);
        CHECK(refused.head.status == 200);
        CHECK_FALSE(refused.head.has("Access-Control-Allow-Origin"));
        CHECK_FALSE(refused.head.has("Access-Control-Allow-Credentials"));
        CHECK(refused.head.field("Vary") == "Origin");
    }
    // A page may see that there is nothing.
    CHECK(on.get("/api/none", "Origin: https://b.example\n")
              .head.field("Access-Control-Allow-Origin") == "https://b.example");
    const auto open = on.get("/open/a.bin");
    CHECK(open.head.field("Access-Control-Allow-Origin") == "*");
    CHECK_FALSE(open.head.has("Vary"));
    CHECK_FALSE(
        on.get("/x", "Origin: https://b.example\n").head.has("Access-Control-Allow-Origin"));

    const auto preflight = on.ask(
        "OPTIONS /api/a.bin HTTP/1.1\nHost: a\nOrigin: https://app.example\n"
        "Access-Control-Request-Method: PUT\nAccess-Control-Request-Headers: range");
    CHECK(preflight.head.status == 204);
    CHECK(preflight.head.field("Access-Control-Allow-Origin") == "https://app.example");
    CHECK(preflight.head.field("Access-Control-Allow-Methods") == "GET, PUT");
    CHECK(preflight.head.field("Access-Control-Allow-Headers") == "Range, Content-Type");
    CHECK(preflight.head.field("Access-Control-Max-Age") == "600");
    CHECK(preflight.head.field("Vary") == "Origin");
    const auto stranger = on.ask(
        "OPTIONS /api/a.bin HTTP/1.1\nHost: a\nOrigin: https://evil.example\n"
        "Access-Control-Request-Method: PUT");
    CHECK(stranger.head.status == 204);
    CHECK_FALSE(stranger.head.has("Access-Control-Allow-Methods"));
    CHECK_FALSE(on.ask("OPTIONS /api/a.bin HTTP/1.1\nHost: a\nOrigin: https://app.example")
                    .head.has("Access-Control-Allow-Methods"));
    const auto usual = on.ask(
        "OPTIONS /open/a.bin HTTP/1.1\nHost: a\nOrigin: https://x.example\n"
        "Access-Control-Request-Method: GET");
    CHECK(usual.head.field("Access-Control-Allow-Methods") == "GET, HEAD");
}

TEST_CASE("plan: Vary keeps what it says besides (RFC 9110 section 12.5.5)") {
    ruled_site on(site_rules{.cors = {{.origins = {"https://a.example"}}}});
    on.put("a.txt", std::string(2'000, 'a'));
    CHECK(on.get("/a.txt").head.field("Vary") == "Accept-Encoding, Origin");
    CHECK(on.get("/").head.field("Vary") == "Accept, Accept-Encoding, Origin");
}

TEST_CASE("plan: a site of its own for a host, with its root, its index and its rules") {
    rules written;
    written.standard.redirects = {{.from = "/r", .to = "/standard"}};
    written.hosts = {{.names = {"one.example"}, .root = "/sites/one", .site = {}},
                     {.names = {"two.example", "*.two.example"},
                      .root = "/sites/two",
                      .site = {.index = {"home.html"},
                               .spa = "/home.html",
                               .redirects = {{.from = "/r", .to = "/two"}},
                               .errors = {{.statuses = {404}, .page = "/lost.html"}}}}};
    ruled_site on(written, visitors_may("read-only,/sites/one/private=none"));
    on.files.make_directory("sites");
    for (const auto* const name :
         {"sites/one", "sites/two", "sites/one/dir", "sites/one/private"}) {
        on.files.make_directory(name);
    }
    on.put("where.txt", "root");
    on.put("sites/one/where.txt", "one");
    on.put("sites/two/where.txt", "two");
    on.put("sites/two/home.html", "home");
    on.put("sites/two/lost.html", "lost");
    on.put("sites/one/private/x", "secret");
    const auto get = [&](std::string_view host, std::string_view target) {
        return on.ask("GET " + std::string(target) + " HTTP/1.1\nHost: " + std::string(host));
    };
    CHECK(get("other.example", "/where.txt").inline_body == "root");
    CHECK(get("one.example", "/where.txt").inline_body == "one");
    CHECK(get("ONE.example.:8080", "/where.txt").inline_body == "one");
    CHECK(get("x.two.example", "/where.txt").inline_body == "two");
    // threats.md, V1: nothing leads above the root of the site.
    CHECK(get("one.example", "/../two/where.txt").head.status == 404);
    CHECK(get("one.example", "/%2e%2e/two/where.txt").head.status == 404);
    CHECK(get("one.example", "/sites/two/where.txt").head.status == 404);
    CHECK(get("one.example", "/private/x").head.status == 403);
    // What the site calls itself is not what the tree calls it.
    CHECK(get("one.example", "/dir").head.field("Location") == "/dir/");
    const auto listing = get("one.example", "/");
    CHECK(listing.head.status == 200);
    CHECK_FALSE(listing.inline_body.contains("sites"));
    CHECK(get("two.example", "/").inline_body == "home");
    CHECK(get("two.example", "/route").inline_body == "home");
    CHECK(get("two.example", "/none.js").inline_body == "lost");
    CHECK(get("two.example", "/r").head.field("Location") == "/two");
    CHECK(get("other.example", "/r").head.field("Location") == "/standard");
    CHECK(get("one.example", "/r").head.status == 404);
    // RFC 9112 section 3.2.2: the target's authority goes before Host.
    CHECK(get("one.example", "http://two.example/where.txt").inline_body == "two");
    CHECK(on.ask("GET /where.txt HTTP/1.0").inline_body == "root");
}

TEST_CASE("plan: hosts without a site may be refused (RFC 9110 section 15.5.20)") {
    rules written;
    written.hosts = {{.names = {"a"}, .root = "/", .site = {}}};
    written.refuses_other_hosts = true;
    ruled_site on(written);
    on.put("x", "x");
    CHECK(on.get("/x").head.status == 200);
    CHECK(on.ask("GET /x HTTP/1.1\nHost: b").head.status == 421);
    CHECK(on.ask("GET /x HTTP/1.0").head.status == 421);
    CHECK(on.ask("OPTIONS * HTTP/1.1\nHost: b").head.status == 421);
}

TEST_CASE("plan: a request goes by the rules that held when it came, whatever comes meanwhile") {
    const auto marked = [](std::string value) {
        rules written;
        written.standard.headers = {{.set = {{"X-A", std::move(value)}}}};
        return make_sites(written).value();
    };
    ruled_site on(rules{});
    on.put("a", "a");
    auto first = marked("first");
    const std::weak_ptr<const sites> seen = first;
    on.shared.use_rules(std::move(first));
    head_parser parser({});
    const std::string head = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    REQUIRE(parser.parse(head) == head_progress::complete);
    std::optional<response_plan> made;
    bool was_under_way = false;
    runtime::run_core(on.machine.here, on.machine.stop, &plan_while_rules_change, std::ref(on),
                      std::cref(parser.head()), std::ref(made), marked("second"),
                      std::ref(was_under_way));
    CHECK(was_under_way);
    REQUIRE(made.has_value());
    CHECK(made->message.contains("X-A: first\r\n"));
    CHECK_FALSE(made->made_of);  // Not to be given again.
    CHECK(seen.expired());
    CHECK(on.get("/a").head.field("X-A") == "second");
}

TEST_CASE("plan: what comes in clear is sent to ask over TLS, as it was asked (RFC 9110, 15.4.9)") {
    options numbers;
    numbers.redirect_to_tls_port = 8'443;
    numbers.strict_transport = "max-age=60";
    ruled_site on(site_rules{}, numbers);
    on.put("a", "a");
    const std::pair<std::string_view, std::string_view> rows[] = {
        {"GET /a HTTP/1.1\nHost: example.org\n", "https://example.org:8443/a"},
        {"GET /a%20b?c=%26 HTTP/1.1\nHost: example.org:80\n",
         "https://example.org:8443/a%20b?c=%26"},
        {"PUT /a HTTP/1.1\nHost: [2001:db8::1]\nContent-Length: 0\n",
         "https://[2001:db8::1]:8443/a"},
        {"GET //other.example/ HTTP/1.1\nHost: [2001:db8::1]:80\n",
         "https://[2001:db8::1]:8443//other.example/"},
    };
    for (const auto& [request, location] : rows) {
        CAPTURE(request);
        const auto made = on.ask(request);
        CHECK(made.head.status == 308);
        CHECK(made.head.field("Location") == location);
        CHECK(count_lines(made, "Strict-Transport-Security") == 0);  // RFC 6797 section 7.2.
    }
    CHECK(on.ask("GET /a HTTP/1.0\n").head.status == 400);              // To which host?
    CHECK(on.get("/.well-known/acme-challenge/a").head.status == 404);  // RFC 8555 section 8.3.
    numbers.redirect_to_tls_port = 443;
    ruled_site usual(site_rules{}, numbers);
    CHECK(usual.get("/a").head.field("Location") == "https://a/a");
}
