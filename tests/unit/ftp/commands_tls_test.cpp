#include "ftp/commands_tls.hpp"

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../net/tls_client.hpp"
#include "ferry/base/wall_clock.hpp"
#include "ferry/net/tls_certificate.hpp"
#include "ferry/net/tls_server.hpp"
#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;
using net_test::tls_client;
using net_test::tls_client_options;

namespace {

/// A connection of a client that may go over to TLS, and back.
class connection {
  public:
    explicit connection(client_socket socket) : socket_(std::move(socket)) {}

    /// False: the server does not want it.
    bool begin_tls(const tls_client_options& how = {}) {
        tls_ = std::make_unique<tls_client>(how);
        for (;;) {
            const auto state = tls_->shake_hands();
            socket_.send(tls_->take());
            if (state != tls_client::progress::wants_input) {
                return state == tls_client::progress::done;
            }
            const auto more = socket_.read_some();
            if (more.empty()) {
                return false;
            }
            tls_->give(more);
        }
    }
    /// Ends TLS both ways and goes on in clear.
    bool end_tls() {
        tls_->end();
        socket_.send(tls_->take());
        while (!tls_->has_ended()) {
            const auto more = socket_.read_some();
            if (more.empty()) {
                return false;
            }
            tls_->give(more);
            static_cast<void>(tls_->read());
        }
        tls_.reset();
        return true;
    }
    void send(std::string_view octets) {
        if (!tls_) {
            socket_.send(octets);
            return;
        }
        tls_->write(octets);
        socket_.send(tls_->take());
    }
    /// What comes next; empty at the end.
    std::string read() {
        for (;;) {
            auto opened = tls_ ? tls_->read() : std::string();
            if (!opened.empty() || (tls_ && tls_->has_ended())) {
                return opened;
            }
            const auto more = socket_.read_some();
            if (more.empty() || !tls_) {
                return more;
            }
            tls_->give(more);
        }
    }
    std::string read_all() {
        std::string all;
        for (auto piece = read(); !piece.empty(); piece = read()) {
            all += piece;
        }
        return all;
    }
    /// close_notify.
    void say_end() {
        tls_->end();
        socket_.send(tls_->take());
    }
    void close() { socket_.close(); }
    [[nodiscard]] tls_client& tls() { return *tls_; }
    [[nodiscard]] client_socket& socket() { return socket_; }

  private:
    client_socket socket_;
    std::unique_ptr<tls_client> tls_;
};

/// The client's end of a control connection.
class user {
  public:
    explicit user(const test_server& server) : control(client_socket::connect_to(server.port())) {
        static_cast<void>(reply());
    }
    /// The last line of the next reply; "(closed)" when there is none.
    std::string reply() {
        for (;;) {
            const auto end = input_.find("\r\n");
            if (end == std::string::npos) {
                const auto more = control.read();
                if (more.empty()) {
                    return "(closed)";
                }
                input_ += more;
                continue;
            }
            auto line = input_.substr(0, end);
            input_.erase(0, end + 2);
            if (line.size() >= 4 && line[3] == ' ' && line[0] != ' ') {
                return line;
            }
        }
    }
    std::string ask(std::string_view line) {
        control.send(std::string(line) + "\r\n");
        return reply();
    }
    int code(std::string_view line) { return code_of(ask(line)); }

    user& secure(const tls_client_options& how = {}) {
        REQUIRE(code("AUTH TLS") == 234);
        REQUIRE(control.begin_tls(how));
        version_ = how.version;
        return *this;
    }
    user& protect() {
        REQUIRE(code("PBSZ 0") == 200);
        REQUIRE(code("PROT P") == 200);
        return *this;
    }
    user& log_in() {
        REQUIRE(code("USER ann") == 331);
        REQUIRE(code("PASS secret") == 230);
        return *this;
    }
    /// A data connection, by EPSV, in clear as yet.
    connection data() {
        const auto said = ask("EPSV");
        const auto begin = said.find("(|||") + 4;
        return connection(
            client_socket::connect_to(static_cast<std::uint16_t>(std::stoi(said.substr(begin)))));
    }
    /// Begins TLS on a data connection, resuming the session of this one.
    bool shield(connection& data) {
        const auto session = control.tls().ticket();
        return data.begin_tls({.version = version_, .ticket = session.get()});
    }

    connection control;

  private:
    std::string input_;
    int version_ = 0;
};

server_settings settings_with(
    ftp::options numbers = {},
    std::shared_ptr<net::tls_ticket_keys> tickets = std::make_shared<net::tls_ticket_keys>()) {
    auto identity = net::make_self_signed({"localhost"}, read_wall_clock().seconds).value();
    return {.numbers = std::move(numbers),
            .tls = net::tls_server::make(
                       {.identities = {std::move(identity)}, .tickets = std::move(tickets)})
                       .value()};
}

}  // namespace

TEST_CASE("commands_tls: without a certificate there is no TLS (RFC 959 section 4.2.2)") {
    test_server server;
    user ann(server);
    for (const auto* line : {"AUTH TLS", "PBSZ 0", "PROT P", "CCC"}) {
        CAPTURE(line);
        CHECK(ann.code(line) == 502);
    }
}

TEST_CASE("commands_tls: what has an order is refused out of it (RFC 4217 sections 4, 9, 12)") {
    test_server server(settings_with());
    user ann(server);
    CHECK(ann.code("PBSZ 0") == 503);
    CHECK(ann.code("PROT P") == 503);
    CHECK(ann.code("CCC") == 530);  // It is for who has logged in.
    ann.log_in();
    CHECK(ann.code("CCC") == 533);
    CHECK(ann.code("AUTH") == 501);
    CHECK(ann.code("AUTH KERBEROS_V4") == 504);
    ann.secure();
    CHECK(ann.code("AUTH TLS") == 503);
    CHECK(ann.code("PROT P") == 503);  // PBSZ comes first.
    CHECK(ann.code("PROT S") == 503);
    CHECK(ann.code("PBSZ") == 501);
    CHECK(ann.code("PBSZ -1") == 501);
    CHECK(ann.code("PBSZ 12345678901") == 501);
    CHECK(ann.code("PROT C") == 503);
    CHECK(ann.ask("PBSZ 16384") == "200 PBSZ=0");
    CHECK(ann.code("PROT") == 501);
    CHECK(ann.code("PROT S") == 536);
    CHECK(ann.code("PROT E") == 536);
    CHECK(ann.code("PROT X") == 504);
    CHECK(ann.code("PROT PP") == 504);
    CHECK(ann.code("PROT p") == 200);
    CHECK(ann.code("PROT C") == 200);
    CHECK(ann.code("CCC") == 530);
    ann.log_in();
    CHECK(ann.code("CCC") == 534);  // It is off.
    for (const auto* line : {"ADAT x", "MIC x", "CONF x", "ENC x"}) {
        CAPTURE(line);
        CHECK(ann.code(line) == 502);
    }
    CHECK(ann.code("NOOP") == 200);
}

TEST_CASE("commands_tls: AUTH has the names that clients use (RFC 4217 section 4, section 17)") {
    test_server server(settings_with());
    for (const auto* line : {"AUTH TLS", "auth tls", "AUTH TLS-C", "AUTH SSL", "AUTH TLS-P"}) {
        CAPTURE(line);
        user ann(server);
        CHECK(ann.code(line) == 234);
        CHECK(ann.control.begin_tls());
        CHECK(ann.code("NOOP") == 200);
    }
}

TEST_CASE("commands_tls: what was said before AUTH counts for nothing (RFC 4217 section 4)") {
    test_server server(settings_with());
    server.put("d/a", "content");
    user ann(server);
    ann.log_in();
    CHECK(ann.code("TYPE I") == 200);
    CHECK(ann.code("CWD d") == 250);
    CHECK(ann.code("RNFR a") == 350);
    ann.secure();
    CHECK(ann.code("PWD") == 530);
    CHECK(ann.code("RNTO b") == 530);
    ann.log_in();
    CHECK(ann.ask("PWD").contains("\"/\""));
    CHECK(ann.code("RNTO b") == 503);
    CHECK(server.get("d/a") == "content");
}

TEST_CASE("commands_tls: octets in clear behind AUTH are dropped (threats.md, T5)") {
    test_server server(settings_with());
    server.put("a", "content");
    user ann(server);
    ann.control.send("AUTH TLS\r\nUSER ann\r\nPASS secret\r\nDELE a\r\nNOO");
    CHECK(code_of(ann.reply()) == 234);
    REQUIRE(ann.control.begin_tls());
    CHECK(ann.code("P") == 500);  // No half of a line is left over.
    CHECK(ann.code("PWD") == 530);
    CHECK(server.get("a") == "content");
}

TEST_CASE("commands_tls: a handshake that is none ends the session") {
    test_server server(settings_with());
    for (const auto* octets :
         {"NOOP\r\n", "\x16\x03\x01\xff\xff\x01", "\x15\x03\x01\x00\x02\x02\x28"}) {
        user ann(server);
        CHECK(ann.code("AUTH TLS") == 234);
        ann.control.socket().send(std::string_view(octets, 6));
        ann.control.socket().end_sending();
        const auto left = ann.control.socket().read_all();
        CHECK(!left.contains("200 "));
    }
    user next(server);
    CHECK(next.code("NOOP") == 200);
}

TEST_CASE("commands_tls: files go over TLS behind PROT P, and in clear behind PROT C") {
    test_server server(settings_with());
    server.put("a", "content");
    for (const int version : {0x0303, 0x0304}) {  // TLS 1.2 and 1.3.
        CAPTURE(version);
        user ann(server);
        ann.secure({.version = version}).protect().log_in();
        auto down = ann.data();
        CHECK(ann.code("RETR a") == 150);
        REQUIRE(ann.shield(down));
        CHECK(down.tls().is_resumed());
        CHECK(down.read_all() == "content");
        CHECK(down.tls().has_ended());
        CHECK(code_of(ann.reply()) == 226);

        auto up = ann.data();
        CHECK(ann.code("STOR b") == 150);
        REQUIRE(ann.shield(up));
        up.send("more");
        up.say_end();
        CHECK(code_of(ann.reply()) == 226);
        CHECK(server.get("b") == "more");

        CHECK(ann.code("PROT C") == 200);
        auto clear = ann.data();
        CHECK(ann.code("RETR a") == 150);
        CHECK(clear.read_all() == "content");
        CHECK(code_of(ann.reply()) == 226);
    }
}

TEST_CASE("commands_tls: an upload that TLS does not end is none (threats.md, T2)") {
    test_server server(settings_with());
    server.put("a", "as it was");
    user ann(server);
    ann.secure().protect().log_in();
    auto up = ann.data();
    CHECK(ann.code("STOR a") == 150);
    REQUIRE(ann.shield(up));
    up.send("half of");
    up.socket().end_sending();  // The end of TCP, which anybody in between can make.
    CHECK(code_of(ann.reply()) == 426);
    CHECK(server.get("a") == "as it was");
}

TEST_CASE("commands_tls: an upload whose TLS is broken is broken off (RFC 959 section 4.2.1)") {
    test_server server(settings_with());
    server.put("a", "as it was");
    user ann(server);
    ann.secure().protect().log_in();
    using namespace std::string_view_literals;
    constexpr auto broken = std::to_array<std::string_view>({
        "\x17\x03\x03\x00\x14sealed by nobody, so."sv,
        "\x15\x03\x03\x00\x02\x02\x50"sv,  // An alert in clear.
        "no TLS"sv,
    });
    for (const auto octets : broken) {
        for (const std::string_view type : {"TYPE I", "TYPE A"}) {
            CAPTURE(octets);
            CAPTURE(type);
            CHECK(ann.code(type) == 200);
            auto up = ann.data();
            CHECK(ann.code("STOR a") == 150);
            REQUIRE(ann.shield(up));
            up.send("half of");
            up.socket().send(octets);
            CHECK(ann.reply() == "426 Data connection broken");
            CHECK(server.get("a") == "as it was");
        }
    }
}

TEST_CASE("commands_tls: data connections go on by what was there before a reload") {
    using net::tls_client_certificates;
    const auto other = net::make_self_signed({"other"}, read_wall_clock().seconds).value();
    const std::pair<int, bool> rows[] = {
        {TLS1_2_VERSION, true}, {TLS1_2_VERSION, false}, {TLS1_3_VERSION, true}};
    for (const auto& [version, takes_tickets] : rows) {
        CAPTURE(version);
        CAPTURE(takes_tickets);
        test_server server(settings_with());
        server.put("a", "content");
        user ann(server);
        ann.secure({.version = version, .takes_tickets = takes_tickets});
        ann.protect().log_in();
        server.replace_tls(
            net::tls_server::make({.identities = {other},
                                   .tickets = std::make_shared<net::tls_ticket_keys>(),
                                   .from_clients = tls_client_certificates::required,
                                   .client_authorities = other.certificates})
                .value());
        auto data = ann.data();
        CHECK(ann.code("RETR a") == 150);
        REQUIRE(ann.shield(data));
        CHECK(data.read_all() == "content");
        CHECK(code_of(ann.reply()) == 226);
        user bob(server);
        CHECK(bob.code("AUTH TLS") == 234);  // By the new one, which wants a certificate.
        static_cast<void>(bob.control.begin_tls());
        CHECK(bob.reply() == "(closed)");
    }
}

TEST_CASE("commands_tls: data connections of others are refused (threats.md, T5)") {
    using ftp::tls_reuse;
    for (const auto reuse : {tls_reuse::require, tls_reuse::warn, tls_reuse::off}) {
        test_server server(settings_with({.reuse = reuse}));
        server.put("a", "content");
        user ann(server);
        ann.secure().protect().log_in();
        user other(server);
        other.secure();
        for (const bool has_session : {false, true}) {
            CAPTURE(has_session);
            auto data = ann.data();
            CHECK(ann.code("RETR a") == 150);
            const auto session = has_session ? other.control.tls().ticket() : nullptr;
            static_cast<void>(data.begin_tls({.ticket = session.get()}));
            const auto got = data.read_all();
            CHECK(got == (reuse == tls_reuse::require ? "" : "content"));
            CHECK(code_of(ann.reply()) == (reuse == tls_reuse::require ? 522 : 226));
            // Nor by what he was given then.
            const auto given = data.tls().ticket();
            auto next = ann.data();
            CHECK(ann.code("RETR a") == 150);
            static_cast<void>(next.begin_tls({.ticket = given.get()}));
            const auto later = next.read_all();
            CHECK(later == (reuse == tls_reuse::require ? "" : "content"));
            CHECK(code_of(ann.reply()) == (reuse == tls_reuse::require ? 522 : 226));
        }
        // Nor does PROT P fall back to nothing.
        auto clear = ann.data();
        CHECK(ann.code("RETR a") == 150);
        clear.send("GET / HTTP/1.1\r\n\r\n");
        CHECK(!clear.socket().read_all().contains("content"));
        CHECK(code_of(ann.reply()) == 425);
    }
}

TEST_CASE("commands_tls: who is there for longer than a ticket is good for gets another in time") {
    // As many clients, it shows the newest ticket of its control connection.
    for (const bool is_long : {true, false}) {
        CAPTURE(is_long);
        ftp::options numbers;
        if (is_long) {
            numbers.ticket_renewed_after = {};
        }
        const auto keys = std::make_shared<net::tls_ticket_keys>();
        test_server server(settings_with(std::move(numbers), keys));
        server.put("a", "content");
        user ann(server);
        ann.secure({.version = TLS1_3_VERSION}).protect().log_in();
        net::tls_ticket_keys::key later;
        later.name.fill(1);
        keys->use({later});  // No ticket from before is good any more.
        auto data = ann.data();
        CHECK(ann.code("RETR a") == 150);
        REQUIRE(ann.shield(data));
        CHECK(data.tls().is_resumed() == is_long);
        CHECK(data.read_all() == (is_long ? "content" : ""));
        CHECK(code_of(ann.reply()) == (is_long ? 226 : 522));
    }
}

TEST_CASE(
    "commands_tls: behind CCC commands are in clear, and data as PROT has it (RFC 4217, 12)") {
    test_server server(settings_with({.may_clear_control = true}));
    server.put("a", "content");
    user ann(server);
    ann.secure().protect().log_in();
    const auto session = ann.control.tls().ticket();
    REQUIRE(session);
    CHECK(ann.code("CCC") == 200);
    REQUIRE(ann.control.end_tls());
    CHECK(ann.code("PWD") == 257);
    CHECK(ann.code("AUTH TLS") == 503);
    CHECK(ann.code("CCC") == 533);
    for (const auto* const line : {"PROT C", "PBSZ 0"}) {  // Whoever is in between could say that.
        CHECK(ann.code(line) == 503);
    }
    auto data = ann.data();
    CHECK(ann.code("RETR a") == 150);
    REQUIRE(data.begin_tls({.ticket = session.get()}));
    CHECK(data.read_all() == "content");
    CHECK(code_of(ann.reply()) == 226);
}

TEST_CASE("commands_tls: REIN begins anew but for TLS (RFC 4217 section 11)") {
    test_server server(settings_with());
    server.put("a", "content");
    user ann(server);
    ann.secure().protect().log_in();
    CHECK(ann.code("REIN") == 220);
    CHECK(ann.code("PWD") == 530);
    CHECK(ann.code("AUTH TLS") == 503);
    ann.log_in();
    auto data = ann.data();  // PROT is C again.
    CHECK(ann.code("RETR a") == 150);
    CHECK(data.read_all() == "content");
    CHECK(code_of(ann.reply()) == 226);
}

TEST_CASE("commands_tls: what must go over TLS does, or not at all") {
    using ftp::tls_policy;
    {
        test_server server(settings_with({.needs_tls = tls_policy::login}));
        user ann(server);
        CHECK(ann.code("USER ann") == 530);
        CHECK(ann.code("USER anonymous") == 331);
        user secure(server);
        secure.secure();
        CHECK(secure.code("USER ann") == 331);
    }
    test_server server(
        settings_with({.needs_tls = tls_policy::require, .may_clear_control = true}));
    server.put("a", "content");
    user ann(server);
    CHECK(ann.code("USER anonymous") == 530);
    ann.secure().log_in();
    CHECK(ann.code("EPSV") == 229);
    CHECK(ann.code("RETR a") == 521);
    CHECK(ann.code("PBSZ 0") == 200);
    CHECK(ann.code("PROT C") == 534);
    CHECK(ann.code("CCC") == 534);
    CHECK(ann.code("PROT P") == 200);
    auto data = ann.data();
    CHECK(ann.code("RETR a") == 150);
    REQUIRE(ann.shield(data));
    CHECK(data.read_all() == "content");
    CHECK(code_of(ann.reply()) == 226);
}
