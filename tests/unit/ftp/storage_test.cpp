#include "ftp/storage.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "form_rows.hpp"
#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace ferry::ftp::test;
using namespace std::string_literals;
using namespace std::chrono_literals;

namespace {

constexpr auto text = "one\ntwo\n\n\fthree\rover\nlast";

}  // namespace

TEST_CASE("storage: STOR in every TYPE, STRU and MODE (RFC 959 section 3)") {
    test_server server;
    for (const auto& how : every_form()) {
        CAPTURE(describe_form(how));
        client user(server);
        user.log_in();
        set_form(user, how);
        if (!marks_ends(how.mode)) {
            CHECK(code_of(user.store("STOR a", sent(how, text, 9)).last) == 226);
            CHECK(server.get("a") == text);
            continue;
        }
        auto data = user.passive();
        CHECK(user.code("STOR a") == 150);
        // The second file comes with the end of the first.
        data.send(sent(how, text, 9) + sent(how, "second", 2).substr(0, 4));
        CHECK(code_of(user.reply()) == 250);
        CHECK(server.get("a") == text);
        CHECK(user.code("STOR b") == 125);
        data.send(sent(how, "second", 2).substr(4));
        CHECK(code_of(user.reply()) == 250);
        CHECK(server.get("b") == "second");
        CHECK(user.code("APPE b") == 125);
        data.send(sent(how, "\nthird", 9));
        CHECK(code_of(user.reply()) == 250);
        CHECK(server.get("b") == "second\nthird");
        CHECK(user.code("STOU") == 125);
        data.send(sent(how, "", 9));
        CHECK(code_of(user.reply()) == 250);
    }
}

TEST_CASE("storage: a connection that stays open ends with what RFC 959 section 3.3 says") {
    const representation how{.type = data_type::image, .mode = transfer_mode::block};
    test_server server;
    server.put("a", "content");
    client user(server);
    user.log_in();
    set_form(user, how);
    auto data = user.passive();
    CHECK(user.code("STOR b") == 150);
    data.send(sent(how, "b", 1));
    CHECK(code_of(user.reply()) == 250);
    SUBCASE("a new port") {
        auto other = user.passive();
        CHECK(data.read_all().empty());
        CHECK(user.code("RETR a") == 150);
        CHECK(other.read_some() == sent(how, "content", 9));
        CHECK(code_of(user.reply()) == 250);
    }
    SUBCASE("a mode without ends") {
        CHECK(user.code("MODE C") == 200);
        CHECK(user.code("MODE S") == 200);
        CHECK(data.read_all().empty());
        CHECK(user.code("RETR a") == 425);
    }
    SUBCASE("ABOR") {
        CHECK(user.code("ABOR") == 226);
        CHECK(data.read_all().empty());
        CHECK(user.code("RETR a") == 425);
    }
    SUBCASE("another user") {
        CHECK(user.code("USER bob") == 331);
        CHECK(data.read_all().empty());
    }
    SUBCASE("REIN") {
        CHECK(user.code("REIN") == 220);
        CHECK(data.read_all().empty());
    }
    SUBCASE("the end of the session") {
        CHECK(user.code("QUIT") == 221);
        CHECK(data.read_all().empty());
    }
    SUBCASE("not a name that is not there") {
        CHECK(user.code("RETR missing") == 550);
        CHECK(user.code("RETR a") == 125);
        CHECK(data.read_some() == sent(how, "content", 9));
        CHECK(code_of(user.reply()) == 250);
    }
}

TEST_CASE("storage: a file that is cut off is none, where its form marks the end") {
    test_server server;
    for (const auto& how : every_form()) {
        if (how.mode == transfer_mode::stream && how.structure == file_structure::file) {
            continue;
        }
        CAPTURE(describe_form(how));
        client user(server);
        user.log_in();
        set_form(user, how);
        const auto whole = sent(how, text, 9);
        CHECK(code_of(user.store("STOR cut", whole.substr(0, whole.size() - 1)).last) == 426);
        CHECK(server.get("cut") == "(none)");
        CHECK(user.code("NOOP") == 200);
    }
}

TEST_CASE("storage: what is not of the form is 551, and the old file stands") {
    test_server server;
    server.put("a", "old");
    struct row {
        representation how;
        std::string octets;
    };
    using enum data_type;
    constexpr auto n = text_format::non_print;
    const row rows[] = {
        {{image, n, file_structure::file, transfer_mode::block}, "\x01\0\0"s},
        {{ascii, n, file_structure::record, transfer_mode::stream}, "a\n\xff\x03"},
        {{image, n, file_structure::file, transfer_mode::deflated}, "no zlib"},
        {{image, n, file_structure::file, transfer_mode::deflated},
         sent({image, n, file_structure::file, transfer_mode::deflated}, "x", 1) + "more"},
        {{image, n, file_structure::page, transfer_mode::stream}, "abcdefgh"},
        {{image, n, file_structure::file, transfer_mode::compressed}, "\0\0\0"s},
    };
    for (const auto& each : rows) {
        CAPTURE(describe_form(each.how));
        client user(server);
        user.log_in();
        set_form(user, each.how);
        CHECK(code_of(user.store("STOR a", each.octets).last) == 551);
        CHECK(server.get("a") == "old");
        CHECK(user.code("NOOP") == 200);
    }
}

TEST_CASE("storage: 110 for each marker, and REST goes on there (RFC 959 section 3.5)") {
    server_settings settings;
    settings.parts_kept = 1h;
    test_server server(settings);
    for (const auto& how : every_form()) {
        if (!marks_ends(how.mode) || how.structure == file_structure::page) {
            continue;
        }
        CAPTURE(describe_form(how));
        const std::string_view stored = text;
        for (const std::size_t cut : {4UZ, 9UZ, 10UZ, 15UZ, 16UZ}) {
            CAPTURE(cut);
            const auto name = "file" + std::to_string(cut);
            static_cast<void>(std::filesystem::remove(server.directory() / name));
            std::string before;
            outgoing_form first(how, {});
            REQUIRE(first.add(stored.substr(0, cut), before));
            first.add_marker("M1", before);
            std::string lost;
            REQUIRE(first.add(stored.substr(cut, 3), lost));

            client user(server);
            user.log_in();
            set_form(user, how);
            auto data = user.passive();
            CHECK(user.code("STOR " + name) == 150);
            data.send(before);
            const auto told = user.reply();
            REQUIRE(told.starts_with("110 MARK M1 = "));
            data.send(lost);
            data.close();
            CHECK(code_of(user.reply()) == 426);
            CHECK(server.get(name) == "(none)");

            std::string after;
            outgoing_form second(how, {});
            second.go_on_behind(stored[cut - 1]);
            REQUIRE(second.add(stored.substr(cut), after));
            REQUIRE(second.finish(after));
            CHECK(user.code("REST " + told.substr(14)) == 350);
            auto again = user.passive();
            CHECK(user.code("STOR " + name) == 150);
            again.send(after);
            CHECK(code_of(user.reply()) == 250);
            CHECK(server.get(name) == stored);
        }
    }
}

TEST_CASE("storage: APPE tells markers of the whole file") {
    test_server server;
    server.put("a", "12345");
    const representation how{.type = data_type::image, .mode = transfer_mode::block};
    client user(server);
    user.log_in();
    set_form(user, how);
    auto data = user.passive();
    CHECK(user.code("APPE a") == 150);
    outgoing_form form(how, {});
    std::string octets;
    REQUIRE(form.add("678", octets));
    form.add_marker("x", octets);
    REQUIRE(form.finish(octets));
    data.send(octets);
    CHECK(user.reply() == "110 MARK x = 8");
    CHECK(code_of(user.reply()) == 250);
    CHECK(server.get("a") == "12345678");
}
