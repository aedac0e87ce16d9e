#include "http/zip_format.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "http/crc32.hpp"
#include "unpack.hpp"

using namespace ferry::http;
using ferry::http::test::unpack_zip;

namespace {

struct zipped_file {
    std::string name;
    std::string content;
    bool streams = false;
    std::int64_t modified = 784'111'777;
};

std::string zip(const std::vector<zipped_file>& files) {
    std::string out;
    std::string central;
    for (const auto& each : files) {
        crc32 sum;
        sum.add(std::as_bytes(std::span(each.content)));
        const archive_entry entry{.name = each.name,
                                  .is_directory = each.name.ends_with('/'),
                                  .modified_seconds = each.modified};
        const zip_content content{
            .crc = sum.value(), .size_bytes = each.content.size(), .has_descriptor = each.streams};
        const auto offset = out.size();
        append_zip_local(out, entry, content);
        out += each.content;
        if (each.streams) {
            append_zip_descriptor(out, content);
        }
        append_zip_central(central, entry, content, offset);
    }
    const zip_directory directory{
        .entries = files.size(), .offset = out.size(), .size_bytes = central.size()};
    out += central;
    append_zip_end(out, directory);
    return out;
}

std::uint64_t number(const std::string& text, std::size_t at, std::size_t octets) {
    std::uint64_t value = 0;
    for (std::size_t i = octets; i > 0; --i) {
        value = value << 8U | static_cast<unsigned char>(text.at(at + i - 1));
    }
    return value;
}

}  // namespace

TEST_CASE("zip: stored files and directories (APPNOTE.TXT 4.3)") {
    const auto read = unpack_zip(zip({{"d/", ""}, {"d/a", "hello"}, {"d/b", "later", true}}));
    REQUIRE(read.size() == 3);
    CHECK(read[0].is_directory);
    CHECK(read[0].mode == 0755);
    CHECK(read[1].name == "d/a");
    CHECK(read[1].content == "hello");
    CHECK(read[1].mode == 0644);
    CHECK(read[1].modified == 784'111'777);
    CHECK_FALSE(read[1].has_descriptor);
    CHECK(read[2].content == "later");
    CHECK(read[2].has_descriptor);
    CHECK(unpack_zip(zip({})).empty());
}

TEST_CASE("zip: names say whether they are UTF-8 (APPNOTE.TXT 4.4.4, bit 11)") {
    const auto read = unpack_zip(zip({{"plain", ""}, {"sm\xC3\xB6rg", ""}, {"latin-\xe9", ""}}));
    CHECK_FALSE(read[0].is_binary);
    CHECK_FALSE(read[1].is_binary);
    CHECK(read[2].is_binary);
    CHECK(read[2].name == "latin-\xe9");
}

TEST_CASE("zip: more than 65,534 entries are counted in the ZIP64 record (APPNOTE.TXT 4.3.14)") {
    for (const std::size_t count :
         {std::size_t{65'534}, std::size_t{65'535}, std::size_t{65'536}}) {
        const auto octets = zip(std::vector<zipped_file>(count, zipped_file{"n", ""}));
        CHECK(octets.contains("PK\6\6") == (count >= 65'535));
        CHECK(number(octets, octets.size() - 12, 2) == std::min<std::size_t>(count, 65'535));
    }
}

TEST_CASE("zip: sizes and offsets beyond 32 bits (APPNOTE.TXT 4.5.3; threats.md, V10)") {
    const archive_entry entry{.name = "n"};
    const zip_content large{.crc = 7, .size_bytes = 0x1'0000'0000, .has_descriptor = true};
    std::string local;
    append_zip_local(local, entry, large);
    CHECK(number(local, 4, 2) == 45);
    CHECK(number(local, 18, 4) == 0xFFFF'FFFF);
    CHECK(number(local, 22, 4) == 0xFFFF'FFFF);
    CHECK(number(local, 28, 2) == 29);
    CHECK(number(local, 31, 2) == 0x0001);
    CHECK(number(local, 33, 2) == 16);
    std::string descriptor;
    append_zip_descriptor(descriptor, large);
    CHECK(descriptor.size() == 24);
    CHECK(number(descriptor, 8, 8) == 0x1'0000'0000);
    CHECK(number(descriptor, 16, 8) == 0x1'0000'0000);

    std::string central;
    append_zip_central(central, entry, large, 0x2'0000'0003);
    CHECK(number(central, 6, 2) == 45);
    CHECK(number(central, 20, 4) == 0xFFFF'FFFF);
    CHECK(number(central, 24, 4) == 0xFFFF'FFFF);
    CHECK(number(central, 42, 4) == 0xFFFF'FFFF);
    CHECK(number(central, 47, 2) == 0x0001);
    CHECK(number(central, 49, 2) == 24);
    CHECK(number(central, 51, 8) == 0x1'0000'0000);
    CHECK(number(central, 59, 8) == 0x1'0000'0000);
    CHECK(number(central, 67, 8) == 0x2'0000'0003);

    // All ones is what stands for the ZIP64 field, so it is a size that needs one.
    std::string ones;
    append_zip_central(ones, entry, {.crc = 0, .size_bytes = 0xFFFF'FFFF}, 0);
    CHECK(number(ones, 49, 2) == 16);
    std::string below;
    append_zip_central(below, entry, {.crc = 0, .size_bytes = 0xFFFF'FFFE}, 0xFFFF'FFFE);
    CHECK(number(below, 20, 4) == 0xFFFF'FFFE);
    CHECK(number(below, 42, 4) == 0xFFFF'FFFE);

    std::string end;
    append_zip_end(end, {.entries = 1, .offset = 0x2'0000'0000, .size_bytes = 50});
    CHECK(end.size() == 98);
    CHECK(number(end, 48, 8) == 0x2'0000'0000);
    CHECK(number(end, 64, 8) == 0x2'0000'0032);  // Where the record is.
    CHECK(number(end, end.size() - 6, 4) == 0xFFFF'FFFF);
}

TEST_CASE("zip: times that its fields cannot say are the nearest, or left out") {
    const auto dos = [](std::int64_t seconds) {
        std::string out;
        append_zip_local(out, {.name = "n", .modified_seconds = seconds}, {});
        return number(out, 10, 4);
    };
    constexpr std::uint64_t first = 0x0021'0000;  // 1980-01-01 00:00:00
    constexpr std::uint64_t last = 0xFF9F'BF7D;   // 2107-12-31 23:59:58
    CHECK(dos(0) == first);
    CHECK(dos(315'532'800) == first);
    CHECK(dos(315'532'802) == first + 1);
    CHECK(dos(4'354'819'199) == last);
    CHECK(dos(std::numeric_limits<std::int64_t>::max()) == last);
    CHECK(dos(std::numeric_limits<std::int64_t>::min()) == first);
    CHECK(unpack_zip(zip({{"n", "", false, -5}})).front().modified == -5);
    std::string far;
    append_zip_local(far, {.name = "n", .modified_seconds = 0x8000'0000}, {});
    CHECK(number(far, 28, 2) == 0);  // No extra field.
}
