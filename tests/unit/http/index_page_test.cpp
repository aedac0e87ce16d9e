#include "http/index_page.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "http/target.hpp"
#include "listed_entry.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::listed_entry;

namespace {

std::string row_of(const vfs::directory_entry& each) {
    std::string out;
    utc_text time;
    append_index_row(out, each, time);
    return out;
}

std::string page_begin(std::string_view where, const index_view& view = {}) {
    std::string out;
    append_index_begin(out, vfs::path::parse(where).value(), view);
    return out;
}

std::string page_end(const index_view& view = {}) {
    std::string out;
    append_index_end(out, view);
    return out;
}

/// What stands between `begin` and `end` in `text`, the first time.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
    const auto from = text.find(begin) + begin.size();
    return text.substr(from, text.find(end, from) - from);
}

std::string href_of(const std::string& text) {
    const auto begin = text.find("href=\"") + 6;
    return text.substr(begin, text.find('"', begin) - begin);
}

}  // namespace

TEST_CASE("index: a row has name, size and time") {
    CHECK(row_of(listed_entry("hello.txt", vfs::file_kind::regular, 14)) ==
          "<tr><td><a href=\"./hello.txt\"><bdi>hello.txt</bdi></a><td>14 B"
          "<td><time datetime=\"1994-11-06T08:49:37Z\">1994-11-06<span> 08:49</span></time>\n");
    CHECK(row_of(listed_entry("dir", vfs::file_kind::directory, 4'096)) ==
          "<tr class=\"d\"><td><a href=\"./dir/\"><bdi>dir/</bdi></a><td>"
          "<td><time datetime=\"1994-11-06T08:49:37Z\">1994-11-06<span> 08:49</span></time>\n");
}

TEST_CASE("index: hostile names are shown harmless and reachable (threats.md, V11)") {
    for (const std::string name : {"a\nb",
                                   "a\rb",
                                   "a\x1b[31mb",
                                   "a\x7f",
                                   "\"quoted\"",
                                   "'quoted'",
                                   "<script>alert(1)</script>",
                                   "a&amp;b",
                                   "100%",
                                   "%41",
                                   "a;b",
                                   " leading",
                                   "-dash",
                                   "\xff\xfe",
                                   "\xc3",
                                   "javascript:alert(1)",
                                   "226 x",
                                   "a?b",
                                   "a#b",
                                   "a+b",
                                   "\xe2\x80\xaegpj.exe",
                                   "http://evil.example"}) {
        CAPTURE(name);
        if (name.find('/') != std::string::npos) {
            continue;  // No file system holds it; here to say that it was thought of.
        }
        const auto text = row_of(listed_entry(name));
        CHECK(std::ranges::none_of(text.substr(0, text.size() - 1), [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        }));
        CHECK(text.find("<script") == std::string::npos);
        const auto href = href_of(text);
        CHECK(href.starts_with("./"));
        CHECK(href.find_first_of(" \"'<>&?#\\") == std::string::npos);
        // The link, resolved against the page's own directory, is the name again.
        CHECK(decode_target("/dir/" + href)->text() == "/dir/" + name);
    }
    CHECK(row_of(listed_entry(std::string(255, '\x01'))).size() < 255 * 8);
}

TEST_CASE("index: a name that is not UTF-8 is shown with U+FFFD") {
    CHECK(row_of(listed_entry("a\xff")).find("<bdi>a\xEF\xBF\xBD</bdi>") != std::string::npos);
}

TEST_CASE("index: the page begins with the escaped path and leads upwards, but not from the root") {
    const auto root = page_begin("/");
    CHECK(root.starts_with("<!DOCTYPE html>\n"));
    CHECK(root.find("<title>Index of /</title>") != std::string::npos);
    CHECK(root.find("href=\"../") == std::string::npos);

    const auto below = page_begin("/a<b>/c\x01");
    CHECK(below.find("<title>Index of /a&lt;b&gt;/c\xEF\xBF\xBD/</title>") != std::string::npos);
    CHECK(below.find("<tr class=\"up\"><td><a href=\"../\">") != std::string::npos);
}

TEST_CASE("index: breadcrumbs lead to every directory on the way, relative to the page") {
    const auto crumbs = between(page_begin("/a/b & c/d"), "<h1>", "</h1>");
    CHECK(crumbs ==
          "<nav aria-label=\"Breadcrumbs\"><a href=\"../../../\" aria-label=\"Root\">/</a>"
          " <a href=\"../../\"><bdi>a</bdi></a> <span>/</span>"
          " <a href=\"../\"><bdi>b &amp; c</bdi></a> <span>/</span>"
          " <b aria-current=\"page\"><bdi>d</bdi></b></nav>");
    CHECK(between(page_begin("/a"), "<h1>", "</h1>").find("<a href=\"../\" ") != std::string::npos);
    CHECK(between(page_begin("/"), "<h1>", "</h1>").find("<a") == std::string::npos);
}

TEST_CASE("index: columns sort, the chosen one the other way round (ARIA 1.2, aria-sort)") {
    const auto head = [](listing_order order) {
        return between(page_begin("/", {.order = order}), "<thead>", "</thead>");
    };
    const auto by_name = head({});
    CHECK(by_name.find("<th scope=\"col\" aria-sort=\"ascending\">"
                       "<form><input type=\"hidden\" name=\"sort\" value=\"name\"><button "
                       "name=\"order\" value=\"desc\">Name</button></form>") != std::string::npos);
    CHECK(by_name.find(
              "<th scope=\"col\"><form><input type=\"hidden\" name=\"sort\" value=\"size\"><button "
              "name=\"order\" value=\"desc\">Size</button></form>") != std::string::npos);
    CHECK(by_name.find("<th scope=\"col\"><form><input type=\"hidden\" name=\"sort\" "
                       "value=\"time\"><button name=\"order\" value=\"desc\">Changed") !=
          std::string::npos);
    const auto by_size = head({.key = sort_key::size, .is_descending = true});
    CHECK(by_size.find("aria-sort=\"descending\"><form><input type=\"hidden\" name=\"sort\" "
                       "value=\"size\"><button name=\"order\" value=\"asc\">Size") !=
          std::string::npos);
    CHECK(by_size.find("<form><input type=\"hidden\" name=\"sort\" value=\"name\"><button "
                       "name=\"order\" value=\"asc\">Name") != std::string::npos);
}

TEST_CASE("index: the page says what there is") {
    const auto told = [](listing_totals totals) {
        return between(page_begin("/", {.totals = totals}), "<header>\n<p>", " <span");
    };
    CHECK(told({}) == "Nothing here");
    CHECK(told({.directories = 1}) == "1 folder");
    CHECK(told({.files = 1, .size_bytes = 1}) == "1 file, 1 B");
    CHECK(told({.directories = 2, .files = 3, .size_bytes = 4'096}) ==
          "2 folders, 3 files, 4.0 KiB");
    listing_totals sum;
    sum.add(listed_entry("a", vfs::file_kind::regular, 5));
    sum.add(listed_entry("b", vfs::file_kind::directory, 4'096));
    CHECK(sum.directories == 1);
    CHECK(sum.files == 1);
    CHECK(sum.size_bytes == 5);
}

TEST_CASE("index: what is not sorted says so, offers no order and counts at its end") {
    const index_view view{.is_sorted = false, .totals = {.files = 7}};
    const auto begin = page_begin("/", view);
    CHECK(begin.find("Too many names to sort") != std::string::npos);
    CHECK(begin.find("aria-sort=\"") == std::string::npos);
    CHECK(begin.find("name=\"sort\"") == std::string::npos);
    CHECK(begin.find("7 files") == std::string::npos);
    CHECK(page_end(view).starts_with("</table>\n<p>7 files, 0 B</p>\n"));
    CHECK(page_end().find("<p>") == std::string::npos);
}

TEST_CASE("index: buttons for archives where there are some; who follows all links gets none") {
    CHECK(page_begin("/").find("\"format\"") == std::string::npos);
    const auto offering = page_begin("/", {.offers_archives = true});
    CHECK(offering.find("<button name=\"format\" value=\"zip\">") != std::string::npos);
    CHECK(offering.find("<button name=\"format\" value=\"tar\">") != std::string::npos);
    CHECK(offering.find("href=\"?") == std::string::npos);
}

TEST_CASE("index: the page asks nothing of any server") {
    const auto page = page_begin("/a/b", {.offers_archives = true}) + page_end();
    for (const auto* banned : {"src=", "http:", "https:", "@import", "url(", "fetch", "style=\"",
                               "onclick", "XMLHttp", "<form ", "<img"}) {
        CAPTURE(std::string(banned));
        CHECK(page.find(banned) == std::string::npos);
    }
    // An icon that is no request: browsers ask for /favicon.ico otherwise.
    CHECK(page.find("<link rel=\"icon\" href=\"data:,\">") != std::string::npos);
}

// W3C CSP Level 3, section 6.7.3.3: what is between the tags, to the octet. That browsers run it is
// e2e/test_http_listing's.
TEST_CASE("index: the policy lets the page's own style and script be, by their hashes") {
    const auto policy = index_security_policy(false);
    CHECK(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    CHECK(policy.find("; script-src 'sha256-") != std::string::npos);
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(std::ranges::count(policy, '\'') == 10);
    // One of each, so that no other is needed.
    const auto page = page_begin("/") + page_end();
    CHECK(page.find("<style>") == page.rfind("<style>"));
    CHECK(page.find("<script>") == page.rfind("<script>"));
}

TEST_CASE("index: who may change something gets controls, a second style and a second script") {
    const index_view visitor{.allowed = auth::rights::read_only()};
    const index_view replaces{.allowed = {auth::right::list, auth::right::replace}};
    const auto plain = page_begin("/a") + page_end();
    CHECK(page_begin("/a", visitor) + page_end(visitor) == plain);  // To the octet.
    CHECK(page_begin("/a", replaces) + page_end(replaces) == plain);

    for (const auto& [allowed, letters] :
         {std::pair(auth::rights::all(), "cwdnm"),
          std::pair(auth::rights{auth::right::list, auth::right::create}, "c"),
          std::pair(auth::rights{auth::right::replace, auth::right::remove}, "wd"),
          std::pair(auth::rights{auth::right::rename}, "n"),
          std::pair(auth::rights{auth::right::make_directory}, "m")}) {
        CAPTURE(std::string(letters));
        const index_view view{.allowed = allowed};
        const auto page = page_begin("/a", view) + page_end(view);
        CHECK(page.find("<table data-may=\"" + std::string(letters) + "\">") != std::string::npos);
        CHECK(page.find("<section id=\"work\" aria-label=\"Changes\" hidden>") !=
              std::string::npos);
        CHECK(page.find("<style>") != page.rfind("<style>"));
        CHECK(page.find("<script>") != page.rfind("<script>"));
        for (const auto* banned : {"src=", "http:", "https:", "@import", "url(", "style=\"",
                                   "onclick=", "<img", "innerHTML", "eval("}) {
            CAPTURE(std::string(banned));
            CHECK(page.find(banned) == std::string::npos);
        }
    }
}

TEST_CASE("index: who is logged in is named, harmless, and may log out; a visitor may log in") {
    CHECK(page_begin("/").find("name=\"log") == std::string::npos);
    const auto visitor = page_begin("/", {.offers_login = true});
    CHECK(visitor.find("<form><button name=\"login\">Log in</button></form>") != std::string::npos);
    CHECK(visitor.find("logout") == std::string::npos);
    const auto known = page_begin("/", {.user = "a<b>\n"});
    CHECK(known.find("Logged in as <b><bdi>a&lt;b&gt;\xEF\xBF\xBD</bdi></b>") != std::string::npos);
    CHECK(known.find("<button name=\"logout\">Log out</button>") != std::string::npos);
    CHECK(known.find("\"login\"") == std::string::npos);
}

TEST_CASE("index: a row says what may be done to it where that is not what the page says") {
    std::string out;
    utc_text time;
    append_index_row(out, listed_entry("a"), time,
                     auth::rights{auth::right::read, auth::right::remove});
    append_index_row(out, listed_entry("b", vfs::file_kind::directory), time, auth::rights{});
    CHECK(out.starts_with("<tr data-may=\"d\"><td><a href=\"./a\">"));
    CHECK(out.find("<tr class=\"d\" data-may=\"\"><td><a href=\"./b/\">") != std::string::npos);
}

// W3C CSP Level 3, sections 6.1.2 (connect-src) and 6.4.2 (frame-ancestors): the second style and
// script, the page's own server, and no frame of another site.
TEST_CASE("index: the policy of a page with changes is that of the page, and what they need") {
    const auto policy = index_security_policy(true);
    CHECK(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    CHECK(policy.find("; connect-src 'self'; frame-ancestors 'self'; ") != std::string::npos);
    CHECK(policy.find("unsafe") == std::string::npos);
    CHECK(std::ranges::count(policy, '\'') == 18);
    const auto plain = index_security_policy(false);
    CHECK(plain.find("connect-src") == std::string::npos);
    for (const std::string which : {"style-src ", "script-src "}) {
        const auto one = between(plain, which, ";");
        CHECK(between(policy, which, ";").starts_with(one + " 'sha256-"));
    }
}

TEST_CASE("index: a time without four digits of year is left out") {
    CHECK(row_of(listed_entry("a", vfs::file_kind::regular, 1, 253'402'300'800))
              .ends_with("<td>1 B<td>\n"));
    CHECK(row_of(listed_entry("a", vfs::file_kind::regular, 1, -99'999'999'999))
              .ends_with("<td>1 B<td>\n"));
}
