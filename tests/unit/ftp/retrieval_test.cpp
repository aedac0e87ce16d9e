#include "ftp/retrieval.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "form_rows.hpp"
#include "ftp_conversation.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace ferry::ftp::test;
using namespace std::string_literals;

namespace {

/// Reads one file that is framed as `how` says, from a connection that stays open.
std::string read_framed(client_socket& data, const representation& how,
                        std::size_t octets_max = 7) {
    incoming_form form(how, {});
    std::string file;
    for (;;) {
        const auto octets = data.read_some(octets_max);
        if (octets.empty()) {
            return "(closed)";
        }
        std::string_view left = octets;
        while (!left.empty()) {
            const auto event = form.read(left, file);
            REQUIRE(event);
            if (*event == mode_event::end_of_file) {
                return file;
            }
        }
    }
}

constexpr auto stored_text = "one\ntwo\n\n\fthree\rover\nlast";

}  // namespace

TEST_CASE("retrieval: RETR in every TYPE, STRU and MODE (RFC 959 section 3)") {
    test_server server;
    server.put("a", stored_text);
    for (const auto& how : every_form()) {
        CAPTURE(describe_form(how));
        client user(server);
        user.log_in();
        set_form(user, how);
        if (marks_ends(how.mode)) {
            auto data = user.passive();
            CHECK(user.code("RETR a") == 150);
            CHECK(read_framed(data, how) == stored_text);
            CHECK(code_of(user.reply()) == 250);
            CHECK(user.code("RETR a") == 125);
            CHECK(read_framed(data, how) == stored_text);
            CHECK(code_of(user.reply()) == 250);
            continue;
        }
        const auto got = user.fetch("RETR a");
        CHECK(code_of(got.last) == 226);
        CHECK(received(how, got.octets, 5) == stored_text);
    }
}

// RFC 959 section 4.2.1: the preliminary reply comes first, however close behind it the last is.
TEST_CASE("retrieval: a small file that is kept in memory, its beginning and end in one") {
    test_server server;
    server.put("a", "content");
    server.put("empty", "");
    server.put("large", std::string(100'000, 'x'));
    client user(server);
    user.log_in();
    CHECK(user.code("TYPE I") == 200);
    for (const auto* name : {"a", "empty", "large"}) {
        CAPTURE(name);
        for (int i = 0; i < 3; ++i) {  // It is kept from the second time on.
            CHECK(user.fetch("RETR "s + name).octets == server.get(name));
        }
    }
    auto data = user.passive();
    user.send("RETR a\r\n");
    CHECK(user.socket().read_some() ==
          "150 Opening BINARY mode data connection (7 bytes)\r\n"
          "226 Transfer complete\r\n");
    CHECK(data.read_all() == "content");
    CHECK(user.code("REST 3") == 350);
    CHECK(user.fetch("RETR a").octets == "tent");
    CHECK(user.code("REST 7") == 350);
    CHECK(user.fetch("RETR a").octets.empty());
    const auto logged = server.records();
    REQUIRE(logged.size() > 3);
    CHECK(std::ranges::count_if(logged, [](const auto& each) {
              return each.method == "RETR" && each.status == 226 && each.body_bytes == 7;
          }) == 4);
    server.put("a", "other");  // Written in place: the next one sees it.
    CHECK(user.fetch("RETR a").octets == "other");
}

TEST_CASE("retrieval: SIZE is what RETR sends in stream mode (RFC 3659 section 4)") {
    test_server server;
    server.put("a", stored_text);
    for (auto how : every_form()) {
        CAPTURE(describe_form(how));
        client user(server);
        user.log_in();
        set_form(user, how);
        how.mode = transfer_mode::stream;
        CHECK(user.ask("SIZE a") == "213 " + std::to_string(sent(how, stored_text, 9).size()));
    }
}

TEST_CASE("retrieval: REST counts octets of the transfer (RFC 3659 section 5.3)") {
    test_server server;
    server.put("a", stored_text);
    for (const auto& how : every_form()) {
        if (how.structure != file_structure::file || marks_ends(how.mode)) {
            continue;
        }
        CAPTURE(describe_form(how));
        client user(server);
        user.log_in();
        set_form(user, how);
        auto plain = how;
        plain.mode = transfer_mode::stream;
        const auto whole = sent(plain, stored_text, 9);
        for (std::size_t offset = 0; offset <= whole.size(); offset += 3) {
            CAPTURE(offset);
            CHECK(user.code("REST " + std::to_string(offset)) == 350);
            auto got = user.fetch("RETR a");
            CHECK(code_of(got.last) == 226);
            if (how.mode == transfer_mode::deflated) {
                inflate_reader reader;
                std::string_view left = got.octets;
                std::string out;
                REQUIRE(reader.read(left, out));
                got.octets = out;
            }
            CHECK(got.octets == whole.substr(offset));
        }
        CHECK(user.code("REST " + std::to_string(whole.size() + 1)) == 350);
        auto data = user.passive();
        CHECK(user.code("RETR a") == 554);
    }
}

TEST_CASE("retrieval: restart markers go every MiB, and REST takes them (RFC 959 section 3.5)") {
    test_server server;
    std::string large;
    while (large.size() < 2 * formed_retrieval::marker_interval_bytes - 5) {
        large += "line " + std::to_string(large.size()) + "\n";
    }
    large.resize(2 * formed_retrieval::marker_interval_bytes);
    server.put("a", large);
    for (const auto mode : {transfer_mode::block, transfer_mode::compressed}) {
        for (const auto type : {data_type::ascii, data_type::image}) {
            if (type == data_type::ascii && mode == transfer_mode::compressed) {
                continue;  // Slow where nothing is optimised.
            }
            const representation how{.type = type, .mode = mode};
            CAPTURE(describe_form(how));
            client user(server);
            user.log_in();
            set_form(user, how);
            auto data = user.passive();
            CHECK(user.code("RETR a") == 150);
            incoming_form form(how, {});
            std::string file;
            std::size_t markers = 0;
            std::string at_marker;
            std::string marker;
            for (bool ended = false; !ended;) {
                const auto octets = data.read_some();
                REQUIRE_FALSE(octets.empty());
                std::string_view left = octets;
                while (!left.empty()) {
                    const auto event = form.read(left, file);
                    REQUIRE(event);
                    ended = *event == mode_event::end_of_file;
                    if (*event == mode_event::marker && ++markers == 1) {
                        at_marker = file;
                        marker = form.marker();
                    }
                }
            }
            CHECK(code_of(user.reply()) == 250);
            CHECK(markers == 1);
            CHECK(file == large);
            CHECK(user.code("REST " + marker) == 350);
            CHECK(user.code("RETR a") == 125);
            CHECK(at_marker + read_framed(data, how, 65'536) == large);
            CHECK(code_of(user.reply()) == 250);
        }
    }
}

TEST_CASE("retrieval: what does not go together is 504, and a file too large for pages 550") {
    test_server server;
    server.put("a", stored_text);
    server.put("large", std::string(paged_file_bytes_max + 1, 'x'));
    client user(server);
    user.log_in();
    CHECK(user.code("STRU P") == 200);  // TYPE A, as at first.
    for (const char* line : {"RETR a", "STOR a", "APPE a", "STOU", "LIST", "NLST", "MLSD"}) {
        CAPTURE(line);
        auto data = user.passive();
        CHECK(user.code(line) == 504);
    }
    CHECK(user.code("SIZE a") == 504);
    CHECK(user.code("TYPE I") == 200);
    auto data = user.passive();
    CHECK(user.code("RETR large") == 550);
    CHECK(user.code("SIZE large") == 550);
    CHECK(user.code("REST 1") == 350);
    auto other = user.passive();
    CHECK(user.code("RETR a") == 504);
    CHECK(user.code("STRU R") == 200);
    CHECK(user.code("REST 1") == 350);
    auto third = user.passive();
    CHECK(user.code("RETR a") == 504);
}

TEST_CASE("retrieval: listings go in the session's form") {
    test_server server;
    server.put("d/one", "1");
    server.put("d/two", "22");
    for (const auto& how : every_form()) {
        const auto form = listing_form(how);
        if (!is_supported(form)) {
            continue;
        }
        CAPTURE(describe_form(how));
        client user(server);
        user.log_in();
        set_form(user, how);
        auto data = user.passive();
        CHECK(user.code("NLST d") == 150);
        const auto names = marks_ends(how.mode) ? read_framed(data, form)
                                                : received(form, data.read_all(), 3).value_or("");
        CHECK(names == "d/one\nd/two\n");
        CHECK(code_of(user.reply()) == (marks_ends(how.mode) ? 250 : 226));
    }
}
