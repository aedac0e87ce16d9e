#include "http/site.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <string_view>

#include "../vfs/scratch.hpp"
#include "ferry/http/host_names.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::vfs_test::at;

namespace {

std::shared_ptr<const sites> made_of(const rules& written) {
    auto made = make_sites(written);
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().text));
    return *made;
}

host_rules rules_of_host(std::vector<std::string> names, std::string root) {
    return {.names = std::move(names), .root = std::move(root), .site = {}};
}

/// Where a request for `path` is sent by `from` to `to`.
std::string sent(std::string_view from, std::string_view to, std::string_view path,
                 std::optional<std::string_view> query = std::nullopt) {
    rules written;
    written.standard.redirects.push_back({.from = std::string(from), .to = std::string(to)});
    const auto made = made_of(written);
    const auto found = made->standard.redirects.find(path);
    return found.row == nullptr ? "(no)" : location_of(*found.row, found.star, query);
}

}  // namespace

TEST_CASE("site: hosts by name, whatever the port, the case and the dot (RFC 9110 section 4.2.3)") {
    rules written;
    written.hosts = {rules_of_host({"example.org", "www.Example.org", "[::1]"}, "/org"),
                     rules_of_host({"*.example.org"}, "/any"),
                     rules_of_host({"*.deep.example.org"}, "/deep"),
                     rules_of_host({"*.net"}, "/net")};
    const auto made = made_of(written);
    const auto root_of = [&](std::string_view name) {
        const auto* const found = made->find(name);
        return found == nullptr ? std::string("(none)") : found->root.text();
    };
    CHECK(root_of("example.org") == "/org");
    CHECK(root_of("EXAMPLE.org:8080") == "/org");
    CHECK(root_of("example.org.") == "/org");
    CHECK(root_of("example.org.:80") == "/org");
    CHECK(root_of("www.example.org") == "/org");
    CHECK(root_of("[::1]:80") == "/org");
    CHECK(root_of("a.example.org") == "/any");
    CHECK(root_of("a.b.example.org") == "/any");
    CHECK(root_of("a.deep.example.org") == "/deep");
    CHECK(root_of("deep.example.org") == "/any");
    CHECK(root_of("x.net") == "/net");
    CHECK(root_of("net") == "/");
    CHECK(root_of("badexample.org") == "/");
    CHECK(root_of("") == "/");
    CHECK(root_of("[") == "/");
    CHECK(root_of(std::string(300, 'a') + ".net") == "/");

    written.refuses_other_hosts = true;
    const auto strict = made_of(written);
    CHECK(strict->find("x.net") != nullptr);
    CHECK(strict->find("unknown.example") == nullptr);
    CHECK(strict->find("") == nullptr);
}

TEST_CASE("site: other protocols learn where a host begins") {
    rules written{.hosts = {{.names = {"a.example", "*.b.example"}, .root = "/a"}}};
    const auto open = make_sites(written);
    REQUIRE(open.has_value());
    CHECK(root_of_host(**open, "A.example")->text() == "/a");
    CHECK(root_of_host(**open, "x.b.example")->text() == "/a");
    CHECK(root_of_host(**open, "other.example")->is_root());
    CHECK(has_host(**open, "A.example"));
    CHECK(has_host(**open, "x.b.example"));
    CHECK(!has_host(**open, "other.example"));
    written.refuses_other_hosts = true;
    CHECK(!root_of_host(*make_sites(written).value(), "other.example").has_value());
}

TEST_CASE("site: names of the site are names beneath its root, and back") {
    rules written;
    written.hosts = {rules_of_host({"a"}, "/sites/a/")};
    const auto made = made_of(written);
    const site& on = *made->find("a");
    CHECK(on.in_tree(at("/x/y")).value().text() == "/sites/a/x/y");
    CHECK_FALSE(on.in_tree(at("/x/y")).value().wants_directory());
    CHECK(on.in_tree(at("/x/")).value().wants_directory());
    CHECK(on.in_tree(at("/")).value().text() == "/sites/a");
    CHECK(on.in_tree(at("/")).value().wants_directory());
    CHECK(on.in_tree(at("/../../b")).value().text() == "/sites/a/b");
    CHECK(on.in_site(at("/sites/a/x")).text() == "/x");
    CHECK(on.in_site(at("/sites/a")).is_root());
    const auto long_name = at(std::string("/") + std::string(255, 'a'));
    std::string deep;
    for (int i = 0; i < 15; ++i) {
        deep += long_name.text();
    }
    CHECK(on.in_tree(at(deep + "/" + std::string(250, 'b'))).error() == errc::name_too_long);
}

TEST_CASE("site: where a redirect leads, with what the * stands for and the query") {
    CHECK(sent("/old", "/new", "/old") == "/new");
    CHECK(sent("/old", "/new", "/old/") == "/new");
    CHECK(sent("/old/*", "/new/*", "/old/a b/c") == "/new/a%20b/c");
    CHECK(sent("/old/*", "/new/*", "/old/") == "/new/");
    CHECK(sent("/old/*", "/new/*", "/other") == "(no)");
    CHECK(sent("/blog/*.php", "/posts/*/index.html", "/blog/2020/x.php") ==
          "/posts/2020/x/index.html");
    CHECK(sent("/a/*", "https://example.org/b/*", "/a/x") == "https://example.org/b/x");
    CHECK(sent("/a", "https://example.org", "/a") == "https://example.org");
    CHECK(sent("*", "https://example.org/*", "/") == "https://example.org/");
    CHECK(sent("*", "https://example.org/b/*", "/a/x") == "https://example.org/b/a/x");
    CHECK(sent("/a", "/b", "/a", "x=1&y") == "/b?x=1&y");
    CHECK(sent("/a", "/b", "/a", "") == "/b?");
    CHECK(sent("/a", "/b?z=2", "/a", "x=1") == "/b?z=2&x=1");
    CHECK(sent("/a", "/b?z=2", "/a", "") == "/b?z=2");
    CHECK(sent("/a", "/b#part", "/a", "x=1") == "/b?x=1#part");
    CHECK(sent("/s/*", "/search?q=*", "/s/a&b#c") == "/search?q=a%26b%23c");
    CHECK(sent("/caf\xc3\xa9", "/\xc3\xa9t\xc3\xa9", "/caf\xc3\xa9") == "/%C3%A9t%C3%A9");
}

TEST_CASE("site: a redirect leads to another server only where the row says so (threats.md, H7)") {
    CHECK(sent("/old*", "/*", "/old/evil.example") == "/evil.example");
    CHECK(sent("*.php", "/*", "/evil.example.php") == "/evil.example");
    CHECK(sent("/a*", "/*/evil.example", "/a") == "/evil.example");
    CHECK(sent("/a*b", "/*", "/a\r\nX: 1b") == "/%0D%0AX:%201");
    CHECK(sent("/a", "/b", "/a", "\r\nX: 1") == "/b?%0D%0AX:%201");
    CHECK(sent("/old*", "https://example.org/*", "/old.evil.example") ==
          "https://example.org/.evil.example");
}

TEST_CASE("site: of the redirects that fit the first counts") {
    rules written;
    written.standard.redirects = {{.from = "/a/b", .to = "/1"}, {.from = "/a/*", .to = "/2"},
                                  {.from = "/a/c", .to = "/3"}, {.from = "/d", .to = "/4"},
                                  {.from = "/d", .to = "/5"},   {.from = "*/end", .to = "/6"}};
    const auto made = made_of(written);
    const auto to = [&](std::string_view path) {
        const auto found = made->standard.redirects.find(path);
        return found.row == nullptr ? std::string("(no)") : location_of(*found.row, {}, {});
    };
    CHECK(to("/a/b") == "/1");
    CHECK(to("/a/c") == "/2");
    CHECK(to("/d") == "/4");
    CHECK(to("/a/end") == "/2");
    CHECK(to("/x/end") == "/6");
    CHECK(to("/x") == "(no)");
}
