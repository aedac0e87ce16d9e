#include "ftp/commands_transfers.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

namespace {

/// More than the kernel keeps between a server that sends and a client that does not read.
constexpr std::size_t unread_bytes = 64 * 1'024 * 1'024;

std::string octets(std::size_t count) {
    std::string made(count, '\0');
    std::uint32_t state = 1;
    for (auto& c : made) {
        state = state * 1'664'525 + 1'013'904'223;
        c = static_cast<char>(state >> 24U);
    }
    return made;
}

/// A file of many octets and no blocks.
void put_sparse(const test_server& server, const char* name, std::size_t bytes) {
    server.put(name, "");
    std::filesystem::resize_file(server.directory() / name, bytes);
}

/// An upload of `name`'s in the place of a file is cut off; `other` is another account.
void cut_a_replacement_off(const std::string& name, const std::string& other) {
    server_settings settings;
    settings.anonymous = auth::rights::all();
    test_server server(settings);
    const auto session_of = [&server](client& user, const std::string& who) {
        user.log_in(who, "secret");
        CHECK(user.code("TYPE I") == 200);
    };
    const auto refusal_of = [](client& user, const char* line) {
        auto data = user.passive();
        return user.ask(line);
    };
    const auto rest_refusal_of = [&refusal_of](client& user) {
        CHECK(user.code("REST 3") == 350);
        return refusal_of(user, "STOR file");
    };
    constexpr auto cut_off =
        "An upload of this file was cut off and the old file stands: send the whole file"sv;
    client user(server);
    session_of(user, name);
    client same(server);  // As who reconnects before the server has noticed.
    session_of(same, name);
    client stranger(server);
    session_of(stranger, other);
    server.put("file", "old");
    server.put("file2", "old");

    auto data = user.passive();
    CHECK(user.code("STOR file") == 150);
    CHECK(same.ask("SIZE file") == "213 3");
    CHECK(rest_refusal_of(same) == "450 An upload of this whole file is under way");
    CHECK(code_of(refusal_of(same, "APPE file")) == 450);
    data.send("begin");
    data.reset();
    CHECK(code_of(user.reply()) == 426);
    for (client* each : {&user, &same}) {
        CHECK(each->ask("SIZE file") == fmt::format("504 {}", cut_off));
        CHECK(rest_refusal_of(*each) == fmt::format("550 {}", cut_off));
        CHECK(refusal_of(*each, "APPE file") == fmt::format("550 {}", cut_off));
        CHECK(each->code("TYPE A") == 200);
        CHECK(code_of(refusal_of(*each, "APPE file")) == 550);
        CHECK(each->code("TYPE I") == 200);
        CHECK(each->ask("SIZE file2") == "213 3");
    }
    CHECK(user.code("MDTM file") == 213);
    CHECK(user.fetch("RETR file").octets == "old");
    CHECK(user.code("REST 1") == 350);
    CHECK(user.fetch("RETR file").octets == "ld");
    CHECK(stranger.ask("SIZE file") == "213 3");
    CHECK(server.get("file") == "old");

    SUBCASE("until a whole one") {
        CHECK(code_of(same.store("STOR file", "new").last) == 226);
        CHECK(user.ask("SIZE file") == "213 3");
        CHECK(code_of(user.store("APPE file", "er").last) == 226);
        CHECK(server.get("file") == "newer");
    }
    SUBCASE("also where others have stored one") {
        CHECK(code_of(stranger.store("STOR file", "theirs").last) == 226);
        CHECK(code_of(stranger.store("APPE file", "!").last) == 226);
        CHECK(code_of(refusal_of(user, "APPE file")) == 550);
        CHECK(server.get("file") == "theirs!");
    }
    SUBCASE("until it is removed") {
        CHECK(stranger.code("DELE file") == 250);
        CHECK(code_of(user.store("APPE file", "new").last) == 226);
        CHECK(code_of(user.store("APPE file", "er").last) == 226);
        CHECK(server.get("file") == "newer");
    }
    SUBCASE("until it is renamed") {
        CHECK(user.code("RNFR file") == 350);
        CHECK(user.code("RNTO moved") == 250);
        CHECK(user.code("RNFR file2") == 350);
        CHECK(user.code("RNTO file") == 250);
        CHECK(user.ask("SIZE file") == "213 3");
    }
    SUBCASE("until another is renamed to it") {
        CHECK(user.code("RNFR file2") == 350);
        CHECK(user.code("RNTO file") == 250);
        CHECK(code_of(user.store("APPE file", "er").last) == 226);
        CHECK(server.get("file") == "older");
    }
    SUBCASE("until another is copied to it") {
        CHECK(user.code("SITE CPFR file2") == 350);
        CHECK(user.code("SITE CPTO file") == 250);
        CHECK(user.ask("SIZE file") == "213 3");
    }
    SUBCASE("not in a directory that was renamed") {
        server.put("d/file", "old");
        auto another = user.passive();
        CHECK(user.code("STOR d/file") == 150);
        another.reset();
        CHECK(code_of(user.reply()) == 426);
        CHECK(user.code("RNFR d") == 350);
        CHECK(user.code("RNTO e") == 250);
        CHECK(code_of(refusal_of(user, "APPE e/file")) == 550);
    }
    SUBCASE("nor one that was never there") {
        CHECK(user.code("DELE file") == 250);
        CHECK(user.code("SIZE file") == 550);
        CHECK(user.code("REST 3") == 350);
        CHECK(code_of(refusal_of(user, "STOR file")) == 554);
    }
}

}  // namespace

TEST_CASE("transfers: RETR and STOR bring every octet, both ways") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    for (const std::size_t size : {0U, 1U, 4'096U, 65'537U, 3'000'001U}) {
        CAPTURE(size);
        const auto content = octets(size);
        CHECK(code_of(user.store("STOR file", content).last) == 226);
        CHECK((server.get("file") == content));
        const auto got = user.fetch("RETR file");
        CHECK(got.first ==
              "150 Opening BINARY mode data connection (" + std::to_string(size) + " bytes)");
        CHECK((got.octets == content));
        CHECK(got.last == "226 Transfer complete");
    }
    const auto records = server.records();
    REQUIRE(records.size() == 11);  // The first is the login.
    CHECK(records[9].method == "STOR");
    CHECK(records[9].target == "/file");
    CHECK(records[9].status == 226);
    CHECK(records[10].body_bytes == 3'000'001);
    CHECK(records[10].user == "ann");
}

TEST_CASE("transfers: what cannot be retrieved or stored") {
    test_server server;
    std::filesystem::create_directory(server.directory() / "dir");
    server.put("file", "old");
    client user(server);
    user.log_in();
    struct row {
        const char* line;
        int code;
    };
    constexpr row rows[] = {
        {"RETR missing", 550}, {"RETR dir", 550},     {"RETR file/", 550},
        {"RETR", 501},         {"STOR dir", 553},     {"STOR missing/x", 553},
        {"STOR", 501},         {"STOR file/x", 553},  {"STOR .ferry-x", 550},
        {"APPE dir", 553},     {"LIST missing", 550}, {"NLST missing/", 550},
        {"MLSD file", 501},    {"MLSD missing", 550},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        CHECK(code_of(user.store(each.line, "").last) == each.code);
    }
    CHECK(server.get("file") == "old");
    CHECK(server.count_names() == 2);
}

// RFC 3659 section 5.3.
TEST_CASE("transfers: REST") {
    test_server server;
    server.put("file", "0123456789");
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    SUBCASE("RETR from an offset, once") {
        CHECK(user.code("REST 4") == 350);
        CHECK(user.fetch("RETR file").octets == "456789");  // EPSV in between is no transfer.
        CHECK(user.fetch("RETR file").octets == "0123456789");
    }
    SUBCASE("a refused REST leaves no offset") {
        CHECK(user.code("REST 4") == 350);
        CHECK(user.code("REST -1") == 501);
        CHECK(user.fetch("RETR file").octets == "0123456789");
    }
    SUBCASE("at and beyond the end") {
        CHECK(user.code("REST 10") == 350);
        CHECK(user.fetch("RETR file").octets.empty());
        CHECK(user.code("REST 11") == 350);
        CHECK(code_of(user.fetch("RETR file").last) == 554);
        CHECK(user.code("REST 11") == 350);
        CHECK(code_of(user.store("STOR file", "x").last) == 554);
        CHECK(server.get("file") == "0123456789");
    }
    SUBCASE("STOR writes from there and keeps the tail") {
        CHECK(user.code("REST 4") == 350);
        CHECK(code_of(user.store("STOR file", "abc").last) == 226);
        CHECK(server.get("file") == "0123abc789");
        CHECK(user.code("REST 10") == 350);
        CHECK(code_of(user.store("STOR file", "de").last) == 226);
        CHECK(server.get("file") == "0123abc789de");
    }
    SUBCASE("a transfer that fails uses it up") {
        CHECK(user.code("REST 4") == 350);
        CHECK(code_of(user.fetch("RETR missing").last) == 550);
        CHECK(user.fetch("RETR file").octets == "0123456789");
    }
    SUBCASE("APPE writes at the end") {
        CHECK(code_of(user.store("APPE file", "ab").last) == 226);
        CHECK(code_of(user.store("APPE new", "cd").last) == 226);
        CHECK(server.get("file") == "0123456789ab");
        CHECK(server.get("new") == "cd");
    }
}

// RFC 959 section 3.1.1.1; a REST offset and SIZE count octets of the transfer (RFC 3659).
TEST_CASE("transfers: TYPE A both ways") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(code_of(user.store("STOR text", "one\r\ntwo\r\n\rthree\r").last) == 226);
    CHECK(server.get("text") == "one\ntwo\n\rthree\r");
    CHECK(user.fetch("RETR text").octets == "one\r\ntwo\r\n\rthree\r");
    server.put("text", "a\nb\r\nc");
    const std::string whole = "a\r\nb\r\nc";
    for (std::size_t from = 0; from <= whole.size(); ++from) {
        CAPTURE(from);
        CHECK(user.code("REST " + std::to_string(from)) == 350);
        CHECK(user.fetch("RETR text").octets == whole.substr(from));
    }
    CHECK(user.code("REST 8") == 350);
    CHECK(code_of(user.fetch("RETR text").last) == 554);
    CHECK(user.code("REST 3") == 350);
    CHECK(code_of(user.store("STOR text", "X\r\n").last) == 226);
    CHECK(server.get("text") == "a\nX\n\nc");
    CHECK(user.code("REST 2") == 350);  // Between the CR and the LF of one stored LF.
    CHECK(code_of(user.store("STOR text", "X").last) == 554);

    std::string lines;
    for (int i = 0; i < 100'000; ++i) {
        lines += "line " + std::to_string(i) + "\r\n";
    }
    CHECK(code_of(user.store("STOR lines", lines).last) == 226);
    CHECK((user.fetch("RETR lines").octets == lines));
    CHECK(user.code("REST 500001") == 350);
    CHECK((user.fetch("RETR lines").octets == lines.substr(500'001)));
}

// threats.md, V12: readers see the old file until the new one is whole.
TEST_CASE("transfers: uploads are atomic") {
    test_server server;
    server.put("file", "old content");
    client writer(server);
    writer.log_in();
    client reader(server);
    reader.log_in();
    auto data = writer.passive();
    CHECK(writer.code("STOR file") == 150);
    data.send("new");
    CHECK(reader.fetch("RETR file").octets == "old content");
    SUBCASE("and then there") {
        data.close();
        CHECK(code_of(writer.reply()) == 226);
        CHECK(reader.fetch("RETR file").octets == "new");
    }
    SUBCASE("and never there when the connection is reset") {
        data.reset();
        CHECK(code_of(writer.reply()) == 426);
        CHECK(reader.fetch("RETR file").octets == "old content");
    }
    SUBCASE("and never there when it is aborted") {
        CHECK(writer.code("ABOR") == 426);
        CHECK(code_of(writer.reply()) == 226);
        CHECK(reader.fetch("RETR file").octets == "old content");
    }
    CHECK(server.count_names() == 1);
    CHECK(writer.code("PWD") == 257);
}

TEST_CASE("transfers: ALLO says early that there is no room (RFC 959 section 4.1.3; V13)") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    CHECK(user.ask("ALLO 5") == "200 Noted");
    CHECK(user.ask("ALLO 2000000") == "200 There is room");
    CHECK(user.ask("ALLO 2000000 R 512") == "200 There is room");
    CHECK(server.count_names() == 0);
    auto data = user.passive();
    CHECK(user.code("STOR file") == 150);
    data.send("short");
    data.close();
    CHECK(code_of(user.reply()) == 226);
    CHECK(server.get("file") == "short");
    struct stat status{};
    REQUIRE(::stat((server.directory() / "file").c_str(), &status) == 0);
    CHECK(status.st_blocks * 512 < 1'000'000);  // What was set aside has gone back.
    // No disk has it: which of the two depends on the file system.
    const auto refused = user.code("ALLO 9223372036854775807");
    CHECK((refused == 552 || refused == 452));
    auto again = user.passive();
    CHECK(user.code("STOR file") == 150);  // What was refused is forgotten.
    again.close();
    CHECK(code_of(user.reply()) == 226);
    // Where one may store nothing, another directory may take it: STOR tells.
    CHECK(user.code("CWD /") == 250);
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.ask("ALLO 9223372036854775807") == "200 Noted");
}

TEST_CASE("transfers: what was cut off goes on (RFC 3659 section 5.3; threats.md, V12)") {
    server_settings settings;
    settings.parts_kept = 1h;
    test_server server(settings);
    client ann(server);
    ann.log_in();
    CHECK(ann.code("TYPE I") == 200);
    const auto cut = [](client& user, const char* line, const char* octets) {
        auto data = user.passive();
        CHECK(user.code(line) == 150);
        data.send(octets);
        std::this_thread::sleep_for(50ms);  // Until they are there: a reset loses what is not.
        data.reset();
        CHECK(code_of(user.reply()) == 426);
    };
    const auto store = [](client& user, const char* line, const char* octets) {
        auto data = user.passive();
        CHECK(user.code(line) == 150);
        data.send(octets);
        data.close();
        CHECK(code_of(user.reply()) == 226);
    };
    cut(ann, "STOR file", "hello ");
    CHECK(ann.ask("SIZE file") == "213 6");
    CHECK(ann.code("MDTM file") == 550);  // There is no such file:
    CHECK(ann.code("MLST file") == 550);
    CHECK(ann.fetch("NLST").octets.empty());
    client bob(server);
    bob.log_in("anonymous", "x");
    CHECK(bob.code("TYPE I") == 200);
    CHECK(bob.code("SIZE file") == 550);
    SUBCASE("REST and STOR") {
        CHECK(ann.code("REST 6") == 350);
        store(ann, "STOR file", "world");
        CHECK(server.get("file") == "hello world");
    }
    SUBCASE("APPE, cut off again") {
        cut(ann, "APPE file", "wor");
        CHECK(ann.ask("SIZE file") == "213 9");
        store(ann, "APPE file", "ld");
        CHECK(server.get("file") == "hello world");
    }
    SUBCASE("APPE of the rest of what is not there any more is no file of the rest alone") {
        client other(server);
        other.log_in();
        CHECK(other.code("TYPE I") == 200);
        SUBCASE("removed") {
            CHECK(other.ask("DELE file") == "250 Deleted what was left of an upload");
            CHECK(server.count_names() == 0);
        }
        SUBCASE("finished") {
            store(other, "APPE file", "you");
            CHECK(server.get("file") == "hello you");
        }
        const auto before = server.get("file");
        static_cast<void>(ann.passive());
        CHECK(ann.code("APPE file") == 450);
        static_cast<void>(ann.passive());
        CHECK(ann.code("APPE file") == 450);  // For as long as it has not asked again.
        CHECK(server.get("file") == before);
        static_cast<void>(ann.code("SIZE file"));
        store(ann, "APPE file", "!");
        CHECK(server.get("file") == (before == "(none)" ? "!" : "hello you!"));
    }
    SUBCASE("no data connection: nothing is lost") {
        ann.passive().close();
        static_cast<void>(ann.code("QUIT"));
        client again(server);
        again.log_in();
        CHECK(again.code("TYPE I") == 200);
        CHECK(again.code("PORT 127,0,0,1,255,254") == 200);  // Where nobody listens.
        CHECK(again.code("REST 6") == 350);
        CHECK(again.code("STOR file") == 425);
        CHECK(again.ask("SIZE file") == "213 6");
        CHECK(again.code("TYPE A") == 200);
        CHECK(again.code("SIZE file") == 550);  // Its octets would be others.
        CHECK(again.code("TYPE I") == 200);
        CHECK(again.code("REST 7") == 350);
        static_cast<void>(again.passive());
        CHECK(again.code("STOR file") == 554);
        CHECK(again.code("REST 6") == 350);
        store(again, "STOR file", "");
        CHECK(server.get("file") == "hello ");
    }
    CHECK(server.count_names() == 1);
}

// threats.md, V12: SIZE, REST and APPE join no old beginning to a new rest.
TEST_CASE("transfers: a replacement that was cut off is not gone on with") {
    cut_a_replacement_off("ann", "anonymous");
}

TEST_CASE("transfers: nor one of visitors, who are one account") {
    cut_a_replacement_off("anonymous", "ann");
}

TEST_CASE("transfers: what goes on and is cut off leaves the file as it was, to be gone on with") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    server.put("file", "old");
    for (const char* line : {"APPE file", "STOR file"}) {
        CAPTURE(line);
        if (line == "STOR file"sv) {
            CHECK(user.code("REST 3") == 350);
        }
        auto data = user.passive();
        CHECK(user.code(line) == 150);
        data.send("er");
        data.reset();
        CHECK(code_of(user.reply()) == 426);
        CHECK(user.ask("SIZE file") == "213 3");
    }
    CHECK(code_of(user.store("APPE file", "er").last) == 226);
    CHECK(server.get("file") == "older");
}

// threats.md, V13: the reply is not hidden behind a reset.
TEST_CASE("transfers: who is refused in the middle is told, and may come to the end") {
    server_settings settings;
    settings.bounds = {.home_octets_max = 100'000};
    test_server server(settings);
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    auto data = user.passive();
    CHECK(user.code("STOR file") == 150);
    const auto rest = octets(3'000'000);
    CHECK(data.send(rest));
    CHECK(code_of(user.reply()) == 552);
    CHECK(data.send(rest));  // Deaf to replies, as many are.
    SUBCASE("it ends") {
        data.end_sending();
        CHECK(data.read_all().empty());
        CHECK_FALSE(data.was_reset());
    }
    SUBCASE("it aborts") {
        CHECK(user.code("ABOR") == 226);
        static_cast<void>(data.read_all());
        CHECK(data.was_reset());
    }
    SUBCASE("it leaves") {
        CHECK(user.code("QUIT") == 221);
        CHECK(eventually([&] { return server.sessions() == 0; }));
        CHECK(server.count_names() == 0);
        return;
    }
    CHECK(user.ask("NOOP").starts_with("200"));
    CHECK(code_of(user.store("STOR file", "fits").last) == 226);
    CHECK(server.count_names() == 1);
}

// draft-peterson-streamlined-ftp-command-extensions-10, section 4.
TEST_CASE("transfers: AVBL tells the room there is") {
    test_server server;
    server.put("file", "x");
    server.put("d/file", "x");
    client user(server);
    user.log_in();
    CHECK(user.ask("FEAT").contains("\n AVBL\n"));
    struct statvfs disk{};
    REQUIRE(::statvfs(server.directory().c_str(), &disk) == 0);
    for (const char* line : {"AVBL", "AVBL d", "AVBL /"}) {
        const auto answer = user.ask(line);
        CAPTURE(answer);
        REQUIRE(answer.starts_with("213 "));
        // Others use the disk, too.
        const auto whole = std::uint64_t{disk.f_blocks} * disk.f_frsize;
        const auto told = std::stoull(answer.substr(4));
        CHECK(told > 0);
        CHECK(told <= whole);
        CHECK(told % disk.f_frsize == 0);
    }
    CHECK(user.code("AVBL file") == 550);
    CHECK(user.code("AVBL nothing") == 550);
    CHECK(user.code("AVBL ..") == 213);
}

TEST_CASE("transfers: a directory that looks empty can be removed") {
    server_settings settings;
    settings.parts_kept = 1h;
    test_server server(settings);
    client ann(server);
    ann.log_in();
    CHECK(ann.code("TYPE I") == 200);
    CHECK(ann.code("MKD d") == 257);
    auto data = ann.passive();
    CHECK(ann.code("STOR d/file") == 150);
    data.send("x");
    std::this_thread::sleep_for(50ms);
    data.reset();
    CHECK(code_of(ann.reply()) == 426);
    CHECK(server.count_names() == 2);
    CHECK(ann.code("RMD d") == 250);
    CHECK(server.count_names() == 0);
}

TEST_CASE("transfers: a stalled one ends") {
    server_settings settings;
    settings.numbers.transfer_stall_timeout = 150ms;
    test_server server(settings);
    put_sparse(server, "big", unread_bytes);
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    SUBCASE("STOR") {
        auto data = user.passive();
        CHECK(user.code("STOR file") == 150);
        data.send("half");
        CHECK(code_of(user.reply()) == 426);
        CHECK(server.count_names() == 1);
    }
    SUBCASE("RETR") {
        auto data = user.passive();
        CHECK(user.code("RETR big") == 150);
        CHECK(code_of(user.reply()) == 426);
        CHECK(data.read_all().size() < unread_bytes);
        CHECK(data.was_reset());
    }
    CHECK(user.code("PWD") == 257);
}

// threats.md, F6.
TEST_CASE("transfers: a data connection that is reset") {
    test_server server;
    put_sparse(server, "big", unread_bytes);
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    auto data = user.passive();
    CHECK(user.code("RETR big") == 150);
    static_cast<void>(data.read_some());
    data.reset();
    CHECK(code_of(user.reply()) == 426);
    CHECK(user.code("SIZE big") == 213);
}

// threats.md, F5: 426 and 226 within a second, though nobody reads the data.
TEST_CASE("transfers: ABOR while the client does not read") {
    test_server server;
    put_sparse(server, "big", unread_bytes);
    server.put("a", "content");
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    auto data = user.passive();
    CHECK(user.code("RETR big") == 150);
    std::this_thread::sleep_for(100ms);
    const auto began = std::chrono::steady_clock::now();
    SUBCASE("plain") {
        user.send("ABOR\r\n");
    }
    SUBCASE("behind Telnet IP and Synch (RFC 959 section 4.1.3)") {
        user.send(
            "\xff\xf4\xff\xf2"
            "ABOR\r\n");
    }
    SUBCASE("as Python's ftplib sends it: urgent to the last octet") {
        constexpr auto line = "ABOR\r\n"sv;
        REQUIRE(::send(user.socket().fd(), line.data(), line.size(), MSG_OOB) == 6);
    }
    CHECK(code_of(user.reply()) == 426);
    CHECK(code_of(user.reply()) == 226);
    CHECK(std::chrono::steady_clock::now() - began < 1s);
    CHECK(data.read_all().size() < unread_bytes);
    CHECK(data.was_reset());
    CHECK(user.fetch("RETR a").octets == "content");
}

TEST_CASE("transfers: ABOR reaches those that wait in front of it, too") {
    test_server server;
    put_sparse(server, "big", unread_bytes);
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    SUBCASE("for their turn") {
        auto data = user.passive();
        CHECK(user.code("RETR big") == 150);
        user.send("PWD\r\nEPSV\r\nSTOR file\r\nABOR\r\nNOOP\r\n");
        for (const int code : {426, 257, 229, 426, 226, 200}) {
            CHECK(code_of(user.reply()) == code);
        }
    }
    SUBCASE("for their data connection") {
        CHECK(user.code("EPSV") == 229);
        user.send("RETR big\r\nABOR\r\n");
        CHECK(code_of(user.reply()) == 426);
        CHECK(code_of(user.reply()) == 226);
    }
    CHECK(user.code("PWD") == 257);
    CHECK(server.count_names() == 1);
}

// RFC 959 section 4.1.3: STAT may be sent during a transfer.
TEST_CASE("transfers: STAT in mid-transfer tells the octets done") {
    test_server server;
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    auto data = user.passive();
    CHECK(user.code("STOR file") == 150);
    data.send("12345");
    CHECK(eventually([&] { return user.ask("STAT").contains("STOR: 5 octets transferred"); }));
    data.close();
    CHECK(code_of(user.reply()) == 226);

    SUBCASE("sent ahead of the 150") {
        auto more = user.passive();
        user.send("STOR file\r\nSTAT\r\n");
        CHECK(code_of(user.reply()) == 150);
        CHECK(user.reply().contains("STOR: 0 octets transferred"));
        more.close();
        CHECK(code_of(user.reply()) == 226);
    }
    SUBCASE("behind another command it waits, as that does") {
        auto more = user.passive();
        CHECK(user.code("STOR file") == 150);
        user.send("NOOP\r\nSTAT\r\n");
        std::this_thread::sleep_for(50ms);
        more.close();
        CHECK(code_of(user.reply()) == 226);
        CHECK(code_of(user.reply()) == 200);
        CHECK(code_of(user.reply()) == 211);
    }
}

// RFC 1123 section 4.1.2.9.
TEST_CASE("transfers: STOU tells the name it made") {
    test_server server;
    client user(server);
    user.log_in();
    const auto put = user.store("STOU", "content");
    REQUIRE(put.first.starts_with("150 FILE: "));
    CHECK(code_of(put.last) == 226);
    CHECK(server.get(put.first.substr(10)) == "content");
}

// threats.md, V6.
TEST_CASE("transfers: a file that shrinks while it is sent is not passed off as whole") {
    test_server server;
    put_sparse(server, "big", unread_bytes);
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    auto data = user.passive();
    CHECK(user.code("RETR big") == 150);
    static_cast<void>(data.read_some());
    std::filesystem::resize_file(server.directory() / "big", 1'000);
    static_cast<void>(data.read_all());
    CHECK(data.was_reset());
    CHECK(code_of(user.reply()) == 451);
}

// What a rate is worth is told by tests/unit/net/paced_stream_test: here, that it holds for every
// kind of transfer. Lower bounds only: a slow machine makes nothing faster.
TEST_CASE("transfers: an account's rates hold for all of them") {
    server_settings settings;
    settings.bounds.each_session = {.download = 64'000, .upload = 64'000};
    SUBCASE("of each session") {}
    SUBCASE("of all sessions together") {
        settings.bounds = {.together = {.download = 64'000, .upload = 64'000}};
    }
    test_server server(settings);
    const std::string content(32'000, 'x');
    server.put("a", content);
    client user(server);
    user.log_in();
    const auto takes_its_time = [](auto work) {
        const auto began = std::chrono::steady_clock::now();
        work();
        // Half a second, less the eighth that is saved and the quantum that nobody waits for.
        CHECK(std::chrono::steady_clock::now() - began >= 310ms);
    };
    for (const char* type : {"TYPE I", "TYPE A"}) {
        CAPTURE(type);
        CHECK(user.code(type) == 200);
        takes_its_time([&] { CHECK(user.fetch("RETR a").octets == content); });
        takes_its_time([&] { CHECK(code_of(user.store("STOR b", content).last) == 226); });
        CHECK(server.get("b") == content);
    }
    SUBCASE("a transfer that waits its turn is aborted like any other") {
        CHECK(user.code("TYPE I") == 200);
        auto data = user.passive();
        CHECK(user.code("RETR a") == 150);
        CHECK(user.code("ABOR") == 426);
        CHECK(code_of(user.reply()) == 226);
        static_cast<void>(data.read_all());
        CHECK(data.was_reset());
    }
}
