#include "vfs/unicode_name.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"
#include "ferry/vfs/path.hpp"

using namespace ferry;
using namespace std::string_view_literals;

namespace {

/// UTF-8 by RFC 3629 section 3, written out here so that the product's library is not its own
/// witness.
std::string utf8(std::uint32_t code_point) {
    const auto octet = [](std::uint32_t value) { return static_cast<char>(value); };
    std::string made;
    if (code_point < 0x80) {
        made += octet(code_point);
    } else if (code_point < 0x800) {
        made += octet(0xC0 | code_point >> 6U);
        made += octet(0x80 | (code_point & 0x3FU));
    } else if (code_point < 0x10000) {
        made += octet(0xE0 | code_point >> 12U);
        made += octet(0x80 | (code_point >> 6U & 0x3FU));
        made += octet(0x80 | (code_point & 0x3FU));
    } else {
        made += octet(0xF0 | code_point >> 18U);
        made += octet(0x80 | (code_point >> 12U & 0x3FU));
        made += octet(0x80 | (code_point >> 6U & 0x3FU));
        made += octet(0x80 | (code_point & 0x3FU));
    }
    return made;
}

bool is_surrogate(std::uint32_t code_point) {
    return code_point >= 0xD800 && code_point <= 0xDFFF;
}

/// A name of up to 12 parts: letters that compose, marks, letters with special folding, stray
/// octets.
std::string random_name(ferry::random& chance) {
    static constexpr std::string_view parts[] = {
        "a",      "E",      "I",        "\u0301",     "\u0323",       "\u0308",
        "\u0345", "\u00E9", "\u1E9E",   "\u00DF",     "\u0130",       "\u0131",
        "\u1100", "\u1161", "\u11A8",   "\uAC00",     "\u212B",       "\u0958",
        "\u03A3", "\u03C2", "\u1FB7",   "\U0001D160", "\uFB03",       "\U00010400",
        "\x80",   "\xC3",   "\xE2\x84", "\xFF",       "\xED\xA0\x80", "."};
    std::string made;
    for (auto left = chance.below(13); left > 0; --left) {
        made += parts[chance.below(std::size(parts))];
    }
    return made;
}

}  // namespace

TEST_CASE("unicode name: UTF-8 is what RFC 3629 section 4 says") {
    static constexpr std::string_view good[] = {""sv,
                                                "a"sv,
                                                "\0"sv,
                                                "\x7F"sv,
                                                "\u0080",
                                                "\u07FF",
                                                "\u0800",
                                                "\uD7FF",
                                                "\uE000",
                                                "\uFFFF",
                                                "\U00010000",
                                                "\U0010FFFF",
                                                "a\u00E9\u20AC\U0001F600z"};
    for (const auto text : good) {
        CAPTURE(text);
        CHECK(vfs::is_utf8(text));
    }
    static constexpr std::string_view bad[] = {"\x80",
                                               "\xBF",
                                               "\xC3",
                                               "\xC3z",
                                               "\xC0\x80",
                                               "\xC1\xBF",
                                               "\xE0\x9F\xBF",
                                               "\xE2\x82",
                                               "\xED\xA0\x80",
                                               "\xED\xBF\xBF",
                                               "\xFF",
                                               "\xFE",
                                               "\xF0\x8F\xBF\xBF",
                                               "\xF4\x90\x80\x80",
                                               "\xF5\x80\x80\x80",
                                               "\xF8\x88\x80\x80\x80",
                                               "ab\xE9 "};
    for (const auto text : bad) {
        CAPTURE(text);
        CHECK_FALSE(vfs::is_utf8(text));
    }
    for (std::uint32_t code_point = 0; code_point <= 0x10FFFF; ++code_point) {
        if (vfs::is_utf8(utf8(code_point)) == is_surrogate(code_point)) {
            FAIL("U+", code_point);
        }
    }
}

TEST_CASE("unicode name: equivalent spellings have one composition (Unicode Annex 15)") {
    struct row {
        std::string_view name;
        std::string_view composed;
    };
    static constexpr row rows[] = {
        {"", ""},
        {"plain.txt", "plain.txt"},
        {"e\u0301", "\u00E9"},
        {"\u00E9", "\u00E9"},
        {"cafe\u0301.txt", "caf\u00E9.txt"},
        {"\u212B", "\u00C5"},  // Angstrom sign.
        {"A\u030A", "\u00C5"},
        {"\u1100\u1161\u11A8", "\uAC01"},  // Hangul, section 3.12 of the standard.
        {"\u0958", "\u0915\u093C"},        // Excluded from composition.
        {"s\u0323\u0307", "\u1E69"},       // Marks in canonical order, and not.
        {"s\u0307\u0323", "\u1E69"},
        {"\u1E0B\u0323", "\u1E0D\u0307"},
        {"\uFB03", "\uFB03"},  // A ligature is only compatible.
        {"\U0001D160", "\U0001D158\U0001D165\U0001D16E"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.name);
        CHECK(vfs::to_nfc(each.name) == each.composed);
    }
}

TEST_CASE("unicode name: one key for what differs in case (Unicode 3.13, D145)") {
    struct row {
        std::string_view a;
        std::string_view b;
    };
    static constexpr row same[] = {
        {"README.TXT", "readme.txt"},
        {"STRASSE", "stra\u00DFe"},
        {"\u1E9E", "SS"},
        {"\u00C9t\u00C9", "e\u0301te\u0301"},
        {"\u03A3\u039F\u03A3", "\u03C3\u03BF\u03C2"},
        {"\u0416", "\u0436"},
        {"\U00010400", "\U00010428"},
        {"\u212A", "k"},  // Kelvin sign.
        {"\uFB03", "FFI"},
        {"\u1FB3\u0301", "\u03B1\u0301\u0345"},  // The mark that folds to a letter.
        {"\u0130", "i\u0307"},
        {"\xFFTITLE\x80", "\xFFtitle\x80"},
    };
    for (const auto& each : same) {
        CAPTURE(each.a);
        CHECK(vfs::fold_case(each.a) == vfs::fold_case(each.b));
        CHECK(vfs::fold_case(each.a) == vfs::fold_case(vfs::fold_case(each.a)));
    }
    static constexpr row different[] = {
        {"a", "b"},         {"i", "\u0131"},   // No language's own rules.
        {"e", "\u00E9"},    {"\xE9", "\xC9"},  // No UTF-8: octets.
        {"\xE9", "\u00E9"}, {"a\u200B", "a"},
    };
    for (const auto& each : different) {
        CAPTURE(each.a);
        CHECK(vfs::fold_case(each.a) != vfs::fold_case(each.b));
    }
}

TEST_CASE("unicode name: octets that are no UTF-8 stay in their places (RFC 3629)") {
    CHECK(vfs::to_nfc("e\u0301\xFF"
                      "e\u0301") == "\u00E9\xFF\u00E9");
    CHECK(vfs::to_nfc("e\xFF\u0301") == "e\xFF\u0301");
    CHECK(vfs::to_nfc("\xC3") == "\xC3");
    CHECK(vfs::to_nfc("\xE2\x84"
                      "A\u030A") == "\xE2\x84\u00C5");
    CHECK(vfs::fold_case("\xC9"
                         "ABC\u00C9") ==
          "\xC9"
          "abc\u00E9");
    CHECK(vfs::to_nfc("\0e\u0301"sv) == "\0\u00E9"sv);
}

// Goal: the promises of the header hold for every character, unassigned ones too: what is composed
// is not composed again, a key is its own key, equivalent names have one key.
namespace {

/// All of planes 0 and 1 and the compatibility ideographs of plane 2. Of the rest, where nothing
/// has case or is composed, one in 61: all of them take a sanitizer twenty seconds.
std::uint32_t next_code_point(std::uint32_t after) {
    constexpr std::uint32_t dense_end = 0x2'0000;
    constexpr std::uint32_t ideographs_begin = 0x2'F800;
    constexpr std::uint32_t ideographs_end = 0x2'FA20;
    const bool is_dense =
        after < dense_end || (after >= ideographs_begin && after < ideographs_end);
    const std::uint32_t next = after + (is_dense ? 1 : 61);
    return after < ideographs_begin ? std::min(next, ideographs_begin) : next;
}

}  // namespace

TEST_CASE("unicode name: code points of all planes keep the promises") {
    for (std::uint32_t code_point = 0; code_point <= 0x10FFFF;
         code_point = next_code_point(code_point)) {
        if (is_surrogate(code_point)) {
            continue;
        }
        const auto name = utf8(code_point);
        const auto composed = vfs::to_nfc(name);
        const auto key = vfs::fold_case(name);
        if (vfs::to_nfc(composed) != composed || vfs::fold_case(key) != key ||
            vfs::fold_case(composed) != key || vfs::to_nfc(key) != key ||
            composed.size() > 3 * name.size() || key.size() > 3 * name.size()) {
            FAIL("U+", code_point);
        }
    }
}

TEST_CASE("unicode name: any mix of characters and octets keeps the promises") {
    for (std::uint64_t seed = 1; seed <= 5'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto name = random_name(chance);
        const auto composed = vfs::to_nfc(name);
        REQUIRE(vfs::to_nfc(composed) == composed);
        REQUIRE(vfs::is_utf8(composed) == vfs::is_utf8(name));
        const auto key = vfs::fold_case(name);
        REQUIRE(vfs::fold_case(key) == key);
        REQUIRE(vfs::fold_case(composed) == key);
    }
}

TEST_CASE("unicode name: the longest name may become three times as long, and is whole") {
    std::string name;
    std::string key;
    while (name.size() + 2 <= vfs::name_bytes_max) {
        name += "\u0390";  // Folds to three characters, which compose to it again.
        key += "\u0390";
    }
    CHECK(vfs::fold_case(name) == key);
    std::string notes;
    std::string composed;
    while (notes.size() + 4 <= vfs::name_bytes_max) {
        notes += "\U0001D160";  // Three characters of four octets each, and they stay three.
        composed += "\U0001D158\U0001D165\U0001D16E";
    }
    CHECK(vfs::to_nfc(notes) == composed);
    const std::string cut = "a" + std::string(254, '\xCC');
    CHECK(vfs::to_nfc(cut) == cut);
}
