#include "server/rules_file.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace ferry;

namespace {

using texts = std::vector<std::string>;
using field = http::header_rule::field;

std::string wrong_with_rules(std::string_view text) {
    const auto read = server::parse_rules_text(text, "r.toml", {});
    REQUIRE_FALSE(read);
    CHECK_FALSE(read.error().contains('\n'));
    return read.error();
}

}  // namespace

TEST_CASE("rules file: every kind of row, with its line") {
    const auto read = server::parse_rules_text(
        "index = [\"index.html\", 'index.htm']\n"
        "spa = \"/app.html\"\n"
        "clean-urls = true\n"
        "listings = false\n"
        "other-hosts = \"refuse\"\n"
        "[[redirect]]\n"
        "from = \"/a/*\"\n"
        "to = \"/b/*\"\n"
        "status = 308\n"
        "[[redirect]]\n"
        "from = \"/c\"\n"
        "to = \"/d\"\n"
        "[[header]]\n"
        "path = \"/x/*\"\n"
        "type = \"text/html\"\n"
        "set = { X-A = \"1\", \"X-B\" = \"2\" }\n"
        "add = { Link = [\"<a>\", \"<b>\"] }\n"
        "remove = \"Server\"\n"
        "[[cache]]\n"
        "path = \"/y/*\"\n"
        "type = \"image/*\"\n"
        "control = \"no-cache\"\n"
        "status = [200, 404]\n"
        "[[error]]\n"
        "status = 404\n"
        "path = \"/z/*\"\n"
        "page = \"/404.html\"\n"
        "[[cors]]\n"
        "path = \"/api/*\"\n"
        "origins = \"https://a.example\"\n"
        "methods = [\"GET\", \"PUT\"]\n"
        "headers = [\"Range\"]\n"
        "expose = [\"ETag\"]\n"
        "credentials = true\n"
        "max-age = \"10m\"\n"
        "[[host]]\n"
        "names = [\"one.example\"]\n"
        "[[host]]\n"
        "names = \"two.example\"\n"
        "root = \"/two\"\n"
        "index = []\n"
        "spa = \"off\"\n"
        "clean-urls = false\n"
        "[[host.redirect]]\n"
        "from = \"/h\"\n"
        "to = \"/i\"\n",
        "r.toml", {});
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error()));
    CHECK(read->refuses_other_hosts);
    const auto& site = read->standard;
    CHECK(site.index == texts{"index.html", "index.htm"});
    CHECK(site.spa == "/app.html");
    CHECK(site.clean_urls);
    CHECK_FALSE(site.listings);
    REQUIRE(site.redirects.size() == 2);
    CHECK(site.redirects[0].from == "/a/*");
    CHECK(site.redirects[0].to == "/b/*");
    CHECK(site.redirects[0].status == 308);
    CHECK(site.redirects[0].line == 6);
    CHECK(site.redirects[1].status == 301);
    CHECK(site.redirects[1].line == 10);
    REQUIRE(site.headers.size() == 1);
    CHECK(site.headers[0].path == "/x/*");
    CHECK(site.headers[0].type == "text/html");
    CHECK(site.headers[0].set == std::vector<field>{{"X-A", "1"}, {"X-B", "2"}});
    CHECK(site.headers[0].add == std::vector<field>{{"Link", "<a>"}, {"Link", "<b>"}});
    CHECK(site.headers[0].remove == texts{"Server"});
    CHECK(site.headers[0].line == 13);
    REQUIRE(site.caches.size() == 1);
    CHECK(site.caches[0].path == "/y/*");
    CHECK(site.caches[0].type == "image/*");
    CHECK(site.caches[0].control == "no-cache");
    CHECK(site.caches[0].statuses == std::vector<std::uint16_t>{200, 404});
    CHECK(site.caches[0].line == 19);
    REQUIRE(site.errors.size() == 1);
    CHECK(site.errors[0].statuses == std::vector<std::uint16_t>{404});
    CHECK(site.errors[0].path == "/z/*");
    CHECK(site.errors[0].page == "/404.html");
    CHECK(site.errors[0].line == 24);
    REQUIRE(site.cors.size() == 1);
    CHECK(site.cors[0].path == "/api/*");
    CHECK(site.cors[0].origins == texts{"https://a.example"});
    CHECK(site.cors[0].methods == texts{"GET", "PUT"});
    CHECK(site.cors[0].headers == texts{"Range"});
    CHECK(site.cors[0].expose == texts{"ETag"});
    CHECK(site.cors[0].credentials);
    CHECK(site.cors[0].max_age_seconds == 600);
    CHECK(site.cors[0].line == 28);
    REQUIRE(read->hosts.size() == 2);
    // What a host does not say is as at the top; its rows are its own.
    CHECK(read->hosts[0].names == texts{"one.example"});
    CHECK(read->hosts[0].root == "/");
    CHECK(read->hosts[0].site.index == site.index);
    CHECK(read->hosts[0].site.spa == "/app.html");
    CHECK(read->hosts[0].site.clean_urls);
    CHECK_FALSE(read->hosts[0].site.listings);
    CHECK(read->hosts[0].site.redirects.empty());
    CHECK(read->hosts[1].names == texts{"two.example"});
    CHECK(read->hosts[1].root == "/two");
    CHECK(read->hosts[1].line == 38);
    CHECK(read->hosts[1].site.index.empty());
    CHECK(read->hosts[1].site.spa.empty());
    CHECK_FALSE(read->hosts[1].site.clean_urls);
    REQUIRE(read->hosts[1].site.redirects.size() == 1);
    CHECK(read->hosts[1].site.redirects[0].line == 44);
}

TEST_CASE("rules file: what it does not say is as flags have it") {
    http::site_rules usual;
    usual.index = {"home.html"};
    usual.spa = "/home.html";
    usual.clean_urls = true;
    const auto read = server::parse_rules_text("clean-urls = false\n", "r.toml", usual);
    REQUIRE(read);
    CHECK(read->standard.index == usual.index);
    CHECK(read->standard.spa == usual.spa);
    CHECK_FALSE(read->standard.clean_urls);
    CHECK_FALSE(read->refuses_other_hosts);
}

TEST_CASE("rules file: what is no rule is named with its line") {
    CHECK(wrong_with_rules("\nx = [").starts_with("r.toml:2: not TOML: "));
    CHECK(wrong_with_rules("\nredirects = 1\n")
              .starts_with("r.toml:2: redirects: no such key; there are other-hosts, host, index"));
    CHECK(wrong_with_rules("[redirect]\nfrom = \"/a\"") ==
          "r.toml:1: redirect: write it as [[redirect]]");
    CHECK(wrong_with_rules("redirect = [1]") == "r.toml:1: redirect: write it as [[redirect]]");
    CHECK(wrong_with_rules("[[redirect]]\nfrom = 1") == "r.toml:2: redirect: from: write a string");
    CHECK(wrong_with_rules("[[redirect]]\nfrom = \"/a\"\nTo = \"/b\"") ==
          "r.toml:3: redirect: To: no such key; there are from, to, status");
    CHECK(wrong_with_rules("[[redirect]]\nstatus = -1") ==
          "r.toml:2: redirect: status: write a status, such as 404");
    CHECK(wrong_with_rules("[[header]]\nset = \"X: 1\"")
              .starts_with("r.toml:2: header: set: write a table"));
    CHECK(wrong_with_rules("[[header]]\nset = { X = 1 }") ==
          "r.toml:2: header: set: write a string");
    CHECK(wrong_with_rules("[[cors]]\ncredentials = 1") ==
          "r.toml:2: cors: credentials: write true or false");
    CHECK(
        wrong_with_rules("[[cors]]\nmax-age = \"soon\"").starts_with("r.toml:2: cors: max-age: "));
    CHECK(wrong_with_rules("[[cors]]\nmax-age = -1").starts_with("r.toml:2: cors: max-age: "));
    CHECK(wrong_with_rules("host = 1") == "r.toml:1: write it as [[host]]");
    CHECK(wrong_with_rules("[[host]]\n[[host.error]]\nstatus = [1, \"2\"]") ==
          "r.toml:3: error: status: write a status, such as 404");
    CHECK(wrong_with_rules("other-hosts = \"no\"") ==
          "r.toml:1: other-hosts: write \"serve\" or \"refuse\"");
    CHECK(wrong_with_rules("\"a\\n\" = 1").starts_with("r.toml:1: a\\x0a: no such key"));
}
