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
        {"HELP site chmod", 214},
        {"HELP SITE nosuch", 502},
        {"HELP SITE WHO", 502},
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
        CAPTURE(each.verb);
        const auto verb = std::string(each.verb);
        // Without TLS there is none of its commands, nor help on them.
        CHECK(help.contains(' ' + verb + ' ') == !each.only_with_tls);
        CHECK(user.code("HELP " + verb) == (each.only_with_tls ? 502 : 214));
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

TEST_CASE("settings: LPRT and LPSV (RFC 1639)") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    const auto answer = user.ask("LPSV");
    CHECK(answer.starts_with("228 Entering Long Passive Mode (4,4,127,0,0,1,2,"));
    const auto numbers = answer.substr(answer.find(",2,") + 3);
    const auto high = std::stoi(numbers);
    const auto low = std::stoi(numbers.substr(numbers.find(',') + 1));
    auto data = client_socket::connect_to(static_cast<std::uint16_t>(high * 256 + low));
    CHECK(user.code("RETR a") == 150);
    CHECK(data.read_all() == "content");
    CHECK(code_of(user.reply()) == 226);

    client_listener listener;
    auto ports = listener.port_argument();  // "127,0,0,1,p1,p2"
    ports.insert(10, "2,");
    CHECK(user.code("LPRT 4,4," + ports) == 200);
    user.send("RETR a\r\n");
    auto active = listener.accept();
    CHECK(code_of(user.reply()) == 150);
    CHECK(active.read_all() == "content");
    CHECK(code_of(user.reply()) == 226);

    CHECK(user.ask("LPRT 5,4,127,0,0,1,2,100,1") == "521 Supported address families are (4, 6)");
    CHECK(user.code("LPRT 6,16,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,2,100,1") == 521);
    CHECK(user.code("LPRT 4,4,192,0,2,1,2,100,1") == 504);  // RFC 2577 section 3.
    CHECK(user.code("LPRT 4,4,127,0,0,1,2,0,20") == 504);
    CHECK(user.code("LPRT 4,4") == 501);
    CHECK(user.code("EPSV ALL") == 200);
    CHECK(user.code("LPSV") == 503);
    CHECK(user.code("LPRT 4,4," + ports) == 503);
}

TEST_CASE("settings: CSID says who the server is") {
    test_server server;
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.ask("CSID Name=x; Version=1;") == "200 Name=ferry; CaseSensitive=1; DirSep=/;");
}
