#include "ftp/commands_access.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;
using namespace std::chrono_literals;

// threats.md, F9.
TEST_CASE("access: before login only what tells nothing of the tree") {
    test_server server;
    server.put("a", "content");
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    for (const char* line :
         {"PWD",    "CWD /",  "TYPE I", "PASV",   "EPSV",      "PORT 127,0,0,1,200,200",
          "LIST",   "RETR a", "STOR b", "SIZE a", "STAT",      "STAT a",
          "ABOR",   "REST 1", "MLST a", "DELE a", "SITE HELP", "MKD d",
          "RNFR a", "ACCT x", "ALLO 1"}) {
        CAPTURE(line);
        CHECK(user.code(line) == 530);
    }
    for (const char* line : {"NOOP", "SYST", "FEAT", "HELP", "OPTS UTF8 ON", "CLNT test", "REIN"}) {
        CAPTURE(line);
        CHECK(user.code(line) / 100 == 2);
    }
    CHECK(server.count_names() == 1);
}

TEST_CASE("access: logging in") {
    test_server server;
    server.put("home/bob/mine", "");
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.code("PASS secret") == 503);
    CHECK(user.code("USER") == 501);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.ask("PASS secret") == "230 Logged in");
    CHECK(user.code("ACCT any") == 202);
    SUBCASE("USER again flushes what there was (RFC 959 section 4.1.1)") {
        CHECK(user.code("TYPE I") == 200);
        CHECK(user.code("CWD /") == 250);
        CHECK(user.code("USER ann") == 331);
        CHECK(user.code("PWD") == 530);
        CHECK(user.code("PASS secret") == 230);
        CHECK(user.ask("STAT").contains("TYPE: Image"));  // Transfer parameters are kept.
    }
    SUBCASE("REIN, too, and the settings with it") {
        CHECK(user.code("TYPE I") == 200);
        CHECK(user.code("REIN") == 220);
        CHECK(user.code("PWD") == 530);
        CHECK(user.code("USER bob") == 331);
        CHECK(user.code("PASS secret") == 230);
        CHECK(user.ask("STAT").contains("TYPE: ASCII"));
    }
}

TEST_CASE("access: anonymous gets what it is given") {
    server_settings settings;
    SUBCASE("reading") {
        test_server server(settings);
        server.put("a", "content");
        client user(server);
        user.log_in("FTP", "me@example.org");
        CHECK(user.code("TYPE I") == 200);
        CHECK(user.fetch("RETR a").octets == "content");
        CHECK(code_of(user.store("STOR b", "x").last) == 550);
        CHECK(code_of(user.store("STOU", "x").last) == 550);
        CHECK(code_of(user.store("APPE a", "x").last) == 550);
        for (const char* line : {"DELE a", "MKD d", "RMD d", "RNFR a", "RNTO b",
                                 "MFMT 20200101000000 a", "MDTM 20200101000000 a"}) {
            CAPTURE(line);
            CHECK(user.code(line) == 550);
        }
        CHECK(server.get("a") == "content");
    }
    SUBCASE("storing under free names only") {
        settings.anonymous = auth::rights{auth::right::create};
        test_server server(settings);
        server.put("a", "content");
        client user(server);
        user.log_in("anonymous", "");
        CHECK(code_of(user.store("STOR b", "new").last) == 226);
        CHECK(server.get("b") == "new");
        CHECK(code_of(user.store("STOR a", "new").last) == 553);
        CHECK(code_of(user.store("APPE a", "new").last) == 553);
        CHECK(user.code("REST 2") == 350);
        CHECK(code_of(user.store("STOR a", "new").last) == 550);
        CHECK(code_of(user.fetch("RETR a").last) == 550);
        CHECK(code_of(user.fetch("LIST").last) == 550);
        CHECK(user.code("STAT a") == 550);
        CHECK(user.code("SIZE a") == 550);
        CHECK(user.code("MLST a") == 550);
        CHECK(server.get("a") == "content");
    }
    SUBCASE("a drop box says so (RFC 3659 section 7.5.5)") {
        settings.anonymous = auth::rights::read_only() | auth::rights{auth::right::create};
        test_server server(settings);
        server.put("a", "");
        client user(server);
        user.log_in("anonymous", "");
        CHECK(user.code("OPTS MLST perm;") == 200);
        CHECK(user.ask("MLST /") == "250-Listing /\n perm=cel; /\n250 End");
        CHECK(user.ask("MLST a") == "250-Listing /a\n perm=r; /a\n250 End");
    }
    SUBCASE("nothing") {
        settings.anonymous.reset();
        test_server server(settings);
        client user(server);
        CHECK(code_of(user.reply()) == 220);
        CHECK(user.code("USER anonymous") == 331);
        CHECK(user.code("PASS me@example.org") == 530);
    }
}

// threats.md, F10: the same text and time for names that exist and names that do not; the wait
// grows; after login_tries_max it is over.
TEST_CASE("access: wrong passwords") {
    server_settings settings;
    settings.numbers.login_tries_max = 2;
    test_server server(settings);
    const auto try_twice = [&](const std::string& name, const char* from) {
        client user(server, from);
        std::string all = user.reply();
        const auto began = std::chrono::steady_clock::now();
        all += user.ask("USER " + name);
        all += user.ask("PASS wrong");
        const auto first = std::chrono::steady_clock::now();
        all += user.ask("USER " + name);
        all += user.ask("PASS wrong again");
        const auto second = std::chrono::steady_clock::now();
        CHECK(first - began >= 900ms);
        CHECK(second - first >= 1'900ms);
        CHECK(user.reply() == "(closed)");
        return all;
    };
    const auto known = try_twice("ann", "127.0.0.1");
    CHECK(known.contains("530 Login incorrect331 "));
    CHECK(known.contains("421 Too many failed logins"));
    CHECK(known == try_twice("nobody", "127.0.0.2"));
}

// threats.md, F10: more connections are no more tries, and leaving early saves no time.
TEST_CASE("access: an address that guesses waits for each answer, whatever the connection") {
    test_server server;  // Which lets nobody wait for more than 3 s.
    const auto ask_for = [&server](client& user, std::string_view password) {
        CHECK(code_of(user.reply()) == 220);
        CHECK(user.code("USER ann") == 331);
        user.send("PASS " + std::string(password) + "\r\n");
    };
    const auto began = std::chrono::steady_clock::now();
    {
        client gone(server);
        ask_for(gone, "wrong");  // Answered in a second; it does not wait for that.
        std::this_thread::sleep_for(100ms);
    }
    client wrong(server);
    ask_for(wrong, "wrong again");  // Answered two seconds behind that.
    std::this_thread::sleep_for(100ms);
    client right(server);
    ask_for(right, "secret");  // Right, and answered no sooner.
    client other(server, "127.0.0.2");
    other.log_in();
    client visitor(server);
    visitor.log_in("anonymous", "");
    CHECK(code_of(right.reply()) == 230);
    CHECK(std::chrono::steady_clock::now() - began >= 3s);
    CHECK(code_of(wrong.reply()) == 530);
}

// threats.md, F10 and H8: whoever guesses holds up no stop, and learns nothing by one.
TEST_CASE("access: a server that drains lets no answer wait") {
    test_server server;
    client wrong(server);
    client right(server);
    for (auto& [user, password] :
         {std::pair<client&, const char*>{wrong, "wrong"}, {right, "secret"}}) {
        CHECK(code_of(user.reply()) == 220);
        CHECK(user.code("USER ann") == 331);
        user.send("PASS " + std::string(password) + "\r\n");
        std::this_thread::sleep_for(50ms);  // The right one waits behind the wrong one.
    }
    server.drain();
    for (client* user : {&wrong, &right}) {
        CHECK(user->reply() == "421 The server is shutting down, closing");
        CHECK(user->reply() == "(closed)");
    }
}

// threats.md, F10: nor does it hold a place for the time that the answer is put off.
TEST_CASE("access: whoever leaves before the answer is gone at once") {
    test_server server;
    {
        std::vector<std::unique_ptr<client>> users;
        for (int i = 0; i < 3; ++i) {  // The last one's answer would come in 6 s.
            users.push_back(std::make_unique<client>(server));
            client& user = *users.back();
            CHECK(code_of(user.reply()) == 220);
            CHECK(user.code("USER ann") == 331);
            user.send("PASS wrong\r\n");
            std::this_thread::sleep_for(20ms);
        }
        users[0]->socket().end_sending();
        CHECK(users[0]->reply() == "421 Closing the control connection");
    }
    CHECK(eventually([&] { return server.sessions() == 0; }));
}

TEST_CASE("access: too many guesses side by side are not heard") {
    test_server server;
    std::vector<std::unique_ptr<client>> guests;
    int turned_away = 0;
    for (int i = 0; i < 8; ++i) {
        client& each = *guests.emplace_back(std::make_unique<client>(server));
        CHECK(code_of(each.reply()) == 220);
        CHECK(each.code("USER ann") == 331);
        each.send(i == 7 ? "PASS secret\r\n" : "PASS wrong\r\n");
        std::this_thread::sleep_for(20ms);
    }
    for (const auto& each : guests) {
        const auto answer = each->reply();
        turned_away += answer.starts_with("421 Too many failed logins from your address") ? 1 : 0;
        CHECK_FALSE(answer.starts_with("230"));
    }
    CHECK(turned_away >= 4);
}

TEST_CASE("access: logging in as somebody else in between buys no more tries") {
    server_settings settings;
    settings.numbers.login_tries_max = 2;
    test_server server(settings);
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS wrong") == 530);
    CHECK(user.code("USER anonymous") == 331);
    CHECK(user.code("PASS me@example.org") == 230);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS wrong again") == 421);
    CHECK(user.reply() == "(closed)");
}

TEST_CASE("access: a user's root is what it sees as /") {
    test_server server;
    server.put("secret", "not for bob");
    server.put("home/bob/mine", "bob's");
    client user(server);
    user.log_in("bob");
    CHECK(user.ask("PWD") == "257 \"/\" is the working directory");
    CHECK(user.code("TYPE I") == 200);
    CHECK(user.fetch("RETR /mine").octets == "bob's");
    for (const char* name : {"/secret", "../secret", "../../secret", "/home/bob/mine", "..//../.",
                             "/home/../../secret"}) {
        CAPTURE(name);
        const auto got = user.fetch(std::string("RETR ") + name);
        CHECK(code_of(got.last) == 550);
        CHECK(got.octets.empty());
    }
    CHECK(user.code("CWD ..") == 250);
    CHECK(user.ask("PWD") == "257 \"/\" is the working directory");
    CHECK(user.code("RMD /") == 550);
    CHECK(user.code("RNFR /") == 550);
    CHECK(user.code("DELE /") == 550);
    CHECK(user.code("MKD sub") == 257);
    CHECK(user.code("CWD sub") == 250);
    CHECK(user.ask("PWD") == "257 \"/sub\" is the working directory");
    CHECK(code_of(user.store("STOR new", "x").last) == 226);
    CHECK(server.get("home/bob/sub/new") == "x");
    const auto records = server.records();
    CHECK(records.back().target == "/home/bob/sub/new");
    CHECK(records.back().user == "bob");
}

// threats.md, V2: also where a link stays in the tree, or is moved so that it leads elsewhere.
TEST_CASE("access: no link leads out of a user's root") {
    test_server server;
    server.put("secret/key", "not for bob");
    server.put("home/bob/a/b/mine", "bob's");
    server.put("home/secret", "not for bob either");
    const auto home = server.directory() / "home/bob";
    std::filesystem::create_directory_symlink("../../secret", home / "out");
    std::filesystem::create_symlink("../../secret", home / "a/b/moved");
    client user(server);
    user.log_in("bob");
    CHECK(user.code("CWD out") == 550);
    CHECK(code_of(user.fetch("RETR out/key").last) == 550);
    CHECK(code_of(user.fetch("NLST out").last) == 550);
    CHECK(code_of(user.store("STOR out/new", "x").last) == 550);
    CHECK(user.code("DELE out/key") == 550);
    CHECK(user.code("MKD out/dir") == 550);
    CHECK(user.code("RNFR a/b") == 350);
    CHECK(user.code("RNTO out/b") == 550);
    CHECK(user.code("RNFR a/b") == 350);
    CHECK(user.code("RNTO b") == 250);
    CHECK(code_of(user.fetch("RETR b/moved").last) == 550);
    CHECK(code_of(user.store("APPE b/moved", "x").last) == 550);
    CHECK(user.code("MFMT 20200101000000 b/moved") == 550);
    CHECK(user.fetch("NLST").octets == "a\r\nb\r\nout\r\n");
    CHECK(server.get("secret/key") == "not for bob");
    CHECK(server.get("home/secret") == "not for bob either");
}

TEST_CASE("access: an account whose directory is missing cannot log in") {
    test_server server;
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.code("USER bob") == 331);
    CHECK(user.code("PASS secret") == 530);
    CHECK(user.code("PWD") == 530);
    server.put("home/bob/mine", "");
    CHECK(user.code("USER bob") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.ask("SIZE home/bob/mine") == "213 0");
}

TEST_CASE("access: HOST comes before the login (RFC 7151 section 3)") {
    test_server server;
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.code("HOST files.example.org") == 220);
    CHECK(user.code("HOST [::1]") == 220);
    CHECK(user.code("HOST [nonsense]") == 501);
    CHECK(user.code("HOST a b") == 501);
    CHECK(user.code("HOST") == 501);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("HOST files.example.org") == 220);
    CHECK(user.code("PASS secret") == 503);  // USER was said to another host.
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.code("HOST files.example.org") == 503);
    CHECK(user.code("REIN") == 220);
    CHECK(user.code("HOST files.example.org") == 220);
    CHECK(user.ask("FEAT").contains("\n HOST"));
}

namespace {

class two_hosts final : public ferry::ftp::host_table {
  public:
    [[nodiscard]] std::optional<vfs::path> root_of(std::string_view name) const override {
        if (name == "bob.example") {
            return vfs::path::parse("/home/bob").value();
        }
        if (name == "deep.example") {
            return vfs::path::parse("/home/bob/deep").value();
        }
        return name == "gone.example" ? std::optional(vfs::path::parse("/gone").value())
                                      : std::nullopt;
    }
};

/// Logs in to `host`; what PASS is answered with.
int log_in_to(client& user, std::string_view host, std::string_view name) {
    CHECK(user.code(std::string("HOST ").append(host)) == 220);
    CHECK(user.code(std::string("USER ").append(name)) == 331);
    return user.code("PASS secret");
}

}  // namespace

TEST_CASE("access: who does not say HOST gets the host that is for them, or does not log in") {
    const two_hosts hosts;
    server_settings settings;
    settings.hosts = &hosts;
    settings.numbers.host_without_name = "bob.example";
    test_server server(settings);
    server.put("home/bob/mine", "bob's");
    server.put("home/bob/deep/er", "deeper");
    client user(server);
    user.log_in();
    CHECK(user.code("SIZE mine") == 213);
    CHECK(user.code("CWD /home") == 550);
    CHECK(user.code("REIN") == 220);
    CHECK(log_in_to(user, "deep.example", "ann") == 230);
    CHECK(user.code("SIZE er") == 213);
    CHECK(user.code("USER ann") == 331);  // The host stays (section 3.2).
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.code("SIZE er") == 213);
    CHECK(user.code("REIN") == 220);
    CHECK(user.code("HOST any.example.org") == 504);  // It would have the whole tree.

    settings.numbers.host_without_name = "gone.example.org";
    test_server gone(settings);  // As when the rules are read anew, without it.
    client lost(gone);
    CHECK(code_of(lost.reply()) == 220);
    CHECK(lost.code("USER ann") == 530);

    settings.numbers.host_without_name.clear();
    settings.numbers.needs_host = true;
    test_server strict(settings);
    std::filesystem::create_directories(strict.directory() / "home/bob");
    client other(strict);
    CHECK(code_of(other.reply()) == 220);
    for (const char* line : {"USER ann", "USER ftp"}) {
        CAPTURE(line);
        CHECK(other.ask(line) == "530 Not without a host: send HOST first");
        CHECK(other.code("PASS secret") == 503);
    }
    CHECK(other.code("HOST any.example.org") == 504);
    CHECK(other.code("USER ann") == 530);
    CHECK(log_in_to(other, "bob.example", "ann") == 230);
    CHECK(other.code("REIN") == 220);
    CHECK(other.code("USER ann") == 530);
}

TEST_CASE("access: HOST chooses the tree that logins see (RFC 7151 sections 3 and 3.2)") {
    const two_hosts hosts;
    server_settings settings;
    settings.hosts = &hosts;
    test_server server(settings);
    server.put("top", "of nobody in particular");
    server.put("home/bob/mine", "bob's");
    server.put("home/bob/deep/er", "deeper");
    std::filesystem::create_symlink("../mine", server.directory() / "home/bob/deep/out");
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.code("HOST unknown.example") == 504);
    // A whole tree's account, and a visitor, see no more than the host.
    for (const std::string_view name : {"ann", "ftp"}) {
        CAPTURE(name);
        CHECK(log_in_to(user, "bob.example", name) == 230);
        CHECK(user.fetch("RETR /mine").octets == "bob's");
        CHECK(user.code("CWD /..") == 250);
        CHECK(user.code("SIZE top") == 550);
        CHECK(user.code("SMNT /") == 250);
        CHECK(user.code("SIZE top") == 550);
        CHECK(user.code("REIN") == 220);
    }
    // An account that lives in the host, and one whose home goes beyond it.
    CHECK(log_in_to(user, "bob.example", "bob") == 230);
    CHECK(user.code("SIZE mine") == 213);
    CHECK(user.code("REIN") == 220);
    CHECK(log_in_to(user, "deep.example", "bob") == 230);
    CHECK(user.fetch("RETR /er").octets == "deeper");
    CHECK(user.code("SIZE mine") == 550);
    CHECK(user.code("SIZE out") == 550);  // Links end at the host, too.
    // USER keeps the host, REIN does not (section 3.2.1).
    CHECK(user.code("USER bob") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.code("SIZE er") == 213);
    CHECK(user.code("HOST bob.example") == 503);
    CHECK(user.code("REIN") == 220);
    CHECK(user.code("USER bob") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.code("SIZE mine") == 213);
    // Neither what is elsewhere nor what is not there.
    CHECK(user.code("REIN") == 220);
    CHECK(log_in_to(user, "gone.example", "bob") == 530);
    CHECK(log_in_to(user, "gone.example", "ann") == 530);
    CHECK(log_in_to(user, "bob.example", "ann") == 230);
}

TEST_CASE("access: what a host shows counts for the quota of the whole home") {
    const two_hosts hosts;
    server_settings settings;
    settings.hosts = &hosts;
    settings.bounds = {.home_octets_max = 1'000};
    test_server server(settings);
    server.put("home/bob/deep/new", "");
    server.put("elsewhere", std::string(600, 'x'));
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(log_in_to(user, "deep.example", "ann") == 230);
    CHECK(code_of(user.store("STOR new", std::string(500, 'y')).last) == 552);
    CHECK(code_of(user.store("STOR new", std::string(300, 'y')).last) == 226);
    CHECK(server.get("home/bob/deep/new").size() == 300);
}

TEST_CASE("access: SMNT makes a directory the root (RFC 959 section 4.1.1)") {
    test_server server;
    server.put("home/bob/d/file", "below");
    server.put("home/bob/file", "above");
    server.put("secret", "of others");
    std::filesystem::create_directory_symlink("../../../secrets",
                                              server.directory() / "home/bob/d/up");
    std::filesystem::create_directory_symlink("/", server.directory() / "home/bob/out");
    client user(server);
    user.log_in("bob");
    CHECK(user.ask("SMNT d") == "250 \"/d\" is the root");
    CHECK(user.ask("PWD") == "257 \"/\" is the working directory");
    CHECK(user.fetch("RETR /file").octets == "below");
    CHECK(user.code("SIZE /../file") == 213);  // ".." ends at the root.
    CHECK(code_of(user.store("STOR new", "x").last) == 226);
    CHECK(server.get("home/bob/d/new") == "x");
    CHECK(user.code("SMNT missing") == 550);
    CHECK(user.code("SMNT file") == 550);
    CHECK(user.code("SMNT out") == 550);
    CHECK(user.code("SMNT ../../..") == 250);  // The home, and no more.
    CHECK(user.fetch("RETR file").octets == "above");
    CHECK(user.code("SMNT /d") == 250);
    CHECK(user.code("SMNT /") == 250);
    CHECK(user.fetch("RETR file").octets == "above");
    CHECK(user.code("SMNT") == 501);
    CHECK(user.code("SMNT /d") == 250);
    CHECK(user.code("USER bob") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.fetch("RETR file").octets == "above");
}

TEST_CASE("access: what SMNT mounts counts for the quota of the home") {
    server_settings settings;
    settings.bounds = {.home_octets_max = 1'000};
    test_server server(settings);
    server.put("d/old", std::string(600, 'x'));
    client user(server);
    user.log_in();
    CHECK(user.code("SMNT d") == 250);
    CHECK(code_of(user.store("STOR new", std::string(500, 'y')).last) == 552);
    CHECK(code_of(user.store("STOR new", std::string(300, 'y')).last) == 226);
}
