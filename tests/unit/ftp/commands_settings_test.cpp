#include "ftp/commands_settings.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ftp/commands.hpp"
#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

TEST_CASE("settings: parameters of transfers and their codes") {
    test_server server;
    client user(server);
    user.log_in();
    struct row {
        const char* line;
        int code;
    };
    constexpr row rows[] = {
        {"TYPE A", 200},
        {"TYPE i", 200},
        {"TYPE L 8", 200},
        {"TYPE E", 200},
        {"TYPE X", 501},
        {"TYPE", 501},
        {"STRU F", 200},
        {"STRU R", 200},
        {"MODE S", 200},
        {"mode s", 200},
        {"MODE Z", 200},
        {"ALLO 100", 200},
        {"ALLO x", 501},
        {"REST 100", 350},
        {"REST -1", 501},
        {"REST abc", 501},
        {"REST 1 ", 501},
        {"REST 18446744073709551616", 501},
        {"SYST", 215},
        {"SYST now", 501},
        {"NOOP", 200},
        {"CLNT x", 200},
        {"LANG", 200},
        {"LANG en-GB", 200},
        {"LANG fr", 504},
        {"OPTS UTF8 ON", 200},
        {"OPTS UTF8 OFF", 504},
        {"OPTS utf8", 200},
        {"OPTS NOSUCH", 501},
        {"OPTS", 501},
        {"SITE HELP", 214},
        {"SITE RECFM=VB", 504},
        {"SITE", 504},
        {"TYPE L 7", 504},
        {"STRU P", 200},
        {"STRU X", 501},
        {"MODE X", 501},
        {"OPTS MODE Z LEVEL 9", 200},
        {"OPTS MODE Z LEVEL 0", 501},
        {"OPTS MODE B", 504},
        {"HELP RETR", 214},
        {"HELP nosuch", 502},
        {"PWD now", 501},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        CHECK(user.code(each.line) == each.code);
    }
}

TEST_CASE("settings: FEAT and HELP come from the table of commands") {
    test_server server;
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    const auto features = user.ask("FEAT");
    for (const char* each : {"EPRT", "EPSV", "MDTM", "MLST type*;size*;modify*;", "REST STREAM",
                             "SIZE", "TVFS", "UTF8", "MODE Z"}) {
        CAPTURE(each);
        CHECK(features.contains(std::string("\n ") + each));
    }
    CHECK(features.starts_with("211-"));
    CHECK(features.ends_with("\n211 End"));
    CHECK(user.ask("OPTS MLST size;type;nosuch;") == "200 MLST OPTS type;size;");
    CHECK(user.ask("FEAT").contains("\n MLST type*;size*;modify;"));
    const auto help = user.ask("HELP");
    for (const auto& each : ftp::all_commands()) {
        CHECK(help.contains(each.verb));
    }
}

TEST_CASE("settings: STAT tells of the session") {
    test_server server;
    client user(server);
    user.log_in();
    const auto status = user.ask("STAT");
    CHECK(status.starts_with("211-"));
    CHECK(status.contains("Connected from 127.0.0.1"));
    CHECK(status.contains("Logged in as ann"));
}

TEST_CASE("settings: ABOR with nothing to abort") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.code("ABOR") == 226);
    CHECK(user.code("PWD") == 257);
}
