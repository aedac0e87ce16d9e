#include "ferry/vfs/name_charset.hpp"

#include <doctest/doctest.h>
#include <iconv.h>

#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/vfs/path.hpp"

using namespace ferry;
using namespace std::string_view_literals;

namespace {

vfs::name_charset charset(std::string_view name) {
    auto made = vfs::name_charset::open(name);
    REQUIRE_MESSAGE(made, name);
    return *made;
}

/// `text` as iconv(3) converts it whole: the witness for what a set has. Empty when it has not all.
std::string by_iconv(const char* to, const char* from, std::string text) {
    const auto handle = iconv_open(to, from);
    std::string out(4 * text.size() + 4, '\0');
    char* in = text.data();
    auto in_bytes = text.size();
    char* end = out.data();
    auto room = out.size();
    const auto failed = iconv(handle, &in, &in_bytes, &end, &room) == static_cast<std::size_t>(-1);
    iconv_close(handle);
    out.resize(failed ? 0 : out.size() - room);
    return out;
}

constexpr const char* sets[] = {"ISO-8859-1", "CP1252",      "CP437",
                                "KOI8-R",     "ISO-8859-15", "US-ASCII"};

/// Up to 16 parts of names: what sets have, what they lack, escapes and what looks like one, octets
/// that are no UTF-8.
std::string random_stored(ferry::random& chance) {
    static constexpr std::string_view parts[] = {
        "a",      "%",          "25",     "%25",    "%E2",  "%e2",          "%20",
        "8",      "F",          "\xE9",   "\x80",   "\xC3", "\xA9",         "\xE2",
        "\u00E9", "\u20AC",     "\u2561", "\u0436", "/",    "\xED\xA0\x80", "\xFF",
        "\u0081", "\U0001F600", "\\",     "\r\n"};
    std::string made;
    for (auto left = chance.below(17); left > 0; --left) {
        made += parts[chance.below(std::size(parts))];
    }
    return made;
}

std::string random_octets(ferry::random& chance) {
    std::string made;
    for (auto left = chance.below(13); left > 0; --left) {
        made += chance.below(3) == 0 ? "%25E8AC2"[chance.below(8)]
                                     : static_cast<char>(chance.below(256));
    }
    return made;
}

}  // namespace

TEST_CASE("name charset: what the set has is its octet, the rest is escaped") {
    struct row {
        std::string_view set;
        std::string_view stored;
        std::string_view client;
    };
    static constexpr row rows[] = {
        {"ISO-8859-1", "", ""},
        {"ISO-8859-1", "plain.txt", "plain.txt"},
        {"ISO-8859-1", "caf\u00E9", "caf\xE9"},
        {"ISO-8859-1", "5 \u20AC", "5 %E2%82%AC"},
        {"CP1252", "5 \u20AC", "5 \x80"},
        {"CP437", "caf\u00E9", "caf\x82"},
        {"CP437", "\u2561", "\xB5"},
        {"CP437", "\u0416", "%D0%96"},
        {"CP866", "\u0416", "\x86"},
        {"US-ASCII", "caf\u00E9", "caf%C3%A9"},
        // A Mac's spelling: the mark alone is what the set lacks.
        {"ISO-8859-1", "cafe\u0301", "cafe%CC%81"},
        // Octets that are no UTF-8 (RFC 3629): a name a client of the set itself once made.
        {"ISO-8859-1", "caf\xE9", "caf%E9"},
        {"ISO-8859-1", "\xE2\x82z\xFF", "%E2%82z%FF"},
        // CP1252 has no character at 0x81.
        {"CP1252", "\u0081", "%C2%81"},
        // A percent sign is escaped only where it would else begin an escape.
        {"ISO-8859-1", "100%", "100%"},
        {"ISO-8859-1", "a%20b%2F%zz%", "a%20b%2F%zz%"},
        {"ISO-8859-1", "%E2", "%25E2"},
        {"ISO-8859-1", "%e2%7F", "%e2%7F"},
        {"ISO-8859-1", "%25", "%2525"},
        {"ISO-8859-1", "%%25%", "%%2525%"},
        {"ISO-8859-1", "/d\u00E9p\u00F4t/\u20AC/..", "/d\xE9p\xF4t/%E2%82%AC/.."},
        {"ISO-8859-1", "a\0b"sv, "a\0b"sv},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        const auto names = charset(each.set);
        CHECK(names.to_client(each.stored) == each.client);
        const auto back = names.to_stored(each.client);
        REQUIRE(back);
        CHECK(*back == each.stored);
    }
}

TEST_CASE("name charset: what no name is spelled like is refused") {
    struct row {
        std::string_view set;
        std::string_view client;
    };
    static constexpr row rows[] = {
        {"CP1252", "\x81"},  // No character.
        {"US-ASCII", "caf\xE9"},
        {"ISO-8859-1", "caf%C3%A9"},  // The set has it: one name, one spelling.
        {"CP1252", "5 %E2%82%AC"},
        {"ISO-8859-1", "100%25"},  // Would be "100%".
        {"ISO-8859-1", "%25zz"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.client);
        const auto refused = charset(each.set).to_stored(each.client);
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == errc::invalid);
    }
}

TEST_CASE("name charset: no escape leads anywhere a path would not (threats.md, V1)") {
    const auto names = charset("ISO-8859-1");
    for (const auto received : {"%2e%2e%2f"sv, "%2E%2E%2F"sv, "%00"sv, "%5C"sv, "%0D%0A"sv}) {
        CAPTURE(received);
        const auto stored = names.to_stored(received);
        REQUIRE(stored);
        CHECK(*stored == received);
    }
    for (int octet = 0; octet <= 0xFF; ++octet) {
        const auto escape =
            std::string("%") + "0123456789ABCDEF"[octet >> 4] + "0123456789ABCDEF"[octet & 0xF];
        const auto stored = names.to_stored("a" + escape);
        const bool is_literal = stored && *stored == "a" + escape;
        CAPTURE(octet);
        CHECK(is_literal == (octet < 0x80 && octet != '%'));
    }
}

TEST_CASE("name charset: the tables are those of iconv") {
    for (const auto* set : sets) {
        CAPTURE(set);
        const auto names = charset(set);
        for (int octet = 1; octet <= 0xFF; ++octet) {
            CAPTURE(octet);
            const std::string client(1, static_cast<char>(octet));
            const auto expected = by_iconv("UTF-8", set, client);
            const auto stored = names.to_stored(client);
            REQUIRE(stored.has_value() == !expected.empty());
            if (stored) {
                CHECK(*stored == expected);
                CHECK(names.to_client(expected) == client);
            }
        }
    }
}

// ARMSCII-8 has brackets and stops twice, TSCII octets that are several characters.
TEST_CASE("name charset: only sets of single octets above US-ASCII are taken") {
    for (const auto* name : {"latin1", "LATIN1", "iso_8859-1", "windows-1252", "cp850", "IBM437"}) {
        CAPTURE(name);
        CHECK(vfs::name_charset::open(name));
    }
    for (const auto name :
         {"UTF-8"sv, "UTF-16"sv, "UTF-7"sv, "SHIFT_JIS"sv, "GBK"sv, "BIG5"sv, "EUC-JP"sv,
          "ISO-2022-JP"sv, "ARMSCII-8"sv, "TSCII"sv, "ISO-2022-KR"sv, "IBM037"sv, "CP1258"sv,
          "no-such-set"sv, ""sv, "latin1//TRANSLIT"sv, "latin1//IGNORE"sv, "latin1\0x"sv}) {
        CAPTURE(name);
        const auto made = vfs::name_charset::open(name);
        REQUIRE_FALSE(made);
        CHECK(made.error() == errc::unsupported);
    }
}

// Goal: the mapping is one to one on all octet strings. Method: names rich in what is special, and
// random octets, from numbered seeds, both ways through every set.
TEST_CASE("name charset: whatever is stored comes back, whatever is taken is the only spelling") {
    for (const auto* set : sets) {
        const auto names = charset(set);
        for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
            CAPTURE(set);
            CAPTURE(seed);
            ferry::random chance(seed);
            for (const auto& stored : {random_stored(chance), random_octets(chance)}) {
                const auto client = names.to_client(stored);
                REQUIRE(client.size() <= 3 * stored.size());
                const auto back = names.to_stored(client);
                REQUIRE(back);
                REQUIRE(*back == stored);
            }
            const auto received = random_octets(chance);
            if (const auto stored = names.to_stored(received)) {
                REQUIRE(names.to_client(*stored) == received);
                REQUIRE(stored->size() <= 3 * received.size());
            }
        }
    }
}
