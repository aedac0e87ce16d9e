#include "ftp/block_mode.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"
#include "framed_mode.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace ferry::ftp::test;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

std::string written_in_blocks(std::string_view stored, std::size_t piece_bytes,
                              mode_framing framing) {
    return written_by(block_writer(framing), stored, piece_bytes);
}

result<std::string> read_blocks(std::string_view received, std::size_t piece_bytes,
                                mode_framing framing) {
    return read_by(block_reader(framing), received, piece_bytes);
}

struct block {
    unsigned codes;
    std::string data;
};

/// The blocks by the letter of RFC 959 section 3.4.2: the independent reader.
std::vector<block> blocks_by_the_letter(std::string_view network) {
    std::vector<block> blocks;
    const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(network[at]); };
    while (!network.empty()) {
        REQUIRE(network.size() >= 3);
        const std::size_t count = octet(1) * 256U + octet(2);
        REQUIRE(network.size() >= 3 + count);
        blocks.push_back({octet(0), std::string(network.substr(3, count))});
        network.remove_prefix(3 + count);
    }
    return blocks;
}

std::string random_octets(ferry::random& chance, std::string_view among) {
    std::string made;
    for (auto left = chance.below(30); left > 0; --left) {
        made += among[chance.below(among.size())];
    }
    return made;
}

}  // namespace

TEST_CASE(
    "block mode: the last block ends the file, a record ends with its block (RFC 959 3.4.2)") {
    struct row {
        mode_framing framing;
        std::string_view stored;
        std::string_view network;
    };
    static constexpr row rows[] = {
        {plain, "", "\x40\0\0"sv},
        {plain, "abc", "\x40\0\3abc"sv},
        {plain, "a\n\n", "\x40\0\3a\n\n"sv},
        {lines, "a\nb\n", "\x40\0\4a\nb\n"sv},
        {records, "", "\x40\0\0"sv},
        {records, "\n", "\xC0\0\0"sv},
        {records, "a\n", "\xC0\0\1a"sv},
        {records, "a", "\x40\0\1a"sv},
        {records, "a\nbc\n", "\x80\0\1a\xC0\0\2bc"sv},
        {records, "a\nbc", "\x80\0\1a\x40\0\2bc"sv},
        {records, "\n\n", "\x80\0\0\xC0\0\0"sv},
        {records, "a\n\nb", "\x80\0\1a\x80\0\0\x40\0\1b"sv},
        {{.rule = record_rule::records, .line_end = '\x15'}, "a\x15\n", "\x80\0\1a\x40\0\1\n"sv},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            CHECK(written_in_blocks(each.stored, bytes, each.framing) == each.network);
            const auto back = read_blocks(each.network, bytes, each.framing);
            REQUIRE(back);
            CHECK(*back == each.stored);
        }
    }
}

TEST_CASE("block mode: other senders' blocks are read too (RFC 959 section 3.4.2)") {
    struct row {
        mode_framing framing;
        std::string_view network;
        std::string_view stored;
    };
    static constexpr row rows[] = {
        {plain, "\0\0\2ab\0\0\0\0\0\1c\x40\0\0"sv, "abc"},
        {records, "\0\0\2ab\x80\0\1c\x40\0\0"sv, "abc\n"},  // A record in two blocks.
        {records, "\x80\0\1a\x40\0\0"sv, "a\n"},            // The end apart.
        {plain, "\x20\0\1a\x60\0\1b"sv, "ab"},              // Suspect data is data.
        {lines, "\x80\0\1a\xC0\0\1b"sv, "a\nb\n"},          // z/OS: records in STRU F,
        {lines, "\x80\0\3a\nb\x40\0\0"sv, "a\nb\n"},        // which may hold line ends.
        {plain, "\0\0\1a\x10\0\2m1\x40\0\1b"sv, "a<m1>b"},  // Section 3.5.
        {records, "\0\0\1a\x10\0\2m1\x80\0\1b\x10\0\1~\x40\0\0"sv, "a<m1>b\n<~>"},
        {plain, "\x30\0\1m\x40\0\0"sv, "<m>"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            const auto stored = read_blocks(each.network, bytes, each.framing);
            REQUIRE(stored);
            CHECK(*stored == each.stored);
        }
    }
}

TEST_CASE("block mode: what RFC 959 section 3.4.2 does not allow is refused") {
    struct row {
        mode_framing framing;
        std::string_view network;
        errc why;
    };
    static const std::string long_marker = "\x10\0\x41"s + std::string(65, 'm') + "\x40\0\0"s;
    static const row rows[] = {
        {plain, "\x80\0\1a\x40\0\0"sv, errc::invalid},  // A record where there are none.
        {plain, "\1\0\1a\x40\0\0"sv, errc::invalid},    // No such codes.
        {plain, "\x48\0\0"sv, errc::invalid},
        {plain, "\x10\0\0\x40\0\0"sv, errc::invalid},      // Markers: empty,
        {plain, "\x10\0\3a b\x40\0\0"sv, errc::invalid},   // with a space,
        {plain, "\x10\0\2\r\n\x40\0\0"sv, errc::invalid},  // not printable,
        {plain, "\x10\0\1\x7F\x40\0\0"sv, errc::invalid},
        {plain, "\x10\0\1\xE9\x40\0\0"sv, errc::invalid},
        {plain, "\x50\0\1m"sv, errc::invalid},  // and the end of a file.
        {records, "\x90\0\1m\x40\0\0"sv, errc::invalid},
        {plain, long_marker, errc::invalid},
        {records, "\x80\0\3a\nb\x40\0\0"sv, errc::unsupported},
        {plain, ""sv, errc::closed},
        {plain, "\0\0\1a"sv, errc::closed},  // No end of file.
        {records, "\x80\0\1a"sv, errc::closed},
        {plain, "\x40\0\2a"sv, errc::closed},  // Cut off.
        {plain, "\x40\0"sv, errc::closed},
    };
    for (const auto& each : rows) {
        CAPTURE(each.network);
        for (std::size_t bytes = 1; bytes <= each.network.size() + 1; ++bytes) {
            const auto refused = read_blocks(each.network, bytes, each.framing);
            REQUIRE_FALSE(refused);
            CHECK(refused.error() == each.why);
        }
    }
}

TEST_CASE("block mode: octets after the end are the next file's (RFC 959 section 3.3)") {
    auto received = "\x40\0\1a\x40\0\1b"sv;
    std::string out;
    block_reader first(plain);
    auto event = first.read(received, out);
    REQUIRE(event);
    CHECK(*event == mode_event::end_of_file);
    CHECK(received == "\x40\0\1b"sv);
    CHECK(first.finish());
    auto more = received;
    CHECK_FALSE(first.read(more, out));
    block_reader second(plain);
    event = second.read(received, out);
    REQUIRE(event);
    CHECK(*event == mode_event::end_of_file);
    CHECK(received.empty());
    CHECK(out == "ab");
}

TEST_CASE("block mode: suspect data is told of (RFC 959 section 3.4.2)") {
    block_reader reader(plain);
    std::string out;
    auto received = "\0\0\1a"sv;
    REQUIRE(reader.read(received, out));
    CHECK_FALSE(reader.has_suspect());
    received = "\x20\0\1b\0\0\1c"sv;
    REQUIRE(reader.read(received, out));
    CHECK(reader.has_suspect());
    CHECK(out == "abc");
}

TEST_CASE("block mode: a marker stands where it was put (RFC 959 section 3.5)") {
    for (const auto framing : {plain, records}) {
        const auto network = with_markers(block_writer(framing));
        for (std::size_t bytes = 1; bytes <= network.size(); ++bytes) {
            const auto back = read_blocks(network, bytes, framing);
            REQUIRE(back);
            CHECK(*back == file_with_markers);
        }
    }
}

TEST_CASE("block mode: a long record takes several blocks, whatever the pieces") {
    for (const auto size :
         {block_bytes - 1, block_bytes, block_bytes + 1, 2 * block_bytes, 5 * block_bytes + 7}) {
        CAPTURE(size);
        const auto stored = std::string(size, 'x') + '\n' + std::string(size, 'y');
        for (const auto framing : {plain, records}) {
            const auto network = written_in_blocks(stored, stored.size(), framing);
            std::string file;
            for (const auto& each : blocks_by_the_letter(network)) {
                CHECK(each.data.size() <= block_bytes);
                file += each.data;
                file += (each.codes & 128U) != 0 ? "\n" : "";
            }
            CHECK((file == stored));
            for (const auto bytes : {1UZ, 7UZ, 4'096UZ, block_bytes, block_bytes + 1, 100'000UZ}) {
                CHECK((written_in_blocks(stored, bytes, framing) == network));
                const auto back = read_blocks(network, bytes, framing);
                REQUIRE(back);
                CHECK((*back == stored));
            }
        }
    }
}

// Goal: every file comes back, and others read the blocks we mean. Method: random files, from
// numbered seeds, in pieces of every size; a reader of RFC 959's letter.
TEST_CASE("block mode: every file comes back, whatever the pieces") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto stored = random_octets(chance,
                                          "\n\n\0\x40\x80\x10"
                                          "ab"sv);
        for (const auto framing : {plain, lines, records}) {
            const auto network = written_in_blocks(stored, 1'000, framing);
            REQUIRE(network.size() <= 4 * stored.size() + 3);
            for (std::size_t bytes = 1; bytes <= network.size(); ++bytes) {
                REQUIRE(written_in_blocks(stored, bytes, framing) == network);
                const auto back = read_blocks(network, bytes, framing);
                REQUIRE(back);
                REQUIRE(*back == stored);
            }
            std::string file;
            const auto blocks = blocks_by_the_letter(network);
            for (const auto& each : blocks) {
                file += each.data;
                file += (each.codes & 128U) != 0 ? "\n" : "";
                REQUIRE(((each.codes & 64U) != 0) == (&each == &blocks.back()));
                REQUIRE((each.codes & 63U) == 0);
            }
            REQUIRE(file == stored);
        }
    }
}

TEST_CASE("block mode: what is taken at all is read the same whatever the pieces") {
    for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto received = random_octets(chance, "\0\0\0\0\1\2\x40\x80\x10 a"sv) + "\x40\0\0"s;
        block_reader reader(records);
        std::string out;
        auto rest = std::string_view(received);
        auto event = reader.read(rest, out);
        while (event && *event == mode_event::marker) {
            event = reader.read(rest, out);
        }
        // Up to the end of the first file, or to what is refused.
        const auto file = std::string_view(received).substr(0, received.size() - rest.size());
        const auto whole = read_blocks(file, file.size() + 1, records);
        for (std::size_t bytes = 1; bytes <= file.size(); ++bytes) {
            REQUIRE(read_blocks(file, bytes, records) == whole);
        }
    }
}
