#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "http_expectation.hpp"

namespace ferry::sim::test {
namespace {

constexpr std::size_t block_bytes = 512;

std::optional<std::uint64_t> read_octal(std::string_view field) {
    std::uint64_t value = 0;
    const auto digits = field.substr(0, field.find('\0'));
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
    return read.ptr == digits.data() + digits.size() ? std::optional(value) : std::nullopt;
}

bool has_right_sum(std::string_view header) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i) {
        sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(header[i]);
    }
    return read_octal(header.substr(148, 7)) == sum;
}

/// The path in extended headers whose only other record may be hdrcharset.
std::string read_path_record(std::string_view records) {
    const auto at = records.find(" path=");
    const auto end = records.rfind('\n');
    return at == std::string_view::npos || end == std::string_view::npos
               ? std::string()
               : std::string(records.substr(at + 6, end - at - 6));
}

struct entry {
    std::string name;
    std::string_view content;
    bool is_directory = false;
};

enum class progress : std::uint8_t { entry, end, cut, broken };

/// Takes the next entry off the front of a tar archive.
progress take_entry(std::string_view& rest, entry& made) {
    std::string long_name;
    for (;;) {
        if (rest.size() < block_bytes) {
            return progress::cut;
        }
        const auto header = rest.substr(0, block_bytes);
        if (header[0] == '\0') {
            const bool is_end = rest.size() == 2 * block_bytes &&
                                rest.find_first_not_of('\0') == std::string_view::npos;
            return is_end ? progress::end : progress::broken;
        }
        const auto size_bytes = read_octal(header.substr(124, 12));
        if (!has_right_sum(header) || !size_bytes) {
            return progress::broken;
        }
        rest.remove_prefix(block_bytes);
        const auto padded = (*size_bytes + block_bytes - 1) / block_bytes * block_bytes;
        if (rest.size() < padded) {
            return progress::cut;
        }
        const auto content = rest.substr(0, static_cast<std::size_t>(*size_bytes));
        const auto zeros =
            rest.substr(content.size(), static_cast<std::size_t>(padded) - content.size());
        if (zeros.find_first_not_of('\0') != std::string_view::npos) {
            return progress::broken;
        }
        rest.remove_prefix(static_cast<std::size_t>(padded));
        const char type = header[156];
        if (type == 'x') {
            long_name = read_path_record(content);
            continue;
        }
        made = {.name = long_name.empty()
                            ? std::string(header.substr(0, header.substr(0, 100).find('\0')))
                            : long_name,
                .content = content,
                .is_directory = type == '5'};
        return type == '5' || type == '0' ? progress::entry : progress::broken;
    }
}

std::string judge_entry(client_context& context, const std::string& path, const entry& seen,
                        moment since) {
    const auto states = context.model.possible_since(path, since);
    const bool is_possible = std::ranges::any_of(states, [&](const node_state& each) {
        if (each.kind == node_kind::anything) {
            return true;
        }
        if (seen.is_directory || each.kind != node_kind::file) {
            return seen.is_directory && each.kind == node_kind::directory;
        }
        return context.model.is_disturbed(each.octets, since) ||
               (each.octets.size_bytes() == seen.content.size() &&
                !each.octets.first_difference(0, seen.content));
    });
    if (is_possible || context.model.may_be_unnamed_upload(path)) {
        return {};
    }
    std::string possible;
    for (const auto& each : states) {
        possible += each.describe() + "; ";
    }
    return fmt::format("{} as {} of {} octets ({}), possible: {}", path,
                       seen.is_directory ? "a directory" : "a file", seen.content.size(),
                       identify(seen.content), possible);
}

}  // namespace

std::string judge_archive(client_context& context, const expected_answer& what,
                          std::string_view octets, bool is_cut, moment since) {
    const auto& shown = what.shown_as.empty() ? what.path : what.shown_as;
    const auto top = shown == "/" ? std::string("files") : shown.substr(shown.rfind('/') + 1);
    std::set<std::string, std::less<>> seen;
    for (auto rest = octets;;) {
        entry each;
        const auto found = take_entry(rest, each);
        if (found == progress::broken || (found == progress::cut && !is_cut)) {
            return fmt::format("no archive from octet {} on", octets.size() - rest.size());
        }
        if (found == progress::cut) {
            return {};
        }
        if (found == progress::end) {
            break;
        }
        if (!each.name.starts_with(top + "/") || each.name.contains("/.") ||
            each.is_directory != each.name.ends_with('/')) {
            return "a name that does not belong there: " + each.name;
        }
        auto path = (what.path == "/" ? "" : what.path) + each.name.substr(top.size());
        if (each.is_directory && path.size() > 1) {
            path.pop_back();
        }
        if (!seen.insert(path).second) {
            return path + " twice";
        }
        if (auto why = judge_entry(context, path, each, since); !why.empty()) {
            return why;
        }
    }
    if (context.excused.faults) {  // What may not be opened is left out, as in a fault it may not.
        return {};
    }
    for (const auto& name : context.model.children(what.path)) {
        const auto path = joined(what.path, name);
        const auto states = context.model.possible_since(path, since);
        const bool is_steady = states.size() == 1 && (states.front().kind == node_kind::file ||
                                                      states.front().kind == node_kind::directory);
        if (is_steady && !name.starts_with('.') && !seen.contains(path)) {
            return name + " is missing";
        }
    }
    return {};
}

bool may_be_disturbed(client_context& context, const expected_answer& what, moment since) {
    const auto prefix = what.path == "/" ? what.path : what.path + "/";
    return std::ranges::any_of(context.model.paths(), [&](const std::string& path) {
        return path.starts_with(prefix) &&
               std::ranges::any_of(context.model.possible_since(path, since),
                                   [&](const node_state& each) {
                                       return each.kind == node_kind::file &&
                                              context.model.is_disturbed(each.octets, since);
                                   });
    });
}

}  // namespace ferry::sim::test
