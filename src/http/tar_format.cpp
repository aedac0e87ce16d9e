#include "http/tar_format.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string_view>

#include "ferry/base/ascii.hpp"
#include "http/code_points.hpp"

namespace ferry::http {
namespace {

constexpr std::uint64_t octal_max = 077'777'777'777;  // Eleven digits.
constexpr std::size_t name_bytes_max = 100;

/// Where the fields of a header are.
struct place {
    std::size_t offset;
    std::size_t size_bytes;
};
constexpr place name_at{.offset = 0, .size_bytes = name_bytes_max};
constexpr place mode_at{.offset = 100, .size_bytes = 8};
constexpr place owner_at{.offset = 108, .size_bytes = 8};
constexpr place group_at{.offset = 116, .size_bytes = 8};
constexpr place size_at{.offset = 124, .size_bytes = 12};
constexpr place modified_at{.offset = 136, .size_bytes = 12};
constexpr place checksum_at{.offset = 148, .size_bytes = 8};
constexpr place type_at{.offset = 156, .size_bytes = 1};
constexpr place magic_at{.offset = 257, .size_bytes = 8};
constexpr place device_at{.offset = 329, .size_bytes = 16};

using block = std::array<char, tar_block_bytes>;

void put(block& header, place at, std::string_view text) {
    std::copy_n(text.data(), std::min(text.size(), at.size_bytes), header.data() + at.offset);
}

/// Octal digits, zeros in front, up to a NUL.
void put_octal(block& header, place at, std::uint64_t value) {
    for (std::size_t left = at.size_bytes - 1; left > 0; --left) {
        header[at.offset + left - 1] = static_cast<char>('0' + (value & 7U));
        value >>= 3U;
    }
}

struct plain_header {
    std::string_view name;
    char type = '0';
    std::uint32_t mode = 0644;
    std::uint64_t size_bytes = 0;
    std::uint64_t modified = 0;
};

void append_plain_header(std::string& out, const plain_header& entry) {
    block header{};
    put(header, name_at, entry.name);
    put_octal(header, mode_at, entry.mode);
    put_octal(header, owner_at, 0);
    put_octal(header, group_at, 0);
    put_octal(header, size_at, entry.size_bytes);
    put_octal(header, modified_at, entry.modified);
    put(header, type_at, std::string_view(&entry.type, 1));
    put(header, magic_at,
        std::string_view("ustar\0"
                         "00",
                         8));
    put(header, device_at,
        std::string_view("0000000\0"
                         "0000000\0",
                         16));
    put(header, checksum_at, "        ");  // Counts as blanks (POSIX.1-2017, chksum).
    std::uint64_t sum = 0;
    for (const char c : header) {
        sum += static_cast<unsigned char>(c);
    }
    put_octal(header, {.offset = checksum_at.offset, .size_bytes = 7}, sum);
    header[checksum_at.offset + 6] = '\0';
    out.append(header.data(), header.size());
}

std::size_t count_digits(std::size_t value) {
    std::size_t digits = 1;
    for (; value >= 10; value /= 10) {
        ++digits;
    }
    return digits;
}

/// "LENGTH KEY=VALUE\n"; the length counts itself.
void append_record(std::string& out, std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + count_digits(rest);
    if (count_digits(length) != count_digits(rest)) {
        ++length;
    }
    out += std::to_string(length);
    out += ' ';
    out += key;
    out += '=';
    out += value;
    out += '\n';
}

/// True for what a plain header says as well: short names, but not in UTF-8, which only an extended
/// header names as such. Octets that are no text are octets to everybody.
bool is_plain_name(std::string_view name) {
    const bool is_ascii =
        std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) > 0x7F; });
    return name.size() <= name_bytes_max && (is_ascii || !is_utf8(name));
}

/// A name for the headers of those that do not know extended ones: US-ASCII, cut.
std::string cut_name(const archive_entry& entry) {
    std::string made(entry.name.substr(0, name_bytes_max - 1));
    for (char& c : made) {
        c = static_cast<unsigned char>(c) > 0x7F || ascii::is_control(c) ? '_' : c;
    }
    if (entry.is_directory && !made.ends_with('/')) {
        made += '/';
    }
    return made;
}

}  // namespace

void append_tar_header(std::string& out, const archive_entry& entry, std::uint64_t size_bytes) {
    std::string records;
    plain_header header{.name = entry.name,
                        .type = entry.is_directory ? '5' : '0',
                        .mode = entry.mode(),
                        .size_bytes = size_bytes,
                        .modified = static_cast<std::uint64_t>(entry.modified_seconds)};
    std::string cut;
    if (!is_plain_name(entry.name)) {
        if (!is_utf8(entry.name)) {
            append_record(records, "hdrcharset", "BINARY");
        }
        append_record(records, "path", entry.name);
        cut = cut_name(entry);
        header.name = cut;
    }
    if (size_bytes > octal_max) {
        append_record(records, "size", std::to_string(size_bytes));
        header.size_bytes = 0;
    }
    if (entry.modified_seconds < 0 || header.modified > octal_max) {
        append_record(records, "mtime", std::to_string(entry.modified_seconds));
        header.modified = 0;
    }
    if (!records.empty()) {
        append_plain_header(out, {.name = "././@PaxHeader",
                                  .type = 'x',
                                  .mode = 0644,
                                  .size_bytes = records.size(),
                                  .modified = 0});
        out += records;
        out.append(tar_padding(records.size()), '\0');
    }
    append_plain_header(out, header);
}

void append_tar_end(std::string& out) {
    out.append(2 * tar_block_bytes, '\0');
}

}  // namespace ferry::http
