#include "http/plan_write.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/vfs/listing_cache.hpp"
#include "http/changes.hpp"
#include "planned_site.hpp"

using namespace ferry;
using namespace ferry::http;
using http::test::content_given;
using http::test::log_in;
using http::test::planned;

namespace {

/// A tree with visitors who read, ann who may do all in /ann, and rex who reads.
struct writing_desk : http::test::planned_site {
    writing_desk() : planned_site({}) {
        files.make_directory("ann");
        auth::account ann{.name = "ann", .password = "a", .root = "/ann"};
        ann.allowed = auth::rights::all();
        auth::account rex{.name = "rex", .password = "r"};
        rex.allowed = auth::rights::read_only();
        auth::account all{.name = "all", .password = "l"};
        all.allowed = auth::permissions::parse("all,/fixed=read-only").value();
        users = std::make_shared<auth::accounts>(std::vector{ann, rex, all}, std::nullopt);
    }

    planned put(std::string_view target, std::string_view content, std::string_view lines = "",
                std::string_view by = "") {
        return send("PUT " + std::string(target) + " HTTP/1.1\nHost: a\nContent-Length: " +
                        std::to_string(content.size()) + "\n" +
                        (by.empty() ? log_in("all", "l") : std::string(by)) + std::string(lines),
                    {.octets = content});
    }
    planned change(std::string_view how, std::string_view target, std::string_view lines = "",
                   std::string_view by = "") {
        return ask(std::string(how) + " " + std::string(target) + " HTTP/1.1\nHost: a\n" +
                   (by.empty() ? log_in("all", "l") : std::string(by)) + std::string(lines));
    }
    [[nodiscard]] std::vector<std::string> names(std::string_view directory = ".") const {
        return files.names(directory);
    }
};

}  // namespace

TEST_CASE("plan_write: what the kernel is busy with nobody has changed") {
    CHECK(is_of_another_change({.code = errc::busy}));
    CHECK(is_of_another_change({.code = errc::busy, .os_errno = EEXIST}));
    CHECK_FALSE(is_of_another_change(error_from_errno(EBUSY)));
    CHECK_FALSE(is_of_another_change(error_from_errno(ETXTBSY)));
    CHECK_FALSE(is_of_another_change({.code = errc::busy, .os_errno = EAGAIN}));
    CHECK_FALSE(is_of_another_change({.code = errc::exists}));
}

TEST_CASE("PUT: a new file is 201, a changed one 204, and both tell their tag (RFC 9110 9.3.4)") {
    writing_desk with;
    const auto made = with.put("/a.txt", "first");
    CHECK(made.head.status == 201);
    CHECK(with.files.read("a.txt") == "first");
    const auto tag = made.head.field("ETag");
    CHECK(tag.starts_with('"'));
    const auto changed = with.put("/a.txt", "second");
    CHECK(changed.head.status == 204);
    CHECK_FALSE(changed.head.has("Content-Length"));
    CHECK(changed.head.field("ETag") != tag);
    CHECK(with.files.read("a.txt") == "second");
    CHECK(with.get("/a.txt").head.field("ETag").ends_with(changed.head.field("ETag")));
    const auto empty = with.put("/empty", "");
    CHECK(empty.head.status == 201);
    CHECK(with.files.read("empty").empty());
}

TEST_CASE("PUT: chunks say no length (RFC 9112 section 7.1)") {
    writing_desk with;
    const auto made =
        with.send("PUT /a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n" + log_in("all", "l"),
                  {.octets = "content"});
    CHECK(made.head.status == 201);
    CHECK(with.files.read("a") == "content");
}

TEST_CASE("PUT: rights of visitors, accounts and homes (threats.md, V9)") {
    writing_desk with;
    with.files.write("a.txt", "old");
    with.files.make_directory("fixed");
    const auto nobody =
        with.send("PUT /a.txt HTTP/1.1\nHost: a\nContent-Length: 3\n", {.octets = "new"});
    CHECK(nobody.head.status == 401);
    CHECK(nobody.head.field("WWW-Authenticate") == "Basic realm=\"ferry\", charset=\"UTF-8\"");
    CHECK(with.put("/a.txt", "new", "", log_in("all", "wrong")).head.status == 401);
    CHECK(with.put("/a.txt", "new", "", log_in("rex", "r")).head.status == 403);
    CHECK(with.put("/a.txt", "new", "", log_in("ann", "a")).head.status == 403);
    CHECK(with.put("/fixed/b", "new").head.status == 403);
    CHECK(with.files.read("a.txt") == "old");
    CHECK(with.put("/ann/a.txt", "new", "", log_in("ann", "a")).head.status == 201);
    CHECK(with.files.read("ann/a.txt") == "new");
    CHECK(with.get("/ann/a.txt", log_in("ann", "a")).inline_body == "new");
}

TEST_CASE("PUT: links in a home end at it, for its owner as for everybody else (threats.md, V2)") {
    writing_desk with;
    with.files.make_directory("other");
    with.files.write("other/file", "other's");
    with.files.link({.at = "ann/out", .to = "../other"});
    CHECK(with.put("/ann/out/file", "new", "", log_in("ann", "a")).head.status == 403);
    CHECK(with.put("/ann/out/new", "new", "", log_in("ann", "a")).head.status == 403);
    CHECK(with.change("DELETE", "/ann/out/file", "", log_in("ann", "a")).head.status == 403);
    CHECK(with.get("/ann/out/file", log_in("ann", "a")).head.status == 403);
    CHECK(with.files.read("other/file") == "other's");
    CHECK(with.names("other") == std::vector<std::string>{"file"});
}

TEST_CASE("PUT: who may only create never replaces") {
    writing_desk with;
    with.settings.visitors = auth::permissions::parse("read-only,/in=list+create").value();
    with.files.make_directory("in");
    const auto send = [&with](std::string_view target) {
        return with.send("PUT " + std::string(target) + " HTTP/1.1\nHost: a\nContent-Length: 1\n",
                         {.octets = "x"});
    };
    CHECK(send("/in/a").head.status == 201);
    CHECK(send("/in/a").head.status == 401);  // Somebody with an account may.
    CHECK(send("/b").head.status == 401);
}

TEST_CASE("PUT: where nobody may write it is 405, and Allow says what there is (section 15.5.6)") {
    writing_desk with;
    auth::account rex{.name = "rex", .password = "r"};
    rex.allowed = auth::rights::read_only();
    with.users = std::make_shared<auth::accounts>(std::vector{rex}, std::nullopt);
    const auto refused = with.put("/a", "x", "", log_in("rex", "r"));
    CHECK(refused.head.status == 405);
    CHECK(refused.head.field("Allow") == "GET, HEAD, OPTIONS");
    CHECK(with.ask("OPTIONS * HTTP/1.1\nHost: a\n").head.field("Allow") == "GET, HEAD, OPTIONS");
    writing_desk writing;
    CHECK(writing.ask("OPTIONS / HTTP/1.1\nHost: a\n").head.field("Allow") ==
          "GET, HEAD, OPTIONS, PUT, DELETE, MKCOL, MOVE, COPY");
}

TEST_CASE("PUT: what cannot be stored says why, and content is not read for it") {
    writing_desk with;
    with.settings.upload_bytes_max = 10;
    with.files.make_directory("dir");
    with.files.write("file", "x");
    struct row {
        std::string_view target;
        std::string_view lines;
        int status;
    };
    for (const auto& each : {
             row{"/", "", 409},
             row{"/dir", "", 409},
             row{"/dir/", "", 409},
             row{"/new/", "", 409},
             row{"/missing/a", "", 409},  // RFC 4918 section 9.7.1.
             row{"/file/a", "", 409},
             row{"/%00", "", 400},
             row{"/.ferry-upload-1", "", 403},
             row{"/a", "Content-Encoding: gzip\n", 415},
             row{"/a", "Content-Range: bytes 0-1/2\n", 400},  // Not its length.
             row{"/a", "Content-Range: bytes x\n", 400},
             row{"/a", "Content-Range: bytes 0-2/9\nContent-Range: bytes 0-2/9\n", 400},
         }) {
        CAPTURE(each.target);
        CAPTURE(each.lines);
        bool is_read = false;
        const auto answer = with.send("PUT " + std::string(each.target) +
                                          " HTTP/1.1\nHost: a\nContent-Length: 3\n" +
                                          log_in("all", "l") + std::string(each.lines),
                                      {.octets = "abc", .on_read = [&is_read] { is_read = true; }});
        CHECK(answer.head.status == each.status);
        CHECK_FALSE(is_read);
    }
    CHECK(with.put("/a", "12345678901").head.status == 413);
    CHECK(with.change("PUT", "/a").head.status == 411);  // RFC 9110 section 15.5.12.
    CHECK(with.names() == std::vector<std::string>{"ann", "dir", "file"});
}

TEST_CASE("PUT: preconditions (RFC 9110 section 13)") {
    writing_desk with;
    const auto tag = with.put("/a", "one").head.field("ETag");
    CHECK(with.put("/a", "two", "If-None-Match: *\n").head.status == 412);
    CHECK(with.put("/a", "two", "If-Match: \"other\"\n").head.status == 412);
    CHECK(with.put("/missing", "two", "If-Match: *\n").head.status == 412);
    CHECK(
        with.put("/a", "two", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\n").head.status ==
        412);
    CHECK(with.files.read("a") == "one");
    CHECK_FALSE(with.files.exists("missing"));
    const auto next = with.put("/a", "two", "If-Match: " + tag + "\n");  // At once.
    CHECK(next.head.status == 204);
    CHECK(with.put("/a", "three", "If-Match: " + tag + "\n").head.status == 412);
    CHECK(with.put("/a", "three", "If-Match: " + next.head.field("ETag") + "\n").head.status ==
          204);
    CHECK(with.put("/new", "n", "If-None-Match: *\n").head.status == 201);
}

TEST_CASE(
    "PUT: what another stored meanwhile is not lost to who named the old one (section 13.1.1)") {
    writing_desk with;
    const auto tag = with.put("/a", "one").head.field("ETag");
    const auto meanwhile = [&with] { with.files.write("a", "in between"); };
    const auto late = with.send(
        "PUT /a HTTP/1.1\nHost: a\nContent-Length: 3\nIf-Match: " + tag + "\n" + log_in("all", "l"),
        {.octets = "two", .on_read = meanwhile});
    CHECK(late.head.status == 412);
    CHECK(with.files.read("a") == "in between");
    const auto first = with.send(
        "PUT /b HTTP/1.1\nHost: a\nContent-Length: 3\nIf-None-Match: *\n" + log_in("all", "l"),
        {.octets = "two", .on_read = [&with] { with.files.write("b", "b"); }});
    CHECK(first.head.status == 412);
    CHECK(with.files.read("b") == "b");
    const auto unasked =
        with.send("PUT /a HTTP/1.1\nHost: a\nContent-Length: 3\n" + log_in("all", "l"),
                  {.octets = "two", .on_read = meanwhile});
    CHECK(unasked.head.status == 204);
    CHECK(with.files.read("a") == "two");
}

TEST_CASE("PUT: nor what another stores between the look at it and the upload (section 13.1.1)") {
    for (const std::string_view part : {"", "Content-Range: bytes 0-2/*\n"}) {
        CAPTURE(part);
        writing_desk with;
        const auto tag = with.put("/a", "one").head.field("ETag");
        std::size_t operations = 0;
        with.machine.io.set_script([&](runtime::op&) -> std::optional<std::int64_t> {
            if (++operations == 2) {  // The first has looked.
                with.files.write("a", "in between");
            }
            return std::nullopt;
        });
        bool is_read = false;
        const auto late =
            with.send("PUT /a HTTP/1.1\nHost: a\nContent-Length: 3\nIf-Match: " + tag + "\n" +
                          log_in("all", "l") + std::string(part),
                      {.octets = "two", .on_read = [&is_read] { is_read = true; }});
        with.machine.io.set_script(nullptr);
        CHECK(late.head.status == 412);
        CHECK_FALSE(is_read);
        CHECK(with.files.read("a") == "in between");
        CHECK(with.names() == std::vector<std::string>{"a", "ann"});
    }
}

TEST_CASE("PUT: a part is never taken for the file, on condition either (section 14.5)") {
    writing_desk with;
    CHECK(with.put("/a", "def", "Content-Range: bytes 3-5/6\nIf-None-Match: *\n").head.status ==
          416);
    CHECK_FALSE(with.files.exists("a"));
    CHECK(with.put("/a", "abc", "Content-Range: bytes 0-2/6\nIf-None-Match: *\n").head.status ==
          201);
    CHECK(with.put("/a", "abc", "Content-Range: bytes 0-2/6\nIf-None-Match: *\n").head.status ==
          412);
    CHECK(with.files.read("a") == "abc");
}

TEST_CASE("PUT: chunks of another length than Content-Range says are refused (section 14.4)") {
    writing_desk with;
    with.files.write("a", "old");
    for (const std::string_view range : {"0-1/2", "0-3/4", "0-1/*", "1-4/5"}) {
        CAPTURE(range);
        const auto answer = with.send(
            "PUT /a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nContent-Range: bytes " +
                std::string(range) + "\n" + log_in("all", "l"),
            {.octets = "new"});
        CHECK(answer.head.status == 400);
    }
    CHECK(with.files.read("a") == "old");
    CHECK(with.names() == std::vector<std::string>{"a", "ann"});
}

TEST_CASE("PUT: the tag of content that took long to come is strong (section 8.8.3)") {
    writing_desk with;
    const auto later = read_wall_clock().seconds + 100;
    with.machine.io.set_script([&](runtime::op& what) -> std::optional<std::int64_t> {
        if (what.code == runtime::opcode::link_at) {  // As if it had been written by then.
            const timespec times[2] = {{.tv_sec = later, .tv_nsec = 0},
                                       {.tv_sec = later, .tv_nsec = 0}};
            CHECK(::futimens(what.fd, times) == 0);
        }
        return std::nullopt;
    });
    const auto made = with.put("/a", "one");
    with.machine.io.set_script(nullptr);
    CHECK(made.head.status == 201);
    CHECK(made.head.field("ETag").starts_with('"'));
    CHECK(with.put("/a", "two", "If-Match: " + made.head.field("ETag") + "\n").head.status == 204);
}

TEST_CASE("PUT: content that does not come whole changes nothing (threats.md, V12)") {
    writing_desk with;
    with.files.write("a", "old");
    struct row {
        errc end;
        int status;
    };
    for (const auto& each :
         {row{errc::reset, 400}, row{errc::timed_out, 408}, row{errc::invalid, 400},
          row{errc::too_large, 413}, row{errc::cancelled, 503}}) {
        for (const std::string_view target : {"/a", "/b"}) {
            const auto cut =
                with.send("PUT " + std::string(target) +
                              " HTTP/1.1\nHost: a\nContent-Length: 10\n" + log_in("all", "l"),
                          {.octets = "new", .end = each.end});
            CHECK(cut.head.status == each.status);
            CHECK(cut.head.field("Connection") == "close");
            CHECK(cut.plan.then == after::close);
        }
    }
    CHECK(with.files.read("a") == "old");
    CHECK(with.names() == std::vector<std::string>{"a", "ann"});
}

TEST_CASE("PUT: a part of a file (RFC 9110 section 14.5), as curl -C sends it") {
    writing_desk with;
    with.files.write("a", "0123456789");
    const auto part = [&with](std::string_view range, std::string_view content) {
        return with.put("/a", content, "Content-Range: bytes " + std::string(range) + "\n")
            .head.status;
    };
    CHECK(part("10-12/13", "abc") == 204);
    CHECK(with.files.read("a") == "0123456789abc");
    CHECK(part("0-1/*", "xy") == 204);
    CHECK(with.files.read("a") == "xy23456789abc");
    CHECK(part("14-15/16", "zz") == 416);  // There would be a hole.
    CHECK(part("2-3/4", "zz") == 416);     // It is longer already.
    CHECK(with.files.read("a") == "xy23456789abc");
    CHECK(part("0-2/3", "new") == 204);  // All of it.
    CHECK(with.files.read("a") == "new");
    const auto beyond = with.put("/a", "x", "Content-Range: bytes 7-7/8\n");
    CHECK(beyond.head.field("Content-Range") == "bytes */3");
}

TEST_CASE("PUT: what was cut off can be gone on with by its account alone") {
    writing_desk with;
    with.tree->keep_parts(std::chrono::hours(1));
    const auto cut = with.send("PUT /a HTTP/1.1\nHost: a\nContent-Length: 6\n" + log_in("all", "l"),
                               {.octets = "abc", .end = errc::reset});
    CHECK(cut.head.status == 400);
    CHECK_FALSE(with.files.exists("a"));
    CHECK(with.put("/a", "def", "Content-Range: bytes 3-5/6\n").head.status == 201);
    CHECK(with.files.read("a") == "abcdef");
    CHECK(with.names() == std::vector<std::string>{"a", "ann"});
}

TEST_CASE(
    "PUT: a part that is not what its digest says costs nothing that came before (RFC 9530)") {
    writing_desk with;
    with.tree->keep_parts(std::chrono::hours(1));
    with.send("PUT /a HTTP/1.1\nHost: a\nContent-Length: 6\n" + log_in("all", "l"),
              {.octets = "abc", .end = errc::reset});
    const auto damaged = with.put("/a", "dXf",
                                  "Content-Range: bytes 3-5/6\nContent-Digest: "
                                  "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:\n");
    CHECK(damaged.head.status == 400);
    CHECK_FALSE(with.files.exists("a"));
    CHECK(with.put("/a", "ef", "Content-Range: bytes 4-5/6\n").head.status == 416);  // Not the d.
    CHECK(with.put("/a", "def", "Content-Range: bytes 3-5/6\n").head.status == 201);
    CHECK(with.files.read("a") == "abcdef");
    CHECK(with.names() == std::vector<std::string>{"a", "ann"});
}

TEST_CASE("DELETE: files and empty directories (RFC 9110 section 9.3.5)") {
    writing_desk with;
    with.files.write("a", "x");
    with.files.make_directory("full");
    with.files.write("full/a", "x");
    with.files.make_directory("empty");
    with.files.link({.at = "link", .to = "full"});
    CHECK(with.change("DELETE", "/a", "If-Match: \"other\"\n").head.status == 412);
    CHECK(with.change("DELETE", "/a", "", log_in("rex", "r")).head.status == 403);
    CHECK(with.change("DELETE", "/a/").head.status == 404);
    CHECK(with.files.exists("a"));
    CHECK(with.change("DELETE", "/a").head.status == 204);
    CHECK(with.change("DELETE", "/a").head.status == 404);
    CHECK(with.change("DELETE", "/full").head.status == 409);
    CHECK(with.change("DELETE", "/empty/").head.status == 204);
    CHECK(with.change("DELETE", "/link").head.status == 204);  // The link, not what it leads to.
    CHECK(with.change("DELETE", "/").head.status == 403);
    CHECK(with.names() == std::vector<std::string>{"ann", "full"});
}

TEST_CASE("MKCOL: makes a directory (RFC 4918 section 9.3)") {
    writing_desk with;
    CHECK(with.change("MKCOL", "/new/").head.status == 201);
    CHECK(with.change("MKCOL", "/new/sub").head.status == 201);
    const auto taken = with.change("MKCOL", "/new");
    CHECK(taken.head.status == 405);
    CHECK(taken.head.has("Allow"));
    CHECK(with.change("MKCOL", "/missing/sub").head.status == 409);
    CHECK(with.change("MKCOL", "/x", "", log_in("rex", "r")).head.status == 403);
    CHECK(with.send("MKCOL /x HTTP/1.1\nHost: a\nContent-Length: 1\n" + log_in("all", "l"),
                    {.octets = "x"})
              .head.status == 415);
    CHECK(with.names("new") == std::vector<std::string>{"sub"});
}

TEST_CASE("MOVE and COPY: to a new name and over an old one (RFC 4918 sections 9.8, 9.9)") {
    for (const std::string_view how : {"MOVE", "COPY"}) {
        CAPTURE(how);
        const bool is_move = how == "MOVE";
        writing_desk with;
        with.files.write("a", "one");
        with.files.write("b", "two");
        CHECK(with.change(how, "/a", "Destination: /c%20d\n").head.status == 201);
        CHECK(with.files.read("c d") == "one");
        CHECK(with.files.exists("a") == !is_move);
        CHECK(with.change(how, "/c%20d", "Destination: http://A/b\nOverwrite: F\n").head.status ==
              412);
        CHECK(with.files.read("b") == "two");
        CHECK(with.change(how, "/c%20d", "Destination: http://A/b\n").head.status == 204);
        CHECK(with.files.read("b") == "one");
        CHECK(with.files.exists("c d") == !is_move);
        CHECK(with.change(how, "/b", "Destination: http://elsewhere/c\n").head.status == 502);
        CHECK(with.change(how, "/b").head.status == 400);
        CHECK(with.change(how, "/b", "Destination: c\n").head.status == 400);
        CHECK(with.change(how, "/b", "Destination: /c?d\n").head.status == 400);
        CHECK(with.change(how, "/b", "Destination: /c\nOverwrite: x\n").head.status == 400);
        CHECK(with.change(how, "/b", "Destination: /b\n").head.status == 403);
        CHECK(with.change(how, "/b", "Destination: /missing/b\n").head.status == 409);
        CHECK(with.change(how, "/missing", "Destination: /c\n").head.status == 404);
        CHECK(with.change(how, "/b", "Destination: /c\nIf-Match: \"x\"\n").head.status == 412);
        CHECK(with.change(how, "/b", "Destination: /c\n", log_in("rex", "r")).head.status == 403);
        CHECK_FALSE(with.files.exists("c"));
    }
}

TEST_CASE("MOVE: a directory, but not into itself; COPY takes files") {
    writing_desk with;
    with.files.make_directory("dir");
    with.files.write("dir/a", "x");
    CHECK(with.change("MOVE", "/dir", "Destination: /dir/sub\n").head.status == 403);
    CHECK(with.change("COPY", "/dir", "Destination: /copy\n").head.status == 409);
    CHECK(with.change("MOVE", "/dir/", "Destination: /moved/\n").head.status == 201);
    CHECK(with.files.read("moved/a") == "x");
    with.files.make_directory("fixed");
    CHECK(with.change("MOVE", "/fixed", "Destination: /free\n").head.status == 403);
    CHECK(with.change("MOVE", "/moved", "Destination: /fixed/moved\n").head.status == 403);
}

TEST_CASE(
    "MOVE and COPY: what is at a destination is not told to who may not know (threats.md, V9)") {
    writing_desk with;
    with.settings.visitors =
        auth::permissions::parse("read-only+rename,/secret=none,/in=create").value();
    with.files.make_directory("secret");
    with.files.write("secret/file", "x");
    with.files.write("a", "x");
    for (const std::string_view how : {"MOVE", "COPY"}) {
        for (const std::string_view to :
             {"/secret/file", "/secret/file/b", "/secret/none", "/secret/none/b", "/secret/"}) {
            CAPTURE(to);
            const auto answer = with.ask(
                std::string(how) + " /a HTTP/1.1\nHost: a\nDestination: " + std::string(to) + "\n");
            CHECK(answer.head.status == 401);
        }
    }
    CHECK(with.ask("COPY /a/b HTTP/1.1\nHost: a\nDestination: /b\n").head.status == 401);
}

TEST_CASE("changes: who is refused is told whether it is ferry that refuses, or the system") {
    writing_desk with;
    const auto said = [&with](std::string_view how, std::string_view target,
                              std::string_view lines = "", std::string_view by = "") {
        const auto answer = with.change(how, target, lines, by);
        CHECK(answer.head.status == 403);
        return answer.inline_body;
    };
    // The home of the account, by its owner.
    CHECK(said("DELETE", "/ann/", "", log_in("ann", "a")).contains("the home of an account"));
    with.settings.visitors = auth::rights::all();
    const auto moved = with.ask("MOVE / HTTP/1.1\nHost: a\nDestination: /x\n");
    CHECK(moved.head.status == 403);
    CHECK(moved.inline_body.contains("the root of the tree"));
    with.files.link({.at = "out", .to = "../other"});
    CHECK(said("MKCOL", "/out/new").contains("a link that leads elsewhere"));
    with.files.make_directory("full");
    with.files.write("full/.hidden", "x");
    const auto full = with.change("DELETE", "/full/");
    CHECK(full.head.status == 409);
    CHECK(full.inline_body.contains("not empty; its listing does not show all"));
}

TEST_CASE("changes: what no name can be is told, whatever is asked of it") {
    writing_desk with;
    for (const std::string_view target : {"/a%5Cb", "/a\\b", "/a%2Fb", "/a%00", "/a%4"}) {
        CAPTURE(target);
        for (const std::string_view how : {"GET", "DELETE", "MKCOL"}) {
            const auto answer = with.change(how, target);
            CHECK(answer.head.status == 400);
            CHECK(answer.inline_body.contains("The path holds an encoded slash, a backslash"));
        }
    }
}

TEST_CASE("MOVE and COPY: between a home and elsewhere there is no way for its owner") {
    writing_desk with;
    with.settings.visitors = auth::rights::all();
    with.files.write("ann/a", "x");
    with.files.write("b", "y");
    for (const std::string_view how : {"MOVE", "COPY"}) {
        CHECK(with.change(how, "/ann/a", "Destination: /c\n", log_in("ann", "a")).head.status ==
              403);
        CHECK(with.change(how, "/b", "Destination: /ann/b\n", log_in("ann", "a")).head.status ==
              403);
    }
    CHECK(with.files.read("ann/a") == "x");
    CHECK(with.files.read("b") == "y");
}

TEST_CASE("page: what changes files is offered to who may, where and to which they may") {
    writing_desk with;
    with.files.make_directory("fixed");
    with.files.write("free", "x");
    const auto visitors = with.get("/");
    CHECK(visitors.inline_body.find("data-may") == std::string::npos);
    CHECK_FALSE(visitors.head.field("Content-Security-Policy").contains("connect-src"));
    CHECK(visitors.head.field("Cache-Control") == "no-cache");

    const auto all = with.get("/", log_in("all", "l"));
    CHECK(all.inline_body.find("<table data-may=\"cwdnm\">") != std::string::npos);
    CHECK(all.inline_body.find("<tr class=\"d\" data-may=\"\"><td><a href=\"./fixed/\">") !=
          std::string::npos);
    CHECK(all.inline_body.find("<tr><td><a href=\"./free\">") != std::string::npos);
    CHECK(all.head.field("Content-Security-Policy").contains("connect-src 'self'"));
    // RFC 9111 section 5.2.2.7.
    CHECK(all.head.field("Cache-Control") == "private, no-cache");
    CHECK(with.get("/fixed/", log_in("all", "l")).inline_body.find("data-may") ==
          std::string::npos);

    CHECK(with.get("/ann/", log_in("ann", "a")).inline_body.find("data-may=\"cwdnm\"") !=
          std::string::npos);
    CHECK(with.get("/", log_in("ann", "a")).inline_body.find("data-may") == std::string::npos);
    CHECK(with.get("/", log_in("rex", "r")).inline_body.find("data-may") == std::string::npos);
    // Too many names to sort: the same rows, while they are sent.
    with.settings.list_sorted_max = 1;
    CHECK(with.get("/", log_in("all", "l"))
              .head.field("Content-Security-Policy")
              .contains("connect-src"));
}

// RFC 9110 section 8.8.1; decision 0050.
TEST_CASE("page: those with other octets have another tag, whoever asks for what") {
    writing_desk with;
    with.files.make_directory("fixed");
    with.files.make_directory("d");
    with.files.make_directory("e");
    for (const std::string_view at : {"d/a", "e/a", "ann/a"}) {
        with.files.write(at, "x");
    }
    std::map<std::string, std::string> octets_by_tag;
    const auto look = [&](std::string_view target, std::string_view lines = "") {
        const auto answer = with.get(target, lines);
        const std::string tag(answer.head.field("ETag"));
        REQUIRE(tag.size() == 34);
        const auto known = octets_by_tag.try_emplace(tag, answer.inline_body);
        CHECK(known.first->second == answer.inline_body);
    };
    const auto look_around = [&] {
        for (const std::string_view target : {"/", "/d/", "/e/", "/d/?sort=size", "/d/?sort=time",
                                              "/d/?order=desc", "/d/?format=json", "/fixed/"}) {
            look(target);
            look(target, log_in("all", "l"));
            look(target, log_in("rex", "r"));
        }
    };
    look_around();
    look("/ann/", log_in("ann", "a"));
    look("/ann/", log_in("all", "l"));
    const auto pages = octets_by_tag.size();
    CHECK(pages >= 24);
    with.settings.archives_max = 0;
    look_around();
    // Rows alone differ: of the same account, which may do other things to one name.
    auth::account all{.name = "all", .password = "l"};
    all.allowed = auth::permissions::parse("all,/fixed=read+list+delete").value();
    with.users = std::make_shared<auth::accounts>(std::vector{all}, std::nullopt);
    look("/", log_in("all", "l"));
    CHECK(octets_by_tag.size() > pages + 10);
}

// Decision 0031: what is kept of a directory is for all, what is made of it for who asks.
TEST_CASE("page: one that is kept goes to who would get the same") {
    writing_desk with;
    vfs::listing_cache kept(with.machine.here, {.trusted_max = std::chrono::hours(1)});
    for (int i = 0; i < 100; ++i) {
        with.files.write("ann/" + std::to_string(i), "x");
    }
    const auto ask_all = [&with] {
        std::vector<std::string> pages;
        const auto ask = [&](const char* target, const std::string& lines) {
            const auto made = with.get(target, lines);
            pages.push_back(made.head.field("Content-Encoding") + made.head.field("ETag") +
                            made.inline_body);
        };
        for (const auto& who :
             {std::string(), log_in("all", "l"), log_in("ann", "a"), log_in("rex", "r")}) {
            for (const char* target : {"/", "/ann/", "/ann/?sort=name&order=desc",
                                       "/ann/?sort=size", "/ann/?format=json"}) {
                ask(target, who);
                ask(target, who + "Accept-Encoding: br\n");
                ask(target, who + "Accept-Encoding: gzip\n");
            }
        }
        return pages;
    };
    const auto fresh = ask_all();
    with.listings.kept = &kept;
    for (int i = 0; i < 4; ++i) {
        CHECK(ask_all() == fresh);
    }
    CHECK(kept.counted().hits > 0);
    with.files.write("ann/more", "y");
    const auto after_change = ask_all();
    with.listings.kept = nullptr;
    CHECK(after_change == ask_all());
    CHECK(after_change != fresh);
}

// Who stores one name after another and reads on the way how large the packed page becomes could
// guess what else is there (threats.md, H15).
TEST_CASE("page: an account is shown it as it is where visitors may store names") {
    writing_desk with;
    with.files.make_directory("in");
    const auto is_packed = [&with](const char* target, const std::string& who) {
        return with.get(target, who + "Accept-Encoding: gzip\n").head.has("Content-Encoding");
    };
    CHECK(is_packed("/in/", log_in("all", "l")));
    with.settings.visitors = auth::permissions::parse("read-only,/in=list+create").value();
    CHECK_FALSE(is_packed("/in/", log_in("all", "l")));
    CHECK(is_packed("/", log_in("all", "l")));
    CHECK(is_packed("/in/", ""));
}

TEST_CASE("page: ?login is 401 until somebody has logged in, ?logout until nobody is (RFC 7617)") {
    writing_desk with;
    with.files.make_directory("site");
    with.files.write("site/index.html", "mine");
    with.files.make_directory("a b");
    for (const std::string query : {"?login", "?login="}) {
        CAPTURE(query);
        for (const std::string directory : {"/", "/a%20b/", "/site/"}) {
            const auto asked = with.get(directory + query);
            CHECK(asked.head.status == 401);
            CHECK(asked.head.field("WWW-Authenticate").starts_with("Basic "));
            const auto done = with.get(directory + query, log_in("rex", "r"));
            CHECK(done.head.status == 303);
            CHECK(done.head.field("Location") == directory);
        }
        // Never another server's name (threats.md, H7).
        CHECK_FALSE(
            with.get("//a" + query, log_in("rex", "r")).head.field("Location").starts_with("//"));
        CHECK(with.get("/" + query, log_in("rex", "wrong")).head.status == 401);
    }
    CHECK(with.get("/a%20b?login").head.field("Location") == "/a%20b/?login");
    const auto left = with.get("/a%20b/?logout", log_in("rex", "r"));
    CHECK(left.head.status == 401);
    CHECK(left.inline_body.find("You are logged out.") != std::string::npos);
    CHECK(with.get("/a%20b/?logout=").head.field("Location") == "/a%20b/");
    // Another query is no wish, and files have none.
    CHECK(with.get("/?login=1").head.status == 200);
    CHECK(with.get("/?login&sort=size").head.status == 200);
    CHECK(with.get("/site/index.html?login").inline_body == "mine");

    CHECK(with.get("/").inline_body.find("name=\"login\"") != std::string::npos);
    const auto page = with.get("/", log_in("rex", "r")).inline_body;
    CHECK(page.find("Logged in as <b><bdi>rex</bdi></b>") != std::string::npos);
    CHECK(page.find("name=\"logout\"") != std::string::npos);
}

TEST_CASE("page: without accounts nobody can log in, and ?login is any query") {
    http::test::planned_site with{{}};
    const auto page = with.get("/?login");
    CHECK(page.head.status == 200);
    CHECK(page.inline_body.find("Log in") == std::string::npos);
}

TEST_CASE("GET: what visitors may store has no script that acts for who has logged in (H13)") {
    writing_desk with;
    with.settings.visitors = auth::permissions::parse("read-only,/in=read-only+create").value();
    with.files.make_directory("in");
    for (const std::string_view each : {"a.html", "a.svg", "a.xhtml", "a.xml", "a.txt", "a.pdf"}) {
        CAPTURE(each);
        const std::string name(each);
        with.files.write("in/" + name, "x");
        with.files.write(name, "x");
        const bool may_hold_script = !name.ends_with(".txt") && !name.ends_with(".pdf");
        const auto stored = with.get("/in/" + name);
        CHECK(stored.head.status == 200);
        CHECK(stored.head.has("Content-Security-Policy") == may_hold_script);
        if (may_hold_script) {
            CHECK(stored.head.field("Content-Security-Policy") == "sandbox");
        }
        CHECK_FALSE(with.get("/" + name).head.has("Content-Security-Policy"));
    }
    with.users = std::make_shared<auth::accounts>(std::vector<auth::account>{}, std::nullopt);
    CHECK_FALSE(with.get("/in/a.html").head.has("Content-Security-Policy"));  // Nobody logs in.
}

TEST_CASE("GET: an index page that may not be read closes its directory for nobody") {
    writing_desk with;
    with.settings.visitors = auth::permissions::parse("read-only,/in=list+create").value();
    with.files.make_directory("in");
    with.files.write("in/index.html", "mine");
    const auto listed = with.get("/in/");
    CHECK(listed.head.status == 200);
    CHECK(listed.inline_body.contains("index.html"));
    CHECK(with.get("/in/index.html").head.status == 401);
}

TEST_CASE("PUT: to a name that is taken, where nothing may be replaced, is 409 (not 412)") {
    writing_desk with;
    auto may_create = auth::account{.name = "new", .password = "n"};
    may_create.allowed = auth::permissions::parse("read-only+create").value();
    with.users = std::make_shared<auth::accounts>(std::vector{may_create}, std::nullopt);
    const auto late =
        with.send("PUT /a HTTP/1.1\nHost: a\nContent-Length: 1\n" + log_in("new", "n"),
                  {.octets = "x", .on_read = [&with] { with.files.write("a", "b"); }});
    CHECK(late.head.status == 409);
    CHECK(with.files.read("a") == "b");
}

TEST_CASE("PUT: what was cut off is told where it cannot be gone on with, and DELETE drops it") {
    writing_desk with;
    with.tree->keep_parts(std::chrono::hours(1));
    const auto cut = with.send("PUT /a HTTP/1.1\nHost: a\nContent-Length: 6\n" + log_in("all", "l"),
                               {.octets = "abc", .end = errc::reset});
    CHECK(cut.head.status == 400);
    const auto beyond = with.put("/a", "f", "Content-Range: bytes 5-5/6\n");
    CHECK(beyond.head.status == 416);
    CHECK(beyond.head.field("Content-Range") == "bytes */3");
    CHECK(with.change("DELETE", "/a", "", log_in("rex", "r")).head.status == 403);
    CHECK(with.names().size() == 2);
    CHECK(with.change("DELETE", "/a", "If-Match: \"a\"\n").head.status == 404);  // None has it.
    CHECK(with.names().size() == 2);
    CHECK(with.change("DELETE", "/a").head.status == 204);
    CHECK(with.names() == std::vector<std::string>{"ann"});
    CHECK(with.change("DELETE", "/a").head.status == 404);
}

TEST_CASE("GET: behind an index page sees who may change the directory, by ?format=") {
    writing_desk with;
    with.files.write("index.html", "index");
    with.files.write("behind", "x");
    CHECK(with.get("/", log_in("all", "l")).inline_body == "index");
    CHECK(with.get("/?format=html").inline_body == "index");
    CHECK(with.get("/?format=html", log_in("rex", "r")).inline_body == "index");
    CHECK(with.get("/?format=html", log_in("all", "l")).inline_body.contains("behind"));
    CHECK(with.get("/?format=json", log_in("all", "l")).inline_body.contains("behind"));
}

TEST_CASE("PUT: content is what its digests say or is not stored (RFC 9530 sections 2 and 3)") {
    writing_desk with;
    with.put("/a", "old");
    const std::string right = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    const std::string right_512 =
        "sha-512=:m3HSJL1i83hdltRq0+o9czGb+8KJDKra4t/"
        "3JRlnPKcjI8PZm6XBHXx6zG4UuMXaDEZjR1wuXDre9G9zvN7AQw==:";
    const std::string wrong = "sha-256=:AAAAul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    for (const std::string& name : {std::string("Content-Digest"), std::string("Repr-Digest")}) {
        CAPTURE(name);
        for (const auto& value : {wrong, right_512 + ", " + wrong, right + ", " + wrong}) {
            const auto refused = with.put("/a", "hello", name + ": " + value + "\n");
            CHECK(refused.head.status == 400);
            CHECK(refused.head.field("Content-Type") == "application/problem+json");
            CHECK(refused.inline_body.find("#digest-mismatched-values\"") != std::string::npos);
            CHECK(refused.inline_body.find(
                      "{\"algorithm\":\"sha-256\",\"provided-digest\":\":AAAA") !=
                  std::string::npos);
            CHECK(refused.inline_body.find("\"header\":\"" + name + "\"}") != std::string::npos);
            CHECK(with.files.read("a") == "old");
        }
        // Too short, and malformed: compared was what its sender wanted it (decision 0025).
        for (const auto& value :
             {std::string("sha-512=:YQ==:"), std::string("sha-256"), std::string("sha-256=:=:"),
              std::string("sha-256=deadbeef"), right + ",", "SHA" + right.substr(3)}) {
            CAPTURE(value);
            const auto refused = with.put("/a", "hello", name + ": " + value + "\n");
            CHECK(refused.head.status == 400);
            CHECK(refused.inline_body.find("#digest-invalid-values\"") != std::string::npos);
            CHECK(with.files.read("a") == "old");
        }
        // Unknown ones are passed over (RFC 9530 section 2).
        CHECK(with.put("/b", "hello", name + ": md5=:YQ==:, x=1\n").head.status / 100 == 2);
        CHECK(with.put("/a", "hello", name + ": " + right + "\n" + name + ": " + right_512 + "\n")
                  .head.status == 204);
        CHECK(with.files.read("a") == "hello");
        with.put("/a", "old");
    }
}

TEST_CASE("PUT: a part's digests are of the part and of the whole (RFC 9530 sections 2 and 3)") {
    writing_desk with;
    const std::string whole = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    with.put("/a", "helXX");
    CHECK(with.put("/a", "lo", "Content-Range: bytes 3-4/5\nContent-Digest: " + whole + "\n")
              .head.status == 400);
    CHECK(with.put("/a", "la", "Content-Range: bytes 3-4/5\nRepr-Digest: " + whole + "\n")
              .head.status == 400);
    CHECK(with.files.read("a") == "helXX");
    const auto told = with.put(
        "/a", "lo",
        "Content-Range: bytes 3-4/5\nRepr-Digest: " + whole + "\nWant-Repr-Digest: sha-256=1\n");
    CHECK(told.head.status == 204);
    CHECK(told.head.field("Repr-Digest") == whole);
    CHECK(with.files.read("a") == "hello");
    CHECK(with.put("/b", "hello", "Want-Repr-Digest: sha-256=1\n").head.field("Repr-Digest") ==
          whole);
}

TEST_CASE("DELETE, MOVE, COPY: what changed since its conditions were looked at stays (13.1.1)") {
    for (const std::string_view how : {"DELETE", "MOVE", "COPY"}) {
        CAPTURE(how);
        writing_desk with;
        const auto tag = with.put("/a", "one").head.field("ETag");
        const auto lines = "If-Match: " + tag + "\nDestination: /b\n";
        std::size_t operations = 0;
        const std::size_t looks = how == "DELETE" ? 1 : 2;  // At each name.
        with.machine.io.set_script([&](runtime::op&) -> std::optional<std::int64_t> {
            if (++operations == looks + 1) {
                with.files.write("a", "in between");
            }
            return std::nullopt;
        });
        const auto late = with.change(how, "/a", lines);
        with.machine.io.set_script(nullptr);
        CHECK(late.head.status == 412);
        CHECK(late.inline_body.find("It has changed meanwhile.") != std::string::npos);
        CHECK(with.files.read("a") == "in between");
        CHECK_FALSE(with.files.exists("b"));
        const auto now = with.get("/a", log_in("all", "l")).head.field("ETag");
        const auto strong = now.starts_with("W/") ? now.substr(2) : now;
        CHECK(with.change(how, "/a", "If-Match: " + strong + "\nDestination: /b\n").head.status /
                  100 ==
              2);
    }
}
