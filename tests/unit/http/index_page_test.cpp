#include "http/index_page.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "http/target.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

vfs::directory_entry entry(std::string name, vfs::file_kind kind = vfs::file_kind::regular,
                           std::uint64_t size_bytes = 0, std::int64_t modified = 784'111'777) {
    return {.name = std::move(name),
            .status = {.kind = kind,
                       .size_bytes = size_bytes,
                       .modified = {.seconds = modified, .nanoseconds = 0},
                       .changed = {}}};
}

std::string row(const vfs::directory_entry& each) {
    std::string out;
    append_index_row(out, each);
    return out;
}

std::string page_begin(std::string_view where) {
    std::string out;
    append_index_begin(out, vfs::path::parse(where).value());
    return out;
}

std::string href_of(const std::string& text) {
    const auto begin = text.find("href=\"") + 6;
    return text.substr(begin, text.find('"', begin) - begin);
}

}  // namespace

TEST_CASE("index: a row has name, size and day") {
    CHECK(row(entry("hello.txt", vfs::file_kind::regular, 14)) ==
          "<tr><td><a href=\"./hello.txt\"><bdi>hello.txt</bdi></a><td>14 B<td>1994-11-06 08:49\n");
    CHECK(row(entry("dir", vfs::file_kind::directory, 4'096)) ==
          "<tr><td><a href=\"./dir/\"><bdi>dir/</bdi></a><td><td>1994-11-06 08:49\n");
}

TEST_CASE("index: sizes are short and rounded down") {
    const auto size = [](std::uint64_t bytes) {
        const auto text = row(entry("a", vfs::file_kind::regular, bytes));
        const auto begin = text.find("</a><td>") + 8;
        return text.substr(begin, text.find('<', begin) - begin);
    };
    CHECK(size(0) == "0 B");
    CHECK(size(1'023) == "1023 B");
    CHECK(size(1'024) == "1.0 KiB");
    CHECK(size(1'536) == "1.5 KiB");
    CHECK(size(10'239) == "9.9 KiB");
    CHECK(size(10'240) == "10 KiB");
    CHECK(size(1'048'575) == "1023 KiB");
    CHECK(size(1'048'576) == "1.0 MiB");
    // Rounded down once, not at each thousand: simulated worlds noticed (tests/regress).
    CHECK(size(1'677'734) == "1.6 MiB");
    CHECK(size(1'782'780) == "1.7 MiB");
    CHECK(size(1'677'721) == "1.5 MiB");
    CHECK(size(5'368'709'120) == "5.0 GiB");
    CHECK(size(~std::uint64_t{0}) == "15 EiB");
}

TEST_CASE("index: hidden are dotfiles, reserved names and what cannot be opened") {
    CHECK(row(entry(".htpasswd")).empty());
    CHECK(row(entry(".ferry-upload-1")).empty());
    CHECK(row(entry("")).empty());
    CHECK(row(entry("dangling", vfs::file_kind::symlink)).empty());
    CHECK(row(entry("fifo", vfs::file_kind::other)).empty());
    CHECK(row(entry("back\\slash")).empty());
    CHECK_FALSE(row(entry("a.b")).empty());
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
        const auto text = row(entry(name));
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
    CHECK(row(entry(std::string(255, '\x01'))).size() < 255 * 8);
}

TEST_CASE("index: a name that is not UTF-8 is shown with U+FFFD") {
    CHECK(row(entry("a\xff")).find("<bdi>a\xEF\xBF\xBD</bdi>") != std::string::npos);
}

TEST_CASE("index: the page begins with the escaped path and leads upwards, but not from the root") {
    const auto root = page_begin("/");
    CHECK(root.starts_with("<!DOCTYPE html>\n"));
    CHECK(root.find("<title>Index of /</title>") != std::string::npos);
    CHECK(root.find("href=\"../\"") == std::string::npos);

    const auto below = page_begin("/a<b>/c\x01");
    CHECK(below.find("<h1>Index of /a&lt;b&gt;/c\xEF\xBF\xBD/</h1>") != std::string::npos);
    CHECK(below.find("href=\"../\"") != std::string::npos);

    std::string end;
    append_index_end(end);
    CHECK(end == "</table>\n");
}

TEST_CASE("index: the page asks nothing of any server and runs nothing") {
    const auto page = page_begin("/");
    for (const auto* banned : {"<script", "src=", "http:", "https:", "@import", "url("}) {
        CAPTURE(std::string(banned));
        CHECK(page.find(banned) == std::string::npos);
    }
}

TEST_CASE("index: a time without four digits of year is left out") {
    CHECK(row(entry("a", vfs::file_kind::regular, 1, 253'402'300'800)).ends_with("<td>1 B<td>\n"));
    CHECK(row(entry("a", vfs::file_kind::regular, 1, -99'999'999'999)).ends_with("<td>1 B<td>\n"));
}
