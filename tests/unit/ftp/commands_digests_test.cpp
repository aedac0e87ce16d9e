#include "ftp/commands_digests.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp::test;

namespace {

constexpr std::string_view sha256_of_digits =
    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225";
constexpr std::string_view sha256_of_nothing =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

}  // namespace

TEST_CASE("digests: HASH of a whole file (draft-bryan-ftpext-hash-02 section 3)") {
    test_server server;
    server.put("digits", "123456789");
    server.put("empty", "");
    server.put("dir/two words", "123456789");
    client user(server);
    user.log_in();
    const std::string right(sha256_of_digits);
    CHECK(user.ask("HASH digits") == "213 SHA-256 0-8 " + right + " digits");
    CHECK(user.ask("hash ./dir/two words") == "213 SHA-256 0-8 " + right + " ./dir/two words");
    CHECK(user.ask("HASH empty") == "213 SHA-256 0-0 " + std::string(sha256_of_nothing) + " empty");
    // Of the octets as stored, whatever is set (section 3).
    CHECK(user.code("TYPE A") == 200);
    CHECK(user.ask("HASH digits") == "213 SHA-256 0-8 " + right + " digits");
    const auto records = server.records();
    REQUIRE(records.size() == 5);  // The first is the login.
    CHECK(records[1].method == "HASH");
    CHECK(records[1].target == "/digits");
    CHECK(records[1].status == 213);
    CHECK(records[1].body_bytes == 0);
}

TEST_CASE("digests: OPTS HASH chooses the algorithm, FEAT shows it (sections 3.1 and 3.2)") {
    test_server server;
    server.put("digits", "123456789");
    client user(server);
    user.log_in();
    CHECK(
        user.ask("FEAT").contains("\n HASH SHA-256*;SHA-512;BLAKE2b-512;SHA-1;MD5;CRC32;CRC32C\n"));
    CHECK(user.ask("OPTS HASH") == "200 SHA-256");
    struct row {
        std::string_view name;
        std::string_view value;
    };
    constexpr row rows[] = {
        {"CRC32", "cbf43926"},
        {"CRC32C", "e3069283"},
        {"MD5", "25f9e794323b453885f5181f1b624d0b"},
        {"SHA-1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
        {"SHA-256", sha256_of_digits},
        {"SHA-512",
         "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
         "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.name);
        const std::string name(each.name);
        CHECK(user.ask("OPTS HASH " + name) == "200 " + name);
        CHECK(user.ask("FEAT").contains(name + "*"));
        CHECK(user.ask("HASH digits") ==
              "213 " + name + " 0-8 " + std::string(each.value) + " digits");
    }
    CHECK(user.ask("opts hash sha-1") == "200 SHA-1");
    CHECK(user.code("OPTS HASH CRC-37") == 501);
    CHECK(user.ask("OPTS HASH") == "200 SHA-1");
    CHECK(user.code("REIN") == 220);
    CHECK(user.ask("OPTS HASH") == "200 SHA-256");
}

TEST_CASE("digests: RANG is for the HASH right behind it (draft-bryan-ftp-range-08 section 3)") {
    test_server server;
    server.put("text", "ab123456789cd");
    server.put("empty", "");
    client user(server);
    user.log_in();
    const std::string right(sha256_of_digits);
    CHECK(user.code("RANG 2 10") == 350);
    CHECK(user.ask("HASH text") == "213 SHA-256 2-10 " + right + " text");
    CHECK(user.ask("HASH text").starts_with("213 SHA-256 0-12 "));
    CHECK(user.code("RANG 12 9223372036854775807") == 350);
    CHECK(user.ask("HASH text").starts_with("213 SHA-256 12-12 "));
    CHECK(user.code("RANG 13 13") == 350);
    CHECK(user.code("HASH text") == 554);
    CHECK(user.code("RANG 0 0") == 350);
    CHECK(user.code("HASH empty") == 554);
    CHECK(user.code("RANG 14 15") == 350);
    CHECK(user.code("HASH text") == 554);
    for (const char* wrong : {"RANG", "RANG 1", "RANG 2 1", "RANG 1 0 ", "RANG -1 2", "RANG a b",
                              "RANG 0 9223372036854775808"}) {
        CAPTURE(wrong);
        CHECK(user.code("RANG 2 10") == 350);
        CHECK(user.code(wrong) == 501);
        CHECK(user.ask("HASH text").starts_with("213 SHA-256 0-12 "));
    }
    for (const char* between : {"RANG 1 0", "NOOP", "NONE", "REST 0"}) {
        CAPTURE(between);
        CHECK(user.code("RANG 2 10") == 350);
        static_cast<void>(user.code(between));
        CHECK(user.ask("HASH text").starts_with("213 SHA-256 0-12 "));
    }
    // A transfer must not send all of what a part was asked of.
    auto data = user.passive();
    CHECK(user.code("RANG 2 10") == 350);
    CHECK(user.code("RETR text") == 504);
    CHECK_FALSE(user.ask("FEAT").contains("RANG"));
}

TEST_CASE("digests: the X commands, as ProFTPD's mod_digest has them") {
    test_server server;
    server.put("digits", "123456789");
    server.put("text", "ab123456789cd");
    server.put("text 2 11", "other");
    server.put("two words", "ab123456789cd");
    client user(server);
    user.log_in();
    const auto features = user.ask("FEAT");
    struct row {
        std::string verb;
        std::string_view value;
    };
    const row rows[] = {
        {"XCRC", "CBF43926"},
        {"XMD5", "25F9E794323B453885F5181F1B624D0B"},
        {"XSHA", "F7C3BC1D808E04732ADF679965CCC34CA7AE3441"},
        {"XSHA1", "F7C3BC1D808E04732ADF679965CCC34CA7AE3441"},
        {"XSHA256", "15E2B0D3C33891EBB0F1EF609EC419420C20E320CE94C65FBC8C3312448EB225"},
        {"XSHA512",
         "D9E6762DD1C8EAF6D61B3C6192FC408D4D6D5F1176D0C29169BC24E71C3F274A"
         "D27FCD5811B313D681F7E55EC02D73D499C95455B6B5BB503ACF574FBA8FFE85"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.verb);
        CHECK(features.contains("\n " + each.verb + "\n"));
        const auto right = "250 " + std::string(each.value);
        CHECK(user.ask(each.verb + " digits") == right);
        CHECK(user.ask(each.verb + " digits 0 9") == right);
        CHECK(user.ask(each.verb + " two words 2 11") == right);
        CHECK(user.ask(each.verb + " \"two words\" 2 11") == right);
        CHECK(user.ask(each.verb + " \"digits\"") == right);
    }
    CHECK(user.ask("XCRC text 2 11") != "250 CBF43926");  // There is a file of that name.
    CHECK(user.ask("XCRC \"text\" 2 11") == "250 CBF43926");
    for (const char* wrong : {"XCRC digits 0 10", "XCRC digits 5 5", "XCRC digits 6 5"}) {
        CAPTURE(wrong);
        CHECK(user.code(wrong) == 501);
    }
    for (const char* missing : {"XCRC nowhere", "XCRC nowhere 0 5", "XCRC digits 5",
                                "XCRC digits -1 5", "XCRC digits a b"}) {
        CAPTURE(missing);
        CHECK(user.code(missing) == 550);
    }
}

TEST_CASE("digests: what is refused (section 3.5)") {
    test_server server({.anonymous = auth::rights{auth::right::list, auth::right::create}});
    server.put("digits", "123456789");
    server.put("dir/x", "x");
    client user(server);
    CHECK(code_of(user.reply()) == 220);
    CHECK(user.code("HASH digits") == 530);
    CHECK(user.code("USER ann") == 331);
    CHECK(user.code("PASS secret") == 230);
    CHECK(user.code("HASH") == 501);
    CHECK(user.code("HASH nowhere") == 550);
    CHECK(user.code("HASH dir") == 553);
    CHECK(user.code("XMD5 dir") == 550);
    CHECK(user.code("HASH .ferry-upload-0123456789abcdef") == 550);
    client visitor(server);
    visitor.log_in("anonymous", "x");
    CHECK(visitor.code("HASH digits") == 550);
    CHECK(visitor.code("XCRC digits") == 550);
}

TEST_CASE("digests: no control octet of a name comes back (threats.md, F7)") {
    test_server server;
    const std::string name =
        "a\tb\x01"
        "c\x7f";
    server.put(name, "123456789");
    client user(server);
    user.log_in();
    CHECK(user.ask("HASH " + name) ==
          "213 SHA-256 0-8 " + std::string(sha256_of_digits) + " a?b?c?");
}

TEST_CASE("digests: ABOR ends one") {
    test_server server;
    server.put("digits", "123456789");
    client user(server);
    user.log_in();
    user.send("HASH digits\r\nABOR\r\nNOOP\r\n");
    CHECK(user.reply() == "426 Aborted");
    CHECK(code_of(user.reply()) == 226);
    CHECK(code_of(user.reply()) == 200);
    CHECK(user.code("HASH digits") == 213);
}
