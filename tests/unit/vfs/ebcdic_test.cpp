#include "ferry/vfs/ebcdic.hpp"

#include <doctest/doctest.h>
#include <iconv.h>

#include <string>
#include <string_view>

using namespace ferry;
using namespace std::string_view_literals;
using vfs::ebcdic::code_page;

namespace {

constexpr code_page code_pages[] = {code_page::cp037, code_page::cp1047};

std::string ebcdic_of(code_page page, std::string_view stored) {
    std::string out;
    vfs::ebcdic::to_network(page, stored, out);
    return out;
}

std::string text_of(code_page page, std::string_view received) {
    std::string out;
    vfs::ebcdic::from_network(page, received, out);
    return out;
}

/// What iconv(3) makes of one octet: the independent table.
char by_iconv(const char* to, const char* from, char octet) {
    const auto handle = iconv_open(to, from);
    char made = 0;
    char* in = &octet;
    char* end = &made;
    std::size_t in_bytes = 1;
    std::size_t room = 1;
    REQUIRE(iconv(handle, &in, &in_bytes, &end, &room) == 0);
    REQUIRE(room == 0);
    iconv_close(handle);
    return made;
}

std::string every_octet() {
    std::string made;
    for (int octet = 0; octet <= 0xFF; ++octet) {
        made += static_cast<char>(octet);
    }
    return made;
}

}  // namespace

TEST_CASE("ebcdic: the tables are iconv's, with LF and NEL exchanged") {
    for (const auto page : code_pages) {
        const auto* name = page == code_page::cp037 ? "IBM037" : "IBM1047";
        CAPTURE(name);
        for (const char octet : every_octet()) {
            CAPTURE(static_cast<unsigned char>(octet));
            const auto asked = octet == '\n' ? '\x85' : octet == '\x85' ? '\n' : octet;
            CHECK(ebcdic_of(page, {&octet, 1}).front() == by_iconv(name, "ISO-8859-1", asked));
        }
    }
}

TEST_CASE("ebcdic: a line ends in NL on the network (RFC 959 section 3.4)") {
    for (const auto page : code_pages) {
        CHECK(ebcdic_of(page, "HELLO, World 09\n") ==
              "\xC8\xC5\xD3\xD3\xD6\x6B\x40\xE6\x96\x99\x93\x84\x40\xF0\xF9\x15");
        CHECK(text_of(page, "\x81\x15\x82\x0D\x25") == "a\nb\r\x85");
        CHECK(ebcdic_of(page, " ") == "\x40");  // The filler of section 3.4.3.
    }
    CHECK(ebcdic_of(code_page::cp037, "[^]") == "\xBA\xB0\xBB");
    CHECK(ebcdic_of(code_page::cp1047, "[^]") == "\xAD\x5F\xBD");
}

TEST_CASE("ebcdic: every octet comes back, both ways, however the file is cut") {
    for (const auto page : code_pages) {
        const auto all = every_octet();
        CHECK(text_of(page, ebcdic_of(page, all)) == all);
        CHECK(ebcdic_of(page, text_of(page, all)) == all);
        for (std::size_t cut = 0; cut <= all.size(); ++cut) {
            auto out = ebcdic_of(page, all.substr(0, cut));
            vfs::ebcdic::to_network(page, all.substr(cut), out);
            REQUIRE(out == ebcdic_of(page, all));
            out = text_of(page, all.substr(0, cut));
            vfs::ebcdic::from_network(page, all.substr(cut), out);
            REQUIRE(out == text_of(page, all));
        }
    }
}
