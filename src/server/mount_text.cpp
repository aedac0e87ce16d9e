#include "server/mount_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "ferry/auth/escapes.hpp"
#include "ferry/vfs/path.hpp"
#include "server/flag_values.hpp"

namespace ferry::server {
namespace {

/// One word of a mount. Words of one `about` exclude each other.
struct option {
    std::string_view text;
    std::string_view about;
    void (*set)(vfs::tree_options&);
};

constexpr auto options = std::to_array<option>({
    {"ro", "ro", [](vfs::tree_options& into) { into.is_read_only = true; }},
    {"hidden=show", "hidden", [](vfs::tree_options& into) { into.hides_dot_names = false; }},
    {"hidden=hide", "hidden", [](vfs::tree_options& into) { into.hides_dot_names = true; }},
    {"links=refuse", "links",
     [](vfs::tree_options& into) { into.links = vfs::link_policy::refuse; }},
    {"links=inside", "links",
     [](vfs::tree_options& into) { into.links = vfs::link_policy::inside; }},
    {"links=trusted", "links",
     [](vfs::tree_options& into) { into.links = vfs::link_policy::trusted; }},
    {"uploads=any", "uploads",
     [](vfs::tree_options& into) { into.uploads = vfs::upload_policy::any; }},
    {"uploads=new", "uploads",
     [](vfs::tree_options& into) { into.uploads = vfs::upload_policy::create; }},
    {"uploads=none", "uploads",
     [](vfs::tree_options& into) { into.uploads = vfs::upload_policy::none; }},
    {"fold", "fold", [](vfs::tree_options& into) { into.names.folds_case = true; }},
    {"nfc", "nfc", [](vfs::tree_options& into) { into.names.is_normalising = true; }},
    {"windows-names=allow", "windows-names",
     [](vfs::tree_options& into) { into.refuses_windows_names = false; }},
    {"windows-names=refuse", "windows-names",
     [](vfs::tree_options& into) { into.refuses_windows_names = true; }},
});

std::expected<vfs::tree_options, std::string> parse_options(std::string_view text) {
    vfs::tree_options made;
    std::vector<std::string_view> said;
    for (;;) {  // Bounded: an option is taken once.
        const auto comma = std::min(text.find(','), text.size());
        const auto word = text.substr(0, comma);
        const auto known = std::ranges::find(options, word, &option::text);
        if (known == options.end()) {
            return std::unexpected(fmt::format("{} is no option of a mount: {}", in_quotes(word),
                                               mount_options_known));
        }
        if (std::ranges::find(said, known->about) != said.end()) {
            return std::unexpected(fmt::format("\"{}\" is said twice", known->about));
        }
        said.push_back(known->about);
        known->set(made);
        if (comma == text.size()) {
            return made;
        }
        text.remove_prefix(comma + 1);
    }
}

std::string bad_escape(std::string_view text) {
    return fmt::format("{} has a % that no octet follows; %25 is a %", in_quotes(text));
}

}  // namespace

std::expected<mounted_directory, std::string> parse_mount(std::string_view text) {
    const auto equals = text.find('=');
    if (!text.starts_with('/') || equals == std::string_view::npos) {
        return std::unexpected(fmt::format("{} is not /path=DIR[:options]", in_quotes(text)));
    }
    const auto path_text = text.substr(0, equals);
    const auto rest = text.substr(equals + 1);
    const auto colon = std::min(rest.find(':'), rest.size());
    const auto path_octets = auth::unescape(path_text);
    if (!path_octets) {
        return std::unexpected(bad_escape(path_text));
    }
    const auto path = vfs::path::parse(*path_octets);
    if (!path) {
        return std::unexpected(fmt::format("{} is no usable path: {}", in_quotes(path_text),
                                           describe(path.error().code)));
    }
    auto directory = auth::unescape(rest.substr(0, colon));
    if (!directory) {
        return std::unexpected(bad_escape(rest.substr(0, colon)));
    }
    if (directory->empty() || directory->contains('\0')) {
        return std::unexpected(fmt::format("{} names no directory", in_quotes(text)));
    }
    mounted_directory made{.path = path->text(), .directory = std::move(*directory), .options = {}};
    if (colon < rest.size()) {
        const auto parsed = parse_options(rest.substr(colon + 1));
        if (!parsed) {
            return std::unexpected(parsed.error());
        }
        made.options = *parsed;
    }
    return made;
}

std::string show_mount_options(const vfs::tree_options& from) {
    std::string made;
    vfs::tree_options told;
    for (const auto& each : options) {
        vfs::tree_options with = told;
        each.set(with);
        // A word that changes nothing says what is so without it.
        vfs::tree_options whole = from;
        each.set(whole);
        if (with != told && whole == from) {
            made += made.empty() ? "" : ",";
            made += each.text;
            told = with;
        }
    }
    return made;
}

std::string show_mount(const mounted_directory& from) {
    const auto said = show_mount_options(from.options);
    return fmt::format("{}={}{}{}", auth::escape(from.path), auth::escape(from.directory),
                       said.empty() ? "" : ":", said);
}

}  // namespace ferry::server
