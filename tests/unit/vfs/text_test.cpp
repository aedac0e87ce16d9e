#include "ferry/vfs/text.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/base/random.hpp"

using namespace ferry;
using namespace std::string_literals;
using namespace std::string_view_literals;
namespace text = vfs::text;

namespace {

using pieces = std::vector<std::string_view>;

std::string stored_to_network(const pieces& stored) {
    text::to_network converter;
    std::string out;
    for (const auto piece : stored) {
        converter.convert(piece, out);
    }
    return out;
}

std::string network_to_stored(const pieces& received) {
    text::from_network converter;
    std::string out;
    for (const auto piece : received) {
        converter.convert(piece, out);
    }
    converter.finish(out);
    return out;
}

std::uint64_t counted(const pieces& stored) {
    text::network_size counter;
    for (const auto piece : stored) {
        counter.add(piece);
    }
    return counter.octets();
}

/// Every way to cut `sample` into pieces: bit i of the number is a cut after octet i.
std::vector<pieces> every_split(std::string_view sample) {
    const std::size_t cuts = sample.empty() ? 0 : sample.size() - 1;
    std::vector<pieces> all;
    for (std::size_t mask = 0; mask < (std::size_t{1} << cuts); ++mask) {
        pieces one;
        std::size_t begin = 0;
        for (std::size_t i = 0; i < cuts; ++i) {
            if ((mask >> i & 1U) != 0) {
                one.push_back(sample.substr(begin, i + 1 - begin));
                begin = i + 1;
            }
        }
        one.push_back(sample.substr(begin));
        all.push_back(one);
    }
    return all;
}

/// Up to 64 octets, mostly CR and LF, in pieces of up to 5.
std::string random_sample(ferry::random& chance) {
    std::string made;
    for (auto left = chance.below(65); left > 0; --left) {
        made += "\r\n\r\nab"[chance.below(6)];
    }
    return made;
}

pieces random_pieces(std::string_view whole, ferry::random& chance) {
    pieces made;
    while (!whole.empty()) {
        const auto size = std::min<std::size_t>(whole.size(), chance.below(6));
        made.push_back(whole.substr(0, size));
        whole.remove_prefix(size);
    }
    return made;
}

/// Lines of every length, some with CR inside or in front of their end, a few hundred octets of
/// them.
std::string random_lines(ferry::random& chance) {
    std::string made;
    const auto size = chance.below(700);
    const auto line_bytes_max = 1 + chance.below(150);
    while (made.size() < size) {
        made.append(chance.below(line_bytes_max), 'x');
        made += std::array{"\n"sv, "\r\n"sv, "\r"sv, "\r\r\n"sv, "\n\n"sv}[chance.below(5)];
    }
    return made;
}

/// Octet by octet, as the RFC has it.
std::string slowly_to_network(std::string_view stored) {
    std::string made;
    for (const char c : stored) {
        made += c == '\n' && !made.ends_with('\r') ? "\r\n"s : std::string(1, c);
    }
    return made;
}

std::string slowly_to_stored(std::string_view network) {
    std::string made;
    for (const char c : network) {
        if (c == '\n' && made.ends_with('\r')) {
            made.pop_back();
        }
        made += c;
    }
    return made;
}

}  // namespace

TEST_CASE("text: LF goes out as CRLF, no CR is doubled (RFC 959 section 3.1.1.1)") {
    struct row {
        std::string_view stored;
        std::string_view network;
    };
    static constexpr row rows[] = {
        {"", ""},
        {"a", "a"},
        {"\n", "\r\n"},
        {"a\nb\n", "a\r\nb\r\n"},
        {"a\nb", "a\r\nb"},
        {"\n\n\n", "\r\n\r\n\r\n"},
        {"a\r\nb\r\n", "a\r\nb\r\n"},
        {"a\r\nb\nc", "a\r\nb\r\nc"},
        {"\r", "\r"},
        {"\ra\r", "\ra\r"},
        {"\r\r\n", "\r\r\n"},
        {"\r\n\n", "\r\n\r\n"},
        {"\n\r", "\r\n\r"},
        {"\n\r\n\r\n\n", "\r\n\r\n\r\n\r\n"},
        {std::string_view("\0\n\xff\r\n", 5), std::string_view("\0\r\n\xff\r\n", 6)},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (const auto& split : every_split(each.stored)) {
            CHECK(stored_to_network(split) == each.network);
            CHECK(counted(split) == each.network.size());
        }
    }
}

TEST_CASE("text: CRLF comes in as LF, a lone CR stays, at the end too (RFC 959 section 3.1.1.1)") {
    struct row {
        std::string_view network;
        std::string_view stored;
    };
    static constexpr row rows[] = {
        {"", ""},
        {"a", "a"},
        {"\r\n", "\n"},
        {"a\r\nb\r\n", "a\nb\n"},
        {"\r", "\r"},
        {"a\r", "a\r"},
        {"\ra", "\ra"},
        {"\r\r", "\r\r"},
        {"\r\r\n", "\r\n"},
        {"\r\n\r", "\n\r"},
        {"\n", "\n"},
        {"a\nb\r\n", "a\nb\n"},
        {"\n\r\n", "\n\n"},
        {"\r\n\r\n\r\n", "\n\n\n"},
        {std::string_view("\r\0\r\n\xff", 5), std::string_view("\r\0\n\xff", 4)},
    };
    for (const auto& each : rows) {
        CAPTURE(each.network);
        for (const auto& split : every_split(each.network)) {
            CHECK(network_to_stored(split) == each.stored);
        }
    }
}

TEST_CASE("text: empty pieces change nothing") {
    CHECK(stored_to_network({"\r", "", "\n", ""}) == "\r\n");
    CHECK(network_to_stored({"\r", "", "\n", ""}) == "\n");
    CHECK(counted({"\r", "", "\n", ""}) == 2);
}

TEST_CASE("text: long pieces count right whatever their length (RFC 3659 section 4)") {
    for (const auto line : {"\n"sv, "\r\n"sv, "a\n"sv, "\r"sv}) {
        std::string stored;
        for (std::size_t i = 0; i < 1'100; ++i) {
            REQUIRE(counted({stored}) == stored_to_network({stored}).size());
            stored += line;
        }
    }
}

TEST_CASE("text: a converter that finished has nothing left to say") {
    text::from_network converter;
    std::string out;
    converter.convert("a\r", out);
    CHECK(out == "a");
    converter.finish(out);
    converter.finish(out);
    CHECK(out == "a\r");
}

// Goal: what is converted in blocks comes out as what is converted octet by octet (RFC 959 section
// 3.1.1.1), wherever lines and pieces end within them. A failure prints the seed.
TEST_CASE("text: long pieces are converted as short ones are") {
    for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto sample = random_lines(chance);
        const std::string_view whole = sample;
        const auto cut = static_cast<std::size_t>(chance.below(sample.size() + 1));
        const pieces halves{whole.substr(0, cut), whole.substr(cut)};
        REQUIRE(stored_to_network(halves) == slowly_to_network(sample));
        REQUIRE(network_to_stored(halves) == slowly_to_stored(sample));
    }
}

// Goal: the round trip loses nothing, whatever the pieces. Method: random octets rich in CR and LF,
// cut at random on both legs; a failure prints the seed that replays it.
TEST_CASE("text: what went out comes back, with stored CRLF as LF") {
    for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto stored = random_sample(chance);
        const auto network = stored_to_network(random_pieces(stored, chance));
        REQUIRE(network == stored_to_network({stored}));
        REQUIRE(counted(random_pieces(stored, chance)) == network.size());
        const auto back = network_to_stored(random_pieces(network, chance));
        REQUIRE(back == network_to_stored({stored}));
        if (!stored.contains("\r\n")) {
            REQUIRE(back == stored);
        }
        for (std::size_t i = 0; i < network.size(); ++i) {
            const bool bare_lf = network[i] == '\n' && (i == 0 || network[i - 1] != '\r');
            REQUIRE_FALSE(bare_lf);
        }
    }
}
