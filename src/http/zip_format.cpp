#include "http/zip_format.hpp"

#include <cstddef>
#include <limits>

#include "ferry/base/wall_clock.hpp"
#include "http/code_points.hpp"

namespace ferry::http {
namespace {

constexpr std::uint32_t max_16 = 0xFFFF;
constexpr std::uint32_t max_32 = 0xFFFF'FFFF;  // Means: see the ZIP64 field.
constexpr std::uint32_t version_plain = 20;    // Directories.
constexpr std::uint32_t version_zip64 = 45;
constexpr std::uint32_t made_on_unix = 3U << 8U;

/// Appends the lowest `octets` octets of `value`, the lowest first.
void append_little(std::string& out, std::uint64_t value, int octets) {
    for (; octets > 0; --octets) {
        out += static_cast<char>(value & 0xFFU);
        value >>= 8U;
    }
}
void append_16(std::string& out, std::uint64_t value) {
    append_little(out, value, 2);
}
void append_32(std::string& out, std::uint64_t value) {
    append_little(out, value, 4);
}
void append_64(std::string& out, std::uint64_t value) {
    append_little(out, value, 8);
}

/// Sizes that need 64 bits: a value of all ones stands for the ZIP64 field.
bool is_large(std::uint64_t value) noexcept {
    return value >= max_32;
}

std::uint32_t flags_of(const archive_entry& entry, const zip_content& content) {
    return (content.has_descriptor ? 1U << 3U : 0U) | (is_utf8(entry.name) ? 1U << 11U : 0U);
}

/// Time and date of MS-DOS: 1980 to 2107, in steps of two seconds.
void append_dos_time(std::string& out, std::int64_t seconds) {
    constexpr std::int64_t year_1980 = 315'532'800;
    constexpr std::int64_t year_2108 = 4'354'819'200;
    const auto held = seconds < year_1980    ? year_1980
                      : seconds >= year_2108 ? year_2108 - 1
                                             : seconds;
    const auto time = to_calendar(held);
    append_16(out,
              static_cast<std::uint32_t>(time.hour << 11 | time.minute << 5 | time.second / 2));
    append_16(out,
              static_cast<std::uint32_t>((time.year - 1980) << 9 | time.month << 5 | time.day));
}

/// The extra field "extended timestamp" with the time of change.
void append_unix_time(std::string& out, std::int64_t seconds) {
    if (seconds < std::numeric_limits<std::int32_t>::min() ||
        seconds > std::numeric_limits<std::int32_t>::max()) {
        return;
    }
    append_16(out, 0x5455);
    append_16(out, 5);
    out += '\1';
    append_32(out, static_cast<std::uint64_t>(seconds));
}

/// What local headers and the central directory have in common, from the version needed on.
void append_common(std::string& out, const archive_entry& entry, const zip_content& content,
                   std::uint32_t version) {
    append_16(out, version);
    append_16(out, flags_of(entry, content));
    append_16(out, 0);  // Stored.
    append_dos_time(out, entry.modified_seconds);
}

}  // namespace

void append_zip_local(std::string& out, const archive_entry& entry, const zip_content& content) {
    const bool large = is_large(content.size_bytes);
    const auto told_crc = content.has_descriptor ? 0U : content.crc;
    const auto told_size = content.has_descriptor ? 0U : content.size_bytes;
    std::string extra;
    if (large) {  // Both sizes, always (section 4.5.3); and the descriptor has 64 bits then.
        append_16(extra, 0x0001);
        append_16(extra, 16);
        append_64(extra, told_size);
        append_64(extra, told_size);
    }
    append_unix_time(extra, entry.modified_seconds);
    append_32(out, 0x04034b50);
    append_common(out, entry, content, large ? version_zip64 : version_plain);
    append_32(out, told_crc);
    append_32(out, large ? max_32 : told_size);
    append_32(out, large ? max_32 : told_size);
    append_16(out, entry.name.size());
    append_16(out, extra.size());
    out += entry.name;
    out += extra;
}

void append_zip_descriptor(std::string& out, const zip_content& content) {
    const int octets = is_large(content.size_bytes) ? 8 : 4;
    append_32(out, 0x08074b50);
    append_32(out, content.crc);
    append_little(out, content.size_bytes, octets);
    append_little(out, content.size_bytes, octets);
}

void append_zip_central(std::string& out, const archive_entry& entry, const zip_content& content,
                        std::uint64_t local_offset) {
    const bool large = is_large(content.size_bytes);
    const bool is_far = is_large(local_offset);
    std::string extra;
    if (large || is_far) {  // What is all ones in the record, in this order.
        append_16(extra, 0x0001);
        append_16(extra, (large ? 16U : 0U) + (is_far ? 8U : 0U));
        if (large) {
            append_64(extra, content.size_bytes);
            append_64(extra, content.size_bytes);
        }
        if (is_far) {
            append_64(extra, local_offset);
        }
    }
    append_unix_time(extra, entry.modified_seconds);
    const auto version = large || is_far ? version_zip64 : version_plain;
    constexpr std::uint32_t regular = 0100000;
    constexpr std::uint32_t directory = 0040000;
    constexpr std::uint32_t dos_directory = 0x10;
    append_32(out, 0x02014b50);
    append_16(out, made_on_unix | version);
    append_common(out, entry, content, version);
    append_32(out, content.crc);
    append_32(out, large ? max_32 : content.size_bytes);
    append_32(out, large ? max_32 : content.size_bytes);
    append_16(out, entry.name.size());
    append_16(out, extra.size());
    append_16(out, 0);  // No comment,
    append_16(out, 0);  // on the first disk,
    append_16(out, 0);  // no text.
    append_32(out, (entry.is_directory ? directory : regular) << 16U | entry.mode() << 16U |
                       (entry.is_directory ? dos_directory : 0U));
    append_32(out, is_far ? max_32 : local_offset);
    out += entry.name;
    out += extra;
}

void append_zip_end(std::string& out, const zip_directory& directory) {
    const bool is_zip64 =
        directory.entries >= max_16 || is_large(directory.offset) || is_large(directory.size_bytes);
    if (is_zip64) {
        const auto record_offset = directory.offset + directory.size_bytes;
        append_32(out, 0x06064b50);
        append_64(out, 44);  // Of the record, less its first twelve octets.
        append_16(out, made_on_unix | version_zip64);
        append_16(out, version_zip64);
        append_32(out, 0);
        append_32(out, 0);
        append_64(out, directory.entries);
        append_64(out, directory.entries);
        append_64(out, directory.size_bytes);
        append_64(out, directory.offset);
        append_32(out, 0x07064b50);  // The locator.
        append_32(out, 0);
        append_64(out, record_offset);
        append_32(out, 1);
    }
    const auto entries = directory.entries >= max_16 ? max_16 : directory.entries;
    append_32(out, 0x06054b50);
    append_16(out, 0);
    append_16(out, 0);
    append_16(out, entries);
    append_16(out, entries);
    append_32(out, is_large(directory.size_bytes) ? max_32 : directory.size_bytes);
    append_32(out, is_large(directory.offset) ? max_32 : directory.offset);
    append_16(out, 0);
}

}  // namespace ferry::http
