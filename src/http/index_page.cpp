#include "http/index_page.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

#include "ferry/base/wall_clock.hpp"
#include "http/html.hpp"
#include "http/target.hpp"

namespace ferry::http {
namespace {

constexpr std::string_view page_begin = R"(<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.25rem; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 600 }
td, th { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid #8884 }
th:nth-child(2), td:nth-child(2) { text-align: right }
td:nth-child(n+2) { white-space: nowrap; opacity: .75; font-variant-numeric: tabular-nums }
td:first-child { overflow-wrap: anywhere }
a { display: block }
a:focus-visible { outline: 2px solid; outline-offset: 2px }
@media (max-width: 36rem) { th:nth-child(3), td:nth-child(3) { display: none } }
</style>
<title>)";

constexpr std::string_view table_begin =
    "</h1>\n<table>\n<thead><tr><th scope=\"col\">Name<th scope=\"col\">Size"
    "<th scope=\"col\">Changed (UTC)</thead>\n<tbody>\n";

constexpr std::string_view parent_row = "<tr><td><a href=\"../\">../</a><td><td>\n";

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

/// "0 B" to "1023 B", then the largest unit that leaves at least 1, rounded down: with one decimal
/// below 10, as in "9.9 KiB", without above, as in "1023 KiB".
void append_size(std::string& out, std::uint64_t size_bytes) {
    if (size_bytes < 1024) {
        append_number(out, size_bytes);
        out += " B";
        return;
    }
    constexpr std::string_view letters = "KMGTPE";
    std::size_t unit = 0;
    std::uint64_t divisor = 1024;
    while (unit + 1 < letters.size() && size_bytes / divisor >= 1024) {
        divisor *= 1024;
        ++unit;
    }
    const std::uint64_t whole = size_bytes / divisor;
    append_number(out, whole);
    if (whole < 10) {
        out += '.';
        out += static_cast<char>('0' + size_bytes % divisor * 10 / divisor);
    }
    out += ' ';
    out += letters[unit];
    out += "iB";
}

void put_two_digits(char* at, int value) {
    at[0] = static_cast<char>('0' + value / 10 % 10);
    at[1] = static_cast<char>('0' + value % 10);
}

/// "2026-11-23 14:05"; nothing for years that do not have four digits.
void append_minute(std::string& out, std::int64_t seconds) {
    constexpr std::int64_t year_1 = -62'135'596'800;
    constexpr std::int64_t year_10000 = 253'402'300'800;
    if (seconds < year_1 || seconds >= year_10000) {
        return;
    }
    const auto time = to_calendar(seconds);
    char text[] = "0000-00-00 00:00";
    put_two_digits(text, time.year / 100);
    put_two_digits(text + 2, time.year);
    put_two_digits(text + 5, time.month);
    put_two_digits(text + 8, time.day);
    put_two_digits(text + 11, time.hour);
    put_two_digits(text + 14, time.minute);
    out.append(text, sizeof text - 1);
}

bool is_shown(const vfs::directory_entry& entry) {
    const bool opens = entry.status.kind == vfs::file_kind::regular ||
                       entry.status.kind == vfs::file_kind::directory;
    // Ferry's reserved names begin with a dot; asked apart so that it stays true if they change.
    return opens && !entry.name.empty() && entry.name.front() != '.' &&
           !vfs::is_reserved_name(entry.name) && entry.name.find('\\') == std::string::npos;
}

}  // namespace

void append_index_begin(std::string& out, const vfs::path& where) {
    std::string title;
    append_html(title, where.text());
    if (!where.is_root()) {
        title += '/';
    }
    out += page_begin;
    out += "Index of ";
    out += title;
    out += "</title>\n<h1>Index of ";
    out += title;
    out += table_begin;
    if (!where.is_root()) {
        out += parent_row;
    }
}

void append_index_row(std::string& out, const vfs::directory_entry& entry) {
    if (!is_shown(entry)) {
        return;
    }
    const bool is_directory = entry.status.kind == vfs::file_kind::directory;
    out += "<tr><td><a href=\"./";
    append_encoded_path(out, entry.name);
    out += is_directory ? "/\"><bdi>" : "\"><bdi>";
    append_html(out, entry.name);
    out += is_directory ? "/</bdi></a><td>" : "</bdi></a><td>";
    if (!is_directory) {
        append_size(out, entry.status.size_bytes);
    }
    out += "<td>";
    append_minute(out, entry.status.modified.seconds);
    out += '\n';
}

void append_index_end(std::string& out) {
    out += "</table>\n";
}

}  // namespace ferry::http
