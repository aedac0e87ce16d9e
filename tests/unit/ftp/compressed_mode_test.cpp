#include "ftp/compressed_mode.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "ferry/base/random.hpp"
#include "framed_mode.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace ferry::ftp::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

std::string written(std::string_view stored, std::size_t piece_bytes, mode_framing framing,
                    char filler = ' ') {
    return written_by(compressed_writer(framing, filler), stored, piece_bytes);
}

result<std::string> read(std::string_view received, std::size_t piece_bytes, mode_framing framing,
                         char filler = ' ') {
    return read_by(compressed_reader(framing, filler), received, piece_bytes);
}

/// The file by the letter of RFC 959 section 3.4.3: the independent reader. Asks for one end of
/// file, at the end.
std::string read_by_the_letter(std::string_view network, char filler) {
    std::string file;
    unsigned codes = 0;
    std::size_t at = 0;
    const auto octet = [&] {
        REQUIRE(at < network.size());
        return static_cast<unsigned char>(network[at++]);
    };
    while (at < network.size()) {
        REQUIRE((codes & 64U) == 0);
        auto control = octet();
        codes = 0;
        if (control == 0) {
            codes = octet();
            REQUIRE(codes != 0);
            control = octet();
        }
        REQUIRE(control != 0);
        const std::size_t count = control < 128 ? control : control & 63U;
        if (control < 128) {
            for (std::size_t i = 0; i < count; ++i) {
                file += static_cast<char>(octet());
            }
        } else {
            file.append(count, control < 192 ? static_cast<char>(octet()) : filler);
        }
        file += (codes & 128U) != 0 ? "\n" : "";
    }
    REQUIRE((codes & 64U) != 0);
    return file;
}

std::string random_octets(ferry::random& chance, std::string_view among, std::size_t run_max) {
    std::string made;
    for (auto left = chance.below(12); left > 0; --left) {
        made.append(chance.below(run_max) + 1, among[chance.below(among.size())]);
    }
    return made;
}

}  // namespace

TEST_CASE("compressed mode: literal, replicated and filler strings (RFC 959 section 3.4.3)") {
    struct row {
        mode_framing framing;
        std::string_view stored;
        std::string_view network;
    };
    static constexpr row rows[] = {
        {plain, "", "\0\x40\xC0"sv},
        {plain, "abc", "\0\x40\3abc"sv},
        {plain, "aab", "\0\x40\3aab"sv},
        {plain, "aaab",
         "\x83"
         "a\0\x40\1b"sv},
        {plain, "baaa",
         "\1b\0\x40\x83"
         "a"sv},
        {plain, "ab   cd", "\2ab\xC3\0\x40\2cd"sv},
        {plain, "ab  cd", "\0\x40\6ab  cd"sv},
        {plain, "    ", "\0\x40\xC4"sv},
        {plain, "\0\0\0"sv, "\0\x40\x83\0"sv},
        {plain, "a\n\n\n", "\1a\0\x40\x83\n"sv},
        {lines, "a\nb\n", "\0\x40\4a\nb\n"sv},
        {records, "", "\0\x40\xC0"sv},
        {records, "\n", "\0\xC0\xC0"sv},
        {records, "a\n", "\0\xC0\1a"sv},
        {records, "a", "\0\x40\1a"sv},
        {records, "a\nbbbb\n",
         "\0\x80\1a\0\xC0\x84"
         "b"sv},
        {records, "a   \nb", "\1a\0\x80\xC3\0\x40\1b"sv},
        {records, "\n\n", "\0\x80\xC0\0\xC0\xC0"sv},
        {records, "aa\naa", "\0\x80\2aa\0\x40\2aa"sv},  // No run beyond its record.
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t bytes = 1; bytes <= each.network.size() + each.stored.size(); ++bytes) {
            CHECK(written(each.stored, bytes, each.framing) == each.network);
            const auto back = read(each.network, bytes, each.framing);
            REQUIRE(back);
            CHECK(*back == each.stored);
        }
    }
}

TEST_CASE("compressed mode: the filler is that of the type (RFC 959 section 3.4.3)") {
    CHECK(written("\0\0\0\0"sv, 9, plain, '\0') == "\0\x40\xC4"sv);
    CHECK(written("\x40\x40\x40", 9, plain, '\x40') == "\0\x40\xC3"sv);
    const auto zeros = read("\0\x40\xC4"sv, 9, plain, '\0');
    REQUIRE(zeros);
    CHECK(*zeros == "\0\0\0\0"sv);
    const auto spaces = read("\0\x40\xC3"sv, 9, plain, '\x40');
    REQUIRE(spaces);
    CHECK(*spaces == "\x40\x40\x40");
}

TEST_CASE("compressed mode: counts of seven and of six bits (RFC 959 section 3.4.3)") {
    std::string literal;
    for (int i = 0; i < 300; ++i) {
        literal += static_cast<char>('a' + i % 26);
    }
    const auto expected = "\x7F" + literal.substr(0, 127) + "\x7F" + literal.substr(127, 127) +
                          "\0\x40\x2E"s + literal.substr(254);
    for (const auto bytes : {1UZ, 126UZ, 127UZ, 128UZ, 300UZ}) {
        CHECK(written(literal, bytes, plain) == expected);
    }
    CHECK(written(std::string(63, 'x'), 9, plain) == "\0\x40\xBFx"sv);
    CHECK(written(std::string(64, 'x'), 9, plain) == "\xBFx\0\x40\1x"sv);
    CHECK(written(std::string(130, ' '), 9, plain) == "\xFF\xFF\0\x40\xC4"sv);
    for (std::size_t size = 0; size < 400; ++size) {
        for (const char octet : {'x', ' '}) {
            const auto file = std::string(size, octet);
            const auto back = read(written(file, 7, plain), 5, plain);
            REQUIRE(back);
            REQUIRE(*back == file);
        }
    }
}

TEST_CASE("compressed mode: one octet brings at most 64 (RFC 959 section 3.4.3)") {
    compressed_reader reader(records, ' ');
    std::string out;
    auto before = "\0\x80"sv;
    REQUIRE(reader.read(before, out));
    CHECK(out.empty());
    auto longest = "\xFF"sv;
    REQUIRE(reader.read(longest, out));
    CHECK(out == std::string(63, ' ') + '\n');
}

TEST_CASE("compressed mode: other senders' strings are read too (RFC 959 section 3.4.3)") {
    struct row {
        mode_framing framing;
        std::string_view network;
        std::string_view stored;
    };
    static constexpr row rows[] = {
        {plain,
         "\1a\x80z\xC0\x81"
         "b\0\x40\xC1"sv,
         "ab "},                                // Empty strings, and runs of one.
        {plain, "\0\0\1a\0\x40\1b"sv, "ab"},    // An escape that says nothing.
        {plain, "\0\x20\1a\0\x60\1b"sv, "ab"},  // Suspect data is data.
        {lines, "\0\x80\3a\nb\0\xC0\1c"sv, "a\nb\nc\n"},
        {records, "\2ab\0\x80\1c\0\x40\xC0"sv, "abc\n"},  // A record in two strings.
        {plain, "\1a\0\x10\2m1\0\x40\1b"sv, "a<m1>b"},    // Section 3.5.
        {plain, "\1a\0\x10\x83m\0\x40\1b"sv, "a<mmm>b"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            const auto stored = read(each.network, bytes, each.framing);
            REQUIRE(stored);
            CHECK(*stored == each.stored);
        }
    }
}

TEST_CASE("compressed mode: what RFC 959 section 3.4.3 does not allow is refused") {
    struct row {
        mode_framing framing;
        std::string_view network;
        errc why;
    };
    static constexpr row rows[] = {
        {plain, "\0\x80\1a\0\x40\xC0"sv, errc::invalid},   // A record where there are none.
        {plain, "\0\1\1a\0\x40\xC0"sv, errc::invalid},     // No such code.
        {records, "\0\x80\0\x40\xC0"sv, errc::invalid},    // An escape for an escape.
        {plain, "\0\x10\xC0\0\x40\xC0"sv, errc::invalid},  // Markers: empty,
        {plain, "\0\x10\xC2\0\x40\xC0"sv, errc::invalid},  // of spaces,
        {plain, "\0\x10\1\n\0\x40\xC0"sv, errc::invalid},  // not printable,
        {plain, "\0\x50\1m"sv, errc::invalid},             // and the end of a file.
        {records, "\0\x80\3a\nb\0\x40\xC0"sv, errc::unsupported},
        {records, "\x82\n\0\x40\xC0"sv, errc::unsupported},
        {plain, ""sv, errc::closed},
        {plain, "\1a"sv, errc::closed},  // No end of file.
        {plain, "\0"sv, errc::closed},   // Cut off.
        {plain, "\0\x40"sv, errc::closed},
        {plain, "\0\x40\2a"sv, errc::closed},
        {plain, "\0\x40\x81"sv, errc::closed},
    };
    for (const auto& each : rows) {
        CAPTURE(each.network);
        for (std::size_t bytes = 1; bytes <= each.network.size() + 1; ++bytes) {
            const auto refused = read(each.network, bytes, each.framing);
            REQUIRE_FALSE(refused);
            CHECK(refused.error() == each.why);
        }
    }
}

TEST_CASE("compressed mode: octets after the end are the next file's (RFC 959 section 3.3)") {
    auto received = "\0\x40\1a\0\x40\1b"sv;
    std::string out;
    compressed_reader first(plain, ' ');
    auto event = first.read(received, out);
    REQUIRE(event);
    CHECK(*event == mode_event::end_of_file);
    CHECK(received == "\0\x40\1b"sv);
    CHECK(first.finish());
    for (auto more : {"\0"sv, "\1b"sv, "\xC0"sv,
                      "\x81"
                      "b"sv}) {
        auto same = first;
        CHECK_FALSE(same.read(more, out));
    }
    compressed_reader second(plain, ' ');
    event = second.read(received, out);
    REQUIRE(event);
    CHECK(*event == mode_event::end_of_file);
    CHECK(out == "ab");
}

TEST_CASE("compressed mode: a marker stands where it was put (RFC 959 section 3.5)") {
    for (const auto framing : {plain, records}) {
        const auto network = with_markers(compressed_writer(framing, ' '));
        for (std::size_t bytes = 1; bytes <= network.size(); ++bytes) {
            const auto back = read(network, bytes, framing);
            REQUIRE(back);
            CHECK(*back == file_with_markers);
        }
    }
}

// Goal: every file comes back, and others read what we mean. Method: random files with runs, from
// numbered seeds, in pieces of every size; a reader of RFC 959's letter.
TEST_CASE("compressed mode: every file comes back, whatever the pieces") {
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto stored = random_octets(chance,
                                          "\n\n \0\x40\x80"
                                          "ab"sv,
                                          seed % 4 == 0 ? 90 : 4);
        for (const auto framing : {plain, lines, records}) {
            for (const char filler : {' ', '\0'}) {
                const auto network = written(stored, 10'000, framing, filler);
                REQUIRE(network.size() <= 3 * stored.size() + 3);
                for (std::size_t bytes = 1; bytes <= network.size(); ++bytes) {
                    REQUIRE(written(stored, bytes, framing, filler) == network);
                    const auto back = read(network, bytes, framing, filler);
                    REQUIRE(back);
                    REQUIRE(*back == stored);
                }
                REQUIRE(read_by_the_letter(network, filler) == stored);
            }
        }
    }
}
