#include "ferry/vfs/pages.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "ferry/base/random.hpp"

using namespace ferry;
using namespace std::string_literals;
using namespace std::string_view_literals;
namespace pages = vfs::pages;

namespace {

result<std::string> pages_to_network(std::string_view stored, std::size_t piece_bytes,
                                     std::size_t page_bytes = pages::page_bytes_max) {
    pages::to_network converter(page_bytes);
    std::string out;
    while (!stored.empty()) {
        const auto piece = stored.substr(0, piece_bytes);
        if (auto taken = converter.convert(piece, out); !taken) {
            return failure(taken.error());
        }
        stored.remove_prefix(piece.size());
    }
    if (auto ended = converter.finish(out); !ended) {
        return failure(ended.error());
    }
    return out;
}

/// A sparse file as from_network writes it: what no page covered is '.', which the caller sees as
/// a hole.
result<std::string> pages_from_network(std::string_view received, std::size_t piece_bytes,
                                       std::size_t page_bytes = pages::page_bytes_max,
                                       char hole = '\0') {
    pages::from_network converter(page_bytes);
    std::string file;
    while (!received.empty()) {
        auto piece = received.substr(0, piece_bytes);
        received.remove_prefix(piece.size());
        while (!piece.empty()) {
            FERRY_TRY(placed, converter.next(piece));
            REQUIRE((!placed.data.empty() || piece.empty()));
            if (!placed.data.empty()) {
                const auto end = static_cast<std::size_t>(placed.offset) + placed.data.size();
                REQUIRE(end <= converter.size_bytes());
                file.resize(std::max(file.size(), end), hole);
                file.replace(static_cast<std::size_t>(placed.offset), placed.data.size(),
                             placed.data);
            }
        }
    }
    if (auto whole = converter.finish(); !whole) {
        return failure(whole.error());
    }
    file.resize(static_cast<std::size_t>(converter.size_bytes()), hole);
    return file;
}

/// Pages by their index, read by the letter of RFC 959 section 3.1.2.3: the independent reader.
std::map<int, std::string> pages_by_the_letter(std::string_view network) {
    std::map<int, std::string> read;
    const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(network[at]); };
    for (;;) {
        REQUIRE(network.size() >= 4);
        REQUIRE(octet(0) == 4);
        const std::size_t data_bytes = octet(2);
        if (octet(3) == 0) {
            REQUIRE(data_bytes == 0);
            REQUIRE(network.size() == 4);
            return read;
        }
        REQUIRE(octet(3) == 1);
        REQUIRE(network.size() >= 4 + data_bytes);
        REQUIRE(read.emplace(octet(1), network.substr(4, data_bytes)).second);
        network.remove_prefix(4 + data_bytes);
    }
}

/// A file of `size_bytes` in which runs of zeros and of other octets take turns.
std::string random_file(ferry::random& chance, std::size_t size_bytes) {
    std::string made;
    while (made.size() < size_bytes) {
        const auto run = 1 + chance.below(40);
        const bool zeros = chance.below(2) == 0;
        for (std::uint64_t i = 0; i < run; ++i) {
            made += zeros ? '\0' : static_cast<char>(chance.below(256));
        }
    }
    made.resize(size_bytes);
    return made;
}

}  // namespace

TEST_CASE("pages: each goes after its header, the last page ends them (RFC 959 section 3.1.2.3)") {
    struct row {
        std::string_view stored;
        std::string_view network;
    };
    // Pages of three octets. Header: length, index, data length, type.
    static constexpr row rows[] = {
        {"", "\4\0\0\0"sv},
        {"a", "\4\0\1\1a\4\0\0\0"sv},
        {"abc", "\4\0\3\1abc\4\0\0\0"sv},
        {"abcd", "\4\0\3\1abc\4\1\1\1d\4\0\0\0"sv},
        {"a\0\0"sv, "\4\0\3\1a\0\0\4\0\0\0"sv},
        // A page of zeros is a hole, but for the one that says where the file ends.
        {"\0\0\0d"sv, "\4\1\1\1d\4\0\0\0"sv},
        {"abc\0\0\0\0\0\0def"sv, "\4\0\3\1abc\4\3\3\1def\4\0\0\0"sv},
        {"\0"sv, "\4\0\1\1\0\4\0\0\0"sv},
        {"\0\0\0\0\0\0"sv, "\4\1\3\1\0\0\0\4\0\0\0"sv},
        {"\0\0\0\0"sv, "\4\1\1\1\0\4\0\0\0"sv},
    };
    for (const auto& each : rows) {
        CAPTURE(each.stored);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            const auto network = pages_to_network(each.stored, bytes, 3);
            REQUIRE(network);
            CHECK(*network == each.network);
            const auto back = pages_from_network(each.network, bytes, 3);
            REQUIRE(back);
            CHECK(*back == each.stored);
        }
    }
}

TEST_CASE("pages: they come in any order, short, described and with rights (RFC 959 appendix I)") {
    struct row {
        std::string_view network;
        std::string_view file;  ///< '.' is a hole.
    };
    static constexpr row rows[] = {
        {"\4\1\1\1d\4\0\3\1abc\4\0\0\0"sv, "abcd"},
        {"\4\2\3\1ghi\4\0\1\1a\4\0\0\0"sv, "a.....ghi"},
        {"\4\2\3\1ghi\4\0\0\0"sv, "......ghi"},
        {"\5\0\3\3\7abc\5\1\1\3\7d\4\0\0\0"sv, "abcd"},  // Rights, dropped.
        {"\4\0\0\2\4\0\1\1a\4\0\0\0"sv, "a"},            // A description, dropped,
        {"\5\0\5\2\1hello\5\0\1\3\7a\4\0\0\0"sv, "a"},   // longer than a page too.
        {"\4\1\0\1\4\0\0\0"sv, "..."},                   // Empty: a file ends there.
        {"\4\0\0\1\4\0\0\0"sv, ""},
        {"\4\xFF\1\1z\4\0\0\0"sv, ""},  // Looked at below.
    };
    for (const auto& each : rows) {
        CAPTURE(each.network);
        for (std::size_t bytes = 1; bytes <= each.network.size(); ++bytes) {
            const auto file = pages_from_network(each.network, bytes, 3, '.');
            REQUIRE(file);
            if (each.network[1] == '\xFF') {
                CHECK(*file == std::string(765, '.') + 'z');
            } else {
                CHECK(*file == each.file);
            }
        }
    }
}

TEST_CASE("pages: a header that RFC 959 section 3.1.2.3 does not allow is refused") {
    static constexpr std::string_view bad[] = {
        "\3\0\1\1a"sv,  // Shorter than a header is.
        "\0\0\1\1a"sv,
        "\5\0\1\1xa"sv,  // A simple page has four fields,
        "\4\0\1\3a"sv,   // one with rights has five,
        "\6\0\1\3xxa"sv,
        "\5\0\0\0x"sv,  // the last has four,
        "\4\0\1\0a"sv,  // and no data.
        "\3\0\0\2"sv,
        "\4\0\1\4a"sv,  // No such type.
        "\4\0\1\xFF"
        "a"sv,
        "\4\0\4\1abcd"sv,        // Longer than a page.
        "\4\0\1\1a\4\0\1\1a"sv,  // The same page again.
        "\4\0\0\1\4\0\1\1a"sv,
        "\4\0\0\0\4"sv,  // After the last page.
        "\4\0\0\0x"sv,
    };
    for (const auto network : bad) {
        CAPTURE(network);
        for (std::size_t bytes = 1; bytes <= network.size(); ++bytes) {
            const auto refused = pages_from_network(network, bytes, 3);
            REQUIRE_FALSE(refused);
            CHECK(refused.error() == errc::invalid);
        }
    }
}

TEST_CASE("pages: a file without its last page is not whole (RFC 959 section 3.4)") {
    const auto network = "\4\0\3\1abc\5\2\2\3\7gh\4\0\0\0"sv;
    for (std::size_t cut = 0; cut < network.size(); ++cut) {
        CAPTURE(cut);
        const auto refused = pages_from_network(network.substr(0, cut), 4, 3);
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == errc::closed);
    }
}

TEST_CASE("pages: a header of one octet a field numbers 256 pages, a longer file is refused") {
    const std::string longest(pages::pages_max * pages::page_bytes_max, 'x');
    const auto network = pages_to_network(longest, 1'000);
    REQUIRE(network);
    CHECK(network->size() == 256 * (4 + 255) + 4);
    const auto back = pages_from_network(*network, 999);
    REQUIRE(back);
    CHECK((*back == longest));
    for (const auto bytes : {1UZ, 255UZ, 256UZ, 100'000UZ}) {
        const auto refused = pages_to_network(longest + 'x', bytes);
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == errc::too_large);
    }
    CHECK(pages_to_network(std::string(256, 'x'), 7, 1));
    CHECK_FALSE(pages_to_network(std::string(257, 'x'), 7, 1));
}

// Goal: every file comes back, and others read the pages we mean. Method: random files with holes,
// from numbered seeds, in pieces and pages of many sizes; a reader of RFC 959's letter.
TEST_CASE("pages: every file comes back, whatever the pieces") {
    for (std::uint64_t seed = 1; seed <= 150; ++seed) {
        CAPTURE(seed);
        ferry::random chance(seed);
        const auto page_bytes = 1 + chance.below(12);
        const auto stored = random_file(chance, chance.below(100));
        const auto network = pages_to_network(stored, 1'000, page_bytes);
        REQUIRE(network);
        REQUIRE(network->size() <= 5 * stored.size() + 4);
        for (std::size_t bytes = 1; bytes <= network->size(); ++bytes) {
            REQUIRE(pages_to_network(stored, bytes, page_bytes) == network);
            const auto back = pages_from_network(*network, bytes, page_bytes);
            REQUIRE(back);
            REQUIRE(*back == stored);
        }
        std::string file;
        for (const auto& [index, data] : pages_by_the_letter(*network)) {
            file.resize(static_cast<std::size_t>(index) * page_bytes, '\0');
            file += data;
        }
        REQUIRE(file == stored);
    }
}
