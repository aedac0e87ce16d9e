#include "ftp/arguments.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ftp/deflate_mode.hpp"
#include "ftp/time.hpp"

namespace ferry::ftp {
namespace {

/// The largest offset a file can have (off_t).
constexpr std::uint64_t number_max = std::numeric_limits<std::int64_t>::max();

/// Reads `text`, all of it, as decimal digits up to `max`. Errors: errc::invalid.
result<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
    // from_chars takes no sign for an unsigned type and tells overflow from syntax; both are
    // refused.
    std::uint64_t value = 0;
    const auto* const end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data(), end, value);
    if (text.empty() || status != std::errc{} || stop != end || value > max) {
        return failure(errc::invalid);
    }
    return value;
}

/// The only letter of `argument` in upper case, or NUL when it is not one letter.
char single_letter(std::string_view argument) noexcept {
    return argument.size() == 1 ? ascii::to_upper(argument.front()) : '\0';
}

/// The format of TYPE A and TYPE E: N when it is left out (RFC 959 section 3.1.1.5).
result<text_format> parse_format(std::string_view format) {
    switch (format.empty() ? 'N' : single_letter(format)) {
        case 'N':
            return text_format::non_print;
        case 'T':
            return text_format::telnet;
        case 'C':
            return text_format::carriage_control;
        default:
            return failure(errc::invalid);
    }
}

/// Takes the next word, in upper case, off the front of `text`; empty at its end.
std::string take_word(std::string_view& text) {
    text = ascii::trim(text);
    const auto end = std::min(text.find(' '), text.size());
    std::string word;
    for (const char c : text.substr(0, end)) {
        word += ascii::to_upper(c);
    }
    text.remove_prefix(end);
    return word;
}

/// True for '-' and at least one letter or digit: "-la", but neither "-" nor "-x.txt".
bool is_option_word(std::string_view word) noexcept {
    return word.size() >= 2 && word.front() == '-' &&
           std::ranges::all_of(word.substr(1),
                               [](char c) { return ascii::is_alpha(c) || ascii::is_digit(c); });
}

void apply_list_option(char letter, list_request& request) noexcept {
    switch (letter) {
        case 'a':
            request.all = true;
            break;
        case 'A':
            request.almost_all = true;
            break;
        case 'l':
            request.long_form = true;
            break;
        case 'R':
            request.recursive = true;
            break;
        case 't':
            request.by_time = true;
            break;
        case 'S':
            request.by_size = true;
            break;
        case 'r':
            request.reverse = true;
            break;
        case '1':
            request.one_per_line = true;
            break;
        case 'd':
            request.directory_itself = true;
            break;
        default:
            break;
    }
}

}  // namespace

result<type_request> parse_type(std::string_view argument) {
    constexpr type_request image{.type = data_type::image};
    argument = ascii::trim(argument);
    if (argument.empty()) {
        return failure(errc::invalid);
    }
    const char type = ascii::to_upper(argument.front());
    const auto rest = argument.substr(1);
    const auto parameter = ascii::trim(rest);
    const bool separated = rest.empty() || rest.size() > parameter.size();
    if (type == 'I') {
        return rest.empty() ? result<type_request>(image) : failure(errc::invalid);
    }
    if (type == 'L') {
        FERRY_TRY(bits, parse_number(parameter, 255));
        if (bits == 0) {
            return failure(errc::invalid);
        }
        return bits == 8 ? result<type_request>(image) : failure(errc::unsupported);
    }
    FERRY_TRY(format, parse_format(parameter));
    if ((type != 'A' && type != 'E') || !separated) {
        return failure(errc::invalid);
    }
    return type_request{.type = type == 'A' ? data_type::ascii : data_type::ebcdic,
                        .format = format};
}

result<file_structure> parse_structure(std::string_view argument) {
    switch (single_letter(ascii::trim(argument))) {
        case 'F':
            return file_structure::file;
        case 'R':
            return file_structure::record;
        case 'P':
            return file_structure::page;
        default:
            return failure(errc::invalid);
    }
}

result<transfer_mode> parse_mode(std::string_view argument) {
    switch (single_letter(ascii::trim(argument))) {
        case 'S':
            return transfer_mode::stream;
        case 'B':
            return transfer_mode::block;
        case 'C':
            return transfer_mode::compressed;
        case 'Z':
            return transfer_mode::deflated;
        default:
            return failure(errc::invalid);
    }
}

result<std::optional<int>> parse_deflate_options(std::string_view value) {
    if (take_word(value) != "Z") {
        return failure(errc::unsupported);
    }
    std::optional<int> level;
    for (auto name = take_word(value); !name.empty(); name = take_word(value)) {
        const auto wanted = take_word(value);
        if (name == "LEVEL") {
            FERRY_TRY(number, parse_number(wanted, deflate_level_max));
            if (number < deflate_level_min) {
                return failure(errc::invalid);
            }
            level = static_cast<int>(number);
        } else if (!(name == "ENGINE" && wanted == "ZLIB") &&
                   !(name == "METHOD" && wanted == "8")) {
            return failure(errc::unsupported);
        }
    }
    return level;
}

result<vfs::ebcdic::code_page> parse_code_page(std::string_view text) {
    text = ascii::trim(text);
    if (text == "037" || text == "37") {
        return vfs::ebcdic::code_page::cp037;
    }
    if (text == "1047") {
        return vfs::ebcdic::code_page::cp1047;
    }
    return failure(errc::invalid);
}

result<std::uint64_t> parse_restart(std::string_view argument) {
    return parse_number(argument, number_max);
}

result<allocation> parse_allocation(std::string_view argument) {
    const auto space = argument.find(' ');
    FERRY_TRY(size_bytes, parse_number(argument.substr(0, space), number_max));
    if (space == std::string_view::npos) {
        return allocation{.size_bytes = size_bytes, .record_bytes = 0};
    }
    const auto record = argument.substr(space + 1);
    if (record.size() < 2 || ascii::to_upper(record[0]) != 'R' || record[1] != ' ') {
        return failure(errc::invalid);
    }
    FERRY_TRY(record_bytes, parse_number(record.substr(2), number_max));
    return allocation{.size_bytes = size_bytes, .record_bytes = record_bytes};
}

result<std::uint32_t> parse_umask(std::string_view argument) {
    constexpr std::size_t digits_max = 4;
    constexpr std::uint32_t permissions_max = 0777;
    if (argument.empty() || argument.size() > digits_max) {
        return failure(errc::invalid);
    }
    std::uint32_t permissions = 0;
    for (const char c : argument) {
        if (c < '0' || c > '7') {
            return failure(errc::invalid);
        }
        permissions = permissions * 8 + static_cast<std::uint32_t>(c - '0');
    }
    if (permissions > permissions_max) {
        return failure(errc::invalid);
    }
    return permissions;
}

result<permission_change> parse_permission_change(std::string_view argument) {
    const auto space = argument.find(' ');
    if (space == std::string_view::npos || space + 1 == argument.size()) {
        return failure(errc::invalid);
    }
    FERRY_TRY(permissions, parse_umask(argument.substr(0, space)));
    return permission_change{.permissions = permissions, .name = argument.substr(space + 1)};
}

result<fact_changes> parse_fact_changes(std::string_view argument) {
    fact_changes wanted;
    // A fact holds no space (RFC 3659 section 7.2), so the first one is before the name.
    const auto space = argument.find(' ');
    if (space == std::string_view::npos || space == 0 || space + 1 == argument.size()) {
        return failure(errc::invalid);
    }
    wanted.name = argument.substr(space + 1);
    auto facts = argument.substr(0, space);
    while (!facts.empty()) {
        const auto end = facts.find(';');
        const auto equals = facts.find('=');
        if (end == std::string_view::npos || equals > end) {
            return failure(errc::invalid);
        }
        const auto name = facts.substr(0, equals);
        const auto value = facts.substr(equals + 1, end - equals - 1);
        facts.remove_prefix(end + 1);
        if (ascii::equal_ignoring_case(name, "Modify") && !wanted.modified) {
            FERRY_TRY(modified, parse_time_val(value));
            wanted.modified = modified;
        } else if (ascii::equal_ignoring_case(name, "UNIX.mode") && !wanted.permissions) {
            FERRY_TRY(permissions, parse_umask(value));
            wanted.permissions = permissions;
        } else {
            const bool is_double = ascii::equal_ignoring_case(name, "Modify") ||
                                   ascii::equal_ignoring_case(name, "UNIX.mode");
            return failure(is_double ? errc::invalid : errc::unsupported);
        }
    }
    return wanted;
}

result<dated_name> parse_utime(std::string_view argument) {
    constexpr std::size_t minute_digits = 12;
    constexpr std::string_view zone = " UTC";
    if (argument.ends_with(zone)) {
        auto left = argument.substr(0, argument.size() - zone.size());
        std::array<std::string_view, 3> times;  // Of creation, of modification, of access.
        for (auto& each : times) {
            const auto space = left.rfind(' ');
            if (space == std::string_view::npos || space == 0) {
                return failure(errc::invalid);
            }
            each = left.substr(space + 1);
            left = left.substr(0, space);
            if (!parse_time_val(each)) {
                return failure(errc::invalid);
            }
        }
        FERRY_TRY(modified, parse_time_val(times[1]));
        return dated_name{.modified = modified, .name = left};
    }
    const auto space = argument.find(' ');
    if (space == std::string_view::npos || space + 1 == argument.size()) {
        return failure(errc::invalid);
    }
    std::string when(argument.substr(0, space));
    if (when.size() == minute_digits) {
        when += "00";
    }
    FERRY_TRY(modified, parse_time_val(when));
    return dated_name{.modified = modified, .name = argument.substr(space + 1)};
}

result<std::vector<std::string>> parse_names(std::string_view argument) {
    constexpr std::size_t names_max = 100;
    std::vector<std::string> names;
    while (!argument.empty()) {
        std::string name;
        const bool is_quoted = argument.starts_with('"');
        std::size_t at = is_quoted ? 1 : 0;
        bool is_closed = !is_quoted;
        for (; at < argument.size(); ++at) {
            const char c = argument[at];
            if (!is_quoted && c == ' ') {
                break;
            }
            if (is_quoted && c == '"') {
                if (argument.substr(at + 1).starts_with('"')) {
                    ++at;
                } else {
                    is_closed = true;
                    ++at;
                    break;
                }
            }
            name += c;
        }
        argument.remove_prefix(at);
        const bool is_apart = argument.empty() || argument.front() == ' ';
        if (!is_closed || !is_apart || name.empty() || names.size() == names_max) {
            return failure(errc::invalid);
        }
        names.push_back(std::move(name));
        argument.remove_prefix(argument.empty() ? 0 : 1);
    }
    return names;
}

result<option_request> parse_option(std::string_view argument) {
    const auto space = argument.find(' ');
    const auto name = argument.substr(0, space);
    const auto value =
        space == std::string_view::npos ? std::string_view{} : argument.substr(space + 1);
    if (ascii::equal_ignoring_case(name, "UTF8") || ascii::equal_ignoring_case(name, "UTF-8")) {
        return option_request{.which = option::utf8, .value = value};
    }
    if (ascii::equal_ignoring_case(name, "MLST")) {
        return option_request{.which = option::mlst, .value = value};
    }
    if (ascii::equal_ignoring_case(name, "HASH")) {
        return option_request{.which = option::hash, .value = value};
    }
    if (ascii::equal_ignoring_case(name, "MODE")) {
        return option_request{.which = option::mode, .value = value};
    }
    return failure(errc::invalid);
}

result<octet_range> parse_octet_range(std::string_view argument) {
    const auto space = argument.find(' ');
    if (space == std::string_view::npos) {
        return failure(errc::invalid);
    }
    FERRY_TRY(first, parse_number(argument.substr(0, space), number_max));
    FERRY_TRY(last, parse_number(argument.substr(space + 1), number_max));
    const octet_range range{.first = first, .last = last};
    if (first > last && range != whole_file_range) {
        return failure(errc::invalid);
    }
    return range;
}

digest_argument parse_digest_argument(std::string_view argument) noexcept {
    digest_argument parts{.name = argument, .stretch = {}};
    const auto before_end = argument.rfind(' ');
    const auto before_begin = before_end == std::string_view::npos || before_end == 0
                                  ? std::string_view::npos
                                  : argument.rfind(' ', before_end - 1);
    if (before_begin != std::string_view::npos) {
        const auto begin = parse_number(
            argument.substr(before_begin + 1, before_end - before_begin - 1), number_max);
        const auto end = parse_number(argument.substr(before_end + 1), number_max);
        if (begin && end) {
            parts.stretch = {.begin = *begin, .end = *end};
            parts.name = argument.substr(0, before_begin);
        }
    }
    if (parts.name.size() > 2 && parts.name.starts_with('"') && parts.name.ends_with('"')) {
        parts.name = parts.name.substr(1, parts.name.size() - 2);
    }
    return parts;
}

result<bool> parse_utf8_switch(std::string_view value) {
    value = ascii::trim(value);
    if (value.empty() || ascii::equal_ignoring_case(value, "ON")) {
        return true;
    }
    if (ascii::equal_ignoring_case(value, "OFF")) {
        return false;
    }
    return failure(errc::invalid);
}

list_request parse_list(std::string_view argument) noexcept {
    list_request request;
    while (argument.starts_with('-')) {
        const auto space = argument.find(' ');
        const auto word = argument.substr(0, space);
        const bool ends = word == "--";
        if (!ends && !is_option_word(word)) {
            break;
        }
        argument.remove_prefix(space == std::string_view::npos ? argument.size() : space + 1);
        if (ends) {
            break;
        }
        for (const char letter : word.substr(1)) {
            apply_list_option(letter, request);
        }
    }
    request.path = argument;
    return request;
}

}  // namespace ferry::ftp
