#include "ftp/command_log.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

namespace {

/// "METHOD target status user" of each line.
std::vector<std::string> lines_of(test_server& server) {
    std::vector<std::string> lines;
    for (const auto& each : server.records()) {
        lines.push_back(each.method + ' ' + each.target + ' ' + std::to_string(each.status) + ' ' +
                        each.user);
    }
    return lines;
}

}  // namespace

TEST_CASE("command log: every change has a line, done or refused") {
    test_server server;
    std::filesystem::create_directory(server.directory() / "dir");
    server.put("dir/file", "words");
    client user(server);
    user.log_in();
    CHECK(user.code("CWD dir") == 250);
    CHECK(user.code("MKD new") == 257);
    CHECK(user.code("MKD new") == 550);
    CHECK(user.code("RNFR new") == 350);
    CHECK(user.code("RNTO /other name") == 250);
    CHECK(user.code("RNTO again") == 503);
    CHECK(user.code("XRMD /other name") == 250);
    CHECK(user.code("site chmod 640 file") == 200);
    CHECK(user.code("SITE CHMOD 9 file") == 501);
    CHECK(user.code("MFMT 20200101000000 file") == 213);
    CHECK(user.code("MDTM 20210101000000 file") == 213);
    CHECK(user.code("DELE file") == 250);
    CHECK(user.code("DELE file") == 550);
    CHECK(user.code("DELE") == 501);
    CHECK(lines_of(server) == std::vector<std::string>{
                                  "PASS  230 ann",
                                  "MKD /dir/new 257 ann",
                                  "MKD /dir/new 550 ann",
                                  "RNFR /dir/new 350 ann",
                                  "RNTO /other name 250 ann",
                                  "RNTO /dir/again 503 ann",
                                  "XRMD /other name 250 ann",
                                  "SITE CHMOD /dir/file 200 ann",
                                  "SITE CHMOD /dir/file 501 ann",
                                  "MFMT /dir/file 213 ann",
                                  "MDTM /dir/file 213 ann",
                                  "DELE /dir/file 250 ann",
                                  "DELE /dir/file 550 ann",
                                  "DELE  501 ann",
                              });
}

TEST_CASE("command log: of several words, the name that is changed") {
    test_server server;
    server.put("home/bob/dir/part one", "1");
    server.put("home/bob/dir/two", "2");
    client user(server);
    user.log_in("bob");
    CHECK(user.code("CWD dir") == 250);
    CHECK(user.code("SITE UTIME 20200101000000 two") == 213);
    CHECK(user.code("SITE UTIME part one 20200101000000 20200101000000 20200101000000 UTC") == 213);
    CHECK(user.code("SITE UTIME 2020 two") == 501);
    CHECK(user.code("SITE SYMLINK two \"a link\"") == 200);
    CHECK(user.code("SITE SYMLINK nowhere other") == 550);
    CHECK(user.code("SITE SYMLINK two") == 501);
    CHECK(user.code("SITE COPY two three") == 250);
    CHECK(user.code("SITE COPY nowhere four") == 550);
    CHECK(user.code("COMB whole nowhere two") == 550);
    CHECK(user.code("COMB \"whole one\" \"part one\" two") == 250);
    CHECK(user.code("COMB whole") == 501);
    CHECK(user.code("SITE WHO") == 550);
    CHECK(user.code("SMNT /dir") == 250);
    CHECK(user.code("SMNT /nowhere") == 550);
    CHECK(user.code("MKD sub") == 257);
    CHECK(user.code("SMNT /") == 250);
    CHECK(lines_of(server) == std::vector<std::string>{
                                  "PASS  230 bob",
                                  "SITE UTIME /home/bob/dir/two 213 bob",
                                  "SITE UTIME /home/bob/dir/part one 213 bob",
                                  "SITE UTIME  501 bob",
                                  "SITE SYMLINK /home/bob/dir/a link 200 bob",
                                  "SITE SYMLINK /home/bob/dir/other 550 bob",
                                  "SITE SYMLINK  501 bob",
                                  "SITE COPY /home/bob/dir/three 250 bob",
                                  "SITE COPY /home/bob/dir/four 550 bob",
                                  "COMB /home/bob/dir/whole 550 bob",
                                  "COMB /home/bob/dir/whole one 250 bob",
                                  "COMB /home/bob/dir/whole 501 bob",
                                  "SITE WHO  550 bob",
                                  "SMNT /home/bob/dir 250 bob",
                                  "SMNT /home/bob/nowhere 550 bob",
                                  "MKD /home/bob/dir/sub 257 bob",
                                  "SMNT /home/bob 250 bob",
                              });
}

TEST_CASE("command log: names are those of the whole tree, whoever's root they are below") {
    test_server server;
    std::filesystem::create_directories(server.directory() / "home/bob");
    client user(server);
    user.log_in("bob");
    CHECK(user.code("MKD a") == 257);
    CHECK(user.code("DELE ../../etc") == 550);
    const auto lines = lines_of(server);
    REQUIRE(lines.size() == 3);
    CHECK(lines[1] == "MKD /home/bob/a 257 bob");
    CHECK(lines[2].starts_with("DELE "));
}

TEST_CASE("command log: logins have a line with the name, never with the password") {
    server_settings settings;
    settings.numbers.login_tries_max = 2;
    test_server server(settings);
    client user(server);
    CHECK(user.reply().starts_with("220"));
    CHECK(user.code("PASS early") == 503);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS wrong") == 530);
    CHECK(user.code("USER nobody at all") == 331);
    CHECK(user.code("PASS wrong") == 421);
    client visitor(server);
    visitor.log_in("anonymous", "mail@example.com");
    CHECK(lines_of(server) == std::vector<std::string>{
                                  "PASS  503 ",
                                  "PASS  530 ann",
                                  "PASS  421 nobody at all",
                                  "PASS  230 anonymous",
                              });
}

TEST_CASE("command log: what is refused before it begins has a line") {
    test_server server;
    server.put("file", "words");
    {
        client stranger(server);
        CHECK(stranger.reply().starts_with("220"));
        CHECK(stranger.code("RETR file") == 530);
        CHECK(stranger.code("CWD /") == 530);
        CHECK(stranger.code("STAT") == 530);
        CHECK(stranger.code("NOOP") == 200);
        CHECK(stranger.code("NONE") == 500);
    }
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("STOR new") == 550);   // No right anywhere,
    CHECK(visitor.code("RETR file") == 425);  // no data connection,
    CHECK(visitor.code("SIZE none") == 550);  // no such file.
    CHECK(visitor.code("SIZE file") == 213);
    CHECK(visitor.code("MDTM file") == 213);
    CHECK(visitor.code("PWD") == 257);
    client user(server);
    user.log_in();
    CHECK(code_of(user.store("STOR none/file", "x").last) == 553);
    CHECK(lines_of(server) == std::vector<std::string>{
                                  "RETR /file 530 ",
                                  "CWD / 530 ",
                                  "STAT  530 ",
                                  "PASS  230 anonymous",
                                  "STOR /new 550 anonymous",
                                  "RETR /file 425 anonymous",
                                  "SIZE /none 550 anonymous",
                                  "PASS  230 ann",
                                  "STOR /none/file 553 ann",
                              });
}

TEST_CASE("command log: a transfer has one line, with what moved and the name it got") {
    test_server server;
    server.put("file", "words");
    client user(server);
    user.log_in();
    CHECK(user.fetch("RETR file").last.starts_with("226"));
    CHECK(code_of(user.store("STOU", "twelve bytes").last) == 226);
    CHECK(user.fetch("NLST -l").last.starts_with("226"));
    const auto records = server.records();
    REQUIRE(records.size() == 4);
    CHECK(records[1].body_bytes == 5);
    CHECK(records[2].method == "STOU");
    CHECK(records[2].target.starts_with("/upload-"));
    CHECK(records[2].body_bytes == 12);
    CHECK(records[3].target == "/");
    CHECK(records[3].body_bytes > 0);
}
