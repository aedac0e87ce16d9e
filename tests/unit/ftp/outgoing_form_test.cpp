#include "ftp/outgoing_form.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "form_rows.hpp"
#include "ftp/incoming_form.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace ferry::ftp::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

TEST_CASE("outgoing form: each TYPE, STRU and MODE as RFC 959 section 3 has it") {
    struct row {
        representation how;
        std::string stored;
        std::string network;
    };
    using enum data_type;
    using enum file_structure;
    using enum transfer_mode;
    constexpr auto c = text_format::carriage_control;
    constexpr auto n = text_format::non_print;
    const row rows[] = {
        {{ascii, n, file, stream}, "a\nb", "a\r\nb"},
        {{ascii, text_format::telnet, file, stream}, "a\n", "a\r\n"},
        {{ascii, c, file, stream}, "a\n\fb\n", " a\r\n1b\r\n"},
        {{ascii, c, record, stream}, "a\rb\n", " a\xff\x01+b\xff\x03"},
        {{ebcdic, n, file, stream}, "a1\n", "\x81\xf1\x15"},
        {{ebcdic, c, file, stream}, "a\n", "\x40\x81\x15"},
        {{ebcdic, n, record, stream}, "a\n\n", "\x81\xff\x01\xff\x03"},
        {{ascii, n, record, stream},
         "a\nb",
         "a\xff\x01"
         "b\xff\x02"},
        {{image, n, record, stream}, "\xff\n", "\xff\xff\xff\x03"},
        {{image, n, file, stream}, "a\n", "a\n"},
        {{image, n, page, stream}, "ab", "\4\0\2\1ab\4\0\0\0"s},
        {{image, n, file, block}, "ab", "\x40\0\2ab"s},
        {{ascii, n, file, block}, "a\n", "\x40\0\3a\r\n"s},
        {{ascii, n, record, block}, "a\n", "\xc0\0\1a"s},
        {{ebcdic, n, record, block}, "a\n", "\xc0\0\1\x81"s},
        {{image, n, page, block}, "", "\x40\0\4\4\0\0\0"s},
        {{ascii, n, file, compressed},
         "aaaa",
         "\0\x40\x84"
         "a"s},
        {{ebcdic, n, file, compressed}, "    ", "\0\x40\xc4"s},
        {{image, n, file, compressed}, "\0\0\0"s, "\0\x40\xc3"s},
        {{ascii, c, record, compressed}, "a\n", "\0\xc0\2 a"s},
    };
    for (const auto& each : rows) {
        CAPTURE(describe_form(each.how));
        CAPTURE(each.stored);
        for (std::size_t piece_bytes = 1; piece_bytes <= each.stored.size() + 1; ++piece_bytes) {
            CHECK(sent(each.how, each.stored, piece_bytes) == each.network);
        }
    }
}

TEST_CASE("outgoing form: code pages, and levels of deflation") {
    const representation how{.type = data_type::ebcdic};
    std::string out;
    outgoing_form form(how, {.code_page = vfs::ebcdic::code_page::cp1047});
    REQUIRE(form.add("[", out));
    REQUIRE(form.finish(out));
    CHECK(out == "\xad");  // 037 has it at BA.
    const std::string file(100'000, 'x');
    const representation deflated{.type = data_type::image, .mode = transfer_mode::deflated};
    std::string fast;
    std::string small;
    outgoing_form one(deflated, {.deflate_level = 1});
    REQUIRE(one.add(file, fast));
    REQUIRE(one.finish(fast));
    outgoing_form nine(deflated, {.deflate_level = 9});
    REQUIRE(nine.add(file, small));
    REQUIRE(nine.finish(small));
    CHECK(small.size() < fast.size());
}

TEST_CASE("outgoing form: begun in the middle it sends the rest, in every form") {
    constexpr auto stored = "ab\n\n\fc\rd\r\r\n  \xff e\n"sv;
    for (const auto& how : every_form()) {
        // Records and pages go on at restart markers only, and zlib has one beginning.
        if (how.structure != file_structure::file || how.mode != transfer_mode::stream) {
            continue;
        }
        CAPTURE(describe_form(how));
        const auto whole = sent(how, stored, 1);
        for (std::size_t cut = 1; cut <= stored.size(); ++cut) {
            std::string before;
            outgoing_form first(how, {});
            REQUIRE(first.add(stored.substr(0, cut), before));
            std::string after;
            outgoing_form second(how, {});
            second.go_on_behind(stored[cut - 1]);
            REQUIRE(second.add(stored.substr(cut), after));
            REQUIRE(second.finish(after));
            CHECK(before + after == whole);
        }
    }
}

TEST_CASE("outgoing form: behind a restart marker comes what is left (RFC 959 section 3.5)") {
    constexpr auto stored = "ab\n\n\fc\rd\n\n  \xff e\n"sv;
    for (const auto& how : every_form()) {
        if (!marks_ends(how.mode) || how.structure == file_structure::page) {
            continue;
        }
        CAPTURE(describe_form(how));
        for (std::size_t cut = 1; cut <= stored.size(); ++cut) {
            CAPTURE(cut);
            std::string network;
            outgoing_form first(how, {});
            REQUIRE(first.add(stored.substr(0, cut), network));
            first.add_marker("m", network);
            outgoing_form second(how, {});
            second.go_on_behind(stored[cut - 1]);
            REQUIRE(second.add(stored.substr(cut), network));
            REQUIRE(second.finish(network));
            CHECK(received(how, network, 3) == std::string(stored));
        }
    }
}

TEST_CASE("outgoing form: what is too large for pages says so") {
    const representation how{.type = data_type::image, .structure = file_structure::page};
    const std::string most(paged_file_bytes_max, 'x');
    CHECK(received(how, sent(how, most, 1'000), 1'000) == most);
    std::string out;
    outgoing_form form(how, {});
    REQUIRE(form.add(most, out));
    REQUIRE(form.add("x", out));
    REQUIRE_FALSE(form.finish(out));
}
