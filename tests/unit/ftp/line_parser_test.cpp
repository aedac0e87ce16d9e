#include "ftp/line_parser.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"

using namespace ferry;
using namespace std::string_view_literals;
using ftp::line_event;
using ftp::line_parser;

namespace {

/// What a parser said: its lines in order, an overlong one as "<overlong>", and its answers.
struct conversation {
    std::vector<std::string> lines;
    std::string answers;

    friend bool operator==(const conversation&, const conversation&) = default;
};

void feed(line_parser& parser, std::string_view piece, conversation& said) {
    for (;;) {
        const auto event = parser.next(piece);
        if (event == line_event::none) {
            break;
        }
        said.lines.emplace_back(event == line_event::overlong ? "<overlong>"sv : parser.line());
    }
    CHECK(piece.empty());
    said.answers += parser.take_answers();
}

conversation parse(std::string_view octets, std::size_t line_bytes_max = 64) {
    line_parser parser(line_bytes_max);
    conversation said;
    feed(parser, octets, said);
    return said;
}

/// Feeds `octets` in every pair of pieces and octet by octet, and wants the same each time.
conversation parse_in_pieces(std::string_view octets, std::size_t line_bytes_max = 64) {
    const auto whole = parse(octets, line_bytes_max);
    for (std::size_t cut = 0; cut <= octets.size(); ++cut) {
        CAPTURE(cut);
        line_parser parser(line_bytes_max);
        conversation said;
        feed(parser, octets.substr(0, cut), said);
        feed(parser, octets.substr(cut), said);
        CHECK(said == whole);
    }
    line_parser parser(line_bytes_max);
    conversation said;
    for (std::size_t i = 0; i < octets.size(); ++i) {
        feed(parser, octets.substr(i, 1), said);
    }
    CHECK(said == whole);
    return whole;
}

using read_lines = std::vector<std::string>;

}  // namespace

TEST_CASE("line_parser: lines end in CR LF, or in a bare LF (RFC 959 section 4.1)") {
    CHECK(parse_in_pieces("USER ann\r\nPASS x\r\n").lines == read_lines{"USER ann", "PASS x"});
    CHECK(parse_in_pieces("USER ann\nPASS x\n").lines == read_lines{"USER ann", "PASS x"});
    CHECK(parse_in_pieces("NOOP").lines.empty());
    CHECK(parse_in_pieces("NOOP\r").lines.empty());
    CHECK(parse_in_pieces("\r\n\n\r\n").lines == read_lines{"", "", ""});
}

TEST_CASE("line_parser: CR NUL is CR, a CR elsewhere stays (RFC 854, RFC 2640 section 3.1)") {
    CHECK(parse_in_pieces("RETR a\r\0b\r\n"sv).lines == read_lines{"RETR a\rb"});
    CHECK(parse_in_pieces("RETR a\r\0\n"sv).lines == read_lines{"RETR a\r"});
    CHECK(parse_in_pieces("RETR a\rb\r\n").lines == read_lines{"RETR a\rb"});
    CHECK(parse_in_pieces("RETR a\r\r\n").lines == read_lines{"RETR a\r"});
    CHECK(parse_in_pieces("RETR a\r\0\0\r\n"sv).lines == read_lines{std::string("RETR a\r\0", 8)});
}

TEST_CASE("line_parser: NUL and octets over 0x7F are kept (threats.md, F8)") {
    CHECK(parse_in_pieces("RETR \0x\r\n"sv).lines == read_lines{std::string("RETR \0x", 7)});
    CHECK(parse_in_pieces("RETR \xc3\xa4\x80\xfe\r\n").lines ==
          read_lines{"RETR \xc3\xa4\x80\xfe"});
}

TEST_CASE("line_parser: Telnet commands are stripped (RFC 1123 section 4.1.2.12, RFC 854)") {
    SUBCASE("IAC IAC is one octet of data") {
        CHECK(parse_in_pieces("RETR \xff\xff.txt\r\n").lines == read_lines{"RETR \xff.txt"});
        CHECK(parse_in_pieces("RETR \xff\xff\xff\xff\n").lines == read_lines{"RETR \xff\xff"});
        CHECK(parse_in_pieces("RETR \r\xff\xff\n").lines == read_lines{"RETR \r\xff"});
    }
    SUBCASE("IP and DM before ABOR (RFC 959 section 4.1.3)") {
        const auto said = parse_in_pieces(
            "\xff\xf4\xff\xf2"
            "ABOR\r\n");
        CHECK(said.lines == read_lines{"ABOR"});
        CHECK(said.answers.empty());
    }
    SUBCASE("every command without an option, anywhere in a line") {
        for (unsigned code = 240; code <= 249; ++code) {
            CAPTURE(code);
            const std::string command{'\xff', static_cast<char>(code)};
            CHECK(parse_in_pieces("NO" + command + "OP\r" + command + "\n").lines ==
                  read_lines{"NOOP"});
        }
    }
    SUBCASE("a subnegotiation, with a doubled IAC inside") {
        const auto said = parse_in_pieces("NO\xff\xfa\x18\x01xy\xff\xffz\xff\xf0OP\r\n");
        CHECK(said.lines == read_lines{"NOOP"});
        CHECK(said.answers.empty());
    }
}

TEST_CASE("line_parser: WILL and DO are refused, WONT and DONT not answered (RFC 854)") {
    CHECK(parse_in_pieces("\xff\xfb\x01NOOP\r\n") == conversation{{"NOOP"}, "\xff\xfe\x01"});
    CHECK(parse_in_pieces("\xff\xfd\x03NOOP\r\n") == conversation{{"NOOP"}, "\xff\xfc\x03"});
    CHECK(parse_in_pieces("\xff\xfc\x03\xff\xfe\x03NOOP\r\n") == conversation{{"NOOP"}, ""});
    CHECK(parse_in_pieces("\xff\xfd\xffNOOP\r\n") == conversation{{"NOOP"}, "\xff\xfc\xff"});
    SUBCASE("a flood is answered within a bound") {
        std::string flood;
        for (int i = 0; i < 10'000; ++i) {
            flood += "\xff\xfd\x06";
        }
        CHECK(parse(flood + "NOOP\r\n").lines == read_lines{"NOOP"});
        CHECK(parse(flood).answers.size() == 192);
    }
}

TEST_CASE("line_parser: octets that are no proper Telnet never join two lines (threats.md, F8)") {
    SUBCASE("0xFF before an octet that is no command is data, as in Latin-1") {
        CHECK(parse_in_pieces("RETR \xff"
                              "a\r\n")
                  .lines == read_lines{"RETR \xff"
                                       "a"});
        CHECK(parse_in_pieces("RETR \xff\r\nNOOP\r\n").lines == read_lines{"RETR \xff", "NOOP"});
        CHECK(parse_in_pieces("RETR \xff\nNOOP\r\n").lines == read_lines{"RETR \xff", "NOOP"});
        CHECK(parse_in_pieces("RETR \r\xff\n").lines == read_lines{"RETR \r\xff"});
    }
    SUBCASE("a request that breaks off at the line's end") {
        CHECK(parse_in_pieces("RETR \xff\xfb\r\nNOOP\r\n") == conversation{{"RETR ", "NOOP"}, ""});
        CHECK(parse_in_pieces("RETR \xff\xfd\nNOOP\r\n") == conversation{{"RETR ", "NOOP"}, ""});
    }
    SUBCASE("a subnegotiation that never ends") {
        CHECK(parse_in_pieces("RETR \xff\xfa\x01xyz\r\nNOOP\r\n").lines ==
              read_lines{"RETR ", "NOOP"});
        CHECK(parse_in_pieces("RETR \xff\xfa\x01\xff\nNOOP\r\n").lines ==
              read_lines{"RETR ", "NOOP"});
    }
}

TEST_CASE("line_parser: an overlong line is swallowed and said once (threats.md, F8)") {
    CHECK(parse_in_pieces("12345678\r\nNOOP\r\n", 8).lines == read_lines{"12345678", "NOOP"});
    CHECK(parse_in_pieces("123456789\r\nNOOP\r\n", 8).lines == read_lines{"<overlong>", "NOOP"});
    CHECK(parse_in_pieces("12345678\r\0\r\nNOOP\r\n"sv, 8).lines ==
          read_lines{"<overlong>", "NOOP"});
    CHECK(parse_in_pieces("1234567\xff\xff\r\nNOOP\n", 8).lines ==
          read_lines{"1234567\xff", "NOOP"});
    CHECK(parse_in_pieces("12345678\xff"
                          "9\nNOOP\n",
                          8)
              .lines == read_lines{"<overlong>", "NOOP"});
    const std::string endless(100'000, 'x');
    CHECK(parse(endless).lines.empty());
    CHECK(parse(endless + "\r\n" + endless + "\nNOOP\r\n").lines ==
          read_lines{"<overlong>", "<overlong>", "NOOP"});
    CHECK(parse("RETR " + std::string(4'095, 'x') + "\r\n", ftp::line_bytes_max_default)
              .lines.front()
              .size() == 4'100);
}

TEST_CASE("line_parser: the line stays until the next call and there is none else") {
    line_parser parser;
    std::string_view input = "USER ann\r\nPA";
    CHECK(parser.line().empty());
    REQUIRE(parser.next(input) == line_event::line);
    CHECK(parser.line() == "USER ann");
    CHECK(input == "PA");
    REQUIRE(parser.next(input) == line_event::none);
    CHECK(parser.line().empty());
}

TEST_CASE("line_parser: reset forgets what was half read (threats.md, T5)") {
    for (const auto half : {"USER bo"sv, "\r"sv, "\xff"sv, "\xff\xfd"sv, "\xff\xfa\x01"sv}) {
        CAPTURE(half);
        line_parser parser(64);
        conversation said;
        feed(parser, "\xff\xfd\x01", said);
        feed(parser, half, said);
        parser.reset();
        feed(parser, "NOOP\r\n", said);
        CHECK(said.lines == read_lines{"NOOP"});
    }
    line_parser parser(4);
    conversation said;
    feed(parser, "12345", said);
    parser.reset();
    feed(parser, "NOOP\r\n", said);
    CHECK(said.lines == read_lines{"NOOP"});
}

// Goal: no octets make the parser depend on how they were cut. Method: random octets of the kinds
// that matter, fed whole and in random pieces; the seed printed replays a failure.
TEST_CASE("line_parser: the whole says the same as its pieces") {
    constexpr auto alphabet =
        "\r\r\n\n\0\xff\xff\xff\xfa\xfb\xfd\xf0\xf4\x01"
        "ab "sv;
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        std::string octets;
        for (auto left = chance.below(80); left > 0; --left) {
            octets += alphabet[chance.below(alphabet.size())];
        }
        const auto whole = parse(octets, 6);
        line_parser parser(6);
        conversation said;
        for (std::string_view rest = octets; !rest.empty();) {
            const auto size = std::min<std::size_t>(rest.size(), 1 + chance.below(7));
            feed(parser, rest.substr(0, size), said);
            rest.remove_prefix(size);
        }
        REQUIRE(said == whole);
    }
}

TEST_CASE(
    "parse_command: verbs in any case, exactly one space, the argument exactly (RFC 959 5.3)") {
    struct row {
        std::string_view line;
        std::string_view verb;
        std::string_view argument;
    };
    static constexpr row rows[] = {
        {"NOOP", "NOOP", ""},
        {"noop", "NOOP", ""},
        {"rEtR a", "RETR", "a"},
        {"CWD ", "CWD", ""},
        {"CWD  a", "CWD", " a"},
        {"CWD a b  ", "CWD", "a b  "},
        {"CWD  ", "CWD", " "},
        {"PASS  secret ", "PASS", " secret "},
        {"XSHA512 a", "XSHA512", "a"},
        {"ABCDEFGHIJKL", "ABCDEFGHIJKL", ""},
        {"RETR \xff\r\x80", "RETR", "\xff\r\x80"},
        {"", "", ""},
        {" ", "", ""},
        {" NOOP", "", ""},
        {"\tNOOP", "", ""},
        {"NOOP\t", "", ""},
        {"NOOP\r", "", ""},
        {"ABCDEFGHIJKLM", "", ""},
        {"1234 a", "", ""},
        {"RE\xc3\xa4 a", "", ""},
        {"GET / HTTP/1.1", "GET", "/ HTTP/1.1"},
        {"R-TR a", "", ""},
    };
    for (const auto& each : rows) {
        CAPTURE(each.line);
        const auto parsed = ftp::parse_command(each.line);
        CHECK(parsed.verb() == each.verb);
        CHECK(parsed.argument == each.argument);
    }
    CHECK(ftp::parse_command("NO\0P"sv).verb().empty());
}

TEST_CASE("line parser: between lines nothing is half read") {
    for (const auto between : {""sv, "NOOP\r\n"sv, "NOOP\n"sv, "\r\n"sv, "NOOP\r\n\xff\xfd\x06"sv,
                               "\xff\xfa\x01x\xff\xf0"sv, "123456789\r\n"sv}) {
        CAPTURE(between);
        line_parser parser(8);
        conversation said;
        feed(parser, between, said);
        CHECK(parser.is_between_lines());
    }
    for (const auto half : {"N"sv, "NOOP\r"sv, "NOOP\r\nN"sv, "NOOP\r\n\r"sv, "\xff"sv,
                            "\xff\xfd"sv, "\xff\xfa\x01x"sv, "123456789"sv}) {
        CAPTURE(half);
        line_parser parser(8);
        conversation said;
        feed(parser, half, said);
        CHECK(!parser.is_between_lines());
        feed(parser, "\xff\xf0\n"sv, said);
        CHECK(parser.is_between_lines());
    }
}
