#include "ftp/commands_names.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

TEST_CASE("names: where the user is") {
    test_server server;
    server.put("dir/sub/file", "x");
    client user(server);
    user.log_in();
    CHECK(user.ask("PWD") == "257 \"/\" is the working directory");
    struct row {
        const char* line;
        int code;
        const char* then;
    };
    constexpr row rows[] = {
        {"CWD dir", 250, "/dir"},
        {"CWD sub/", 250, "/dir/sub"},
        {"CWD", 250, "/dir/sub"},
        {"CWD ", 250, "/dir/sub"},
        {"CWD file", 550, "/dir/sub"},
        {"CWD missing", 550, "/dir/sub"},
        {"CDUP", 250, "/dir"},
        {"XCUP", 250, "/"},
        {"CDUP", 250, "/"},
        {"CWD //dir//.//sub", 250, "/dir/sub"},
        {"XCWD ../../..", 250, "/"},
        {"CWD dir/../dir", 250, "/dir"},
        {"CWD .ferry-x", 550, "/dir"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        CHECK(user.code(each.line) == each.code);
        CHECK(user.ask("XPWD") ==
              "257 \"" + std::string(each.then) + "\" is the working directory");
    }
    CHECK(user.code("CWD " + std::string(300, 'n')) == 553);
    CHECK(user.code(std::string("CWD a\0b", 7)) == 553);
}

// RFC 959 appendix II; threats.md, F7.
TEST_CASE("names: quotation marks are doubled and controls never echoed") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.ask("MKD say \"hi\"") == "257 \"/say \"\"hi\"\"\" created");
    CHECK(user.ask("CWD say \"hi\"") == "250 \"/say \"\"hi\"\"\" is the working directory");
    CHECK(user.code("CDUP") == 250);
    user.send("MKD a\rb\r\n");
    CHECK(user.reply() == "257 \"/a?b\" created");
    CHECK(std::filesystem::is_directory(server.directory() / "a\rb"));
    user.send("RETR 1\r226 done\r\n");
    CHECK(code_of(user.reply()) == 425);
    CHECK(user.code("PWD") == 257);
}

// RFC 3659 sections 3 and 4.
TEST_CASE("names: SIZE and MDTM") {
    test_server server;
    server.put("file", "1\n22\n333\r\n");
    server.put("big", std::string(2'000'000, 'x'));
    std::filesystem::create_directory(server.directory() / "dir");
    client user(server);
    user.log_in();
    CHECK(user.ask("SIZE file") == "213 12");  // TYPE A: two lone LF become CR LF.
    CHECK(user.code("SIZE big") == 550);
    CHECK(user.code("TYPE I") == 200);
    CHECK(user.ask("SIZE file") == "213 10");
    CHECK(user.ask("SIZE big") == "213 2000000");
    CHECK(user.code("SIZE dir") == 550);
    CHECK(user.code("SIZE missing") == 550);
    CHECK(user.code("SIZE") == 501);
    CHECK(user.ask("MFMT 20200102030405 file") == "213 Modify=20200102030405; /file");
    CHECK(user.ask("MDTM file") == "213 20200102030405");
    CHECK(user.code("MDTM 20210102030405 file") == 213);
    CHECK(user.ask("MDTM file") == "213 20210102030405");
    server.put("20220102030405 file", "named like that");
    CHECK(user.code("MDTM 20220102030405 file") == 213);
    CHECK(user.ask("MDTM file") == "213 20210102030405");
    CHECK(user.code("MDTM missing") == 550);
    CHECK(user.code("MDTM 20220102030405 missing") == 550);
    // threats.md, V14.
    CHECK(user.code("MFMT 20201302030405 file") == 501);
    CHECK(user.code("MFMT 99999999999999 file") == 501);
    CHECK(user.code("MFMT 20200102030405") == 501);
}

TEST_CASE("names: MLST") {
    test_server server;
    server.put("dir/file", "12345");
    client user(server);
    user.log_in();
    CHECK(user.code("CWD dir") == 250);
    const auto file = user.ask("MLST file");
    CHECK(file.starts_with("250-Listing /dir/file\n type=file;size=5;modify="));
    CHECK(file.contains(";perm="));
    CHECK(file.ends_with(" /dir/file\n250 End"));
    CHECK(user.ask("MLST").contains("type=dir;"));
    CHECK(user.ask("OPTS MLST size;") == "200 MLST OPTS size;");
    CHECK(user.ask("MLST file") == "250-Listing /dir/file\n size=5; /dir/file\n250 End");
    CHECK(user.code("MLST missing") == 550);
}

TEST_CASE("names: making, removing, renaming") {
    test_server server;
    server.put("file", "old");
    server.put("other", "other");
    client user(server);
    user.log_in();
    CHECK(user.ask("MKD d") == "257 \"/d\" created");
    CHECK(user.code("MKD d") == 550);
    CHECK(user.code("XMKD d/e") == 257);
    CHECK(user.code("MKD missing/x") == 550);
    CHECK(user.code("RMD d") == 550);
    CHECK(user.code("XRMD d/e") == 250);
    CHECK(user.code("RMD d/e") == 550);
    CHECK(user.code("RMD file") == 550);
    CHECK(user.code("DELE d") == 550);
    CHECK(user.code("RMD /") == 550);

    CHECK(user.code("RNTO x") == 503);
    CHECK(user.code("RNFR missing") == 550);
    CHECK(user.code("RNTO x") == 503);
    CHECK(user.code("RNFR file") == 350);
    CHECK(user.code("NOOP") == 200);
    CHECK(user.code("RNTO x") == 503);  // RNTO comes right behind (RFC 959 section 5.4).
    CHECK(user.code("RNFR file") == 350);
    CHECK(user.code("RNTO d/moved") == 250);
    CHECK(server.get("d/moved") == "old");
    CHECK(user.code("RNFR d/moved") == 350);
    CHECK(user.code("RNTO other") == 250);  // Replaces.
    CHECK(server.get("other") == "old");
    CHECK(user.code("RNFR other") == 350);
    CHECK(user.code("RNTO missing/x") == 553);
    CHECK(user.code("RNFR d") == 350);
    CHECK(user.ask("RNTO d/x") == "553 A directory cannot be moved into itself");
    CHECK(user.ask(std::string("MKD a\0b", 7)) == "553 Not a usable file name here");

    CHECK(user.code("DELE other") == 250);
    CHECK(user.code("DELE other") == 550);
    CHECK(user.code("RMD d") == 250);
    CHECK(server.count_names() == 0);
}

// threats.md, V2 and V4.
TEST_CASE("names: links out of the tree and FIFOs answer at once") {
    test_server server;
    std::filesystem::create_symlink("/etc/passwd", server.directory() / "out");
    std::filesystem::create_symlink("/etc", server.directory() / "outdir");
    REQUIRE(::mkfifo((server.directory() / "fifo").c_str(), 0600) == 0);
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    for (const char* line : {"SIZE out", "MDTM out", "MLST out", "CWD outdir", "SIZE outdir/passwd",
                             "SIZE fifo", "MLST fifo"}) {
        CAPTURE(line);
        CHECK(user.code(line) == 550);
    }
    for (const char* name : {"out", "outdir/passwd", "fifo"}) {
        CAPTURE(name);
        const auto got = user.fetch(std::string("RETR ") + name);
        CHECK(code_of(got.last) == 550);
    }
}

TEST_CASE("names: MFF changes the time and the bits of a file, MFCT nothing") {
    test_server server;
    server.put("a b", "x");
    client user(server);
    user.log_in();
    CHECK(user.ask("MFF UNIX.mode=0640;Modify=20200913122640; a b") ==
          "213 UNIX.mode=0640;Modify=20200913122640; /a b");
    CHECK(user.ask("MDTM a b") == "213 20200913122640");
    CHECK(user.ask("MLST a b").contains("UNIX.mode=0640"));
    CHECK(user.code("MFF Create=20200913122640; a b") == 504);
    CHECK(user.code("MFF UNIX.mode=0600;Create=20200913122640; a b") == 504);
    CHECK(user.ask("MLST a b").contains("UNIX.mode=0640"));  // All or nothing.
    CHECK(user.code("MFF UNIX.mode=4755; a b") == 501);
    CHECK(user.code("MFF a b") == 501);
    CHECK(user.code("MFF UNIX.mode=0600; missing") == 550);
    CHECK(user.code("MFCT 20200913122640 a b") == 504);
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("MFF UNIX.mode=0600; a b") == 550);
    CHECK(user.ask("FEAT").contains("\n MFF Modify;UNIX.mode;"));
}

TEST_CASE("names: DSIZ counts a directory and what is below") {
    test_server server;
    server.put("d/one", "12345");
    server.put("d/e/two", "123");
    server.put("three", "1");
    std::filesystem::create_symlink("../three", server.directory() / "d/link");
    client user(server);
    user.log_in();
    const auto size = user.ask("DSIZ d");
    CHECK(size.starts_with("213 8"));
    CHECK(user.code("CWD d") == 250);
    CHECK(user.ask("DSIZ") == size);
    CHECK(user.ask("DSIZ e") == "213 3");
    CHECK(user.code("DSIZ one") == 550);
    CHECK(user.code("DSIZ missing") == 550);
}
