#include "http/plan.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answers.hpp"
#include "ferry/base/ascii.hpp"
#include "http/compress.hpp"
#include "planned_site.hpp"

using namespace ferry;
using namespace ferry::http;
using ferry::http::test::answer;
using ferry::http::test::planned;

namespace {

/// The alphabet, again and again.
std::string letters(std::size_t size_bytes) {
    std::string made(size_bytes, '\0');
    for (std::size_t i = 0; i < made.size(); ++i) {
        made[i] = static_cast<char>('a' + i % 26);
    }
    return made;
}

/// What nothing can pack.
std::string noise(std::size_t size_bytes) {
    std::string made(size_bytes, '\0');
    ferry::random rng(7);
    for (char& c : made) {
        c = static_cast<char>(rng.next());
    }
    return made;
}

/// What follows the head, packed or not.
std::string body_of(const planned& made) {
    const bool is_apart = made.plan.packed && made.head.has("Content-Encoding");
    return is_apart ? *made.plan.packed : made.inline_body;
}

/// With few enough entries sorted that tests see the others.
struct plan_site : http::test::planned_site {
    plan_site() : planned_site(options{.list_sorted_max = 50}) {}
};

/// The same answer but for what HEAD leaves out and Date, which may have moved on.
void check_same_head(const planned& get, const planned& head) {
    CHECK(get.head.status_line == head.head.status_line);
    REQUIRE(get.head.fields.size() == head.head.fields.size());
    for (std::size_t i = 0; i < get.head.fields.size(); ++i) {
        CHECK(get.head.fields[i].first == head.head.fields[i].first);
        if (get.head.fields[i].first != "Date") {
            CHECK(get.head.fields[i].second == head.head.fields[i].second);
        }
    }
    CHECK(head.inline_body.empty());
    CHECK_FALSE(head.plan.file);
    CHECK_FALSE(head.plan.source);
    CHECK(head.plan.body_bytes == 0);
    CHECK(head.plan.part.size_bytes == 0);
    CHECK(get.plan.then == head.plan.then);
}

}  // namespace

TEST_CASE("plan: a file, with all that is said of it (RFC 9110 sections 8 and 15.3.1)") {
    plan_site on;
    on.put("hello.txt", "hello, world\n");
    const auto made = on.get("/hello.txt");
    CHECK(made.head.status_line == "HTTP/1.1 200 OK");
    CHECK(made.head.field("Content-Length") == "13");
    CHECK(made.head.field("Content-Type") == "text/plain; charset=utf-8");
    CHECK(made.head.field("X-Content-Type-Options") == "nosniff");
    CHECK(made.head.field("Last-Modified") == "Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(made.head.field("Accept-Ranges") == "bytes");
    CHECK(made.head.field("ETag").front() == '"');
    CHECK(made.inline_body == "hello, world\n");
    CHECK(made.plan.body_bytes == 13);
    CHECK_FALSE(made.plan.file);
    CHECK_FALSE(made.plan.source);
}

TEST_CASE("plan: bodies up to 8 KiB are in memory, larger ones in the file (datapath.md, 2)") {
    plan_site on;
    for (const std::size_t size_bytes : {0U, 1U, 8'191U, 8'192U, 8'193U, 1'000'000U}) {
        CAPTURE(size_bytes);
        const std::string content(size_bytes, 'x');
        on.put("file.bin", content);
        const auto made = on.get("/file.bin");
        CHECK(made.head.status == 200);
        CHECK(made.head.field("Content-Length") == std::to_string(size_bytes));
        CHECK(made.plan.body_bytes == size_bytes);
        if (size_bytes <= 8'192) {
            CHECK((made.inline_body == content));
            CHECK_FALSE(made.plan.file);
        } else {
            CHECK(made.inline_body.empty());
            REQUIRE(made.plan.file);
        }
        CHECK(made.plan.part.offset == 0);
        CHECK(made.plan.part.size_bytes == size_bytes);
    }
}

TEST_CASE("plan: HEAD is GET without the body (RFC 9110 section 9.3.2)") {
    plan_site on;
    on.put("small.txt", "small");
    on.put("large.txt", std::string(100'000, 'x'));
    on.put("empty.txt", "");
    on.files.make_directory("listed");
    on.files.make_directory("crowd");
    for (int i = 0; i < 60; ++i) {
        on.files.write("crowd/" + std::to_string(i), "");
    }
    on.files.make_directory("site");
    on.put("site/index.html", "<p>index");
    for (const std::string_view target :
         {"/small.txt", "/large.txt", "/empty.txt", "/missing", "/listed", "/listed/", "/crowd/",
          "/site/", "/site?x=1", "/%00", "/small.txt/"}) {
        CAPTURE(target);
        check_same_head(on.get(target), on.head(target));
    }
    const auto tag = on.get("/small.txt").head.field("ETag");
    check_same_head(on.get("/small.txt", "If-None-Match: " + tag),
                    on.head("/small.txt", "If-None-Match: " + tag));
    check_same_head(on.get("/small.txt", "If-Match: \"other\""),
                    on.head("/small.txt", "If-Match: \"other\""));
    // Range is defined for GET alone (section 14.2).
    check_same_head(on.get("/large.txt"), on.head("/large.txt", "Range: bytes=0-9"));
}

TEST_CASE("plan: 304 has what updates a cache and no content (RFC 9110 section 15.4.5)") {
    plan_site on;
    on.put("a.txt", "content");
    const auto fresh = on.get("/a.txt");
    const auto tag = fresh.head.field("ETag");
    for (const std::string& lines :
         {"If-None-Match: " + tag, "If-None-Match: \"x\", W/" + tag,
          std::string("If-None-Match: *"),
          std::string("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT")}) {
        CAPTURE(lines);
        const auto made = on.get("/a.txt", lines);
        CHECK(made.head.status == 304);
        CHECK(made.head.field("ETag") == tag);
        CHECK_FALSE(made.head.has("Content-Length"));
        CHECK_FALSE(made.head.has("Content-Type"));
        CHECK(made.inline_body.empty());
        CHECK(made.plan.body_bytes == 0);
        CHECK(made.plan.then == after::keep_alive);
    }
    // Section 13.1.3: with If-None-Match, If-Modified-Since does not count.
    const auto both = on.get("/a.txt",
                             "If-None-Match: \"x\"\n"
                             "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT");
    CHECK(both.head.status == 200);
}

TEST_CASE("plan: 412 says nothing of the file (RFC 9110 sections 13.2.2 and 15.5.13)") {
    plan_site on;
    on.put("a.txt", "content");
    for (const std::string_view lines :
         {"If-Match: \"x\"", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
          "If-Match: \"x\"\nIf-None-Match: *\nRange: bytes=0-1"}) {
        CAPTURE(lines);
        const auto made = on.get("/a.txt", lines);
        CHECK(made.head.status == 412);
        CHECK_FALSE(made.head.has("ETag"));
        CHECK_FALSE(made.head.has("Last-Modified"));
        CHECK_FALSE(made.head.has("Accept-Ranges"));
        CHECK(made.head.field("Content-Length") == std::to_string(made.inline_body.size()));
        CHECK(made.plan.then == after::keep_alive);
    }
}

TEST_CASE("plan: one range is 206 with its place (RFC 9110 sections 14.2 and 15.3.7)") {
    plan_site on;
    const auto content = letters(20'000);
    on.put("a.bin", content);
    struct row {
        const char* range;
        std::uint64_t first;
        std::uint64_t last;
    };
    for (const row& each :
         {row{"bytes=0-0", 0, 0}, row{"bytes=5-9", 5, 9}, row{"BYTES=19999-", 19'999, 19'999},
          row{"bytes=-3", 19'997, 19'999}, row{"bytes=10000-99999999999999999999", 10'000, 19'999},
          row{"bytes=-99999", 0, 19'999}, row{"bytes=100-8291", 100, 8'291},
          row{"bytes=100-8292", 100, 8'292}, row{"bytes=30000-, 7-8", 7, 8}}) {
        CAPTURE(each.range);
        const auto made = on.get("/a.bin", std::string("Range: ") + each.range);
        const auto size_bytes = each.last - each.first + 1;
        CHECK(made.head.status == 206);
        CHECK(made.head.field("Content-Range") ==
              "bytes " + std::to_string(each.first) + "-" + std::to_string(each.last) + "/20000");
        CHECK(made.head.field("Content-Length") == std::to_string(size_bytes));
        CHECK(made.head.has("ETag"));
        CHECK(made.plan.body_bytes == size_bytes);
        if (size_bytes <= 8'192) {
            CHECK((made.inline_body == content.substr(each.first, size_bytes)));
            CHECK_FALSE(made.plan.file);
        } else {
            REQUIRE(made.plan.file);
            CHECK(made.inline_body.empty());
            CHECK(made.plan.part.offset == each.first);
            CHECK(made.plan.part.size_bytes == size_bytes);
        }
    }
}

TEST_CASE("plan: text is packed for who accepts it (RFC 9110 sections 8.4.1 and 12.5.3)") {
    plan_site on;
    const std::string text = letters(20'000);
    on.put("a.txt", text);
    on.put("a.bin", text);
    on.put("small.txt", text.substr(0, 1'023));
    on.put("noise.txt", noise(20'000));
    const auto plain = on.get("/a.txt");
    CHECK_FALSE(plain.head.has("Content-Encoding"));
    CHECK(plain.head.field("Vary") == "Accept-Encoding");  // On every variant.
    std::set<std::string> tags{plain.head.field("ETag")};
    for (const std::string coding : {"gzip", "br", "zstd"}) {
        CAPTURE(coding);
        const std::string accepts = "Accept-Encoding: " + coding;
        const auto packed = on.get("/a.txt", accepts);
        CHECK(packed.head.status == 200);
        CHECK(packed.head.field("Content-Encoding") == coding);
        CHECK(packed.head.field("Vary") == "Accept-Encoding");
        CHECK(packed.head.field("Content-Type") == "text/plain; charset=utf-8");
        CHECK(packed.inline_body == *compress(text, *find_content_coding(coding)));
        CHECK(packed.head.field("Content-Length") == std::to_string(packed.inline_body.size()));
        const auto tag = packed.head.field("ETag");
        CHECK_FALSE(tag.starts_with("W/"));
        tags.insert(tag);

        // HEAD says the same (section 9.3.2); validators and ranges are those of what is sent.
        const auto head = on.head("/a.txt", accepts);
        CHECK(head.head.field("Content-Length") == packed.head.field("Content-Length"));
        CHECK(head.head.field("ETag") == tag);
        const auto known = on.get("/a.txt", accepts + "\nIf-None-Match: " + tag);
        CHECK(known.head.status == 304);
        CHECK(known.head.field("Vary") == "Accept-Encoding");
        CHECK(known.head.field("ETag") == tag);
        CHECK(on.get("/a.txt", accepts + "\nIf-None-Match: " + plain.head.field("ETag"))
                  .head.status == 200);
        const auto part = on.get("/a.txt", accepts + "\nRange: bytes=5-9\nIf-Range: " + tag);
        CHECK(part.head.status == 206);
        CHECK(part.head.field("Content-Encoding") == coding);
        CHECK(part.inline_body == packed.inline_body.substr(5, 5));
    }
    CHECK(tags.size() == 4);

    for (const auto* target : {"/a.bin", "/small.txt"}) {
        CAPTURE(std::string(target));
        const auto whole = on.get(target, "Accept-Encoding: gzip");
        CHECK_FALSE(whole.head.has("Content-Encoding"));
        CHECK_FALSE(whole.head.has("Vary"));
    }
    for (int i = 0; i < 2; ++i) {  // Also when it is known that nothing is gained.
        const auto noisy = on.get("/noise.txt", "Accept-Encoding: gzip");
        CHECK_FALSE(noisy.head.has("Content-Encoding"));
        CHECK(noisy.head.field("Vary") == "Accept-Encoding");
    }
}

TEST_CASE("plan: what is packed is never older than its file") {
    plan_site on;
    on.put("a.txt", letters(20'000), 784'111'777);
    const auto before = on.get("/a.txt", "Accept-Encoding: gzip");
    CHECK(before.head.field("Content-Encoding") == "gzip");
    auto other = letters(20'000);
    other[7] = '!';
    on.put("a.txt", other, 784'111'778);
    const auto now = on.get("/a.txt", "Accept-Encoding: gzip");
    CHECK(now.inline_body == *compress(other, content_coding::gzip));
    CHECK(now.head.field("ETag") != before.head.field("ETag"));
    // Just changed: it may change again and show no other time (threats.md, V8).
    on.files.write("a.txt", letters(20'000));
    const auto fresh = on.get("/a.txt", "Accept-Encoding: gzip");
    CHECK_FALSE(fresh.head.has("Content-Encoding"));
    CHECK(fresh.head.field("Vary") == "Accept-Encoding");
}

TEST_CASE("plan: a packed content too large for one send stays in memory until it is sent") {
    plan_site on;
    std::string text;
    for (int i = 0; text.size() < 400'000; ++i) {
        text += std::to_string(i * 7'919) + "\n";
    }
    on.put("a.txt", text);
    const auto packed = on.get("/a.txt", "Accept-Encoding: gzip");
    REQUIRE(packed.plan.packed);
    CHECK(packed.plan.packed->size() > inline_body_bytes_max);
    CHECK(packed.plan.part == byte_range{.offset = 0, .size_bytes = packed.plan.packed->size()});
    CHECK(packed.inline_body.empty());
    // Another request has the same octets, not a copy.
    CHECK(on.get("/a.txt", "Accept-Encoding: gzip").plan.packed == packed.plan.packed);
}

TEST_CASE("plan: packed contents that nobody takes are bounded (threats.md, H4)") {
    plan_site on;
    on.settings.packing.cache_bytes_max = 65'536;
    std::vector<planned> held;
    std::size_t packed = 0;
    for (int i = 0; i < 20; ++i) {
        std::string text;
        for (int line = 0; text.size() < 100'000; ++line) {
            text += std::to_string(i * 1'000'003 + line * 7'919) + "\n";
        }
        const auto name = std::to_string(i) + ".txt";
        on.put(name, text);
        held.push_back(on.get("/" + name, "Accept-Encoding: gzip"));
        packed += held.back().plan.packed ? held.back().plan.packed->size() : 0;
    }
    CHECK(packed > 65'536);
    CHECK(packed < 3 * 65'536);
    CHECK_FALSE(held.back().head.has("Content-Encoding"));
    held.clear();
    CHECK(on.get("/19.txt", "Accept-Encoding: gzip").head.has("Content-Encoding"));
}

TEST_CASE("plan: a file beside that is packed is the file, where that is asked for") {
    plan_site on;
    on.put("a.txt", letters(500), 784'111'777);
    on.put("a.txt.gz", "packed by hand", 784'111'777);
    on.put("a.txt.br", "an older one", 784'111'776);
    CHECK_FALSE(on.get("/a.txt", "Accept-Encoding: gzip, br").head.has("Content-Encoding"));
    on.settings.packing.uses_files_beside = true;
    const auto beside = on.get("/a.txt", "Accept-Encoding: gzip, br");
    CHECK(beside.head.field("Content-Encoding") == "gzip");
    CHECK(beside.head.field("Content-Type") == "text/plain; charset=utf-8");
    CHECK(beside.head.field("Vary") == "Accept-Encoding");
    CHECK(beside.inline_body == "packed by hand");
    CHECK(beside.head.field("ETag") != on.get("/a.txt").head.field("ETag"));
    CHECK(on.get("/a.txt").head.field("Vary") == "Accept-Encoding");
    CHECK(on.get("/a.txt", "Accept-Encoding: br").inline_body == letters(500));
    const auto itself = on.get("/a.txt.gz", "Accept-Encoding: gzip");
    CHECK_FALSE(itself.head.has("Content-Encoding"));
    CHECK(itself.inline_body == "packed by hand");
}

TEST_CASE("plan: who wants a digest gets it (RFC 9530)") {
    plan_site on;
    on.put("hello.txt", "hello world\n");
    on.put("large.txt", letters(20'000));
    // As `sha256sum | xxd -r -p | base64` says.
    const std::string all = "sha-256=:qUiQTy8PR5uPgZdpSzAYSw0u0cHNKh7A+4XSmaGSpEc=:";
    CHECK_FALSE(on.get("/hello.txt").head.has("Repr-Digest"));
    for (int i = 0; i < 2; ++i) {
        const auto whole =
            on.get("/hello.txt", "Want-Repr-Digest: sha-256=1\nWant-Content-Digest: sha-256=1");
        CHECK(whole.head.field("Repr-Digest") == all);
        CHECK(whole.head.field("Content-Digest") == all);
        CHECK(whole.inline_body == "hello world\n");
    }
    const auto head =
        on.head("/hello.txt", "Want-Repr-Digest: sha-256=1\nWant-Content-Digest: sha-256=1");
    CHECK(head.head.field("Repr-Digest") == all);
    CHECK_FALSE(head.head.has("Content-Digest"));  // There is no content.
    // Of a part: the whole representation's, and that of what is sent.
    const auto part = on.get("/hello.txt",
                             "Range: bytes=0-4\nWant-Repr-Digest: sha-256=1\n"
                             "Want-Content-Digest: sha-256=1");
    CHECK(part.head.status == 206);
    CHECK(part.head.field("Repr-Digest") == all);
    CHECK(part.head.field("Content-Digest") ==
          "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
    // It is of what is sent, which is then the file as it is.
    const auto plain = on.get("/large.txt", "Accept-Encoding: gzip\nWant-Repr-Digest: sha-512=1");
    CHECK_FALSE(plain.head.has("Content-Encoding"));
    CHECK(plain.head.field("Repr-Digest").starts_with("sha-512=:"));
    on.settings.digest_bytes_max = 11;
    CHECK_FALSE(on.get("/hello.txt", "Want-Repr-Digest: sha-256=1").head.has("Repr-Digest"));
    CHECK(on.get("/hello.txt", "Want-Repr-Digest: sha-256=1").head.status == 200);
}

TEST_CASE("plan: ?download names the file to be saved (RFC 6266)") {
    plan_site on;
    on.put("a b.txt", "x");
    for (const auto* query : {"download", "x=y&download", "download=1", "download=&x"}) {
        CAPTURE(std::string(query));
        const auto made = on.get("/a%20b.txt?" + std::string(query));
        CHECK(made.head.field("Content-Disposition").starts_with("attachment; filename="));
    }
    for (const auto* query : {"", "downloads", "x=download", "download=0"}) {
        CAPTURE(std::string(query));
        CHECK_FALSE(on.get("/a%20b.txt?" + std::string(query)).head.has("Content-Disposition"));
    }
}

TEST_CASE("plan: several ranges come as multipart/byteranges (RFC 9110 section 14.6)") {
    plan_site on;
    const auto content = letters(20'000);
    on.put("a.bin", content);
    const auto made = on.get("/a.bin", "Range: bytes=0-1, 30000-, 500-599,-3");
    CHECK(made.head.status == 206);
    CHECK_FALSE(made.head.has("Content-Range"));
    const auto type = made.head.field("Content-Type");
    constexpr std::string_view before = "multipart/byteranges; boundary=";
    REQUIRE(type.starts_with(before));
    const std::string boundary = "\r\n--" + type.substr(before.size());
    std::string expected;
    struct part {
        std::size_t first;
        std::size_t last;
    };
    for (const part& each : {part{0, 1}, part{500, 599}, part{19'997, 19'999}}) {
        expected += boundary + "\r\nContent-Type: application/octet-stream\r\n" +
                    "Content-Range: bytes " + std::to_string(each.first) + "-" +
                    std::to_string(each.last) + "/20000\r\n\r\n" +
                    content.substr(each.first, each.last - each.first + 1);
    }
    expected += boundary + "--\r\n";
    expected.erase(0, 2);
    CHECK((made.inline_body == expected));
    CHECK(made.head.field("Content-Length") == std::to_string(expected.size()));
    CHECK(made.plan.body_bytes == expected.size());

    SUBCASE("another boundary each time") {
        CHECK(on.get("/a.bin", "Range: bytes=0-1,500-599").head.field("Content-Type") != type);
    }
    SUBCASE("too much for one send: from the file, part by part") {
        const auto large = on.get("/a.bin", "Range: bytes=0-4999,10000-14999");
        REQUIRE(large.plan.file);
        REQUIRE(large.plan.further_parts.size() == 2);
        CHECK(large.plan.further_parts[1].octets.offset == 10'000);
        CHECK(large.plan.further_parts[1].octets.size_bytes == 5'000);
        CHECK(large.plan.body_end.ends_with("--\r\n"));
    }
}

TEST_CASE("plan: ranges that meet are one, and never more than the file (threats.md, H5)") {
    plan_site on;
    on.put("a.txt", "0123456789");
    on.put("b.bin", letters(2'000));
    const auto near = on.get("/a.txt", "Range: bytes=0-1,3-4");
    CHECK(near.head.status == 206);
    CHECK(near.head.field("Content-Range") == "bytes 0-4/10");
    CHECK(near.inline_body == "01234");
    // Sixteen times the same octets are those octets.
    const auto same =
        on.get("/b.bin", "Range: bytes=0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-,0-");
    CHECK(same.head.field("Content-Range") == "bytes 0-1999/2000");
    // With what stands around them the parts would be more than all of it.
    const auto whole = on.get("/b.bin", "Range: bytes=0-899,1000-1999");
    CHECK(whole.head.status == 200);
    CHECK(whole.inline_body.size() == 2'000);
}

TEST_CASE(
    "plan: a Range that is not honoured gives the whole (RFC 9110 sections 14.2 and 13.1.5)") {
    plan_site on;
    on.put("a.txt", "0123456789");
    const auto tag = on.get("/a.txt").head.field("ETag");
    for (const std::string& lines :
         {std::string("Range: lines=0-1"), std::string("Range: bytes=2-1"),
          std::string("Range: bytes=x"), std::string("Range: bytes=0-1\nRange: bytes=3-4"),
          "Range: bytes=0-1\nIf-Range: W/" + tag, std::string("Range: bytes=0-1\nIf-Range: \"x\""),
          std::string("Range: bytes=0-1\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT")}) {
        CAPTURE(lines);
        const auto made = on.get("/a.txt", lines);
        CHECK(made.head.status == 200);
        CHECK_FALSE(made.head.has("Content-Range"));
        CHECK(made.inline_body == "0123456789");
    }
    for (const std::string& lines :
         {"Range: bytes=0-1\nIf-Range: " + tag,
          std::string("Range: bytes=0-1\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT")}) {
        CAPTURE(lines);
        CHECK(on.get("/a.txt", lines).head.status == 206);
    }
    // Section 13.2.2: the conditions come first.
    CHECK(on.get("/a.txt", "Range: bytes=0-1\nIf-None-Match: *").head.status == 304);
}

TEST_CASE("plan: a range beyond the end is 416 (RFC 9110 section 15.5.17)") {
    plan_site on;
    on.put("a.txt", "0123456789");
    on.put("empty.txt", "");
    for (const std::string_view range : {"bytes=10-", "bytes=-0", "bytes=10-11, 12-"}) {
        CAPTURE(range);
        const auto made = on.get("/a.txt", "Range: " + std::string(range));
        CHECK(made.head.status == 416);
        CHECK(made.head.field("Content-Range") == "bytes */10");
        CHECK_FALSE(made.head.has("ETag"));
        CHECK_FALSE(made.head.has("Last-Modified"));
        CHECK(made.plan.then == after::keep_alive);
    }
    CHECK(on.get("/empty.txt", "Range: bytes=0-").head.field("Content-Range") == "bytes */0");
    CHECK(on.get("/empty.txt", "Range: bytes=-5").head.status == 200);
}

TEST_CASE("plan: files beyond 4 GiB (threats.md, V10)") {
    plan_site on;
    on.put("sparse.bin", "");
    REQUIRE(::truncate((on.files / "sparse.bin").c_str(), 5'368'709'120) == 0);
    CHECK(on.head("/sparse.bin").head.field("Content-Length") == "5368709120");
    const auto whole = on.get("/sparse.bin");
    CHECK(whole.plan.part.size_bytes == 5'368'709'120);
    const auto part = on.get("/sparse.bin", "Range: bytes=4294967296-4295032831");
    CHECK(part.head.status == 206);
    CHECK(part.plan.part.offset == 4'294'967'296);
    CHECK(part.plan.part.size_bytes == 65'536);
    const auto small = on.get("/sparse.bin", "Range: bytes=-8");
    CHECK(small.head.field("Content-Range") == "bytes 5368709112-5368709119/5368709120");
    CHECK(small.inline_body == std::string(8, '\0'));
}

TEST_CASE("plan: methods ferry has no use for (RFC 9110 sections 9.1, 15.5.6 and 15.6.2)") {
    plan_site on;
    on.put("a.txt", "content");
    for (const std::string_view method : {"PUT", "POST", "DELETE", "PATCH", "TRACE"}) {
        CAPTURE(method);
        const auto made = on.ask(std::string(method) + " /a.txt HTTP/1.1\nHost: a");
        CHECK(made.head.status == 405);
        CHECK(made.head.field("Allow") == "GET, HEAD, OPTIONS");
        CHECK(made.plan.then == after::keep_alive);
    }
    CHECK(on.ask("CONNECT a:80 HTTP/1.1\nHost: a:80", after::close).head.status == 405);
    const auto unknown = on.ask("PROPFIND /a.txt HTTP/1.1\nHost: a");
    CHECK(unknown.head.status == 501);
    // TRACE: nothing of the request comes back (row A42).
    const auto trace = on.ask("TRACE /a.txt HTTP/1.1\nHost: a\nX-Echo: secretvalue");
    CHECK(trace.plan.message.find("secretvalue") == std::string::npos);
}

TEST_CASE(
    "plan: OPTIONS says what is allowed, of a file and of the server (RFC 9110 section 9.3.7)") {
    plan_site on;
    on.put("a.txt", "content");
    for (const std::string_view target : {"/a.txt", "/missing", "*"}) {
        CAPTURE(target);
        const auto made = on.ask("OPTIONS " + std::string(target) + " HTTP/1.1\nHost: a");
        CHECK(made.head.status == 204);
        CHECK(made.head.field("Allow") == "GET, HEAD, OPTIONS");
        CHECK_FALSE(made.head.has("Content-Length"));  // Section 8.6: not with 204.
        CHECK(made.inline_body.empty());
        CHECK(made.plan.then == after::keep_alive);
    }
}

TEST_CASE("plan: what is not there, not to be had or no name at all") {
    plan_site on;
    on.put("a.txt", "content");
    on.files.make_directory("dir");
    on.files.link({.at = "out", .to = "/etc/passwd"});
    on.files.link({.at = "up", .to = "../../etc/passwd"});
    on.files.link({.at = "nowhere", .to = "gone"});
    on.files.link({.at = "in", .to = "a.txt"});
    REQUIRE(::mkfifo((on.files / "fifo").c_str(), 0600) == 0);
    struct row {
        std::string target;
        int status;
    };
    for (const row& each : {row{"/missing", 404},
                            row{"/a.txt/", 404},
                            row{"/a.txt/x", 404},
                            row{"/A.TXT", 404},
                            row{"/nowhere", 404},
                            row{"/out", 403},
                            row{"/up", 403},
                            row{"/fifo", 403},
                            row{"/a.txt%00.html", 400},
                            row{"/dir%2Fx", 400},
                            row{"/a%5Cb", 400},
                            row{"/a%", 400},
                            row{"/a%zz", 400},
                            row{"/.ferry-1", 403},
                            row{"/" + std::string(300, 'b'), 414},
                            row{"/%2568", 404},
                            row{"/in", 200},
                            row{"/dir/../a.txt", 200},
                            row{"/%61.txt", 200},
                            row{"/../../../a.txt", 200}}) {
        CAPTURE(each.target);
        const auto made = on.get(each.target);
        CHECK(made.head.status == each.status);
        if (each.status >= 400) {
            CHECK(made.head.field("Content-Type") == "text/html; charset=utf-8");
            CHECK(made.head.field("Content-Length") == std::to_string(made.inline_body.size()));
            CHECK_FALSE(made.head.has("ETag"));
            CHECK_FALSE(made.head.has("Last-Modified"));
            CHECK(made.plan.then == after::keep_alive);
        }
    }
    // Conditions are for what is there (RFC 9110 section 13.2.1).
    CHECK(on.get("/missing", "If-None-Match: *").head.status == 404);
    // An error page says nothing the client wrote (row D30).
    const auto markup = on.get("/<script>alert(1)</script>");
    CHECK(markup.inline_body.find("<script") == std::string::npos);
}

TEST_CASE("plan: a directory without its slash is sent there with its query (rows D23 to D29)") {
    plan_site on;
    on.files.make_directory("dir");
    on.files.make_directory("dir/sub dir");
    struct row {
        const char* target;
        const char* location;
    };
    for (const row& each :
         {row{"/dir", "/dir/"}, row{"/dir?a=b&c", "/dir/?a=b&c"}, row{"/dir?", "/dir/?"},
          row{"//dir", "/dir/"}, row{"/dir/sub%20dir", "/dir/sub%20dir/"},
          row{"/dir?%0d%0aX-Injected:%201", "/dir/?%0d%0aX-Injected:%201"}}) {
        CAPTURE(each.target);
        const auto made = on.get(each.target, "If-None-Match: *");
        CHECK(made.head.status == 301);
        CHECK(made.head.field("Location") == each.location);
        CHECK(made.head.field("Content-Length") == "0");
        CHECK_FALSE(made.head.has("X-Injected"));
        CHECK(made.inline_body.empty());
        CHECK(made.plan.then == after::keep_alive);
    }
    // The query of a file that is there changes nothing.
    on.put("a.txt", "content");
    CHECK(on.get("/a.txt?dir=/../x").inline_body == "content");
}

TEST_CASE("plan: index.html answers for its directory, conditions and ranges included") {
    plan_site on;
    on.files.make_directory("site");
    on.put("site/index.html", "<p>index page");
    const auto made = on.get("/site/");
    CHECK(made.head.status == 200);
    CHECK(made.head.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(made.inline_body == "<p>index page");
    CHECK_FALSE(made.head.has("Content-Security-Policy"));  // The user's own page.
    CHECK(on.get("/site/", "If-None-Match: " + made.head.field("ETag")).head.status == 304);
    CHECK(on.get("/site/", "Range: bytes=3-7").inline_body == "index");

    // One that is a directory is none; one that leads outside is not passed over in silence.
    on.files.make_directory("other");
    on.files.make_directory("other/index.html");
    CHECK(on.get("/other/").head.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(on.get("/other/").inline_body.find("Index of /other/") != std::string::npos);
    on.files.make_directory("bad");
    on.files.link({.at = "bad/index.html", .to = "/etc/passwd"});
    CHECK(on.get("/bad/").head.status == 403);
}

TEST_CASE("plan: a directory is listed, sorted, without what no client may see (threats.md, V11)") {
    plan_site on;
    on.files.make_directory("dir");
    on.put("dir/b.txt", "12345");
    on.put("dir/a <&>.txt", "");
    on.files.make_directory("dir/sub");
    on.put("dir/.hidden", "");
    on.put("dir/.ferry-upload", "");
    on.files.link({.at = "dir/out", .to = "/etc"});
    const auto made = on.get("/dir/");
    CHECK(made.head.status == 200);
    CHECK(made.head.field("Content-Type") == "text/html; charset=utf-8");
    CHECK(made.head.field("Cache-Control") == "no-cache");
    CHECK(made.head.field("Content-Security-Policy").starts_with("default-src 'none'"));
    CHECK(made.head.field("Vary") == "Accept, Accept-Encoding");
    CHECK(made.head.field("ETag").starts_with('"'));
    CHECK_FALSE(made.head.has("Last-Modified"));
    CHECK(made.head.field("Content-Length") == std::to_string(made.inline_body.size()));
    CHECK(made.plan.body_bytes == made.inline_body.size());
    CHECK_FALSE(made.plan.source);
    const auto& page = made.inline_body;
    const auto first = page.find("./a%20%3C%26%3E.txt");
    const auto second = page.find("./b.txt");
    const auto third = page.find("./sub/");
    CHECK(third != std::string::npos);
    CHECK(third < first);  // Directories come first.
    CHECK(first < second);
    CHECK(second != std::string::npos);
    CHECK(page.find("1 folder, 2 files, 5 B") != std::string::npos);
    CHECK(page.find("./.hidden") == std::string::npos);
    CHECK(page.find(".ferry-") == std::string::npos);
    CHECK(page.find("./out") == std::string::npos);
    // The root has no parent to go to.
    CHECK(on.get("/").inline_body.find("../") == std::string::npos);
}

TEST_CASE("plan: a directory in the order that is asked for") {
    plan_site on;
    on.settings.list_sorted_max = 1'000;
    on.put("b10", "333", 3);
    on.put("b9", "1", 9);
    on.put("C", "22", 5);
    const auto in_order = [&on](std::string_view query) {
        const auto page = on.get("/" + std::string(query)).inline_body;
        const auto first = page.find("./b10");
        const auto second = page.find("./b9");
        const auto third = page.find("./C");
        return std::to_string(first < second) + std::to_string(second < third) +
               std::to_string(first < third);
    };
    CHECK(in_order("") == "011");                       // b9 b10 C
    CHECK(in_order("?sort=name&order=desc") == "100");  // C b10 b9
    CHECK(in_order("?sort=size") == "010");             // b9 C b10
    CHECK(in_order("?sort=size&order=desc") == "101");  // b10 C b9
    CHECK(in_order("?sort=time") == "101");             // b10 C b9
    CHECK(in_order("?order=desc&sort=time") == "010");  // b9 C b10
    // So many are sorted on the offload pool.
    on.files.make_directory("many");
    for (int i = 0; i < 600; ++i) {
        on.files.write("many/" + std::to_string(i), "");
    }
    const auto page = on.get("/many/").inline_body;
    std::size_t before = 0;
    for (int i = 0; i < 600; ++i) {
        const auto at = page.find("./" + std::to_string(i) + "\"");
        REQUIRE(at != std::string::npos);
        CHECK(at > before);
        before = at;
    }
}

TEST_CASE("plan: a directory as JSON, by format or by Accept (RFC 9110 section 12.5.1)") {
    plan_site on;
    on.files.make_directory("dir");
    on.put("dir/a b.txt", "12345");
    const std::string wanted =
        "[\n{\"name\":\"a b.txt\",\"type\":\"file\",\"size\":5,"
        "\"modified\":\"1994-11-06T08:49:37Z\",\"href\":\"./a%20b.txt\"}\n]\n";
    for (const auto& made :
         {on.get("/dir/?format=json"), on.get("/dir/", "Accept: application/json"),
          on.get("/dir/", "Accept: text/html;q=0.1, application/json;q=0.2")}) {
        CHECK(made.head.status == 200);
        CHECK(made.head.field("Content-Type") == "application/json");
        CHECK(made.head.field("Cache-Control") == "no-cache");
        CHECK(made.head.field("Vary") == "Accept");
        CHECK(made.head.field("X-Content-Type-Options") == "nosniff");
        CHECK(made.head.field("Content-Length") == std::to_string(wanted.size()));
        CHECK(made.inline_body == wanted);
    }
    check_same_head(on.get("/dir/?format=json"), on.head("/dir/?format=json"));
    CHECK(on.get("/dir/?format=html", "Accept: application/json").head.field("Content-Type") ==
          "text/html; charset=utf-8");
    CHECK(on.get("/dir/?format=json", "Accept: text/html").inline_body == wanted);
    // An error is a page for everybody, and index.html answers whatever is asked.
    CHECK(on.get("/none/?format=json").head.status == 404);
    on.put("dir/index.html", "mine");
    CHECK(on.get("/dir/?format=json").inline_body == "mine");
}

TEST_CASE("plan: a listing is packed for who accepts it, with a tag for each coding") {
    plan_site on;
    on.files.make_directory("dir");
    for (int i = 0; i < 40; ++i) {
        on.put("dir/file " + std::to_string(i), "x");
    }
    const std::string vary = "Accept, Accept-Encoding";
    for (const std::string target : {"/dir/", "/dir/?sort=size&order=desc", "/dir/?format=json"}) {
        CAPTURE(target);
        const auto plain = on.get(target);
        const auto page = body_of(plain);
        CHECK_FALSE(plain.head.has("Content-Encoding"));
        CHECK(plain.head.field("Vary") == vary);
        std::set<std::string> tags{plain.head.field("ETag")};
        for (const std::string coding : {"gzip", "br", "zstd"}) {
            CAPTURE(coding);
            const std::string accepts = "Accept-Encoding: " + coding;
            const auto packed = on.get(target, accepts);
            CHECK(packed.head.status == 200);
            CHECK(packed.head.field("Content-Encoding") == coding);
            CHECK(packed.head.field("Content-Type") == plain.head.field("Content-Type"));
            CHECK(packed.head.field("Vary") == vary);
            CHECK(body_of(packed) == *compress(page, *find_content_coding(coding)));
            CHECK(packed.head.field("Content-Length") == std::to_string(body_of(packed).size()));
            const auto tag = packed.head.field("ETag");
            tags.insert(tag);
            check_same_head(packed, on.head(target, accepts));
            CHECK(on.head(target, accepts).plan.body_bytes == 0);
            const auto known = on.get(target, accepts + "\nIf-None-Match: " + tag);
            CHECK(known.head.status == 304);
            CHECK(known.head.field("Vary") == vary);
            CHECK(known.head.field("ETag") == tag);
            CHECK(known.head.field("Cache-Control") == "no-cache");
            CHECK(known.plan.body_bytes == 0);
            CHECK(body_of(known).empty());
            CHECK(on.get(target, accepts + "\nIf-None-Match: " + plain.head.field("ETag"))
                      .head.status == 200);
            CHECK(on.get(target, "If-None-Match: " + tag).head.status == 200);
            CHECK(on.get(target, accepts + "\nIf-Match: " + plain.head.field("ETag")).head.status ==
                  412);
            CHECK(on.get(target, accepts + "\nIf-Match: " + tag).head.status == 200);
        }
        CHECK(tags.size() == 4);
        // A date says nothing of it, and a range nothing either.
        CHECK(on.get(target, "If-Modified-Since: Sun, 06 Nov 2050 08:49:37 GMT").head.status ==
              200);
        CHECK(on.get(target, "Accept-Encoding: gzip\nRange: bytes=0-1").head.status == 200);
    }
    const auto none = on.get("/dir/").head.field("Content-Encoding");
    const auto coding_of = [&on](const std::string& accepted) {
        return on.get("/dir/", "Accept-Encoding: " + accepted).head.field("Content-Encoding");
    };
    CHECK(coding_of("gzip, deflate, br, zstd") == "br");
    CHECK(coding_of("gzip;q=0.5, br;q=0") == "gzip");
    CHECK(coding_of("identity;q=0, *") == "br");
    CHECK(coding_of("identity;q=0") == none);  // A 406 would help nobody (section 15.5.7).
    CHECK(coding_of("gzip;q=0, deflate") == none);
    CHECK(coding_of("gzip;q=0.5, identity") == none);
}

TEST_CASE("plan: the tag of a listing is of what it says, whenever it says so") {
    plan_site on;
    on.put("a", "x");
    const auto before = on.get("/").head.field("ETag");
    on.files.write("b", "y");
    const auto between = on.get("/").head.field("ETag");
    REQUIRE(::unlink((on.files / "b").c_str()) == 0);
    CHECK(on.get("/").head.field("ETag") == before);
    CHECK(between != before);
    CHECK(on.get("/?sort=size").head.field("ETag") != before);  // The page shows its order.
    CHECK(plan_site().get("/").head.field("ETag") != before);
}

TEST_CASE("plan: which listings are not packed") {
    plan_site on;
    for (int i = 0; i < 40; ++i) {
        on.put("file " + std::to_string(i), "x");
    }
    constexpr auto accepts = "Accept-Encoding: br";
    CHECK(on.get("/", accepts).head.has("Content-Encoding"));
    {
        std::vector<runtime::permits::permit> turns;  // Others are being packed.
        while (auto turn = on.shared.inside().listings_packed->try_take()) {
            turns.push_back(std::move(*turn));
        }
        CHECK(turns.size() == 4);
        const auto plain = on.get("/", accepts);
        CHECK_FALSE(plain.head.has("Content-Encoding"));
        CHECK(plain.head.field("Vary") == "Accept, Accept-Encoding");
        CHECK(plain.head.field("ETag") == on.get("/").head.field("ETag"));
    }
    CHECK(on.get("/", accepts).head.has("Content-Encoding"));
    on.settings.packing.size_bytes_max = 2'000;  // The page is larger.
    CHECK_FALSE(on.get("/", accepts).head.has("Content-Encoding"));
    CHECK(on.get("/", accepts).head.field("Vary") == "Accept");
    on.settings.packing = {.codings = {}};
    CHECK_FALSE(on.get("/", accepts).head.has("Content-Encoding"));
    CHECK(on.get("/", accepts).head.field("Vary") == "Accept");
    on.settings.packing = {};
    on.settings.list_sorted_max = 10;  // It is made while it is sent.
    const auto stream = on.get("/", accepts);
    CHECK(stream.plan.source);
    CHECK_FALSE(stream.head.has("Content-Encoding"));
    CHECK_FALSE(stream.head.has("ETag"));
    CHECK(stream.head.field("Vary") == "Accept");
    // An archive is no text.
    CHECK_FALSE(on.get("/?format=tar", accepts).head.has("Content-Encoding"));
}

TEST_CASE("plan: a directory as an archive (RFC 6266, RFC 9112 section 7.1)") {
    plan_site on;
    on.files.make_directory("my dir");
    on.put("my dir/a.txt", "12345");
    struct row {
        const char* format;
        const char* type;
    };
    for (const row& each : {row{"zip", "application/zip"}, row{"tar", "application/x-tar"}}) {
        const auto target = "/my%20dir/?format=" + std::string(each.format);
        const auto made = on.get(target);
        CHECK(made.head.status == 200);
        CHECK(made.head.field("Content-Type") == each.type);
        CHECK(made.head.field("Content-Disposition") ==
              "attachment; filename=\"my dir." + std::string(each.format) + "\"");
        CHECK(made.head.field("Transfer-Encoding") == "chunked");
        CHECK(made.head.field("Cache-Control") == "no-cache");
        CHECK_FALSE(made.head.has("Content-Length"));
        CHECK_FALSE(made.head.has("Accept-Ranges"));
        CHECK_FALSE(made.head.has("ETag"));
        CHECK(made.inline_body.empty());
        CHECK(made.plan.source);
        CHECK(made.plan.chunked);
        check_same_head(made, on.head(target));
        // A range is of no use where nobody knows the size (RFC 9110 section 14.2).
        CHECK(on.get(target, "Range: bytes=0-1").head.status == 200);
        CHECK(on.get("/?format=" + std::string(each.format)).head.field("Content-Disposition") ==
              "attachment; filename=\"files." + std::string(each.format) + "\"");
    }
    const auto old = on.ask("GET /?format=tar HTTP/1.0\nConnection: keep-alive");
    CHECK(old.head.field("Connection") == "close");
    CHECK_FALSE(old.head.has("Transfer-Encoding"));
    CHECK(old.plan.then == after::close);
    CHECK(on.get("/my%20dir?format=zip").head.field("Location") == "/my%20dir/?format=zip");
    CHECK(on.get("/none/?format=zip").head.status == 404);
    CHECK(on.get("/").inline_body.find("value=\"zip\"") != std::string::npos);
    // index.html answers for its directory, whatever is asked.
    on.put("my dir/index.html", "mine");
    CHECK(on.get("/my%20dir/?format=zip").inline_body == "mine");
}

TEST_CASE("plan: as many archives at once as may be; who may not list gets none") {
    plan_site on;
    on.settings.list_wait_timeout = {};
    on.put("a.txt", "12345");
    std::vector<planned> sent;
    for (std::size_t i = 0; i < on.settings.archives_max; ++i) {
        sent.push_back(on.get("/?format=tar"));
        CHECK(sent.back().head.status == 200);
    }
    const auto refused = on.get("/?format=tar");
    CHECK(refused.head.status == 503);
    CHECK(refused.head.field("Retry-After") == "5");
    CHECK(refused.inline_body.find("Too many archives") != std::string::npos);
    CHECK(on.get("/").head.status == 200);
    sent.pop_back();
    CHECK(on.head("/?format=tar").head.status == 200);  // HEAD gives its turn back.
    CHECK(on.get("/?format=zip").head.status == 200);

    on.settings.archives_max = 0;
    CHECK(on.get("/?format=tar").head.status == 403);
    CHECK(on.get("/?format=tar").inline_body.find("No archives") != std::string::npos);
    CHECK(on.get("/").inline_body.find("value=\"zip\"") == std::string::npos);
    on.settings.archives_max = 4;
    on.settings.visitors = auth::rights{auth::right::list};
    CHECK(on.get("/").inline_body.find("value=\"zip\"") == std::string::npos);
    on.settings.visitors = auth::rights{auth::right::read};
    CHECK(on.get("/?format=tar").head.status == 403);
}

TEST_CASE("plan: a directory too large for memory is made while it is sent (threats.md, V9)") {
    plan_site on;
    on.files.make_directory("dir");
    for (int i = 0; i < 51; ++i) {
        on.files.write("dir/" + std::to_string(i), "");
    }
    const auto chunked = on.get("/dir/");
    CHECK(chunked.head.status == 200);
    CHECK(chunked.head.field("Transfer-Encoding") == "chunked");  // RFC 9112 section 6.1.
    CHECK_FALSE(chunked.head.has("Content-Length"));
    CHECK(chunked.plan.chunked);
    CHECK(chunked.plan.then == after::keep_alive);
    REQUIRE(chunked.plan.source);
    CHECK(chunked.inline_body.empty());

    // HTTP/1.0 has no chunks: the close is the end (RFC 9112 section 6.3).
    const auto old = on.ask("GET /dir/ HTTP/1.0\nConnection: keep-alive");
    CHECK(old.head.status == 200);
    CHECK_FALSE(old.head.has("Transfer-Encoding"));
    CHECK_FALSE(old.head.has("Content-Length"));
    CHECK(old.head.field("Connection") == "close");
    CHECK_FALSE(old.plan.chunked);
    CHECK(old.plan.then == after::close);
    REQUIRE(old.plan.source);

    REQUIRE(::unlink((on.files / "dir/0").c_str()) == 0);
    CHECK(on.get("/dir/").head.has("Content-Length"));
}

// threats.md, V9 and H4: what a crowd may cost that asks for large directories.
TEST_CASE("plan: of large directories so many pages are held, further ones are streamed") {
    plan_site on;
    on.settings.list_sorted_max = 1'000;
    on.files.make_directory("dir");
    on.files.make_directory("few");
    for (int i = 0; i < 300; ++i) {
        on.files.write("dir/" + std::to_string(i), "");
    }
    on.files.write("few/1", "");
    auto first = on.get("/dir/");
    CHECK(first.head.has("Content-Length"));
    CHECK(first.plan.hold);
    const auto second = on.get("/dir/");
    CHECK(second.plan.hold);
    CHECK_FALSE(on.listings.held.try_take());
    {
        const auto third = on.get("/dir/");
        CHECK(third.head.status == 200);
        CHECK(third.head.field("Transfer-Encoding") == "chunked");
        CHECK(third.plan.source);
        CHECK_FALSE(third.plan.hold);
        const auto small = on.get("/few/");
        CHECK(small.head.has("Content-Length"));
        CHECK_FALSE(small.plan.hold);
    }
    // One that is sent makes room; HEAD holds nothing.
    first.plan = {};
    const auto head = on.head("/dir/");
    CHECK(head.head.field("Content-Length") == std::to_string(second.inline_body.size()));
    CHECK_FALSE(head.plan.hold);
    CHECK(on.get("/dir/").head.has("Content-Length"));
}

TEST_CASE("plan: a directory whose turn does not come is 503 (RFC 9110 sections 10.2.3, 15.6.4)") {
    plan_site on;
    on.settings.list_wait_timeout = {};
    on.put("a.txt", "content");
    auto one = on.listings.beginning.try_take();
    const auto two = on.listings.beginning.try_take();
    const auto made = on.get("/");
    CHECK(made.head.status == 503);
    CHECK(made.head.field("Retry-After") == "5");
    CHECK(made.head.field("Content-Length") == std::to_string(made.inline_body.size()));
    CHECK(made.inline_body.find("Too many directories") != std::string::npos);
    CHECK(made.plan.then == after::keep_alive);
    CHECK(on.get("/a.txt").head.status == 200);
    one.reset();
    CHECK(on.get("/").head.status == 200);
    CHECK(on.listings.beginning.try_take());
}

TEST_CASE("plan: Connection says what will happen (RFC 9112 sections 9.3 and 9.6)") {
    plan_site on;
    on.put("a.txt", "content");
    for (const std::string_view target : {"/a.txt", "/missing", "/"}) {
        CAPTURE(target);
        const auto line = "GET " + std::string(target);
        CHECK_FALSE(on.ask(line + " HTTP/1.1\nHost: a").head.has("Connection"));
        CHECK(on.ask(line + " HTTP/1.1\nHost: a", after::close).head.field("Connection") ==
              "close");
        CHECK(on.ask(line + " HTTP/1.0", after::close).head.field("Connection") == "close");
        const auto stays = on.ask(line + " HTTP/1.0\nConnection: keep-alive");
        CHECK(stays.head.field("Connection") == "keep-alive");
        CHECK(stays.plan.then == after::keep_alive);
        CHECK(stays.head.status_line.starts_with("HTTP/1.1 "));  // RFC 9110 section 2.5.
    }
}

TEST_CASE("plan: what the system refuses is an answer too (threats.md, V13)") {
    struct row {
        int os_errno;
        int status;
    };
    for (const row& each :
         {row{EACCES, 403}, row{EMFILE, 503}, row{ENFILE, 503}, row{ENOMEM, 503}, row{EIO, 500},
          row{EAGAIN, 503}, row{ENAMETOOLONG, 414}, row{ENOENT, 404}, row{ECANCELED, 503}}) {
        CAPTURE(each.os_errno);
        plan_site on;
        on.put("a.txt", "content");
        on.machine.io.set_script([&each](runtime::op& what) -> std::optional<std::int64_t> {
            return what.code == runtime::opcode::open_at
                       ? std::optional(-std::int64_t{each.os_errno})
                       : std::nullopt;
        });
        const auto made = on.get("/a.txt");
        CHECK(made.head.status == each.status);
        CHECK(made.head.has("Retry-After") == (each.status == 503));
        CHECK(made.plan.then == after::keep_alive);
    }
}

TEST_CASE("plan: a small file that shrinks or fails before anything is sent is an error, whole") {
    for (const std::int64_t second_read : {std::int64_t{0}, std::int64_t{-EIO}}) {
        CAPTURE(second_read);
        plan_site on;
        on.put("a.txt", "content");
        int reads = 0;
        on.machine.io.set_script(
            [&reads, second_read](runtime::op& what) -> std::optional<std::int64_t> {
                if (what.code != runtime::opcode::read) {
                    return std::nullopt;
                }
                ++reads;
                if (reads == 1) {  // A short read is none of the errors: it goes on behind it.
                    what.args.read.data[0] = std::byte{'c'};
                    return 1;
                }
                CHECK(what.args.read.offset == 1);
                CHECK(what.args.read.size_bytes == 6);
                return second_read;
            });
        const auto made = on.get("/a.txt");
        CHECK(made.head.status == 500);
        CHECK_FALSE(made.head.has("ETag"));
        CHECK(made.head.field("Content-Length") == std::to_string(made.inline_body.size()));
        CHECK(made.plan.body_bytes == made.inline_body.size());
    }
}

TEST_CASE("plan: short reads of a small file are put together") {
    plan_site on;
    on.put("a.txt", "content");
    std::string_view left = "content";
    on.machine.io.set_script([&left](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code != runtime::opcode::read) {
            return std::nullopt;
        }
        what.args.read.data[0] = static_cast<std::byte>(left.front());
        left.remove_prefix(1);
        return 1;
    });
    CHECK(on.get("/a.txt").inline_body == "content");
}

TEST_CASE("plan: a failing listing is an error, whole") {
    plan_site on;
    on.files.make_directory("dir");
    on.files.write("dir/a", "");
    on.machine.io.set_script([](runtime::op& what) -> std::optional<std::int64_t> {
        return what.code == runtime::opcode::list_directory ? std::optional(std::int64_t{-EIO})
                                                            : std::nullopt;
    });
    const auto made = on.get("/dir/");
    CHECK(made.head.status == 500);
    CHECK_FALSE(made.plan.source);
}

TEST_CASE("plan_refusal: closes, and says why in ferry's own words (RFC 9112 section 2.2)") {
    plan_site on;
    auto made =
        plan_refusal(on.shared.inside(), {.what = status::bad_request, .reason = "malformed Host"});
    CHECK(made.then == after::close);
    CHECK(made.what == status::bad_request);
    auto octets = made.message;
    const auto head = http::test::take_head(octets);
    CHECK(head.status == 400);
    CHECK(head.field("Connection") == "close");
    CHECK(head.field("Content-Length") == std::to_string(octets.size()));
    CHECK(octets.find("malformed Host") != std::string::npos);
}
