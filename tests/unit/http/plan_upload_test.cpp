#include "http/plan_upload.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planned_site.hpp"

// Sections are of draft-ietf-httpbis-resumable-upload-12.

using namespace ferry;
using namespace ferry::http;
using namespace std::chrono_literals;
using http::test::log_in;
using http::test::planned;

namespace {

constexpr std::string_view partial = "Content-Type: application/partial-upload\n";
constexpr std::string_view hello_digest =
    "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";  // Of "hello".

/// Visitors who may do all but in /fixed, and ann and bob.
struct depot : http::test::planned_site {
    depot() : planned_site({}) {
        tree->keep_parts(1h);
        settings.visitors =
            auth::permissions::parse("all,/fixed=read-only,/new=list+create").value();
        files.make_directory("new");
        auth::account ann{.name = "ann", .password = "a", .hash = {}};
        ann.allowed = auth::rights::all();
        auth::account bob{.name = "bob", .password = "b", .hash = {}};
        bob.allowed = auth::rights::all();
        users = std::make_shared<auth::accounts>(std::vector{ann, bob}, std::nullopt);
    }

    planned request(std::string_view how, std::string_view target, std::string_view lines,
                    std::string_view content, errc end = errc::closed) {
        told.clear();
        const auto size = end == errc::closed ? content.size() : content.size() + 1;
        return send(std::string(how) + " " + std::string(target) + " HTTP/1.1\nHost: a\n" +
                        "Content-Length: " + std::to_string(size) + "\n" + std::string(lines),
                    {.octets = content, .end = end, .on_told = [this](std::string_view interim) {
                         told += interim;
                     }});
    }
    /// PUT that makes an upload resource and does not complete it: where that is.
    std::string begin(std::string_view content, std::string_view lines = "",
                      std::string_view target = "/file") {
        const auto made =
            request("PUT", target, "Upload-Complete: ?0\n" + std::string(lines), content);
        CHECK(made.head.status == 201);
        CHECK(made.head.field("Upload-Complete") == "?0");
        CHECK(made.head.field("Upload-Offset") == std::to_string(content.size()));
        return made.head.field("Location");
    }
    planned append(std::string_view to, std::uint64_t offset, std::string_view content,
                   bool completes = true, std::string_view lines = "", errc end = errc::closed) {
        return request("PATCH", to,
                       std::string(partial) + "Upload-Offset: " + std::to_string(offset) +
                           "\nUpload-Complete: " + (completes ? "?1" : "?0") + "\n" +
                           std::string(lines),
                       content, end);
    }
    planned cancel(std::string_view what, std::string_view lines = "") {
        return ask("DELETE " + std::string(what) + " HTTP/1.1\nHost: a\n" + std::string(lines));
    }
    /// Upload-Offset of the resource, or why not.
    std::string offset(std::string_view what, std::string_view lines = "") {
        const auto state = head(what, lines);
        return state.head.status == 204 ? state.head.field("Upload-Offset")
                                        : std::to_string(state.head.status);
    }

    std::string told;  ///< Interim answers to the last request.
};

}  // namespace

TEST_CASE("upload: in one request that is not cut off it is a PUT (section 4.2.2)") {
    depot on;
    const auto made = on.request("PUT", "/file",
                                 "Upload-Complete: ?1\nUpload-Draft-Interop-Version: 8\n", "hello");
    CHECK(made.head.status == 201);
    CHECK(made.head.field("Upload-Complete") == "?1");
    CHECK_FALSE(made.head.has("Location"));
    CHECK(made.head.field("ETag").starts_with('"'));
    CHECK(on.files.read("file") == "hello");
    CHECK(on.told.starts_with("HTTP/1.1 104 Upload Resumption Supported\r\n"));
    CHECK(on.told.find("\r\nLocation: /file?ferry-upload=") != std::string::npos);
    CHECK(on.told.find("\r\nUpload-Limit: max-age=86400\r\n") != std::string::npos);
    CHECK(on.told.find("\r\nUpload-Draft-Interop-Version: 8\r\n") != std::string::npos);
    const auto again = on.request("PUT", "/file", "Upload-Complete: ?1\n", "hello again");
    CHECK(again.head.status == 204);
    CHECK(on.files.read("file") == "hello again");
    CHECK(on.files.names() == std::vector<std::string>{"file", "new"});
}

TEST_CASE("upload: only who speaks the draft is told before the end (appendix B)") {
    depot on;
    for (const char* version : {"6", "7", "8"}) {
        const std::string line = "Upload-Draft-Interop-Version: " + std::string(version);
        on.request("PUT", "/file", "Upload-Complete: ?1\n" + line + "\n", "x");
        CHECK(on.told.find("\r\n" + line + "\r\n") != std::string::npos);
    }
    for (const char* line :
         {"", "Upload-Draft-Interop-Version: 5\n", "Upload-Draft-Interop-Version: 9\n",
          "Upload-Draft-Interop-Version: \"8\"\n"}) {
        CAPTURE(line);
        on.request("PUT", "/file", "Upload-Complete: ?1\n" + std::string(line), "x");
        CHECK(on.told.empty());
    }
}

TEST_CASE("upload: in parts, and readers see the old file until the last one (section 4.4)") {
    depot on;
    on.files.write("file", "old");
    const auto where = on.begin("he", "Upload-Length: 5\n");
    CHECK(where.starts_with("/file?ferry-upload="));
    CHECK(on.files.read("file") == "old");
    const auto state = on.head(where);
    CHECK(state.head.status == 204);
    CHECK(state.head.field("Upload-Offset") == "2");
    CHECK(state.head.field("Upload-Complete") == "?0");
    CHECK(state.head.field("Upload-Length") == "5");
    CHECK(state.head.field("Cache-Control") == "no-store");
    CHECK(state.head.field("Upload-Limit").starts_with("max-age=86"));
    const auto more = on.append(where, 2, "ll", false);
    CHECK(more.head.status == 204);
    CHECK(more.head.field("Upload-Complete") == "?0");
    CHECK(more.head.field("Upload-Offset") == "4");
    CHECK(on.files.read("file") == "old");
    const auto last = on.append(where, 4, "o");
    CHECK(last.head.status == 204);  // As the PUT would have been: it was there.
    CHECK(last.head.field("Upload-Complete") == "?1");
    CHECK(last.head.field("ETag").starts_with('"'));
    CHECK(on.files.read("file") == "hello");
    CHECK(on.files.names() == std::vector<std::string>{"file", "new"});
}

TEST_CASE("upload: nothing yet is an upload, too, and nothing more completes one (section 4.4.1)") {
    depot on;
    const auto where = on.begin("");
    CHECK(on.offset(where) == "0");
    CHECK_FALSE(on.head(where).head.has("Upload-Length"));
    CHECK(on.append(where, 0, "hello", false).head.status == 204);
    const auto without_length = on.ask("PUT /b HTTP/1.1\nHost: a\nUpload-Complete: ?0\n");
    CHECK(without_length.head.status == 201);
    CHECK(on.ask("PUT /b HTTP/1.1\nHost: a\nUpload-Complete: ?1\n").head.status == 411);
    CHECK(on.cancel(without_length.head.field("Location")).head.status == 204);
    const auto done = on.ask("PATCH " + where + " HTTP/1.1\nHost: a\n" + std::string(partial) +
                             "Upload-Offset: 5\nUpload-Complete: ?1\n");  // No content at all.
    CHECK(done.head.status == 201);
    CHECK(on.files.read("file") == "hello");
}

TEST_CASE("upload: what is cut off goes on where it ended (section 4.3)") {
    depot on;
    std::string where;
    const auto cut = on.send(
        "PUT /file HTTP/1.1\nHost: a\nContent-Length: 9\nUpload-Complete: "
        "?1\nUpload-Draft-Interop-Version: 6\n",
        {.octets = "hello w", .end = errc::reset, .on_told = [&where](std::string_view interim) {
             const auto from = interim.find("Location: ") + 10;
             where = interim.substr(from, interim.find('\r', from) - from);
         }});
    CHECK(cut.head.status == 400);
    CHECK(cut.plan.then == after::close);
    CHECK(cut.head.field("Location") == where);
    CHECK_FALSE(on.files.exists("file"));
    CHECK(on.offset(where) == "7");
    CHECK(on.head(where).head.field("Upload-Length") == "9");
    CHECK(on.append(where, 7, "o", true, "", errc::timed_out).head.status == 408);
    CHECK(on.offset(where) == "8");
    CHECK(on.append(where, 8, "r").head.status == 201);
    CHECK(on.files.read("file") == "hello wor");
    CHECK(on.offset(where) == "9");
    CHECK(on.head(where).head.field("Upload-Complete") == "?1");
}

TEST_CASE("upload: another offset is a conflict, and the right one is told (sections 4.4.2, 7.1)") {
    depot on;
    const auto where = on.begin("hel");
    for (const std::uint64_t wrong : {0U, 2U, 4U}) {
        const auto refused = on.append(where, wrong, "lo");
        CHECK(refused.head.status == 409);
        CHECK(refused.head.field("Upload-Offset") == "3");
        CHECK(refused.head.field("Content-Type") == "application/problem+json");
        CHECK(refused.inline_body.find("#mismatching-upload-offset\"") != std::string::npos);
        CHECK(refused.inline_body.find("\"expected-offset\":3,\"provided-offset\":" +
                                       std::to_string(wrong) + "}") != std::string::npos);
    }
    CHECK(on.offset(where) == "3");
}

TEST_CASE("upload: what an append must say (section 4.4, RFC 5789 section 2.2)") {
    depot on;
    const auto where = on.begin("hel");
    const auto patch = [&](std::string_view lines) {
        return on.request("PATCH", where, lines, "lo");
    };
    const auto other = patch("Upload-Offset: 3\nUpload-Complete: ?1\nContent-Type: text/plain\n");
    CHECK(other.head.status == 415);
    CHECK(other.head.field("Accept-Patch") == "application/partial-upload");
    CHECK(patch("Upload-Offset: 3\nUpload-Complete: ?1\n").head.status == 415);
    const std::string type(partial);
    CHECK(patch(type + "Upload-Offset: 3\nUpload-Complete: ?1\nContent-Encoding: gzip\n")
              .head.status == 415);
    CHECK(patch(type + "Upload-Complete: ?1\n").head.status == 400);
    CHECK(patch(type + "Upload-Offset: 3\n").head.status == 400);
    CHECK(patch(type + "Upload-Offset: 3\nUpload-Complete: 1\n").head.status == 400);
    CHECK(patch(type + "Upload-Offset: -3\nUpload-Complete: ?1\n").head.status == 400);
    CHECK(patch(type + "Upload-Offset: 3\nUpload-Offset: 3\nUpload-Complete: ?1\n").head.status ==
          400);
    CHECK(on.offset(where) == "3");
    CHECK(patch("content-type: Application/Partial-Upload; x=1\nUpload-Offset: 3\n"
                "Upload-Complete: ?1\n")
              .head.status == 201);
}

TEST_CASE("upload: lengths that do not belong together (sections 4.1.3, 7.3)") {
    depot on;
    const auto is_inconsistent = [](const planned& answer) {
        return answer.head.status == 400 &&
               answer.inline_body.find("#inconsistent-upload-length\"") != std::string::npos;
    };
    CHECK(is_inconsistent(
        on.request("PUT", "/file", "Upload-Complete: ?1\nUpload-Length: 4\n", "hello")));
    CHECK(is_inconsistent(
        on.request("PUT", "/file", "Upload-Complete: ?0\nUpload-Length: 4\n", "hello")));
    const auto where = on.begin("hel", "Upload-Length: 5\n");
    CHECK(is_inconsistent(on.append(where, 3, "lo", true, "Upload-Length: 6\n")));
    CHECK(is_inconsistent(on.append(where, 3, "l")));
    CHECK(is_inconsistent(on.append(where, 3, "low")));
    CHECK(is_inconsistent(on.append(where, 3, "low", false)));
    CHECK(on.offset(where) == "3");
    SUBCASE("chunks tell it late: one that goes beyond ends the upload") {
        const auto refused =
            on.send("PATCH " + where + " HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n" +
                        std::string(partial) + "Upload-Offset: 3\nUpload-Complete: ?0\n",
                    {.octets = "low"});
        CHECK(is_inconsistent(refused));
        CHECK(on.offset(where) == "404");
        CHECK(on.files.names() == std::vector<std::string>{"new"});
    }
    SUBCASE("and what completes it too early does not") {
        const auto refused =
            on.send("PATCH " + where + " HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n" +
                        std::string(partial) + "Upload-Offset: 3\nUpload-Complete: ?1\n",
                    {.octets = "l"});
        CHECK(is_inconsistent(refused));
        CHECK(on.offset(where) == "4");
        CHECK(on.append(where, 4, "o").head.status == 201);
    }
    SUBCASE("a length that is said late is remembered") {
        const auto late = on.begin("hel", "", "/late");
        CHECK(on.append(late, 3, "", false, "Upload-Length: 5\n").head.status == 204);
        CHECK(on.head(late).head.field("Upload-Length") == "5");
        CHECK(is_inconsistent(on.append(late, 3, "low")));
    }
}

TEST_CASE("upload: a length that came with a refused append binds nobody (section 4.1.3)") {
    depot on;
    const auto where = on.begin("hel");
    const auto all = on.settings.visitors;
    on.settings.visitors = auth::permissions::parse("list+create").value();
    on.files.write("file", "somebody's");
    CHECK(on.append(where, 3, "lo, you").head.status == 401);
    on.settings.visitors = all;
    CHECK_FALSE(on.head(where).head.has("Upload-Length"));
    CHECK(on.append(where, 3, "lo").head.status == 204);
    CHECK(on.files.read("file") == "hello");
}

TEST_CASE("upload: complete is complete (sections 4.4.2, 7.2)") {
    depot on;
    const auto where = on.begin("hel");
    CHECK(on.append(where, 3, "lo").head.status == 201);
    const auto more = on.append(where, 5, "!");
    CHECK(more.head.status == 400);
    CHECK(more.inline_body.find("#inconsistent-upload-length\"") != std::string::npos);
    const auto nothing = on.append(where, 5, "");
    CHECK(nothing.head.status == 400);
    CHECK(nothing.inline_body.find("#completed-upload\"") != std::string::npos);
    CHECK(nothing.head.field("Upload-Complete") == "?1");
    CHECK(on.files.read("file") == "hello");
    CHECK(on.cancel(where).head.status == 204);  // Nobody need know of it any more.
    CHECK(on.offset(where) == "404");
    CHECK(on.files.read("file") == "hello");
}

TEST_CASE("upload: cancelled it leaves nothing (section 4.5)") {
    depot on;
    on.files.write("file", "old");
    const auto where = on.begin("hel");
    CHECK(on.cancel(where).head.status == 204);
    CHECK(on.offset(where) == "404");
    CHECK(on.append(where, 3, "lo").head.status == 404);
    CHECK(on.cancel(where).head.status == 404);
    CHECK(on.files.read("file") == "old");
    CHECK(on.files.names() == std::vector<std::string>{"file", "new"});
}

TEST_CASE("upload: an address that is none never means the file (threats.md, H14)") {
    depot on;
    on.files.write("file", "old");
    const auto where = on.begin("hel");
    for (const auto& target :
         {where.substr(0, where.size() - 1), where + "0", std::string("/file?ferry-upload="),
          std::string("/file?ferry-upload=x&y"), "/other" + where.substr(5)}) {
        CAPTURE(target);
        CHECK(on.cancel(target).head.status == 404);
        CHECK(on.get(target).head.status == 404);
        CHECK(on.append(target, 3, "lo").head.status == 404);
        CHECK(on.request("PUT", target, "", "x").head.status == 405);
    }
    CHECK(on.request("PUT", where, "", "x").head.field("Allow") ==
          "GET, HEAD, OPTIONS, PATCH, DELETE");
    CHECK(on.files.read("file") == "old");
    CHECK(on.get("/file?upload=1").inline_body == "old");
}

TEST_CASE("upload: it is its account's alone, wherever its address leaks (threats.md, H14)") {
    depot on;
    const auto by_ann = log_in("ann", "a");
    const auto where = on.begin("hel", by_ann);
    for (const auto& other : {std::string(), log_in("bob", "b")}) {
        CHECK(on.offset(where, other) == "404");
        CHECK(on.append(where, 3, "xx", true, other).head.status == 404);
        CHECK(on.cancel(where, other).head.status == 404);
    }
    CHECK(on.append(where, 3, "lo", true, by_ann).head.status == 201);
    CHECK(on.files.read("file") == "hello");
    CHECK(on.request("PUT", "/fixed", "Upload-Complete: ?0\n", "x").head.status == 401);
}

TEST_CASE("upload: rights are those of the moment (section 13)") {
    depot on;
    const auto where = on.begin("hel");
    on.settings.visitors = auth::permissions::parse("read-only").value();
    CHECK(on.append(where, 3, "lo").head.status == 401);
    CHECK(on.offset(where) == "401");
    on.settings.visitors = auth::permissions::parse("list+create").value();
    on.files.write("file", "somebody's");
    CHECK(on.append(where, 3, "lo").head.status == 401);  // It would be replaced.
    CHECK(on.files.read("file") == "somebody's");
}

TEST_CASE("upload: who may only create never replaces, and may go on") {
    depot on;
    const auto where = on.begin("hel", "", "/new/file");
    CHECK(on.append(where, 3, "lo").head.status == 201);
    CHECK(on.files.read("new/file") == "hello");
    CHECK(on.request("PUT", "/new/file", "Upload-Complete: ?0\n", "x").head.status == 401);
}

TEST_CASE("upload: conditions hold from its beginning to its end (RFC 9110 section 13.1)") {
    depot on;
    SUBCASE("If-None-Match: *") {
        const auto where = on.begin("hel", "If-None-Match: *\n");
        on.files.write("file", "theirs");
        const auto late = on.append(where, 3, "lo");
        CHECK(late.head.status == 412);
        CHECK(on.files.read("file") == "theirs");
        CHECK(on.offset(where) == "3");
        CHECK(on.request("PUT", "/file", "Upload-Complete: ?0\nIf-None-Match: *\n", "x")
                  .head.status == 412);
    }
    SUBCASE("If-Match") {
        const auto tag = on.request("PUT", "/file", "", "old").head.field("ETag");
        const auto lines = "If-Match: " + tag + "\n";
        const auto one = on.begin("hel", lines);
        const auto two = on.begin("HEL", lines);
        CHECK(on.append(one, 3, "lo").head.status == 204);
        CHECK(on.append(two, 3, "LO").head.status == 412);
        CHECK(on.files.read("file") == "hello");
        CHECK(on.request("PUT", "/file", "Upload-Complete: ?0\n" + lines, "x").head.status == 412);
    }
    SUBCASE("at the commit, too") {
        const auto where = on.begin("hel", "If-None-Match: *\n");
        const auto late =
            on.send("PATCH " + where + " HTTP/1.1\nHost: a\nContent-Length: 2\n" +
                        std::string(partial) + "Upload-Offset: 3\nUpload-Complete: ?1\n",
                    {.octets = "lo", .on_read = [&on] { on.files.write("file", "theirs"); }});
        CHECK(late.head.status == 412);
        CHECK(late.head.field("Upload-Complete") == "?1");  // It is not the transfer that failed.
        CHECK(on.files.read("file") == "theirs");
    }
}

TEST_CASE("upload: digests of a request and of the whole (section 10, RFC 9530)") {
    depot on;
    const std::string of_all = "Repr-Digest: " + std::string(hello_digest) + "\n";
    const std::string wrong = "Content-Digest: " + std::string(hello_digest) + "\n";
    const auto is_mismatch = [](const planned& answer) {
        return answer.head.status == 400 &&
               answer.inline_body.find("#digest-mismatched-values\"") != std::string::npos;
    };
    SUBCASE("the whole's is kept from the beginning") {
        const auto where = on.begin("hel", of_all);
        CHECK(is_mismatch(on.append(where, 3, "LO")));
        CHECK_FALSE(on.files.exists("file"));
        const auto again = on.begin("hel", of_all);
        CHECK(on.append(again, 3, "lo").head.status == 201);
        CHECK(on.files.read("file") == "hello");
    }
    SUBCASE("or said at the end") {
        const auto where = on.begin("hel");
        CHECK(on.append(where, 3, "lo", true, of_all).head.status == 201);
    }
    SUBCASE("in one request") {
        CHECK(is_mismatch(on.request("PUT", "/file", "Upload-Complete: ?1\n" + of_all, "HELLO")));
        CHECK(on.request("PUT", "/file", "Upload-Complete: ?1\n" + of_all, "hello").head.status ==
              201);
    }
    SUBCASE("and where it cannot be read again nothing that came is lost") {
        const auto where = on.begin("hel", of_all);
        for (const int why : {ECANCELED, EIO}) {
            const auto have = on.offset(where) == "3" ? 3U : 5U;
            on.machine.io.set_script([why](runtime::op& what) {
                return what.code == runtime::opcode::read ? std::optional(std::int64_t{-why})
                                                          : std::nullopt;
            });
            const auto late = on.append(where, have, have == 3 ? "lo" : "");
            on.machine.io.set_script(nullptr);
            CHECK(late.head.status >= 500);
            CHECK(late.head.field("Upload-Complete") != "?1");
            CHECK(on.offset(where) == "5");
        }
        CHECK(on.append(where, 5, "").head.status == 201);
        CHECK(on.files.read("file") == "hello");
    }
    SUBCASE("malformed nothing is taken, whichever request says it") {
        const std::string malformed = "Repr-Digest: sha-256=deadbeef\n";
        for (const char* completes : {"Upload-Complete: ?0\n", "Upload-Complete: ?1\n"}) {
            CHECK(on.request("PUT", "/file", completes + malformed, "hello").head.status == 400);
        }
        const auto where = on.begin("hel");
        CHECK(on.append(where, 3, "lo", true, malformed).head.status == 400);
        CHECK(on.offset(where) == "3");
        CHECK_FALSE(on.files.exists("file"));
    }
    SUBCASE("a request's own: none of it is taken") {
        const auto where = on.begin("hel");
        CHECK(is_mismatch(on.append(where, 3, "xx", false, wrong)));
        CHECK(on.offset(where) == "3");
        CHECK(on.append(where, 3, "lo").head.status == 201);
        CHECK(on.files.read("file") == "hello");
    }
    SUBCASE("and the whole's is told to who wants it") {
        const auto where = on.begin("hel");
        const auto done = on.append(where, 3, "lo", true, "Want-Repr-Digest: sha-256=9\n");
        CHECK(done.head.field("Repr-Digest") == hello_digest);
    }
}

TEST_CASE("upload: limits hold for the whole (section 4.1.4)") {
    depot on;
    on.settings.upload_bytes_max = 5;
    const auto options = on.ask("OPTIONS /file HTTP/1.1\nHost: a\n");
    CHECK(options.head.field("Accept-Patch") == "application/partial-upload");
    CHECK(options.head.field("Upload-Limit") == "max-age=86400, max-size=5");
    CHECK(on.ask("OPTIONS * HTTP/1.1\nHost: a\n").head.has("Accept-Patch"));
    const auto large = on.request("PUT", "/file", "Upload-Complete: ?0\nUpload-Length: 6\n", "x");
    CHECK(large.head.status == 413);
    CHECK(large.head.field("Upload-Limit") == "max-age=86400, max-size=5");
    const auto where = on.begin("hel");
    CHECK(on.append(where, 3, "low").head.status == 413);
    CHECK(on.append(where, 3, "lo").head.status == 201);
    const auto chunked = on.begin("hel");
    const auto refused =
        on.send("PATCH " + chunked + " HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n" +
                    std::string(partial) + "Upload-Offset: 3\nUpload-Complete: ?1\n",
                {.octets = "low"});
    CHECK(refused.head.status == 413);
    CHECK(on.files.read("file") == "hello");
}

TEST_CASE("upload: where no part is kept the whole is a PUT and a part is refused") {
    depot on;
    on.tree->keep_parts(runtime::duration::zero());
    CHECK(on.request("PUT", "/file", "Upload-Complete: ?1\n", "hello").head.status == 201);
    CHECK(on.request("PUT", "/file", "Upload-Complete: ?0\n", "h").head.status == 501);
    CHECK(on.files.read("file") == "hello");
    const auto long_name = "/" + std::string(240, 'x');
    on.tree->keep_parts(1h);
    CHECK(on.request("PUT", long_name, "Upload-Complete: ?1\n", "hello").head.status == 201);
    CHECK(on.request("PUT", long_name, "Upload-Complete: ?0\n", "h").head.status == 501);
}

TEST_CASE("upload: with malformed fields nothing is stored (section 4.1, decision 0025)") {
    depot on;
    on.files.write("a", "old");
    for (const char* lines :
         {"Upload-Complete: 0\n", "Upload-Complete: false\n", "Upload-Complete: ?2\n",
          "Upload-Complete:\n", "Upload-Complete: ?0\nUpload-Complete: ?0\n", "Upload-Length: -1\n",
          "Upload-Length: 5.0\n", "Upload-Complete: ?1\nUpload-Length: x\n"}) {
        CAPTURE(lines);
        const auto refused = on.request("PUT", "/a", lines, "hello");
        CHECK(refused.head.status == 400);
        CHECK(refused.inline_body.find("Malformed Upload-") != std::string::npos);
        CHECK(on.files.read("a") == "old");
    }
    const auto where = on.begin("hel");
    CHECK(on.append(where, 3, "lo", true, "Upload-Length: -1\n").head.status == 400);
    CHECK(on.offset(where) == "3");
    CHECK(on.append(where, 3, "lo", true, "Upload-Length: 5\n").head.status == 201);
    CHECK(on.request("PUT", "/a", "Upload-Length: 5\n", "hello").head.status == 204);
    CHECK(on.request("PUT", "/c", "Upload-Complete: ?0\nContent-Range: bytes 0-4/5\n", "hello")
              .head.status == 400);
}

TEST_CASE("upload: its address is on this server, however the file was named (threats.md, H14)") {
    depot on;
    const auto where = on.begin("hel", "", "//new//a%20%22b");  // RFC 3986 section 4.2.
    CHECK(where.starts_with("/new/a%20%22b?ferry-upload="));
    CHECK(on.append(where, 3, "lo").head.status == 201);
    CHECK(on.files.read("new/a \"b") == "hello");
    on.request("PUT", "//other/x", "Upload-Complete: ?1\nUpload-Draft-Interop-Version: 8\n", "x");
    CHECK(on.told.empty());  // There is no such directory.
    on.request("PUT", "//new/../x", "Upload-Complete: ?1\nUpload-Draft-Interop-Version: 8\n", "x");
    CHECK(on.told.find("\r\nLocation: /x?ferry-upload=") != std::string::npos);
}

TEST_CASE("upload: sums of lengths that no number holds are too large (section 4.1.3)") {
    depot on;
    const auto where = on.begin("hel");
    const auto patch = [&](std::string_view length, std::string_view completes) {
        return on.ask("PATCH " + where + " HTTP/1.1\nHost: a\n" + std::string(partial) +
                      "Upload-Offset: 3\nUpload-Complete: " + std::string(completes) +
                      "\nContent-Length: " + std::string(length) + "\n");
    };
    for (const char* length : {"18446744073709551615", "18446744073709551613", "999999999999997"}) {
        CAPTURE(length);
        for (const char* completes : {"?0", "?1"}) {
            const auto refused = patch(length, completes);
            CHECK(refused.head.status == 413);
            CHECK(refused.head.has("Upload-Limit"));
        }
    }
    for (const char* length : {"18446744073709551615", "1000000000000000"}) {
        CHECK(on.ask("PUT /huge HTTP/1.1\nHost: a\nUpload-Complete: ?1\nContent-Length: " +
                     std::string(length) + "\n")
                  .head.status == 413);
    }
    CHECK(on.offset(where) == "3");
    CHECK(on.append(where, 3, "lo").head.status == 201);
}

TEST_CASE("upload: 413 says the limit, whenever it is found out (section 4.1.4)") {
    depot on;
    on.settings.upload_bytes_max = 5;
    const auto is_told = [](const planned& answer) {
        return answer.head.status == 413 &&
               answer.head.field("Upload-Limit") == "max-age=86400, max-size=5";
    };
    CHECK(is_told(on.request("PUT", "/file", "Upload-Complete: ?1\n", "too long")));
    CHECK_FALSE(on.request("PUT", "/file", "", "too long").head.has("Upload-Limit"));
    const auto where = on.begin("hel");
    CHECK(is_told(on.append(where, 3, "low")));
    CHECK(is_told(on.send("PATCH " + where + " HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n" +
                              std::string(partial) + "Upload-Offset: 3\nUpload-Complete: ?1\n",
                          {.octets = "low"})));
}

TEST_CASE("upload: conditions of a request for a resource itself (RFC 9110 section 13.1)") {
    depot on;
    const auto tag = on.request("PUT", "/file", "", "old").head.field("ETag");
    const auto where = on.begin("hel");
    // It has no tag: that of the file is not its own.
    for (const std::string& lines :
         {"If-Match: " + tag + "\n", std::string("If-Match: *\nIf-Match: \"x\"\n"),
          std::string("If-None-Match: *\n")}) {
        CAPTURE(lines);
        CHECK(on.append(where, 3, "lo", true, lines).head.status == 412);
        CHECK(on.cancel(where, lines).head.status == 412);
    }
    CHECK(on.offset(where) == "3");
    CHECK(on.files.read("file") == "old");
    CHECK(on.append(where, 3, "l", false, "If-Match: *\n").head.status == 204);
    CHECK(on.append(where, 3, "lo", true, "If-Match: \"x\"\n").head.status == 409);
    CHECK(on.append(where, 4, "o", true, "If-None-Match: " + tag + "\n").head.status == 204);
    CHECK(on.files.read("file") == "hello");
    CHECK(on.cancel(where, "If-Match: \"x\"\n").head.status == 412);
    CHECK(on.cancel(where, "If-Match: *\n").head.status == 204);
    CHECK(on.cancel(where, "If-Match: \"x\"\n").head.status == 404);
}

TEST_CASE("upload: nothing is kept that its client could never find (threats.md, H14)") {
    depot on;
    const auto cut = on.request("PUT", "/file", "Upload-Complete: ?1\n", "hello", errc::reset);
    CHECK(cut.head.status == 400);
    CHECK_FALSE(cut.head.has("Location"));
    CHECK(on.files.names() == std::vector<std::string>{"new"});
    // Who is told in the answer can go on.
    const auto slow = on.request("PUT", "/file", "Upload-Complete: ?1\n", "hello", errc::timed_out);
    CHECK(slow.head.status == 408);
    CHECK(on.offset(slow.head.field("Location")) == "5");
}
