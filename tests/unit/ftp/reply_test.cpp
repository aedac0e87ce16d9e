#include "ftp/reply.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

using namespace ferry;
using namespace std::string_view_literals;
using ftp::file_use;
using ftp::reply;

namespace {

std::string written(const reply& what) {
    std::string out;
    ftp::append_reply(out, what);
    return out;
}

}  // namespace

TEST_CASE("reply: one line is code, SP, text, CR LF (RFC 959 section 4.2)") {
    CHECK(written({200, "Command okay"}) == "200 Command okay\r\n");
    CHECK(written({221, ""}) == "221 \r\n");
    std::string out = "120 Wait\r\n";
    ftp::append_reply(out, {220, "Ready"});
    CHECK(out == "120 Wait\r\n220 Ready\r\n");
}

TEST_CASE("reply: more lines stand between code-hyphen and code-space (RFC 959 section 4.2)") {
    SUBCASE("FEAT (RFC 2389 section 3.2)") {
        CHECK(written({211, "Extensions supported:", {"MDTM", "REST STREAM", "SIZE"}}) ==
              "211-Extensions supported:\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n211 End\r\n");
    }
    SUBCASE("MLST (RFC 3659 section 7.2): the fact line begins with one SP") {
        CHECK(written({250, "Listing", {"type=file;size=1; /a"}}) ==
              "250-Listing\r\n type=file;size=1; /a\r\n250 End\r\n");
    }
    SUBCASE("a line of digits cannot end the reply") {
        CHECK(written({213, "Status", {"213 End", "226 Done"}}) ==
              "213-Status\r\n 213 End\r\n 226 Done\r\n213 End\r\n");
    }
}

TEST_CASE("reply: no text breaks out of its line (threats.md, F7 and V11)") {
    CHECK(written({550, "a\r\n226 Done\rb\nc"}) == "550 a??226 Done?b?c\r\n");
    CHECK(written({550, std::string("\0\t\x1b[2J\x7f", 7)}) == "550 ???[2J?\r\n");
    CHECK(written({211, "x\ny", {"a\r\n211 End\r\n"}}) ==
          "211-x?y\r\n a??211 End??\r\n211 End\r\n");
    for (unsigned octet = 0; octet < 256; ++octet) {
        CAPTURE(octet);
        const auto line = written({250, std::string(1, static_cast<char>(octet))});
        CHECK(line.find_first_of("\r\n") == line.size() - 2);
        CHECK_FALSE(line.contains('\0'));
    }
}

TEST_CASE("reply: octets over 0x7F are kept, 0xFF doubled (RFC 854)") {
    CHECK(written({250, "\xc3\xa4 \x80\xfe"}) == "250 \xc3\xa4 \x80\xfe\r\n");
    CHECK(written({250, "\xff", {"a\xff"}}) == "250-\xff\xff\r\n a\xff\xff\r\n250 End\r\n");
}

TEST_CASE("reply: 257 doubles quotation marks (RFC 959 appendix II)") {
    CHECK(ftp::quote_pathname("/") == R"("/")");
    CHECK(ftp::quote_pathname(R"(/a "b")") == R"("/a ""b""")");
    CHECK(ftp::quote_pathname(R"(")") == R"("""")");
    CHECK(written({257, ftp::quote_pathname("/a\r\n\"x") + " created"}) ==
          "257 \"/a??\"\"x\" created\r\n");
}

// Behind the 150 of an upload none that has lftp 4.9 go on by itself.
TEST_CASE("reply: every failure has its code (RFC 959 section 5.4, threats.md V13)") {
    struct row {
        errc code;
        int existing;
        int target;
    };
    static constexpr row rows[] = {
        {errc::invalid, 553, 553},      {errc::not_found, 550, 553},
        {errc::denied, 550, 550},       {errc::outside_tree, 550, 550},
        {errc::not_regular, 550, 553},  {errc::exists, 550, 553},
        {errc::is_directory, 550, 553}, {errc::not_directory, 550, 553},
        {errc::not_empty, 550, 550},    {errc::name_too_long, 553, 553},
        {errc::read_only, 550, 550},    {errc::no_space, 452, 452},
        {errc::over_quota, 552, 552},   {errc::too_large, 552, 552},
        {errc::exhausted, 451, 451},    {errc::unsupported, 504, 504},
        {errc::busy, 450, 450},         {errc::in_use, 425, 425},
        {errc::unavailable, 425, 425},  {errc::timed_out, 426, 426},
        {errc::cancelled, 426, 426},    {errc::closed, 426, 426},
        {errc::reset, 426, 426},        {errc::io, 451, 451},
    };
    static_assert(std::size(rows) == static_cast<std::size_t>(errc::io) + 1);  // io is the last.
    for (const auto& each : rows) {
        CAPTURE(describe(each.code));
        CHECK(ftp::reply_for({.code = each.code}, file_use::existing).code == each.existing);
        CHECK(ftp::reply_for({.code = each.code}, file_use::target).code == each.target);
        CHECK_FALSE(ftp::reply_for({.code = each.code}, file_use::target).text.empty());
        const int late = each.target == 452                         ? 552
                         : each.target == 450 || each.target == 451 ? 551
                                                                    : each.target;
        CHECK(ftp::reply_for({.code = each.code}, file_use::content).code == late);
    }
    CHECK(ftp::reply_for({.code = errc::outside_tree}, file_use::existing).text ==
          ftp::reply_for({.code = errc::denied}, file_use::existing).text);
}
