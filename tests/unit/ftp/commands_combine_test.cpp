#include "ftp/commands_combine.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

TEST_CASE("combine: COMB joins parts in their order and removes them") {
    test_server server;
    server.put("part 1", "one ");
    server.put("part2", "two ");
    server.put("part3", std::string(300'000, '3'));
    server.put("file", "old");
    client user(server);
    user.log_in();
    CHECK(user.ask("COMB file \"part 1\" part2 part3") == "250 Joined 300008 octets");
    CHECK(server.get("file") == "one two " + std::string(300'000, '3'));
    CHECK(server.count_names() == 1);
}

TEST_CASE("combine: what cannot be joined stays as it is") {
    test_server server;
    server.put("a", "1");
    server.put("d/x", "2");
    server.put("file", "old");
    client user(server);
    user.log_in();
    struct row {
        const char* line;
        int code;
    };
    constexpr row rows[] = {
        {"COMB", 501},
        {"COMB file", 501},
        {"COMB file \"a", 501},
        {"COMB file missing", 550},
        {"COMB file a missing", 550},
        {"COMB file d", 550},
        {"COMB file a a", 553},
        {"COMB a a", 553},
        {"COMB d a", 553},
        {"COMB missing/file a", 553},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        CHECK(user.code(each.line) == each.code);
    }
    CHECK(server.get("a") == "1");
    CHECK(server.get("file") == "old");
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("COMB new a d/x") == 550);
}

TEST_CASE("combine: parts are read and removed, so both rights are needed") {
    using auth::right;
    server_settings settings;
    settings.anonymous = auth::rights{right::create, right::read, right::list};
    test_server server(settings);
    server.put("a", "1");
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("COMB new a") == 550);
    CHECK(server.get("new") == "(none)");
}
