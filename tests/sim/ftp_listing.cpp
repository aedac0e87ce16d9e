#include "ftp_listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "ftp_plans.hpp"

namespace ferry::sim::test {
namespace {

std::optional<std::uint64_t> number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || status != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

/// The next word of a line in columns.
std::string_view take_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

/// The letters of perm (RFC 3659 section 7.5.5) for this user.
std::string right_perm(const ftp_session& user, bool is_directory, bool is_root) {
    const auto& who = *user.who;
    const bool removes = who.may_change && !is_root;
    std::string made;
    if (is_directory) {
        made += who.may_create || who.may_change ? "c" : "";
        made += removes ? "d" : "";
        made += who.may_read ? "e" : "";
        made += removes ? "f" : "";
        made += who.may_read ? "l" : "";
        made += who.may_change ? "mp" : "";
    } else {
        made += who.may_change ? "adfrw" : "r";
    }
    return made;
}

std::string read_line(list_style style, std::string_view line, listed_entry& into) {
    switch (style) {
        case list_style::unix_lines:
            return read_unix_line(line, into);
        case list_style::facts:
            return read_facts(line, into);
        case list_style::dos_lines:
            return read_dos_line(line, into);
        case list_style::names:
            break;
    }
    into.name = line;
    return line.empty() ? "an empty line" : "";
}

}  // namespace

std::string read_facts(std::string_view line, listed_entry& into) {
    while (!line.starts_with(' ')) {
        const auto end = line.find(';');
        const auto equals = line.find('=');
        if (end == std::string_view::npos || equals == std::string_view::npos || equals > end) {
            return fmt::format("a fact that is none: {}", line);
        }
        const auto name = line.substr(0, equals);
        const auto value = line.substr(equals + 1, end - equals - 1);
        if (name == "type") {
            into.knows_kind = true;
            into.is_directory = value == "dir" || value == "cdir" || value == "pdir";
            into.is_this_or_above = value == "cdir" || value == "pdir";
            if (!into.is_directory && value != "file") {
                return fmt::format("a type that nothing here has: {}", value);
            }
        } else if (name == "size") {
            into.size_bytes = number(value);
            if (!into.size_bytes) {
                return fmt::format("a size that is none: {}", value);
            }
        } else if (name == "modify") {
            into.modified = value;
            if (value.size() != 14 || !number(value)) {
                return fmt::format("a time that is none: {}", value);
            }
        } else if (name == "perm") {
            into.perm = value;
        }
        line.remove_prefix(end + 1);
    }
    into.name = line.substr(1);
    return into.name.empty() ? "facts of nothing" : "";
}

std::string read_unix_line(std::string_view line, listed_entry& into) {
    const auto whole = line;
    const auto fail = [whole] { return fmt::format("a line that is none: {}", whole); };
    const auto mode = take_word(line);
    if (mode.size() != 10 || (mode[0] != '-' && mode[0] != 'd')) {
        return fail();
    }
    into.knows_kind = true;
    into.is_directory = mode[0] == 'd';
    const auto links = number(take_word(line));
    const auto owner = number(take_word(line));
    const auto group = number(take_word(line));
    const auto size = number(take_word(line));
    const auto month = take_word(line);
    const auto day = number(take_word(line));
    const auto time = take_word(line);
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (!links || !owner || !group || !size || !day || *day < 1 || *day > 31 || month.size() != 3 ||
        months.find(month) % 3 != 0 || (time.size() != 5 && time.size() != 4) ||
        !line.starts_with(' ') || line.size() < 2) {
        return fail();
    }
    if (!into.is_directory) {
        into.size_bytes = *size;
    }
    into.name = line.substr(1);
    into.is_this_or_above = into.name == "." || into.name == "..";
    return {};
}

std::string read_dos_line(std::string_view line, listed_entry& into) {
    constexpr std::string_view shape = "00-00-00  00:00xM ";
    constexpr std::size_t name_at = 39;
    const auto whole = line;
    bool has_shape = line.size() > name_at;
    for (std::size_t i = 0; has_shape && i < shape.size(); ++i) {
        has_shape = shape[i] == '0'   ? line[i] >= '0' && line[i] <= '9'
                    : shape[i] == 'x' ? line[i] == 'A' || line[i] == 'P'
                                      : line[i] == shape[i];
    }
    if (!has_shape) {
        return fmt::format("a line that is none: {}", whole);
    }
    line.remove_prefix(shape.size());
    const auto what = take_word(line);
    into.knows_kind = true;
    into.is_directory = what == "<DIR>";
    if (!into.is_directory) {
        into.size_bytes = number(what);
    }
    if (!into.is_directory && !into.size_bytes) {
        return fmt::format("no size: {}", whole);
    }
    into.name = whole.substr(name_at);
    into.is_this_or_above = into.name == "." || into.name == "..";
    return {};
}

std::string judge_entry(ftp_session& user, const std::string& path, const listed_entry& entry,
                        moment since) {
    if (!entry.perm.empty()) {
        const auto right = right_perm(user, entry.is_directory, path == user.in_model("/"));
        if (entry.perm != right) {
            return fmt::format("{}: perm is {}, not {}", path, entry.perm, right);
        }
    }
    std::string possible;
    for (const auto& each : user.context.model.possible_since(path, since)) {
        if (each.kind == node_kind::anything) {
            return {};
        }
        possible += each.describe() + "; ";
        if (each.kind == node_kind::absent ||
            (entry.knows_kind && entry.is_directory != (each.kind == node_kind::directory))) {
            continue;
        }
        const bool has_size = !entry.size_bytes || *entry.size_bytes == each.octets.size_bytes();
        const bool has_time =
            entry.modified.empty() || !each.modified || entry.modified == time_text(*each.modified);
        if (has_size && has_time) {
            return {};
        }
    }
    if (user.context.model.may_be_unnamed_upload(path)) {
        return {};
    }
    return fmt::format("{} as {}, {} octets, {}; possible: {}", path,
                       entry.is_directory ? "a directory" : "a file", entry.size_bytes.value_or(0),
                       entry.modified, possible);
}

std::string judge_ftp_listing(ftp_session& user, const listing_asked& asked, std::string_view text,
                              moment since) {
    auto& model = user.context.model;
    std::map<std::string, int, std::less<>> seen;
    std::string before;
    std::string disorder;  // The first, if there is any.
    while (!text.empty()) {
        const auto end = text.find("\r\n");
        if (end == std::string_view::npos) {
            return fmt::format("a line that does not end in CR LF: {}", text);
        }
        listed_entry entry;
        if (auto why = read_line(asked.style, text.substr(0, end), entry); !why.empty()) {
            return why;
        }
        text.remove_prefix(end + 2);
        if (entry.name.find_first_of("\r\n") != std::string::npos) {
            return "a line end in a name";
        }
        if (!asked.is_directory) {
            if (!text.empty() || entry.name != asked.typed) {
                return fmt::format("{} where {} was asked for", entry.name, asked.typed);
            }
            return judge_entry(user, asked.path, entry, since);
        }
        if (entry.is_this_or_above && asked.style == list_style::facts) {
            continue;
        }
        if (asked.style == list_style::names && !asked.typed.empty()) {
            const auto prefix = asked.typed.ends_with('/') ? asked.typed : asked.typed + "/";
            if (!entry.name.starts_with(prefix)) {
                return fmt::format("{} does not begin with {}", entry.name, prefix);
            }
            entry.name.erase(0, prefix.size());
        }
        if (entry.name == "." || entry.name == "..") {
            if (!asked.shows_dots) {
                return "dots that nobody asked for";
            }
            continue;
        }
        if (entry.name.starts_with('.') && !asked.shows_hidden) {
            return "a hidden name: " + entry.name;
        }
        if (entry.name.starts_with(".ferry-")) {
            return "a name of the server's own: " + entry.name;
        }
        if (++seen[entry.name] > 1) {
            return entry.name + " twice";
        }
        if (asked.is_sorted && entry.name < before && disorder.empty()) {
            disorder = fmt::format("{} behind {}", entry.name, before);
        }
        before = entry.name;
        if (auto why = judge_entry(user, joined(asked.path, entry.name), entry, since);
            !why.empty()) {
            return why;
        }
    }
    if (!asked.is_directory) {
        return "nothing where one file was asked for";
    }
    // More of them are sent as they are read where there is no room to hold them.
    constexpr std::size_t names_always_sorted = 256;
    if (!disorder.empty() && seen.size() <= names_always_sorted) {
        return disorder;
    }
    for (const auto& name : model.children(asked.path)) {
        const auto states = model.possible_since(joined(asked.path, name), since);
        const bool is_steady = states.size() == 1 && states.front().kind != node_kind::absent &&
                               states.front().kind != node_kind::anything;
        if (is_steady && (asked.shows_hidden || !name.starts_with('.')) && !seen.contains(name)) {
            return name + " is missing";
        }
    }
    return {};
}

}  // namespace ferry::sim::test
