#include "ftp/data_channel.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string>
#include <thread>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;
using namespace std::chrono_literals;

namespace {

/// Descriptors this process has open that are sockets.
std::size_t count_sockets() {
    std::size_t count = 0;
    for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        count +=
            std::filesystem::read_symlink(each, gone).string().starts_with("socket:") ? 1U : 0U;
    }
    return count;
}

std::uint16_t port_of_pasv(const std::string& answer) {
    std::array<unsigned, 6> numbers{};
    const auto open = answer.find('(');
    if (open == std::string::npos ||
        std::sscanf(answer.c_str() + open, "(%u,%u,%u,%u,%u,%u)", &numbers[0], &numbers[1],
                    &numbers[2], &numbers[3], &numbers[4], &numbers[5]) != 6) {
        return 0;
    }
    return static_cast<std::uint16_t>(numbers[4] * 256 + numbers[5]);
}

}  // namespace

TEST_CASE("data channel: none set up is 425") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    CHECK(user.code("RETR a") == 425);
    CHECK(user.code("STOR b") == 425);
    CHECK(user.code("LIST") == 425);
}

TEST_CASE("data channel: one serves one transfer") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    CHECK(user.fetch("RETR a").octets == "content");
    CHECK(user.code("RETR a") == 425);
    auto unused = user.passive();
    CHECK(user.code("RETR missing") == 550);
    CHECK(unused.read_all().empty());  // Ended, so that no client waits for it.
    CHECK(user.code("RETR a") == 425);
}

TEST_CASE("data channel: PASV as old clients read it") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    const auto answer = user.ask("PASV");
    CHECK(answer.starts_with("227 Entering Passive Mode (127,0,0,1,"));
    auto data = client_socket::connect_to(port_of_pasv(answer));
    CHECK(user.code("RETR a") == 150);
    CHECK(data.read_all() == "content");
    CHECK(code_of(user.reply()) == 226);
}

TEST_CASE("data channel: PASV shows the public address") {
    server_settings settings;
    settings.numbers.public_address = {
        .of_networks = {{.clients = net::address_block::parse("127.0.0.2").value(), .shown = {}}},
        .usual = net::parse_address("192.0.2.7").value()};
    test_server server(settings);
    client user(server);
    user.log_in();
    CHECK(user.ask("PASV").starts_with("227 Entering Passive Mode (192,0,2,7,"));
    client inside(server, "127.0.0.2");
    inside.log_in();
    CHECK(inside.ask("PASV").starts_with("227 Entering Passive Mode (127,0,0,1,"));
}

// threats.md, F3.
TEST_CASE("data channel: many PASV hold one socket") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.code("PASV") == 227);
    const auto before = count_sockets();
    std::set<std::uint16_t> ports;
    for (int i = 0; i < 100; ++i) {
        ports.insert(port_of_pasv(user.ask("PASV")));
        CHECK(user.code("EPSV") == 229);
    }
    CHECK(count_sockets() == before);
    CHECK(ports.size() > 50);
    CHECK(user.code("ABOR") == 226);
    CHECK(count_sockets() == before - 1);
}

// threats.md, F3: fewer ports in TIME_WAIT, and none that is open while nobody is expected.
TEST_CASE("data channel: a port serves some transfers in a row, and nobody in between") {
    server_settings settings;
    SUBCASE("any port") {}
    SUBCASE("of a range") {
        const auto low = static_cast<std::uint16_t>(10'000 + ::getpid() % 10'000 * 2);
        settings.numbers.passive_port_first = low;
        settings.numbers.passive_port_last = static_cast<std::uint16_t>(low + 99);
    }
    test_server server(settings);
    server.put("a", "content");
    client user(server);
    user.log_in();
    const auto sockets = count_sockets();
    std::uint16_t before = 0;
    unsigned changes = 0;
    for (unsigned i = 0; i < 2 * ftp::data_channel::transfers_of_a_port; ++i) {
        const auto port = port_of_pasv(user.ask("PASV"));
        changes += port == before ? 0 : 1;
        before = port;
        auto data = client_socket::connect_to(port);
        CHECK(user.code("RETR a") == 150);
        CHECK(data.read_all() == "content");
        CHECK(code_of(user.reply()) == 226);
        data.close();
        CHECK_FALSE(client_socket::connect_to(port).is_open());
        CHECK(count_sockets() <= sockets + 1);
    }
    CHECK(changes == 2);
    CHECK(count_sockets() == sockets);
}

// threats.md, F2: who has found the port, from whatever address, gains nothing by it later.
TEST_CASE("data channel: a port that somebody else has found is used no more") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    const auto port = port_of_pasv(user.ask("PASV"));
    auto owner = client_socket::connect_to(port);
    auto other = client_socket::connect_to(port);
    REQUIRE(other.is_open());
    CHECK(user.code("RETR a") == 150);
    CHECK(owner.read_all() == "content");
    CHECK(code_of(user.reply()) == 226);
    CHECK(other.read_all().empty());
    CHECK(other.was_reset());
    CHECK(port_of_pasv(user.ask("PASV")) != port);
}

// The port is the session's for as long as it listens there only.
TEST_CASE("data channel: a port that another has taken meanwhile") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    const auto port = port_of_pasv(user.ask("PASV"));
    auto data = client_socket::connect_to(port);
    CHECK(user.code("RETR a") == 150);
    CHECK(data.read_all() == "content");
    CHECK(code_of(user.reply()) == 226);
    auto at = net::parse_address("127.0.0.1").value();
    at.port = port;
    const auto taken = net::open_listener({.at = at});
    REQUIRE(taken);
    CHECK(port_of_pasv(user.ask("PASV")) != port);
    CHECK(user.fetch("RETR a").octets == "content");
}

TEST_CASE("data channel: a range of ports, and its end") {
    server_settings settings;
    // Outside of what the kernel hands out, and not what the same test in another build takes.
    const auto low = static_cast<std::uint16_t>(10'000 + ::getpid() % 10'000 * 2);
    settings.numbers.passive_port_first = low;
    settings.numbers.passive_port_last = static_cast<std::uint16_t>(low + 1);
    test_server server(settings);
    client first(server);
    first.log_in();
    client second(server);
    second.log_in();
    client third(server);
    third.log_in();
    const auto port = port_of_pasv(first.ask("PASV"));
    CHECK((port == low || port == low + 1));
    CHECK(port + port_of_pasv(second.ask("PASV")) == 2 * low + 1);
    CHECK(third.code("PASV") == 425);
    CHECK(third.code("EPSV") == 425);
    CHECK(first.code("ABOR") == 226);
    CHECK(third.code("EPSV") == 229);
}

// RFC 2577 section 4; threats.md, F2: the thief gets nothing and the owner is served.
TEST_CASE("data channel: a connection from another address is not the client's") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    const auto port = port_of_pasv(user.ask("PASV"));
    SUBCASE("the thief comes first") {
        auto thief = client_socket::connect_to(port, "127.0.0.2");
        REQUIRE(thief.is_open());
        auto owner = client_socket::connect_to(port);
        CHECK(user.code("RETR a") == 150);
        CHECK(owner.read_all() == "content");
        CHECK(code_of(user.reply()) == 226);
        CHECK(thief.read_all().empty());
    }
    SUBCASE("the thief comes alone, then the owner") {
        user.send("RETR a\r\n");
        auto thief = client_socket::connect_to(port, "127.0.0.2");
        CHECK(thief.read_all().empty());
        CHECK(thief.was_reset());
        auto owner = client_socket::connect_to(port);
        CHECK(code_of(user.reply()) == 150);
        CHECK(owner.read_all() == "content");
        CHECK(code_of(user.reply()) == 226);
    }
    SUBCASE("and it cannot put its own file in the owner's place") {
        auto thief = client_socket::connect_to(port, "127.0.0.2");
        thief.send("poison");
        thief.end_sending();
        auto owner = client_socket::connect_to(port);
        CHECK(user.code("STOR b") == 150);
        owner.send("mine");
        owner.close();
        CHECK(code_of(user.reply()) == 226);
        CHECK(server.get("b") == "mine");
    }
}

// threats.md, F4.
TEST_CASE("data channel: nobody connects") {
    server_settings settings;
    settings.numbers.data_connect_timeout = 100ms;
    test_server server(settings);
    server.put("a", "content");
    client user(server);
    user.log_in();
    CHECK(user.code("EPSV") == 229);
    CHECK(user.code("RETR a") == 425);
    CHECK(user.code("EPSV") == 229);
    CHECK(user.code("STOR b") == 425);
    CHECK(server.count_names() == 1);
    CHECK(user.fetch("RETR a").octets == "content");
}

// Whose a connection was that is gone before it is accepted cannot be told: the owner has the rest
// of the time to come again.
TEST_CASE("data channel: connected and reset before the command") {
    server_settings settings;
    settings.numbers.data_connect_timeout = 200ms;
    test_server server(settings);
    server.put("a", "content");
    client user(server);
    user.log_in();
    auto gone = user.passive();
    gone.reset();
    CHECK(user.code("RETR a") == 425);
    CHECK(user.fetch("RETR a").octets == "content");
}

TEST_CASE("data channel: active, PORT and EPRT") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    client_listener listening;
    SUBCASE("PORT") {
        CHECK(user.code("PORT " + listening.port_argument()) == 200);
    }
    SUBCASE("EPRT") {
        CHECK(user.code("EPRT |1|127.0.0.1|" + std::to_string(listening.port()) + "|") == 200);
    }
    user.send("RETR a\r\n");
    auto data = listening.accept();
    REQUIRE(data.is_open());
    CHECK(code_of(user.reply()) == 150);
    CHECK(data.read_all() == "content");
    CHECK(code_of(user.reply()) == 226);
}

TEST_CASE("data channel: active, and nobody listens") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    std::string port;
    {
        const client_listener closed;
        port = closed.port_argument();
    }
    CHECK(user.code("PORT " + port) == 200);
    CHECK(user.code("RETR a") == 425);
    CHECK(user.fetch("RETR a").octets == "content");
}

// RFC 2577 section 3; threats.md, F1.
TEST_CASE("data channel: no bounce") {
    test_server server;
    client user(server);
    user.log_in();
    struct row {
        const char* line;
        int code;
    };
    constexpr row rows[] = {
        {"PORT 127,0,0,2,200,200", 504},  {"PORT 127,0,0,1,0,25", 504},
        {"PORT 127,0,0,1,3,255", 504},    {"PORT 127,0,0,1,4,0", 200},
        {"PORT 127,0,0,1,256,0", 501},    {"PORT 127,0,0,1,4", 501},
        {"EPRT |1|127.0.0.2|9999|", 504}, {"EPRT |1|127.0.0.1|80|", 504},
        {"EPRT |2|::1|9999|", 522},       {"EPRT |3|127.0.0.1|9999|", 522},
        {"EPRT |1|localhost|9999|", 501},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        CHECK(user.code(each.line) == each.code);
    }
    CHECK(user.code("PORT 127,0,0,1,200,200") == 200);
    CHECK(user.code("PORT 127,0,0,2,200,200") == 504);
    CHECK(user.code("LIST") == 425);  // The refused one left nothing behind.
}

// RFC 2428 section 4.
TEST_CASE("data channel: EPSV, its families and ALL") {
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    CHECK(user.code("EPSV 1") == 229);
    CHECK(user.ask("EPSV 2") == "522 Network protocol not supported, use (1)");
    CHECK(user.code("EPSV 3") == 522);
    CHECK(user.code("EPSV x") == 501);
    CHECK(user.code("EPSV ALL") == 200);
    CHECK(user.code("PASV") == 503);
    CHECK(user.code("PORT 127,0,0,1,200,200") == 503);
    CHECK(user.code("EPRT |1|127.0.0.1|9999|") == 503);
    CHECK(user.fetch("RETR a").octets == "content");
}
