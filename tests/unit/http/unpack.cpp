#include "unpack.hpp"

#include <doctest/doctest.h>

#include <charconv>
#include <map>
#include <span>
#include <string_view>

#include "http/crc32.hpp"

namespace ferry::http::test {
namespace {

std::uint64_t octal(std::string_view field) {
    std::uint64_t value = 0;
    const auto end = field.find_first_of(std::string_view("\0 ", 2));
    const auto digits = field.substr(0, end);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    CHECK(read.ptr == digits.data() + digits.size());
    return value;
}

std::int64_t decimal(std::string_view text) {
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    CHECK(read.ptr == text.data() + text.size());
    return value;
}

void check_tar_sum(std::string_view header) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i) {
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
    }
    CHECK(octal(header.substr(148, 8)) == sum);
    CHECK(header.substr(257, 8) == std::string_view("ustar\0"
                                                    "00",
                                                    8));
}

std::map<std::string, std::string, std::less<>> read_records(std::string_view text) {
    std::map<std::string, std::string, std::less<>> made;
    while (!text.empty()) {
        const auto blank = text.find(' ');
        REQUIRE(blank != std::string_view::npos);
        const auto length = static_cast<std::size_t>(decimal(text.substr(0, blank)));
        REQUIRE(length <= text.size());
        REQUIRE(length > blank + 1);
        CHECK(text[length - 1] == '\n');
        const auto record = text.substr(blank + 1, length - blank - 2);
        const auto sign = record.find('=');
        REQUIRE(sign != std::string_view::npos);
        made.emplace(record.substr(0, sign), record.substr(sign + 1));
        text.remove_prefix(length);
    }
    return made;
}

/// Takes the lowest-first number of `octets` octets at the front of `text`.
std::uint64_t take(std::string_view& text, std::size_t octets) {
    REQUIRE(text.size() >= octets);
    std::uint64_t value = 0;
    for (std::size_t i = octets; i > 0; --i) {
        value = value << 8U | static_cast<unsigned char>(text[i - 1]);
    }
    text.remove_prefix(octets);
    return value;
}

constexpr std::uint64_t ones_32 = 0xFFFF'FFFF;

/// What local headers and the central directory say alike.
struct zip_header {
    std::uint64_t version, flags, method, time, date, crc, packed, size;
};

zip_header take_header(std::string_view& text) {
    zip_header made{};
    made.version = take(text, 2);
    made.flags = take(text, 2);
    made.method = take(text, 2);
    made.time = take(text, 2);
    made.date = take(text, 2);
    made.crc = take(text, 4);
    made.packed = take(text, 4);
    made.size = take(text, 4);
    return made;
}

/// Reads extra fields: what they say instead of all ones, in the order of the format.
void read_extra(std::string_view extra, std::vector<std::uint64_t*> large, std::int64_t& modified) {
    while (!extra.empty()) {
        const auto id = take(extra, 2);
        const auto size_bytes = take(extra, 2);
        auto field = extra.substr(0, size_bytes);
        extra.remove_prefix(field.size());
        if (id == 0x0001) {
            for (auto* each : large) {
                if (*each == ones_32) {
                    *each = take(field, 8);
                }
            }
            CHECK(field.empty());
        } else {
            REQUIRE(id == 0x5455);
            CHECK(take(field, 1) == 1);
            modified = static_cast<std::int32_t>(take(field, 4));
            CHECK(field.empty());
        }
    }
}

struct zip_end {
    std::uint64_t entries, size_bytes, offset;
};

zip_end read_end(std::string_view octets) {
    REQUIRE(octets.size() >= 22);
    auto end = octets.substr(octets.size() - 22);
    REQUIRE(take(end, 4) == 0x06054b50);
    CHECK(take(end, 4) == 0);
    zip_end made{};
    made.entries = take(end, 2);
    CHECK(take(end, 2) == made.entries);
    made.size_bytes = take(end, 4);
    made.offset = take(end, 4);
    CHECK(take(end, 2) == 0);
    if (made.entries != 0xFFFF && made.size_bytes != ones_32 && made.offset != ones_32) {
        return made;
    }
    REQUIRE(octets.size() >= 22 + 20 + 56);
    auto locator = octets.substr(octets.size() - 42);
    CHECK(take(locator, 4) == 0x07064b50);
    CHECK(take(locator, 4) == 0);
    CHECK(take(locator, 8) == octets.size() - 98);
    CHECK(take(locator, 4) == 1);
    auto record = octets.substr(octets.size() - 98);
    CHECK(take(record, 4) == 0x06064b50);
    CHECK(take(record, 8) == 44);
    take(record, 12);
    made.entries = take(record, 8);
    CHECK(take(record, 8) == made.entries);
    made.size_bytes = take(record, 8);
    made.offset = take(record, 8);
    return made;
}

/// Checks the local header and gives the content behind it.
std::string read_local(std::string_view octets, const zip_header& central, const unpacked& entry) {
    auto local = octets;
    REQUIRE(take(local, 4) == 0x04034b50);
    auto header = take_header(local);
    const auto name_bytes = take(local, 2);
    const auto extra_bytes = take(local, 2);
    CHECK(local.substr(0, name_bytes) == entry.name);
    std::int64_t modified = 0;
    const bool is_zip64 = header.size == ones_32;
    read_extra(local.substr(name_bytes, extra_bytes), {&header.size, &header.packed}, modified);
    local.remove_prefix(name_bytes + extra_bytes);
    CHECK(header.flags == central.flags);
    CHECK(header.time == central.time);
    CHECK(header.date == central.date);
    CHECK(modified == entry.modified);
    const auto content = local.substr(0, central.size);
    REQUIRE(content.size() == central.size);
    local.remove_prefix(content.size());
    if (entry.has_descriptor) {
        CHECK(header.crc == 0);
        CHECK(header.size == 0);
        CHECK(header.packed == 0);
        CHECK(take(local, 4) == 0x08074b50);
        CHECK(take(local, 4) == central.crc);
        CHECK(take(local, is_zip64 ? 8 : 4) == central.size);
        CHECK(take(local, is_zip64 ? 8 : 4) == central.size);
    } else {
        CHECK(header.crc == central.crc);
        CHECK(header.size == central.size);
        CHECK(header.packed == central.size);
    }
    return std::string(content);
}

}  // namespace

std::vector<unpacked> unpack_tar(const std::string& octets) {
    CHECK(octets.size() % 512 == 0);
    std::vector<unpacked> made;
    std::map<std::string, std::string, std::less<>> records;
    std::string_view rest = octets;
    while (rest.size() >= 512 && rest[0] != '\0') {
        const auto header = rest.substr(0, 512);
        check_tar_sum(header);
        auto size_bytes = octal(header.substr(124, 12));
        rest.remove_prefix(512);
        const char type = header[156];
        if (type == 'x') {
            REQUIRE(rest.size() >= size_bytes);
            records = read_records(rest.substr(0, size_bytes));
            rest.remove_prefix((size_bytes + 511) / 512 * 512);
            continue;
        }
        unpacked entry;
        entry.name = header.substr(0, std::min<std::size_t>(header.find('\0'), 100));
        entry.mode = static_cast<std::uint32_t>(octal(header.substr(100, 8)));
        entry.modified = static_cast<std::int64_t>(octal(header.substr(136, 12)));
        entry.is_directory = type == '5';
        CHECK((entry.is_directory || type == '0'));
        if (records.contains("path")) {
            entry.name = records["path"];
        }
        if (records.contains("mtime")) {
            entry.modified = decimal(records["mtime"]);
        }
        if (records.contains("size")) {
            size_bytes = static_cast<std::uint64_t>(decimal(records["size"]));
        }
        entry.is_binary = records.contains("hdrcharset");
        entry.size_bytes = size_bytes;
        records.clear();
        if (!rest.empty()) {
            REQUIRE(rest.size() >= size_bytes);
            entry.content = rest.substr(0, size_bytes);
            rest.remove_prefix((size_bytes + 511) / 512 * 512);
        }
        made.push_back(std::move(entry));
    }
    CHECK((rest.empty() || rest == std::string(1'024, '\0')));
    return made;
}

std::vector<unpacked> unpack_zip(const std::string& octets) {
    const auto end = read_end(octets);
    std::vector<unpacked> made;
    auto central = std::string_view(octets).substr(end.offset, end.size_bytes);
    std::uint64_t expected_offset = 0;
    while (!central.empty()) {
        REQUIRE(take(central, 4) == 0x02014b50);
        CHECK((take(central, 2) >> 8U) == 3);  // Made on Unix.
        auto header = take_header(central);
        CHECK(header.method == 0);
        const auto name_bytes = take(central, 2);
        const auto extra_bytes = take(central, 2);
        CHECK(take(central, 6) == 0);
        const auto attributes = take(central, 4);
        auto offset = take(central, 4);
        unpacked entry;
        entry.name = central.substr(0, name_bytes);
        read_extra(central.substr(name_bytes, extra_bytes), {&header.size, &header.packed, &offset},
                   entry.modified);
        central.remove_prefix(name_bytes + extra_bytes);
        CHECK(header.packed == header.size);
        entry.size_bytes = header.size;
        entry.mode = attributes >> 16U & 0777U;
        entry.is_directory = (attributes >> 16U & 0170000U) == 0040000U;
        CHECK(entry.is_directory == ((attributes & 0x10U) != 0));
        CHECK(entry.is_directory == entry.name.ends_with('/'));
        entry.is_binary = (header.flags & 1U << 11U) == 0;
        entry.has_descriptor = (header.flags & 1U << 3U) != 0;
        CHECK(offset == expected_offset);
        entry.content = read_local(std::string_view(octets).substr(offset), header, entry);
        const bool is_zip64 = header.size >= ones_32;
        expected_offset = offset + 30 + name_bytes + 9 + (is_zip64 ? 20 : 0) + header.size +
                          (entry.has_descriptor ? is_zip64 ? 24 : 16 : 0);
        crc32 sum;
        sum.add(std::as_bytes(std::span(entry.content)));
        CHECK(sum.value() == header.crc);
        made.push_back(std::move(entry));
    }
    CHECK(made.size() == end.entries);
    CHECK(expected_offset == end.offset);
    return made;
}

}  // namespace ferry::http::test
