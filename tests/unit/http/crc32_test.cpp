#include "http/crc32.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace {

std::span<const std::byte> octets(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::uint32_t sum(std::string_view text) {
    ferry::http::crc32 made;
    made.add(octets(text));
    return made.value();
}

}  // namespace

TEST_CASE("crc32: the check value of the catalogues, and others of zlib's") {
    CHECK(sum("123456789") == 0xCBF43926);
    CHECK(sum("") == 0);
    CHECK(sum("a") == 0xE8B7BE43);
    CHECK(sum(std::string(1'000, '\0')) == 0x060B1780);
    CHECK(sum("The quick brown fox jumps over the lazy dog") == 0x414FA339);
}

TEST_CASE("crc32: pieces of any length make the same sum") {
    std::string text;
    for (int i = 0; i < 300; ++i) {
        text += static_cast<char>(i * 7);
    }
    const auto whole = sum(text);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        ferry::http::crc32 made;
        made.add(octets(std::string_view(text).substr(0, cut)));
        made.add(octets(std::string_view(text).substr(cut)));
        CHECK(made.value() == whole);
        made.add({});
        CHECK(made.value() == whole);
    }
}
