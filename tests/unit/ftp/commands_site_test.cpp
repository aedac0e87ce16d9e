#include "ftp/commands_site.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

namespace {

unsigned mode_of(const test_server& server, const char* name) {
    struct stat status{};
    REQUIRE(::stat((server.directory() / name).c_str(), &status) == 0);
    return status.st_mode & 07777U;
}

}  // namespace

TEST_CASE("site: CHMOD sets permission bits and refuses all else (threats.md, V14)") {
    test_server server;
    server.put("a file", "x");
    server.put("dir/file", "x");
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE CHMOD 640 a file") == "200 Permissions are 640");
    CHECK(mode_of(server, "a file") == 0640);
    CHECK(user.code("site chmod 0004 a file") == 200);
    CHECK(mode_of(server, "a file") == 0004);
    CHECK(user.code("SITE CHMOD 711 dir") == 200);
    CHECK(mode_of(server, "dir") == 0711);
    CHECK(user.code("SITE CHMOD 600 ./dir/../dir/file") == 200);
    CHECK(mode_of(server, "dir/file") == 0600);
    for (const char* line :
         {"SITE CHMOD", "SITE CHMOD 644", "SITE CHMOD 644 ", "SITE CHMOD 99999 a file",
          "SITE CHMOD 4755 a file", "SITE CHMOD -1 a file", "SITE CHMOD a+x a file"}) {
        CAPTURE(line);
        CHECK(user.code(line) == 501);
    }
    CHECK(user.code("SITE CHMOD 644 missing") == 550);
    CHECK(user.code("SITE CHMOD 644 .ferry-upload-0123456789abcdef") == 550);
    CHECK(mode_of(server, "a file") == 0004);
}

TEST_CASE("site: CHMOD needs the right to replace") {
    test_server server;
    server.put("file", "x");
    client user(server);
    user.log_in("anonymous", "x");
    const auto before = mode_of(server, "file");
    CHECK(user.code("SITE CHMOD 777 file") == 550);
    CHECK(mode_of(server, "file") == before);
}

TEST_CASE("site: CPFR and CPTO copy on the server, as ProFTPD's mod_copy") {
    test_server server;
    server.put("a file", "some words");
    server.put("dir/old", "old");
    client user(server);
    user.log_in();
    CHECK(user.ask("FEAT").contains("\n SITE COPY\n"));
    CHECK(code_of(user.ask("SITE CPFR a file")) == 350);
    CHECK(user.ask("SITE CPTO dir/new") == "250 Copied 10 octets");
    CHECK(server.get("dir/new") == "some words");
    CHECK(user.code("site cpfr a file") == 350);
    CHECK(user.code("Site Cpto /dir/old") == 250);
    CHECK(server.get("dir/old") == "some words");
    CHECK(server.get("a file") == "some words");
    CHECK(server.count_names() == 4);
    const auto records = server.records();
    REQUIRE(records.size() == 5);  // The first is the login.
    CHECK(records[3].method == "SITE CPFR");
    CHECK(records[3].target == "/a file");
    CHECK(records[4].method == "SITE CPTO");
    CHECK(records[4].target == "/dir/old");
    CHECK(records[4].status == 250);
    CHECK(records[4].body_bytes == 0);
}

TEST_CASE("site: COPY has both names in one line, as ProFTPD's mod_copy") {
    test_server server;
    server.put("a file", "some words");
    server.put("home/bob/secret", "bob's");
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE HELP").contains("\n COPY "));
    CHECK(user.ask("SITE COPY \"a file\" b") == "250 Copied 10 octets");
    CHECK(server.get("b") == "some words");
    CHECK(user.code("site copy b \"/a \"\"copy\"\"\"") == 250);
    CHECK(server.get("a \"copy\"") == "some words");
    CHECK(user.code("SITE COPY b") == 501);
    CHECK(user.code("SITE COPY a file b") == 501);
    CHECK(user.code("SITE COPY nowhere b") == 550);
    CHECK(user.code("SITE COPY home c") == 550);
    CHECK(user.code("SITE COPY b missing/c") == 553);
    CHECK(user.code("SITE COPY b b") == 553);
    CHECK(user.code("SITE CPTO c") == 503);
    client visitor(server);
    visitor.log_in("ftp", "x");
    CHECK(visitor.code("SITE COPY b c") == 550);
    CHECK(server.get("c") == "(none)");
}

TEST_CASE("site: CPTO comes right behind CPFR") {
    test_server server;
    server.put("a", "words");
    client user(server);
    user.log_in();
    CHECK(user.code("SITE CPTO b") == 503);
    for (const char* between :
         {"NOOP", "SITE HELP", "NONE", "SITE CPFR missing", "RNFR a", "REST 1", "USER ann"}) {
        CAPTURE(between);
        CHECK(user.code("SITE CPFR a") == 350);
        static_cast<void>(user.code(between));
        if (std::string_view(between) == "USER ann") {
            CHECK(user.code("PASS secret") == 230);
        }
        CHECK(user.code("SITE CPTO b") == 503);
    }
    CHECK(user.code("SITE CPFR a") == 350);
    CHECK(user.code("SITE CPTO missing/b") == 553);
    CHECK(user.code("SITE CPTO b") == 503);
    CHECK(user.code("SITE CPFR a") == 350);
    CHECK(user.code("RNTO b") == 503);
    CHECK(user.code("SITE CPFR a") == 350);
    CHECK(user.code("SITE CPTO") == 501);
    CHECK(user.code("SITE CPFR") == 501);
    CHECK(server.count_names() == 1);
}

TEST_CASE("site: ABOR ends a copy, and nothing is left of it") {
    test_server server;
    server.put("a", "words");
    client user(server);
    user.log_in();
    CHECK(user.code("SITE CPFR a") == 350);
    user.send("SITE CPTO b\r\nABOR\r\nSTAT\r\n");
    CHECK(user.reply() == "426 Aborted, nothing was copied");
    CHECK(code_of(user.reply()) == 226);
    CHECK(code_of(user.reply()) == 211);
    CHECK(server.count_names() == 1);
}

TEST_CASE("site: what CPFR and CPTO refuse") {
    test_server server;
    server.put("a", "words");
    server.put("dir/x", "x");
    client user(server);
    user.log_in();
    CHECK(user.code("SITE CPFR missing") == 550);
    CHECK(user.code("SITE CPFR dir") == 550);
    CHECK(user.code("SITE CPFR .ferry-upload-0123456789abcdef") == 550);
    for (const char* to : {"a", "./dir/../a", "dir", "/", "b/"}) {
        CAPTURE(to);
        CHECK(user.code("SITE CPFR a") == 350);
        CHECK(user.code(std::string("SITE CPTO ") + to) == 553);
    }
    CHECK(user.code("SITE CPFR a") == 350);
    CHECK(user.ask("SITE CPTO a").contains("the file itself"));
    CHECK(server.get("a") == "words");
    CHECK(server.count_names() == 3);

    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("SITE CPFR a") == 350);
    CHECK(visitor.code("SITE CPTO b") == 550);
    CHECK(server.count_names() == 3);
}

TEST_CASE("site: a copy takes the rights of RETR and STOR") {
    using auth::right;
    SUBCASE("who may not read") {
        test_server server({.anonymous = auth::rights{right::list, right::create}});
        server.put("a", "words");
        client user(server);
        user.log_in("anonymous", "x");
        CHECK(user.code("SITE CPFR a") == 550);
        CHECK(user.code("SITE CPTO b") == 503);
    }
    SUBCASE("who may create and not replace") {
        test_server server({.anonymous = auth::rights{right::read, right::create}});
        server.put("a", "words");
        server.put("b", "kept");
        client user(server);
        user.log_in("anonymous", "x");
        CHECK(user.code("SITE CPFR a") == 350);
        CHECK(user.code("SITE CPTO b") == 553);
        CHECK(user.code("SITE CPFR a") == 350);
        CHECK(user.code("SITE CPTO c") == 250);
        CHECK(server.get("b") == "kept");
        CHECK(server.get("c") == "words");
    }
    SUBCASE("who sees a directory only") {
        test_server server;
        server.put("a", "words");
        server.put("home/bob/own", "bob's");
        client user(server);
        user.log_in("bob");
        CHECK(user.code("SITE CPFR ../../a") == 550);
        CHECK(user.code("SITE CPFR own") == 350);
        CHECK(user.code("SITE CPTO /copy") == 250);
        CHECK(server.get("home/bob/copy") == "bob's");
    }
}

TEST_CASE("site: QUOTA, and what a refusal says of it (threats.md, V13)") {
    test_server server({.bounds = {.home_octets_max = 1'000, .home_files_max = 3}});
    server.put("f", "0123456789");
    client user(server);
    user.log_in();
    // It waits for the first count.
    CHECK(user.ask("SITE QUOTA") == "211 Used: 10 of 1000 octets, 1 of 3 files");
    CHECK(user.ask("ALLO 990") == "200 There is room");
    CHECK(user.ask("ALLO 991").starts_with("200 There is room only in the place of another file"));
    CHECK(user.ask("ALLO 1001") == "552 quota exceeded: 10 of 1000 octets, 1 of 3 files");
    CHECK(user.code("ALLO 991") == 200);
    static_cast<void>(user.passive());
    CHECK(user.code("STOR h") == 552);  // Before an octet is taken.
    CHECK(user.code("ALLO 991") == 200);
    CHECK(code_of(user.store("STOR f", std::string(991, 'x')).last) == 226);
    CHECK(code_of(user.store("STOR f", "0123456789").last) == 226);
    CHECK(user.ask("AVBL") == "213 990");
    CHECK(user.code("MKD d") == 257);
    CHECK(user.code("MKD e") == 257);
    CHECK(user.ask("MKD g") == "552 quota exceeded: 10 of 1000 octets, 3 of 3 files");
    CHECK(user.code("RMD d") == 250);
    CHECK(code_of(user.store("STOR g", std::string(991, 'x')).last) == 552);
    CHECK(code_of(user.store("STOR g", std::string(990, 'x')).last) == 226);
    CHECK(user.ask("SITE QUOTA") == "211 Used: 1000 of 1000 octets, 3 of 3 files");
    CHECK(user.ask("AVBL") == "213 0");
    CHECK(user.code("DELE g") == 250);
    CHECK(user.ask("AVBL e") == "213 990");
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("AVBL") == 550);  // Who may store nothing.
    CHECK(user.code("NOOP") == 200);
}

TEST_CASE("site: HELP, and what there is not") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE HELP").contains("CHMOD"));
    CHECK(user.ask("SITE QUOTA") == "211 No quota");
    CHECK(user.code("SITE help ") == 214);
    CHECK(user.ask("SITE HELP zone") == "214 SITE ZONE (of the times in listings)");
    CHECK(user.ask("HELP SITE ZONE") == "214 SITE ZONE (of the times in listings)");
    CHECK(user.code("SITE HELP WHO") == 504);  // Not for this one.
    CHECK(user.code("SITE") == 504);
    CHECK(user.code("SITE RECFM=VB") == 504);
}

TEST_CASE("site: UMASK is about new files and directories") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE UMASK") == "200 UMASK is 022");
    CHECK(user.ask("SITE UMASK 077") == "200 UMASK is 077");
    CHECK(code_of(user.store("STOR file", "x").last) == 226);
    CHECK(mode_of(server, "file") == 0600);
    CHECK(user.code("MKD dir") == 257);
    CHECK(mode_of(server, "dir") == 0700);
    CHECK(user.code("SITE UMASK 1000") == 501);
    CHECK(user.code("SITE UMASK x") == 501);
    CHECK(user.ask("SITE UMASK") == "200 UMASK is 077");
    CHECK(user.code("REIN") == 220);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.ask("SITE UMASK") == "200 UMASK is 022");
}

TEST_CASE("site: IDLE shortens how long a session may be idle") {
    server_settings settings;
    settings.numbers.idle_timeout = std::chrono::seconds(100);
    test_server server(settings);
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE IDLE") == "200 Idle time is 100 of 100 seconds");
    CHECK(user.code("SITE IDLE 101") == 501);
    CHECK(user.code("SITE IDLE 0") == 501);
    CHECK(user.code("SITE IDLE x") == 501);
    CHECK(user.ask("SITE IDLE 1") == "200 Idle time is 1 of 100 seconds");
    CHECK(code_of(user.reply()) == 421);
}

TEST_CASE("site: UTIME sets a time, in either order of its arguments") {
    test_server server;
    server.put("a b", "x");
    client user(server);
    user.log_in();
    CHECK(user.code("SITE UTIME 202009131226 a b") == 213);
    CHECK(user.ask("MDTM a b") == "213 20200913122600");
    CHECK(user.code("SITE UTIME a b 20000101000000 20210913122640 20000101000000 UTC") == 213);
    CHECK(user.ask("MDTM a b") == "213 20210913122640");
    CHECK(user.code("SITE UTIME a b") == 501);
    CHECK(user.code("SITE UTIME 20200913122640 missing") == 550);
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("SITE UTIME 20200913122640 a b") == 550);
}

TEST_CASE("site: MKDIR, RMDIR, ZONE") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE MKDIR new") == "257 \"/new\" created");
    CHECK(user.code("SITE RMDIR new") == 250);
    CHECK(user.code("SITE RMDIR new") == 550);
    CHECK(user.code("SITE MKDIR") == 501);
    CHECK(user.code("SITE RMDIR") == 501);
    CHECK(user.ask("SITE ZONE") == "210 UTC+0");
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("SITE MKDIR new") == 550);
}

TEST_CASE("site: DIRSTYLE lists as MS-DOS does, and as Unix again") {
    test_server server;
    server.put("d/file", "12345");
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE DIRSTYLE") == "200 MSDOS-like directory output is on");
    CHECK(user.fetch("LIST").octets.contains("<DIR>          d\r\n"));
    CHECK(user.fetch("LIST d").octets.contains("                    5 file\r\n"));
    CHECK(user.ask("STAT d").contains("    5 file"));
    CHECK(user.fetch("NLST d").octets == "d/file\r\n");
    CHECK(user.ask("SITE DIRSTYLE") == "200 MSDOS-like directory output is off");
    CHECK(user.fetch("LIST d").octets.starts_with("-rw"));
}

TEST_CASE("site: HELP names what there is, all of which is carried out") {
    test_server server;
    client user(server);
    user.log_in();
    const auto help = user.ask("SITE HELP");
    std::size_t lines = 0;
    for (std::size_t at = help.find("\n "); at != std::string::npos;
         at = help.find("\n ", at + 1)) {
        const auto verb = help.substr(at + 2, help.find_first_of(" \n", at + 2) - at - 2);
        CAPTURE(verb);
        CHECK(user.code("SITE " + verb) != 504);
        ++lines;
    }
    CHECK(lines >= 13);
}

// As ProFTPD's mod_site_misc has it; threats.md, V2.
TEST_CASE("site: SYMLINK makes links that stay within the tree, wherever it lies") {
    test_server server;
    server.put("d/e/file", "content");
    server.put("d/a b", "spaced");
    const auto said = [&server](const char* link) {
        return std::filesystem::read_symlink(server.directory() / link).string();
    };
    client user(server);
    user.log_in();
    CHECK(user.ask("SITE SYMLINK /d/e/file d/link") == "200 \"/d/link\" leads to \"/d/e/file\"");
    CHECK(said("d/link") == "e/file");
    CHECK(user.fetch("RETR d/link").octets == "content");
    CHECK(user.code("CWD d/e") == 250);
    CHECK(user.code("SITE SYMLINK \"../a b\" \"/x y\"") == 200);
    CHECK(said("x y") == "d/a b");
    CHECK(user.code("SITE SYMLINK /d/e /to-e") == 200);
    CHECK(said("to-e") == "d/e");
    CHECK(user.fetch("RETR /to-e/file").octets == "content");
    CHECK(user.code("SITE SYMLINK ../../../../etc up") == 550);  // ".." ends at the root.
    CHECK(user.code("SITE SYMLINK /missing m") == 550);
    CHECK(user.code("SITE SYMLINK file /x") == 200);
    CHECK(user.code("SITE SYMLINK /d/link /x") == 553);        // It is taken.
    CHECK(user.code("SITE SYMLINK / root") == 553);            // It would lie in itself.
    CHECK(user.code("SITE SYMLINK /d/link /to-e/up") == 550);  // ".." of the link is elsewhere.
    CHECK(user.code("SITE SYMLINK file /none/x") == 553);
    for (const char* line :
         {"SITE SYMLINK", "SITE SYMLINK a", "SITE SYMLINK a b c", "SITE SYMLINK \"a b"}) {
        CAPTURE(line);
        CHECK(user.code(line) == 501);
    }
    CHECK(user.code("DELE /x") == 250);  // The link, not what it leads to.
    CHECK(server.get("d/e/file") == "content");
}

TEST_CASE("site: SYMLINK gives nobody what they have no right to (threats.md, V2)") {
    server_settings settings;
    settings.of_ann =
        auth::permissions::parse("all,/private=none,/fixed=read-only,/box=create").value();
    test_server server(settings);
    server.put("private/x", "secret");
    server.put("fixed/x", "fixed");
    server.put("box/x", "of others");
    server.put("deep/private", "");
    client user(server);
    user.log_in();
    CHECK(user.code("SITE SYMLINK private/x leak") == 550);
    CHECK(user.code("SITE SYMLINK private leak") == 550);
    CHECK(user.code("SITE SYMLINK fixed/x changeable") == 550);
    CHECK(user.code("SITE SYMLINK box/x readable") == 550);
    CHECK(user.code("SITE SYMLINK deep fixed/deep") == 550);  // No right to create there.
    CHECK(user.code("SITE SYMLINK deep box/deep") == 200);
    CHECK(user.code("SITE SYMLINK deep deeper") == 200);
    client visitor(server);
    visitor.log_in("ftp", "x");
    CHECK(visitor.code("SITE SYMLINK deep another") == 550);
}

TEST_CASE("site: WHO is for those who administer, who no other word makes (threats.md, F9)") {
    server_settings settings;
    settings.of_ann = auth::permissions::parse("all+admin").value();
    test_server server(settings);
    server.put("home/bob/x", "");
    client bob(server);
    bob.log_in("bob");
    CHECK(bob.code("SITE WHO") == 550);
    CHECK(!bob.ask("SITE HELP").contains("WHO"));
    client user(server, "127.0.0.2");
    user.log_in();
    CHECK(user.ask("SITE HELP").contains("\n WHO"));
    const auto seen = user.ask("SITE WHO");
    CHECK(seen.starts_with("211-2 logged in\n bob 127.0.0.1 since 20"));
    CHECK(seen.contains("\n ann 127.0.0.2 since 20"));
    CHECK(bob.code("REIN") == 220);
    CHECK(user.ask("SITE WHO").starts_with("211-1 logged in\n ann "));
    CHECK(user.ask("SITE WHO").contains(": idle 0 s\n"));
    CHECK(bob.code("USER ftp") == 331);
    CHECK(bob.code("PASS x") == 230);
    CHECK(user.ask("SITE WHO").contains("\n anonymous 127.0.0.1 since 20"));
    CHECK(bob.code("QUIT") == 221);
    CHECK(eventually([&user] { return user.ask("SITE WHO").starts_with("211-1 logged in\n"); }));
}

TEST_CASE("site: WHO says what others transfer, and how much of it has moved") {
    constexpr std::size_t octets = 64 << 20U;  // More than the buffers of a connection take.
    server_settings settings;
    settings.of_ann = auth::permissions::parse("all+admin").value();
    test_server server(settings);
    std::filesystem::create_directories(server.directory() / "home/bob");
    server.put("home/bob/large", "");
    std::filesystem::resize_file(server.directory() / "home/bob/large", octets);
    client user(server);
    user.log_in();
    client bob(server);
    bob.log_in("bob");
    const auto what_bob_does = [&user] {
        auto seen = user.ask("SITE WHO");
        seen.erase(0, seen.find("\n bob ") + 1);
        const auto begin = seen.find(": ") + 2;
        return seen.substr(begin, seen.find('\n') - begin);
    };
    CHECK(what_bob_does() == "idle 0 s");
    CHECK(bob.code("TYPE I") == 200);
    auto data = bob.passive();
    bob.send("STOR new\r\n");
    CHECK(code_of(bob.reply()) == 150);
    data.send("some words");
    CHECK(eventually([&] { return what_bob_does() == "STOR /home/bob/new 10 octets"; }));
    data.close();
    CHECK(code_of(bob.reply()) == 226);
    CHECK(what_bob_does() == "idle 0 s");
    data = bob.passive("127.0.0.1", 4'096);
    bob.send("RETR large\r\n");
    CHECK(code_of(bob.reply()) == 150);
    CHECK(eventually([&] {  // The octets grow while it is sent, from the kernel too.
        const auto seen = what_bob_does();
        return seen.starts_with("RETR /home/bob/large ") && seen.ends_with(" octets");
    }));
    data.reset();
    CHECK(code_of(bob.reply()) == 426);
    CHECK(what_bob_does() == "idle 0 s");
}
