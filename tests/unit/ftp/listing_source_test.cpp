#include "ftp/listing_source.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = text.find("\r\n", at);
        REQUIRE(end != std::string::npos);
        lines.push_back(text.substr(at, end - at));
        at = end + 2;
    }
    return lines;
}

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("listing: NLST gives names that can be retrieved (RFC 1123 section 4.1.2.7)") {
    test_server server;
    server.put("b.txt", "");
    server.put("a.txt", "");
    server.put("dir/c.txt", "");
    server.put(".hidden", "");
    client user(server);
    user.log_in();
    struct row {
        const char* line;
        names wanted;
    };
    const row rows[] = {
        {"NLST", {"a.txt", "b.txt", "dir"}},
        {"NLST -a", {".", "..", ".hidden", "a.txt", "b.txt", "dir"}},
        {"NLST -A", {".hidden", "a.txt", "b.txt", "dir"}},
        {"NLST -r", {"dir", "b.txt", "a.txt"}},
        {"NLST dir", {"dir/c.txt"}},
        {"NLST /dir/", {"/dir/c.txt"}},
        {"NLST -d dir", {"dir"}},
        {"NLST a.txt", {"a.txt"}},
        {"NLST dir/c.txt", {"dir/c.txt"}},
        {"NLST *.txt", {"a.txt", "b.txt"}},
        {"NLST dir/*", {"dir/c.txt"}},
        {"NLST [a]*", {"a.txt"}},
        {"NLST *.none", {}},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        const auto got = user.fetch(each.line);
        CHECK(code_of(got.last) == 226);
        CHECK(lines_of(got.octets) == each.wanted);
    }
    // threats.md, F11: only the last component may be a pattern.
    CHECK(code_of(user.fetch("NLST */*").last) == 550);
    server.put("*", "a file of that name");
    CHECK(lines_of(user.fetch("NLST *").octets) == names{"*"});
}

TEST_CASE("listing: LIST as ls -l has it") {
    test_server server;
    server.put("small", "1");
    server.put("large", "333");
    server.put("middle", "22");
    std::filesystem::create_directory(server.directory() / "dir");
    client user(server);
    user.log_in();
    const auto all = lines_of(user.fetch("LIST -la").octets);
    REQUIRE(all.size() == 6);
    CHECK(all[0].starts_with("d"));
    CHECK(all[0].ends_with(" ."));
    CHECK(all[1].ends_with(" .."));
    CHECK(all[2].ends_with(" dir"));
    CHECK(all[3].starts_with("-rw"));
    CHECK(all[3].contains("            3 "));
    const auto one = lines_of(user.fetch("LIST small").octets);
    REQUIRE(one.size() == 1);
    CHECK(one[0].ends_with(" small"));
    CHECK(lines_of(user.fetch("LIST dir").octets).empty());
    CHECK(lines_of(user.fetch("LIST -d dir").octets).size() == 1);

    CHECK(user.code("MFMT 20200101000000 middle") == 213);
    CHECK(user.code("MFMT 20210101000000 small") == 213);
    CHECK(user.code("MFMT 20220101000000 large") == 213);
    CHECK(user.code("RMD dir") == 250);
    CHECK(lines_of(user.fetch("NLST -t").octets) == names{"large", "small", "middle"});
    CHECK(lines_of(user.fetch("NLST -tr").octets) == names{"middle", "small", "large"});
    CHECK(lines_of(user.fetch("NLST -S").octets) == names{"large", "middle", "small"});
}

TEST_CASE("listing: -R lists every directory once") {
    test_server server;
    server.put("a/one", "");
    server.put("a/b/two", "");
    server.put("c/three", "");
    std::filesystem::create_symlink("..", server.directory() / "a/up");  // A circle.
    client user(server);
    user.log_in();
    CHECK(lines_of(user.fetch("NLST -R").octets) ==
          names{".:", "./a", "./c", "", "./a:", "./a/b", "./a/one", "./a/up", "",
                "./a/b:", "./a/b/two", "", "./c:", "./c/three"});
    CHECK(lines_of(user.fetch("NLST -R a/b").octets) == names{"a/b:", "a/b/two"});
}

TEST_CASE("listing: MLSD (RFC 3659 section 7)") {
    test_server server;
    server.put("dir/file", "12345");
    server.put("dir/.hidden", "");
    client user(server);
    user.log_in();
    CHECK(user.ask("OPTS MLST type;size;") == "200 MLST OPTS type;size;");
    CHECK(lines_of(user.fetch("MLSD dir").octets) == names{"type=cdir; .", "type=pdir; ..",
                                                           "type=file;size=0; .hidden",
                                                           "type=file;size=5; file"});
    CHECK(lines_of(user.fetch("MLSD").octets) == names{"type=cdir; .", "type=dir; dir"});
    CHECK(code_of(user.fetch("MLSD dir/file").last) == 501);
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.ask("OPTS MLST perm;") == "200 MLST OPTS perm;");
    CHECK(lines_of(visitor.fetch("MLSD dir").octets).back() == "perm=r; file");
}

// threats.md, V11 and V4: a name is one line, and what nobody can open is not listed.
TEST_CASE("listing: hostile names") {
    test_server server;
    server.put("a\r\n226 Done", "");
    server.put(".ferry-temporary", "");
    REQUIRE(::mkfifo((server.directory() / "fifo").c_str(), 0600) == 0);
    client user(server);
    user.log_in();
    CHECK(lines_of(user.fetch("NLST -a").octets) == names{".", "..", "a??226 Done"});
    CHECK(lines_of(user.fetch("LIST").octets).size() == 1);
    CHECK(lines_of(user.fetch("MLSD").octets).size() == 2);
    const auto status = user.ask("STAT .");
    CHECK(status.starts_with("212-"));
    CHECK(status.ends_with("a??226 Done\n212 End"));
}

TEST_CASE("listing: larger than what is sorted, and than a piece") {
    server_settings settings;
    settings.numbers.list_sorted_max = 100;
    test_server server(settings);
    constexpr std::size_t count = 3'000;
    names wanted;
    for (std::size_t i = 0; i < count; ++i) {
        auto name = "a file with a long name " + std::to_string(10'000 + i);
        server.put(name, "");
        wanted.push_back(std::move(name));
    }
    client user(server);
    user.log_in();
    auto got = lines_of(user.fetch("NLST -S").octets);
    std::ranges::sort(got);
    CHECK((got == wanted));
    CHECK(lines_of(user.fetch("LIST").octets).size() == count);
    const auto status = user.ask("STAT /");
    CHECK(status.starts_with("212-"));
    CHECK(status.size() < 100'000);
    CHECK(status.contains("... and more: use LIST"));
    CHECK(user.ask("STAT " + wanted[0]).starts_with("213-"));
    CHECK(user.code("STAT missing") == 550);
}

// threats.md, V9: a directory beyond what may be held comes whole, in the disk's order.
TEST_CASE("listing: none may be held, or read") {
    server_settings settings;
    settings.listings.held_max = 0;
    test_server server(settings);
    names wanted;
    for (int i = 1'000; i < 1'600; ++i) {
        wanted.push_back(std::to_string(i));
        server.put("dir/" + wanted.back(), "");
    }
    server.put("few/b", "");
    server.put("few/a", "");
    client user(server);
    user.log_in();
    CHECK(user.code("CWD dir") == 250);
    auto got = lines_of(user.fetch("NLST").octets);
    std::ranges::sort(got);
    CHECK((got == wanted));
    CHECK(lines_of(user.fetch("NLST -R /").octets).size() == 600 + 2 + 2 + 5);  // And headings.
    CHECK(lines_of(user.fetch("NLST /few").octets) == names{"/few/a", "/few/b"});

    server_settings closed;
    closed.listings.reads_max = 0;
    closed.numbers.list_wait_timeout = std::chrono::milliseconds(20);
    test_server busy(closed);
    busy.put("a.txt", "");
    client visitor(busy);
    visitor.log_in();
    CHECK(code_of(visitor.fetch("LIST").first) == 450);
    CHECK(code_of(visitor.fetch("MLSD").first) == 450);
    CHECK(visitor.code("STAT /") == 450);
    CHECK(lines_of(visitor.fetch("NLST a.txt").octets) == names{"a.txt"});
}

TEST_CASE("listing: ABOR stops one that nobody reads") {
    test_server server;
    for (int i = 0; i < 2'000; ++i) {
        server.put(std::string(200, 'n') + std::to_string(i), "");
    }
    client user(server);
    user.log_in();
    auto data = user.passive("127.0.0.1", 4'096);
    CHECK(user.code("LIST") == 150);
    const auto next = user.code("ABOR");
    CHECK((next == 426 || next == 226));  // The kernel's buffers may have taken all of it.
    CHECK(code_of(user.reply()) == 226);
    CHECK(user.code("PWD") == 257);
}

// threats.md, V9: what -R remembers is bounded in octets, too; the reply says what is missing.
TEST_CASE("listing: -R of directories with long names below a long path") {
    test_server server;
    std::string deep;
    for (int i = 0; i < 14; ++i) {
        deep += "/" + std::string(250, 'd');
    }
    std::filesystem::create_directories(server.directory() / deep.substr(1));
    for (int i = 0; i < 1'200; ++i) {
        std::filesystem::create_directory(server.directory() / deep.substr(1) / std::to_string(i));
    }
    client user(server);
    user.log_in();
    CHECK(user.fetch("NLST -R").last ==
          "226 Transfer complete, but there are more directories than are listed");
}
