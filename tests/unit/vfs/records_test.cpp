#include "ferry/vfs/records.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"
#include "ferry/vfs/ebcdic.hpp"

using namespace ferry;
using namespace std::string_literals;
using namespace std::string_view_literals;
namespace records = vfs::records;

namespace {

std::string to_network(std::string_view stored, std::size_t piece_bytes, char line_end = '\n') {
    records::to_network converter(line_end);
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        converter.convert(piece, out);
        stored.remove_prefix(piece.size());
    }
    converter.finish(out);
    return out;
}

result<std::string> from_network(std::string_view received, std::size_t piece_bytes,
                                 char line_end = '\n') {
    records::from_network converter(line_end);
    std::string out;
    while (!received.empty()) {
        const auto piece = received.substr(0, piece_bytes);
        if (auto taken = converter.convert(piece, out); !taken) {
            return failure(taken.error());
        }
        received.remove_prefix(piece.size());
    }
    if (auto whole = converter.finish(); !whole) {
        return failure(whole.error());
    }
    return out;
}

/// The records and what follows the last of them, read by the letter of RFC 959 section 3.4.1: the
/// independent reader.
struct record_file {
    std::vector<std::string> complete;
    std::string rest;
};

record_file read_by_the_letter(std::string_view network) {
    record_file file;
    for (std::size_t i = 0; i < network.size(); ++i) {
        if (network[i] != '\xFF') {
            file.rest += network[i];
            continue;
        }
        const auto code = static_cast<unsigned char>(network[++i]);
        if (code == 0xFF) {
            file.rest += '\xFF';
            continue;
        }
        REQUIRE((code & ~3U) == 0);
        if ((code & 1U) != 0) {
            file.complete.push_back(file.rest);
            file.rest.clear();
        }
        REQUIRE(((code & 2U) != 0) == (i + 1 == network.size()));
    }
    return file;
}

std::string random_octets(ferry::random& chance, std::string_view among) {
    std::string made;
    for (auto left = chance.below(40); left > 0; --left) {
        made += among[chance.below(among.size())];
    }
    return made;
}

}  // namespace

TEST_CASE("records: a line is a record, the end of the file is said (RFC 959 section 3.4.1)") {
    struct row {
        std::string_view stored;
        std::string_view network;
    };
    static constexpr row rows[] = {
        {"", "\xFF\x02"},
        {"\n", "\xFF\x03"},
        {"a\n", "a\xFF\x03"},
        {"a", "a\xFF\x02"},
        {"a\nb\n",
         "a\xFF\x01"
         "b\xFF\x03"},
        {"a\nb",
         "a\xFF\x01"
         "b\xFF\x02"},
        {"\n\n", "\xFF\x01\xFF\x03"},
        {"\n\n\na",
         "\xFF\x01\xFF\x01\xFF\x01"
         "a\xFF\x02"},
        {"a\r\n", "a\r\xFF\x03"},
        {"\xFF", "\xFF\xFF\xFF\x02"},
        {"\xFF\n", "\xFF\xFF\xFF\x03"},
        {"\xFF\x01\n\xFF\xFF\x02", "\xFF\xFF\x01\xFF\x01\xFF\xFF\xFF\xFF\x02\xFF\x02"},
        {"\0\n\0"sv, "\0\xFF\x01\0\xFF\x02"sv},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            CHECK(to_network(each.stored, bytes) == each.network);
            const auto back = from_network(each.network, bytes);
            REQUIRE(back);
            CHECK(*back == each.stored);
        }
    }
}

TEST_CASE("records: other spellings of the same file are read too (RFC 959 section 3.4)") {
    struct row {
        std::string_view network;
        std::string_view stored;
    };
    static constexpr row rows[] = {
        {"a\xFF\x01\xFF\x02", "a\n"},  // End of record and end of file, apart.
        {"a\xFF\x01", "a\n"},          // The close implies the end of the file.
        {"", ""},
        {"a\xFF\x01"
         "b\xFF\x01",
         "a\nb\n"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.network);
        for (std::size_t bytes = 1; bytes <= each.network.size() + 1; ++bytes) {
            const auto stored = from_network(each.network, bytes);
            REQUIRE(stored);
            CHECK(*stored == each.stored);
        }
    }
}

TEST_CASE("records: what RFC 959 section 3.4.1 does not allow is refused, never guessed") {
    struct row {
        std::string_view network;
        errc why;
    };
    static constexpr row rows[] = {
        {"a\xFF\x02"
         "b",
         errc::invalid},  // After the end.
        {"a\xFF\x03\xFF\x02", errc::invalid},
        {"a\nb\xFF\x03", errc::unsupported},  // Would be two records when it comes back.
        {"\n", errc::unsupported},
        {"a", errc::closed},  // Cut off in a record,
        {"a\xFF\x01"
         "b",
         errc::closed},
        {"\xFF\xFF", errc::closed},
        {"a\xFF", errc::closed},  // and in an escape.
        {"a\xFF\x01\xFF", errc::closed},
    };
    for (const auto& each : rows) {
        CAPTURE(each.network);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            const auto refused = from_network(each.network, bytes);
            REQUIRE_FALSE(refused);
            CHECK(refused.error() == each.why);
        }
    }
    for (int code = 0; code < 0xFF; ++code) {
        CAPTURE(code);
        const auto read = from_network("a\xFF"s + static_cast<char>(code), 3);
        CHECK(read.has_value() == (code >= 1 && code <= 3));
        CHECK((read.has_value() || read.error() == errc::invalid));
    }
}

TEST_CASE("records: the end is known once it has been read") {
    records::from_network converter;
    std::string out;
    REQUIRE(converter.convert("a\xFF", out));
    CHECK_FALSE(converter.has_ended());
    REQUIRE(converter.convert("\x03", out));
    CHECK(converter.has_ended());
    CHECK_FALSE(converter.convert("x", out));
}

// Goal: every file comes back, and others read the records we mean. Method: random files rich in
// what is special, from numbered seeds, in pieces of every size; a reader of RFC 959's letter.
TEST_CASE("records: every file comes back, whatever the pieces") {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto stored = random_octets(chance,
                                          "\n\n\xFF\xFF\x01\x02\x03"
                                          "ab");
        const auto network = to_network(stored, 1'000);
        REQUIRE(network.size() <= 2 * stored.size() + 2);
        for (std::size_t bytes = 1; bytes <= network.size(); ++bytes) {
            REQUIRE(to_network(stored, bytes) == network);
            const auto back = from_network(network, bytes);
            REQUIRE(back);
            REQUIRE(*back == stored);
        }
        std::string lines;
        const auto file = read_by_the_letter(network);
        for (const auto& record : file.complete) {
            lines += record + '\n';
        }
        REQUIRE(lines + file.rest == stored);
    }
}

TEST_CASE("records: what is taken at all is read the same whatever the pieces") {
    for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto received = random_octets(chance,
                                            "\xFF\xFF\x01\x01\x02"
                                            "abcdefgh");
        const auto whole = from_network(received, 1'000);
        for (std::size_t bytes = 1; bytes <= received.size(); ++bytes) {
            REQUIRE(from_network(received, bytes) == whole);
        }
    }
}

TEST_CASE("records: EBCDIC text in records (RFC 959 sections 3.1.1.2 and 3.1.2.2)") {
    const auto page = vfs::ebcdic::code_page::cp1047;
    const auto stored = "AB\n\x9F\n\x85z"sv;  // 0x9F is 0xFF there, and must be doubled.
    std::string translated;
    vfs::ebcdic::to_network(page, stored, translated);
    const auto network = to_network(translated, 2, vfs::ebcdic::new_line);
    CHECK(network == "\xC1\xC2\xFF\x01\xFF\xFF\xFF\x01\x25\xA9\xFF\x02");
    const auto back = from_network(network, 2, vfs::ebcdic::new_line);
    REQUIRE(back);
    std::string again;
    vfs::ebcdic::from_network(page, *back, again);
    CHECK(again == stored);
}
