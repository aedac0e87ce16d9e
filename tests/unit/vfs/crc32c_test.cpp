#include "vfs/crc32c.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "ferry/base/random.hpp"
#include "scratch.hpp"

using namespace ferry;
using ferry::vfs_test::octets;

TEST_CASE("crc32c: the examples of RFC 3720 appendix B.4, by instruction and by tables") {
    struct row {
        std::string text;
        std::uint32_t value;
    };
    std::string up;
    std::string down;
    for (int i = 0; i < 32; ++i) {
        up += static_cast<char>(i);
        down += static_cast<char>(31 - i);
    }
    const std::array rows{
        row{std::string(32, '\0'), 0x8A9136AAU},
        row{std::string(32, '\xff'), 0x62A8AB43U},
        row{up, 0x46DD794EU},
        row{down, 0x113FDB5CU},
        row{"123456789", 0xE3069283U},
        row{"", 0},
    };
    for (const auto& each : rows) {
        CAPTURE(each.value);
        CHECK(vfs::crc32c(0, octets(each.text)) == each.value);
        CHECK(vfs::crc32c_by_tables(0, octets(each.text)) == each.value);
    }
}

TEST_CASE("crc32c: any octets, cut anywhere, the same by both ways") {
    ferry::random rng(7);
    for (int turn = 0; turn < 200; ++turn) {
        std::string text(rng.below(100), '\0');
        for (char& each : text) {
            each = static_cast<char>(rng.below(256));
        }
        const auto cut = text.empty() ? 0 : rng.below(text.size() + 1);
        const auto whole = vfs::crc32c_by_tables(0, octets(text));
        const auto first = vfs::crc32c(0, octets(text.substr(0, cut)));
        CAPTURE(turn);
        CHECK(vfs::crc32c(first, octets(text.substr(cut))) == whole);
        CHECK(vfs::crc32c_by_tables(first, octets(text.substr(cut))) == whole);
    }
}
