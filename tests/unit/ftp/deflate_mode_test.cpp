#include "ftp/deflate_mode.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"
#include "ferry/base/units.hpp"

using namespace ferry;
using namespace ferry::ftp;
using namespace std::string_view_literals;

namespace {

std::string packed(std::string_view octets, std::size_t piece_bytes, int level) {
    deflate_writer writer(level);
    std::string out;
    while (!octets.empty()) {
        const auto piece = octets.substr(0, piece_bytes);
        REQUIRE(writer.add(piece, out));
        octets.remove_prefix(piece.size());
    }
    REQUIRE(writer.finish(out));
    return out;
}

result<std::string> unpacked(std::string_view received, std::size_t piece_bytes) {
    inflate_reader reader;
    std::string out;
    while (!received.empty()) {
        auto piece = received.substr(0, piece_bytes);
        received.remove_prefix(piece.size());
        while (!piece.empty()) {
            const auto before = out.size();
            const auto event = reader.read(piece, out);
            if (!event) {
                return failure(event.error());
            }
            // What one call may cost: threats.md, R14.
            REQUIRE(out.size() - before <= 768_KiB);
            const bool is_last = *event == mode_event::end_of_file;
            REQUIRE(is_last == reader.finish().has_value());
        }
    }
    if (auto whole = reader.finish(); !whole) {
        return failure(whole.error());
    }
    return out;
}

std::string octets_of(std::size_t count) {
    ferry::random source(7);
    std::string made;
    while (made.size() < count) {
        made.append(source.below(40), static_cast<char>('a' + source.below(20)));
    }
    made.resize(count);
    return made;
}

}  // namespace

TEST_CASE("deflate mode: what another zlib packed is read (RFC 1950)") {
    // Python's zlib.compress(b"hello, hello, hello\n", 9) and of nothing.
    constexpr auto hello =
        "\x78\xda\xcb\x48\xcd\xc9\xc9\xd7\x51\xc8\x40\xa2\xb8\x00\x4b\x07\x06\xdf"sv;
    constexpr auto nothing = "\x78\x9c\x03\x00\x00\x00\x00\x01"sv;
    for (std::size_t piece_bytes = 1; piece_bytes <= hello.size(); ++piece_bytes) {
        CAPTURE(piece_bytes);
        CHECK(unpacked(hello, piece_bytes) == "hello, hello, hello\n");
        CHECK(unpacked(nothing, piece_bytes) == "");
    }
}

TEST_CASE("deflate mode: a file comes back at every level, however it is cut") {
    for (const std::size_t size : {0UZ, 1UZ, 300UZ, 70'000UZ}) {
        const auto file = octets_of(size);
        for (const int level : {deflate_level_min, deflate_level_usual, deflate_level_max}) {
            const auto whole = packed(file, size + 1, level);
            CHECK(packed(file, 257, level) == whole);
            CHECK(unpacked(whole, whole.size()) == file);
            CHECK(unpacked(whole, 1) == file);
        }
    }
}

TEST_CASE("deflate mode: what does not shrink goes as it is, what does is packed all the same") {
    ferry::random source(11);
    std::string noise(5_MiB, ' ');
    for (char& each : noise) {
        each = static_cast<char>(source.below(256));
    }
    const std::string text(6_MiB, 'x');
    const auto whole = packed(noise, noise.size(), deflate_level_usual);
    CHECK(whole.size() < noise.size() + 8_KiB);
    CHECK(unpacked(whole, whole.size()) == noise);
    CHECK(unpacked(packed(noise, 777, deflate_level_usual), 4_KiB) == noise);
    // One beside the other, in any order: no more than 4 MiB behind its beginning it is packed.
    for (const auto& both : {noise + text, text + noise, noise + text + noise + text}) {
        const auto made = packed(both, 100'000, deflate_level_usual);
        CHECK(unpacked(made, 100'000) == both);
        const auto noises = both.size() == (noise + text).size() ? 1U : 2U;
        CHECK(made.size() < noises * (noise.size() + 4_MiB + 100_KiB));
    }
    CHECK(packed(text + noise, 1_MiB, deflate_level_usual).size() < noise.size() + 20_KiB);
    // A pattern in the middle of what does not shrink is found behind it.
    const auto late = packed(noise.substr(0, 1_MiB) + std::string(20_MiB, 'y'), 1_MiB, 1);
    CHECK(late.size() < 3_MiB);
}

TEST_CASE("deflate mode: much of little comes out in bounded pieces") {
    const std::string file(2_MiB, 'x');
    const auto bomb = packed(file, file.size(), deflate_level_max);
    CHECK(bomb.size() < 3_KiB);
    CHECK(unpacked(bomb, bomb.size()) == file);
    CHECK(unpacked(bomb, 1'000) == file);
}

TEST_CASE("deflate mode: what is no whole stream is refused") {
    const auto whole = packed(octets_of(1'000), 1'000, deflate_level_usual);
    for (const auto text : {"hello"sv, "\0\0\0\0"sv, "\x78\x9c\xff\xff\xff\xff"sv}) {
        CHECK(unpacked(text, 1).error() == errc::invalid);
    }
    auto damaged = whole;
    damaged.back() = static_cast<char>(damaged.back() ^ 1);  // The check sum.
    CHECK(unpacked(damaged, 7).error() == errc::invalid);
    CHECK(unpacked(whole + "x", whole.size() + 1).error() == errc::invalid);
    CHECK(unpacked(whole + "x", 1).error() == errc::invalid);
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        CHECK(unpacked(whole.substr(0, kept), 50).error() == errc::closed);
    }
}
