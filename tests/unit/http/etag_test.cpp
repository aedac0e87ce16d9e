#include "http/etag.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "ferry/base/ascii.hpp"

using namespace ferry;
using namespace ferry::http;

namespace {

constexpr wall_time now{.seconds = 1'795'437'296, .nanoseconds = 500};

constexpr vfs::metadata file{.kind = vfs::file_kind::regular,
                             .size_bytes = 1'024,
                             .inode = 77,
                             .modified = {.seconds = 1'795'000'000, .nanoseconds = 123'456'789},
                             .changed = {.seconds = 1'795'000'000, .nanoseconds = 123'456'789}};

std::string tag_of(const vfs::metadata& status) {
    return std::string(make_etag(status, now).text());
}

}  // namespace

TEST_CASE("etag: whatever tells two contents apart changes the tag (threats.md, V8)") {
    std::set<std::string> tags{tag_of(file)};
    auto other = file;
    other.size_bytes = 1'025;
    tags.insert(tag_of(other));
    other = file;
    other.inode = 78;
    tags.insert(tag_of(other));
    other = file;
    other.modified.nanoseconds += 1;
    tags.insert(tag_of(other));
    other = file;
    other.changed.nanoseconds += 1;
    tags.insert(tag_of(other));
    other = file;
    other.modified.seconds -= 1;
    tags.insert(tag_of(other));
    CHECK(tags.size() == 6);

    other = file;
    other.mode = 0600;
    other.links = 2;
    CHECK(tag_of(other) == tag_of(file));
}

TEST_CASE("etag: what is no file has a strong tag by its digest, and one for each coding") {
    constexpr std::array<char, 16> digest{'\0', '\x7f', '\x80', '\xff', 'a', 'b', 'c', 'd',
                                          'e',  'f',    'g',    'h',    'i', 'j', 'k', 'l'};
    constexpr std::string_view hex = "\"007f80ff6162636465666768696a6b6c";
    CHECK(make_etag(digest, content_coding::identity).text() == std::string(hex) + '"');
    CHECK(make_etag(digest, content_coding::zstd).text() == std::string(hex) + "-z\"");
    CHECK_FALSE(make_etag(digest, content_coding::gzip).tag().weak);
}

TEST_CASE("etag: ten thousand files written in one second have ten thousand tags") {
    std::set<std::string> tags;
    auto each = file;
    for (unsigned i = 0; i < 10'000; ++i) {
        each.inode = 1'000 + i % 7;  // Inodes are used again.
        each.modified.nanoseconds = i * 100'000;
        each.changed = each.modified;
        tags.insert(tag_of(each));
    }
    CHECK(tags.size() == 10'000);
}

TEST_CASE("etag: the text is an entity-tag whatever the numbers (RFC 9110 section 8.8.3)") {
    auto extreme = file;
    extreme.size_bytes = std::numeric_limits<std::uint64_t>::max();
    extreme.inode = std::numeric_limits<std::uint64_t>::max();
    for (const auto seconds : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                               std::int64_t{0}, std::numeric_limits<std::int64_t>::max()}) {
        extreme.modified = {.seconds = seconds, .nanoseconds = 999'999'999};
        const auto made = make_etag(extreme, now);
        const auto parsed = parse_tag(made.text());
        CHECK(parsed.opaque == made.tag().opaque);
        CHECK(parsed.weak == made.tag().weak);
        CHECK(parsed.opaque.starts_with('"'));
        CHECK(parsed.opaque.ends_with('"'));
        CHECK(std::ranges::none_of(parsed.opaque, ascii::is_control));
    }
}

TEST_CASE("etag: weak while the file might change unseen (RFC 9110 section 8.8.1, threats.md V8)") {
    const auto weak_after = [](wall_time age) {
        auto young = file;
        young.modified = {.seconds = now.seconds - age.seconds, .nanoseconds = now.nanoseconds};
        young.modified.nanoseconds -= age.nanoseconds;
        const auto made = make_etag(young, now);
        CHECK(made.text().starts_with("W/\"") == made.tag().weak);
        return made.tag().weak;
    };
    CHECK(weak_after({.seconds = 0, .nanoseconds = 0}));
    CHECK(weak_after({.seconds = 1, .nanoseconds = 0}));
    CHECK_FALSE(weak_after({.seconds = 2, .nanoseconds = 0}));
    CHECK_FALSE(weak_after({.seconds = 2, .nanoseconds = 1}));
    CHECK_FALSE(weak_after({.seconds = 1'000, .nanoseconds = 0}));
    CHECK(weak_after({.seconds = -1'000, .nanoseconds = 0}));  // From the future.
    CHECK(tag_of(file).starts_with('"'));
}

TEST_CASE("etag: strong and weak comparison (RFC 9110 section 8.8.3.2)") {
    struct row {
        const char* a;
        const char* b;
        bool strong;
        bool weak;
    };
    for (const auto& each :
         {row{"W/\"1\"", "W/\"1\"", false, true}, row{"W/\"1\"", "W/\"2\"", false, false},
          row{"W/\"1\"", "\"1\"", false, true}, row{"\"1\"", "\"1\"", true, true}}) {
        CHECK(matches(parse_tag(each.a), parse_tag(each.b), comparison::strong) == each.strong);
        CHECK(matches(parse_tag(each.a), parse_tag(each.b), comparison::weak) == each.weak);
    }
}

TEST_CASE("etag: lists are searched (RFC 9110 sections 13.1.1, 13.1.2, 5.6.1)") {
    const entity_tag current{.opaque = "\"xyzzy\"", .weak = false};
    const auto find = [&current](std::string_view line) {
        return find_tag(line, current, comparison::weak);
    };
    for (const auto* line :
         {"\"xyzzy\"", "W/\"xyzzy\"", "\"a\", \"xyzzy\"", "\"a\",\"xyzzy\",\"b\"",
          ",, \"a\" ,\t, \"xyzzy\" ,", "\"a,b\", \"xyzzy\"", "\"\",\"xyzzy\"", "\"xyzzy\" , broken",
          "\"\xc3\xbc\", \"xyzzy\"", "\"a\\\", \"xyzzy\""}) {
        CAPTURE(std::string(line));
        CHECK(find(line) == tag_match::yes);
    }
    for (const auto* line : {"", ",", " , ", "\"a\"", "xyzzy", "\"xyzzy", "xyzzy\"", "w/\"xyzzy\"",
                             "W/ \"xyzzy\"", "W\"xyzzy\"", "\"xyz zy\"", "broken, \"xyzzy\"",
                             "\"a\" \"xyzzy\"", "\"xyzzy\"x", "**", "*, \"a\"", "'xyzzy'"}) {
        CAPTURE(std::string(line));
        CHECK(find(line) == tag_match::no);
    }
    CHECK(find("*") == tag_match::any);
    CHECK(find(" * ") == tag_match::any);
    CHECK(find_tag("W/\"xyzzy\"", current, comparison::strong) == tag_match::no);
    CHECK(find_tag("\"xyzzy\"", {.opaque = "\"xyzzy\"", .weak = true}, comparison::strong) ==
          tag_match::no);
}

TEST_CASE("etag: what is not exactly one tag equals none") {
    for (const auto* text : {"", "\"a\" ", "\"a\",\"b\"", "a", "\"a", "W/", "W/\"", "\"", "*"}) {
        CAPTURE(std::string(text));
        CHECK(parse_tag(text).opaque.empty());
    }
}
