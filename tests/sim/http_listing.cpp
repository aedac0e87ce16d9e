#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>

#include "http_expectation.hpp"

namespace ferry::sim::test {
namespace {

/// "0 B", "9.9 KiB", "1023 KiB": rounded down, one decimal below 10.
std::string shown_size(std::uint64_t size_bytes) {
    if (size_bytes < 1024) {
        return fmt::format("{} B", size_bytes);
    }
    constexpr std::string_view letters = "KMGTPE";
    std::size_t unit = 0;
    std::uint64_t divisor = 1024;
    while (unit + 1 < letters.size() && size_bytes / divisor >= 1024) {
        divisor *= 1024;
        ++unit;
    }
    const auto whole = size_bytes / divisor;
    const auto tenths = size_bytes % divisor * 10 / divisor;
    return whole < 10 ? fmt::format("{}.{} {}iB", whole, tenths, letters[unit])
                      : fmt::format("{} {}iB", whole, letters[unit]);
}

std::string plain_text(std::string_view html) {
    static constexpr std::pair<std::string_view, char> references[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};
    std::string made;
    while (!html.empty()) {
        const auto* const found = std::ranges::find_if(
            references, [html](const auto& each) { return html.starts_with(each.first); });
        if (found != std::end(references)) {
            made += found->second;
            html.remove_prefix(found->first.size());
        } else {
            made += html.front();
            html.remove_prefix(1);
        }
    }
    return made;
}

struct listed_row {
    std::string name;
    bool is_directory = false;
    std::string size;  ///< As it is shown; in JSON in octets.
};

/// Reads the reference, and whether the row's own words agree with it.
std::string read_reference(std::string_view reference, listed_row& made) {
    made.is_directory = reference.ends_with('/');
    if (made.is_directory) {
        reference.remove_suffix(1);
    }
    const auto name = decode_path(reference);
    if (!name || name->empty() || name->find('/') != std::string::npos) {
        return fmt::format("a link that leads elsewhere: {}", reference);
    }
    made.name = *name;
    return {};
}

/// Takes `what` off the front of `text`; false: it is not there.
bool skip(std::string_view& text, std::string_view what) {
    if (!text.starts_with(what)) {
        return false;
    }
    text.remove_prefix(what.size());
    return true;
}

/// Takes what stands before `mark` off the front of `text`, and the mark.
std::string_view take_until(std::string_view& text, std::string_view mark) {
    const auto end = text.find(mark);
    const auto taken = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + mark.size());
    return taken;
}

/// Reads one row of a page; empty when it is well formed, else why not.
std::string read_row(std::string_view line, listed_row& made) {
    auto rest = line;
    const bool says_directory = skip(rest, "<tr class=\"d\">");
    const bool begins = says_directory || skip(rest, "<tr>");
    if (!begins || !skip(rest, "<td><a href=\"./")) {
        return fmt::format("a row that is none: {}", line);
    }
    const auto reference = take_until(rest, "\"><bdi>");
    const auto label = take_until(rest, "</bdi></a><td>");
    made.size = take_until(rest, "<td>");
    if (auto why = read_reference(reference, made); !why.empty()) {
        return why;
    }
    const auto day = take_until(rest, "</time>");
    if (made.is_directory != says_directory || !rest.empty() ||
        !day.starts_with("<time datetime=\"") || !day.ends_with("</span>")) {
        return fmt::format("a row that is none: {}", line);
    }
    if (plain_text(label) != made.name + (made.is_directory ? "/" : "")) {
        return fmt::format("a row that says {} and leads to {}", label, made.name);
    }
    return {};
}

std::string plain_json(std::string_view text) {
    std::string made;
    while (!text.empty()) {
        if (text.size() >= 6 && text.starts_with("\\u00")) {
            made += *decode_path(fmt::format("%{}", text.substr(4, 2)));
            text.remove_prefix(6);
            continue;
        }
        if (text.size() >= 2 && text.front() == '\\') {
            text.remove_prefix(1);
        }
        made += text.front();
        text.remove_prefix(1);
    }
    return made;
}

/// Reads one line of JSON; empty when it is well formed, else why not.
std::string read_json_row(std::string_view line, listed_row& made) {
    auto rest = line;
    if (!skip(rest, "{\"name\":\"")) {
        return fmt::format("an object that is none: {}", line);
    }
    const auto label = take_until(rest, "\",\"type\":\"");
    const bool says_directory = skip(rest, "directory\",\"modified\":\"");
    if (!says_directory) {
        if (!skip(rest, "file\",\"size\":")) {
            return fmt::format("an object that is none: {}", line);
        }
        made.size = take_until(rest, ",\"modified\":\"");
    }
    const auto modified = take_until(rest, "\",\"href\":\"./");
    if (auto why = read_reference(take_until(rest, "\"}"), made); !why.empty()) {
        return why;
    }
    if (modified.size() != 20 || !modified.ends_with('Z') || (!rest.empty() && rest != ",") ||
        made.is_directory != says_directory || plain_json(label) != made.name) {
        return fmt::format("an object that is none: {}", line);
    }
    return {};
}

/// Names as people sort them: digits by value, letters in any case.
std::string sorting_key(std::string_view name) {
    std::string made;
    for (std::size_t i = 0; i < name.size();) {
        std::size_t end = i;
        while (end < name.size() && name[end] >= '0' && name[end] <= '9') {
            ++end;
        }
        if (end == i) {
            const char c = name[i++];
            made += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            continue;
        }
        while (i + 1 < end && name[i] == '0') {
            ++i;
        }
        made += fmt::format("{:0>40}", name.substr(i, end - i));
        i = end;
    }
    return made;
}

/// Why `later` must not follow `before`; empty: it may.
std::string judge_order(const listed_row& before, const listed_row& later,
                        const expected_answer& what) {
    if (before.name.empty() || before.is_directory != later.is_directory) {
        return later.is_directory && !before.name.empty() ? "a directory behind a file" : "";
    }
    // Sizes shown are rounded.
    const bool by_size = what.query.contains("sort=size") && !later.is_directory;
    const auto one = sorting_key(before.name);
    const auto other = sorting_key(later.name);
    const bool goes_up = one < other || (one == other && before.name < later.name);
    return by_size || goes_up != what.query.contains("order=desc")
               ? ""
               : fmt::format("{} behind {}", later.name, before.name);
}

std::string judge_row(client_context& context, const expected_answer& what, const listed_row& seen,
                      moment since) {
    const auto path = joined(what.path, seen.name);
    const auto states = context.model.possible_since(path, since);
    const bool is_possible = std::ranges::any_of(states, [&](const node_state& each) {
        if (each.kind == node_kind::anything) {
            return true;
        }
        if (seen.is_directory) {
            return each.kind == node_kind::directory;
        }
        const auto size_bytes = each.octets.size_bytes();
        return each.kind == node_kind::file &&
               seen.size ==
                   (what.lists_json() ? std::to_string(size_bytes) : shown_size(size_bytes));
    });
    if (is_possible || context.model.may_be_unnamed_upload(path)) {
        return {};
    }
    std::string possible;
    for (const auto& each : states) {
        possible += each.describe() + "; ";
    }
    return fmt::format("{} as {} of {}, possible: {}", seen.name,
                       seen.is_directory ? "a directory" : "a file", seen.size, possible);
}

/// What stands between the beginning and the end of a whole page or array; nothing: it is not
/// whole.
std::optional<std::string_view> rows_of(std::string_view page, const expected_answer& what) {
    const bool is_json = what.lists_json();
    const std::string_view begin = is_json ? "[\n" : "<tbody>\n";
    const std::string_view end = is_json ? "\n]\n" : "</table>\n";
    const auto begin_at = page.find(begin);
    const auto end_at = page.rfind(end);
    const bool is_whole =
        is_json ? begin_at == 0 && page.ends_with(end)
                : page.starts_with("<!DOCTYPE html>\n") && page.ends_with("</script>\n");
    if (!is_whole || begin_at == std::string_view::npos || end_at == std::string_view::npos) {
        return std::nullopt;
    }
    const auto from = begin_at + begin.size();
    // The line feed before "]" ends the last row, where there is one.
    return page.substr(from, is_json ? (end_at <= from ? 0 : end_at + 1 - from) : end_at - from);
}

}  // namespace

std::string judge_listing(client_context& context, const expected_answer& what,
                          std::string_view page, moment since) {
    const auto& directory = what.path;
    const auto between = rows_of(page, what);
    if (!between) {
        return "a page that is not whole";
    }
    auto rows = *between;
    // At the root of a site there is nothing above.
    const auto& shown = what.shown_as.empty() ? directory : what.shown_as;
    if (shown != "/" && !what.lists_json()) {
        constexpr std::string_view parent =
            "<tr class=\"up\"><td><a href=\"../\"><bdi>../</bdi></a><td><td>\n";
        if (!skip(rows, parent)) {
            return "no row for the directory above";
        }
    }
    std::map<std::string, int, std::less<>> seen;
    listed_row before;
    while (!rows.empty()) {
        const auto end = rows.find('\n');
        if (end == std::string_view::npos) {
            return "a row that does not end";
        }
        listed_row each;
        const auto line = rows.substr(0, end);
        auto why = what.lists_json() ? read_json_row(line, each) : read_row(line, each);
        if (!why.empty()) {
            return why;
        }
        rows.remove_prefix(end + 1);
        if (each.name.starts_with('.')) {
            return "a hidden name: " + each.name;
        }
        if (++seen[each.name] > 1) {
            return each.name + " twice";
        }
        why = what.may_be_unsorted ? std::string() : judge_order(before, each, what);
        if (!why.empty()) {
            return why;
        }
        before = each;
        if (why = judge_row(context, what, each, since); !why.empty()) {
            return why;
        }
    }
    for (const auto& name : context.model.children(directory)) {
        const auto states = context.model.possible_since(joined(directory, name), since);
        const bool is_there = std::ranges::none_of(states, [](const node_state& each) {
            return each.kind == node_kind::absent || each.kind == node_kind::anything;
        });
        // Somebody replaced it meanwhile: a directory may be read around it (readdir(3)).
        const bool is_steady = states.size() == 1;
        if (is_there && is_steady && !name.starts_with('.') && !seen.contains(name)) {
            return name + " is missing";
        }
    }
    return {};
}

}  // namespace ferry::sim::test
