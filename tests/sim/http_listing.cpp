#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

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

struct row {
    std::string name;
    bool is_directory = false;
    std::string size;
};

/// Reads one row; empty when it is well formed, else why not.
std::string read_row(std::string_view line, row& made) {
    constexpr std::string_view begin = "<tr><td><a href=\"./";
    constexpr std::string_view middle = "\"><bdi>";
    constexpr std::string_view end = "</bdi></a><td>";
    const auto middle_at = line.find(middle);
    const auto end_at = line.find(end);
    if (!line.starts_with(begin) || middle_at == std::string_view::npos ||
        end_at == std::string_view::npos || end_at < middle_at) {
        return fmt::format("a row that is none: {}", line);
    }
    auto reference = line.substr(begin.size(), middle_at - begin.size());
    const auto label = line.substr(middle_at + middle.size(), end_at - middle_at - middle.size());
    const auto rest = line.substr(end_at + end.size());
    made.is_directory = reference.ends_with('/');
    if (made.is_directory) {
        reference.remove_suffix(1);
    }
    const auto name = decode_path(reference);
    if (!name || name->empty() || name->find('/') != std::string::npos) {
        return fmt::format("a link that leads elsewhere: {}", reference);
    }
    made.name = *name;
    if (plain_text(label) != made.name + (made.is_directory ? "/" : "")) {
        return fmt::format("a row that says {} and leads to {}", label, made.name);
    }
    made.size = rest.substr(0, rest.find("<td>"));
    return {};
}

std::string judge_row(client_context& context, const std::string& directory, const row& seen,
                      moment since) {
    const auto path = joined(directory, seen.name);
    const auto states = context.model.possible_since(path, since);
    const bool is_possible = std::ranges::any_of(states, [&seen](const node_state& each) {
        if (each.kind == node_kind::anything) {
            return true;
        }
        if (seen.is_directory) {
            return each.kind == node_kind::directory;
        }
        return each.kind == node_kind::file && seen.size == shown_size(each.octets.size_bytes());
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

}  // namespace

std::string judge_listing(client_context& context, const std::string& directory,
                          std::string_view page, moment since) {
    constexpr std::string_view table_begin = "<tbody>\n";
    constexpr std::string_view table_end = "</table>\n";
    const auto begin = page.find(table_begin);
    if (!page.starts_with("<!DOCTYPE html>\n") || begin == std::string_view::npos ||
        !page.ends_with(table_end)) {
        return "a page that is not whole";
    }
    auto rows = page.substr(begin + table_begin.size());
    rows.remove_suffix(table_end.size());
    if (directory != "/") {
        constexpr std::string_view parent = "<tr><td><a href=\"../\">../</a><td><td>\n";
        if (!rows.starts_with(parent)) {
            return "no row for the directory above";
        }
        rows.remove_prefix(parent.size());
    }
    std::map<std::string, int, std::less<>> seen;
    std::string before;
    while (!rows.empty()) {
        const auto end = rows.find('\n');
        if (end == std::string_view::npos) {
            return "a row that does not end";
        }
        row each;
        if (auto why = read_row(rows.substr(0, end), each); !why.empty()) {
            return why;
        }
        rows.remove_prefix(end + 1);
        if (each.name.starts_with('.')) {
            return "a hidden name: " + each.name;
        }
        if (++seen[each.name] > 1) {
            return each.name + " twice";
        }
        if (each.name < before) {
            return fmt::format("{} behind {}", each.name, before);
        }
        before = each.name;
        if (auto why = judge_row(context, directory, each, since); !why.empty()) {
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
