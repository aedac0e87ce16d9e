#include "ftp/arguments.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

using namespace ferry;
using namespace std::string_view_literals;
using ftp::data_type;

TEST_CASE("arguments: TYPE in every form (RFC 959 section 5.3.2)") {
    using ftp::text_format;
    using ftp::type_request;
    struct row {
        std::string_view text;
        type_request wanted;
    };
    constexpr type_request image{.type = data_type::image};
    constexpr row rows[] = {
        {"A", {}},
        {"a", {}},
        {"A N", {}},
        {"a n", {}},
        {"A  N", {}},
        {"A ", {}},
        {"A T", {data_type::ascii, text_format::telnet}},
        {"a c", {data_type::ascii, text_format::carriage_control}},
        {"E", {data_type::ebcdic, text_format::non_print}},
        {"e n", {data_type::ebcdic, text_format::non_print}},
        {"E T", {data_type::ebcdic, text_format::telnet}},
        {"E C", {data_type::ebcdic, text_format::carriage_control}},
        {"I", image},
        {"i", image},
        {"L 8", image},
        {"l 8", image},
        {"L8", image},
        {"I ", image},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        REQUIRE(ftp::parse_type(each.text));
        CHECK((*ftp::parse_type(each.text) == each.wanted));
    }
    for (const auto text : {"L 7"sv, "L 36"sv, "L 255"sv}) {
        CAPTURE(text);
        REQUIRE_FALSE(ftp::parse_type(text));
        CHECK(ftp::parse_type(text).error() == errc::unsupported);
    }
    for (const auto text :
         {""sv, " "sv, "X"sv, "A X"sv, "AN"sv, "A NN"sv, "A N N"sv, "E X"sv, "ET"sv, "I 8"sv,
          "IN"sv, "L"sv, "L 0"sv, "L 256"sv, "L x"sv, "L -8"sv, "L 8 8"sv, "\0"sv, "A\0N"sv}) {
        CAPTURE(text);
        REQUIRE_FALSE(ftp::parse_type(text));
        CHECK(ftp::parse_type(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: STRU and MODE (RFC 959 sections 3.1.2 and 3.4)") {
    using ftp::file_structure;
    using ftp::transfer_mode;
    CHECK(ftp::parse_structure("F") == file_structure::file);
    CHECK(ftp::parse_structure("r") == file_structure::record);
    CHECK(ftp::parse_structure("P ") == file_structure::page);
    CHECK(ftp::parse_mode("S") == transfer_mode::stream);
    CHECK(ftp::parse_mode("b") == transfer_mode::block);
    CHECK(ftp::parse_mode("C") == transfer_mode::compressed);
    CHECK(ftp::parse_mode("z ") == transfer_mode::deflated);
    for (const auto text : {""sv, "X"sv, "FF"sv, "F R"sv, "\0"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_structure(text).error() == errc::invalid);
        CHECK(ftp::parse_mode(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: OPTS MODE Z (draft-preston-ftpext-deflate-04 section 3)") {
    CHECK(ftp::parse_deflate_options("Z LEVEL 6") == 6);
    CHECK(ftp::parse_deflate_options("z engine zlib level 9") == 9);
    CHECK(ftp::parse_deflate_options("Z METHOD 8 LEVEL 1") == 1);
    REQUIRE(ftp::parse_deflate_options("Z"));
    CHECK_FALSE(ftp::parse_deflate_options("Z")->has_value());
    for (const auto text : {""sv, "B"sv, "Z ENGINE LZO"sv, "Z METHOD 9"sv, "Z LEVEL 6 SPEED 7"sv,
                            "Z BLOCKSIZE 5"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_deflate_options(text).error() == errc::unsupported);
    }
    for (const auto text : {"Z LEVEL"sv, "Z LEVEL 0"sv, "Z LEVEL 10"sv, "Z LEVEL x"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_deflate_options(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: code pages") {
    CHECK(ftp::parse_code_page("037") == vfs::ebcdic::code_page::cp037);
    CHECK(ftp::parse_code_page("37") == vfs::ebcdic::code_page::cp037);
    CHECK(ftp::parse_code_page("1047 ") == vfs::ebcdic::code_page::cp1047);
    CHECK_FALSE(ftp::parse_code_page("500"));
    CHECK_FALSE(ftp::parse_code_page(""));
}

TEST_CASE("arguments: REST is decimal digits up to 2^63-1, nothing else (RFC 3659 section 5.3)") {
    CHECK(ftp::parse_restart("0") == 0);
    CHECK(ftp::parse_restart("5000000000") == 5'000'000'000);
    CHECK(ftp::parse_restart("0042") == 42);
    CHECK(ftp::parse_restart("9223372036854775807") == 9'223'372'036'854'775'807);
    for (const auto text : {""sv, " "sv, "-1"sv, "+1"sv, "abc"sv, "1a"sv, "1 "sv, " 1"sv, "0x10"sv,
                            "1.5"sv, "1e3"sv, "9223372036854775808"sv, "18446744073709551615"sv,
                            "18446744073709551616"sv, "99999999999999999999999999"sv, "1\0"sv}) {
        CAPTURE(text);
        REQUIRE_FALSE(ftp::parse_restart(text));
        CHECK(ftp::parse_restart(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: ALLO with and without a record size (RFC 959 section 4.1.3)") {
    CHECK(ftp::parse_allocation("1024")->size_bytes == 1'024);
    CHECK(ftp::parse_allocation("1024")->record_bytes == 0);
    CHECK(ftp::parse_allocation("1024 R 80")->record_bytes == 80);
    CHECK(ftp::parse_allocation("0 r 1")->size_bytes == 0);
    for (const auto text :
         {""sv, "x"sv, "-1"sv, "1 "sv, "1 R"sv, "1 R "sv, "1 X 2"sv, "1 R 2 "sv, "1 R -2"sv,
          "1  R 2"sv, "9223372036854775808"sv, "1 R 9223372036854775808"sv}) {
        CAPTURE(text);
        REQUIRE_FALSE(ftp::parse_allocation(text));
        CHECK(ftp::parse_allocation(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: SITE CHMOD takes permission bits and nothing else (threats.md, V14)") {
    const auto usual = ftp::parse_permission_change("640 a b");
    REQUIRE(usual);
    CHECK(usual->permissions == 0640);
    CHECK(usual->name == "a b");
    CHECK(ftp::parse_permission_change("0777 x")->permissions == 0777);
    CHECK(ftp::parse_permission_change("7 x")->permissions == 7);
    CHECK(ftp::parse_permission_change("0 x")->permissions == 0);
    CHECK(ftp::parse_permission_change("644  x")->name == " x");
    for (const auto text : {""sv, " "sv, "644"sv, "644 "sv, " 644 x"sv, "99999 x"sv, "00644 x"sv,
                            "1777 x"sv, "2755 x"sv, "4755 x"sv, "1000 x"sv, "648 x"sv, "-1 x"sv,
                            "+7 x"sv, "u+x x"sv, "6\0 x"sv, "0x7 x"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_permission_change(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: RANG takes two numbers in order, or 1 0 (draft-bryan-ftp-range-08)") {
    CHECK(ftp::parse_octet_range("0 49") == ftp::octet_range{.first = 0, .last = 49});
    CHECK(ftp::parse_octet_range("5 5") == ftp::octet_range{.first = 5, .last = 5});
    CHECK(ftp::parse_octet_range("1 0") == ftp::whole_file_range);
    CHECK(ftp::parse_octet_range("0 9223372036854775807"));
    for (const auto text : {""sv, " "sv, "1"sv, "1 "sv, " 1 2"sv, "1  2"sv, "1 2 "sv, "2 1"sv,
                            "3 0"sv, "-1 2"sv, "+1 2"sv, "0 9223372036854775808"sv, "a b"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_octet_range(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: XCRC and its like take a name, in quotation marks or not, and two numbers") {
    struct row {
        std::string_view text;
        std::string_view name;
        bool has_stretch = false;
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
    };
    constexpr row rows[] = {
        {"name", "name"},
        {"a b c", "a b c"},
        {"name 5", "name 5"},
        {"name 0 50", "name", true, 0, 50},
        {"a b 7 5", "a b", true, 7, 5},
        {"\"a b\" 0 1", "a b", true, 0, 1},
        {"\"a b\"", "a b"},
        {"\"\"", "\"\""},
        {"\"", "\""},
        {"\"a", "\"a"},
        {"name -1 5", "name -1 5"},
        {"name 1  5", "name 1  5"},
        {"name 0 9223372036854775808", "name 0 9223372036854775808"},
        {"1 2", "1 2"},
        {" 1 2", "", true, 1, 2},
        {" 2", " 2"},
        {" ", " "},
        {"", ""},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        const auto parts = ftp::parse_digest_argument(each.text);
        CHECK(parts.name == each.name);
        REQUIRE(parts.stretch.has_value() == each.has_stretch);
        if (parts.stretch) {
            CHECK(parts.stretch->begin == each.begin);
            CHECK(parts.stretch->end == each.end);
        }
    }
}

TEST_CASE("arguments: OPTS names a command and its options (RFC 2389 section 4)") {
    const auto utf8 = ftp::parse_option("utf8 ON");
    REQUIRE(utf8);
    CHECK(utf8->which == ftp::option::utf8);
    CHECK(utf8->value == "ON");
    CHECK(ftp::parse_option("UTF-8")->which == ftp::option::utf8);
    const auto mlst = ftp::parse_option("MLST type;size;");
    REQUIRE(mlst);
    CHECK(mlst->which == ftp::option::mlst);
    CHECK(mlst->value == "type;size;");
    CHECK(ftp::parse_option("mlst")->value.empty());
    CHECK(ftp::parse_option("hash MD5")->which == ftp::option::hash);
    for (const auto text : {""sv, " "sv, " UTF8 ON"sv, "NOOP"sv, "UTF88"sv, "MLST;"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_option(text).error() == errc::invalid);
    }
    CHECK(ftp::parse_utf8_switch("") == true);
    CHECK(ftp::parse_utf8_switch("on") == true);
    CHECK(ftp::parse_utf8_switch("Off ") == false);
    CHECK(ftp::parse_utf8_switch("maybe").error() == errc::invalid);
}

TEST_CASE(
    "arguments: LIST options come off the front, the rest is a name (RFC 959 section 4.1.3)") {
    struct row {
        std::string_view argument;
        std::string_view options;
        std::string_view path;
    };
    static constexpr row rows[] = {
        {"", "", ""},
        {"dir", "", "dir"},
        {"-a", "a", ""},
        {"-la", "al", ""},
        {"-l -a dir", "al", "dir"},
        {"-alARtSr1d", "1AalRdStr", ""},
        {"-l a name", "l", "a name"},
        {"-l  name", "l", " name"},
        {"-l name ", "l", "name "},
        {" -l", "", " -l"},
        {"dir -l", "", "dir -l"},
        {"-", "", "-"},
        {"- x", "", "- x"},
        {"-a -", "a", "-"},
        {"--", "", ""},
        {"-- -l", "", "-l"},
        {"-l -- -a", "l", "-a"},
        {"---", "", "---"},
        {"-x.txt", "", "-x.txt"},
        {"-l -x.txt", "l", "-x.txt"},
        {"-CF", "", ""},
        {"-aLZ9 dir", "a", "dir"},
        {"-\xc3\xa4", "", "-\xc3\xa4"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.argument);
        const auto parsed = ftp::parse_list(each.argument);
        CHECK(parsed.path == each.path);
        CHECK(parsed.all == each.options.contains('a'));
        CHECK(parsed.almost_all == each.options.contains('A'));
        CHECK(parsed.long_form == each.options.contains('l'));
        CHECK(parsed.recursive == each.options.contains('R'));
        CHECK(parsed.by_time == each.options.contains('t'));
        CHECK(parsed.by_size == each.options.contains('S'));
        CHECK(parsed.reverse == each.options.contains('r'));
        CHECK(parsed.one_per_line == each.options.contains('1'));
        CHECK(parsed.directory_itself == each.options.contains('d'));
    }
}

TEST_CASE("arguments: MFF changes Modify and UNIX.mode (draft-somers-ftp-mfxx-04 section 5)") {
    const auto both = ftp::parse_fact_changes("unix.MODE=0640;Modify=20261123081500; a b");
    REQUIRE(both);
    CHECK(both->permissions == 0640);
    REQUIRE(both->modified);
    CHECK(both->modified->seconds == 1'795'421'700);
    CHECK(both->name == "a b");
    CHECK_FALSE(ftp::parse_fact_changes("UNIX.mode=7; x")->modified);
    for (const auto text : {"Create=20261123081500; x"sv, "Modify=20261123081500;Type=dir; x"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_fact_changes(text).error() == errc::unsupported);
    }
    for (const auto text :
         {""sv, "x"sv, " x"sv, "Modify=20261123081500;"sv, "Modify=20261123081500; "sv,
          "Modify=20261123081500 x"sv, "Modify=2026; x"sv, "UNIX.mode=4755; x"sv,
          "UNIX.mode=u+x; x"sv, "UNIX.mode=7;UNIX.mode=7; x"sv, "Modify; x"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_fact_changes(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: SITE UTIME in both orders") {
    for (const auto text : {"20261123081500 a b"sv, "202611230815 a b"sv,
                            "a b 20000101000000 20261123081500 20000101000000 UTC"sv}) {
        CAPTURE(text);
        const auto read = ftp::parse_utime(text);
        REQUIRE(read);
        CHECK(read->modified.seconds == 1'795'421'700);
        CHECK(read->name == "a b");
    }
    for (const auto text :
         {""sv, "20261123081500"sv, "20261123081500 "sv, "2026 x"sv,
          "x 20261123081500 20261123081500 UTC"sv,
          "x 20261123081500 20261323081500 20261123081500 UTC"sv, "x 1 20261123081500 1 UTC"sv,
          " 20261123081500 20261123081500 20261123081500 UTC"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_utime(text).error() == errc::invalid);
    }
}

TEST_CASE("arguments: names with spaces in quotation marks") {
    using names = std::vector<std::string>;
    CHECK(ftp::parse_names("a b") == names{"a", "b"});
    CHECK(ftp::parse_names("\"a b\" c") == names{"a b", "c"});
    CHECK(ftp::parse_names("\"say \"\"hi\"\"\"") == names{"say \"hi\""});
    CHECK(ftp::parse_names("a\"b") == names{"a\"b"});
    CHECK(ftp::parse_names("") == names{});
    CHECK(ftp::parse_names(std::string(199, 'x').replace(1, 1, " ")));
    for (const auto text : {"\"a"sv, "\"\""sv, "a  b"sv, "\"a\"b"sv, " a"sv}) {
        CAPTURE(text);
        CHECK(ftp::parse_names(text).error() == errc::invalid);
    }
    std::string many;
    for (int i = 0; i < 101; ++i) {
        many += "x ";
    }
    CHECK_FALSE(ftp::parse_names(many));
}
