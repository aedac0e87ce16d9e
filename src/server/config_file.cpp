#include "server/config_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>

#include "ferry/base/ascii.hpp"
#include "ferry/base/error.hpp"
#include "ferry/base/unique_fd.hpp"
#include "server/read_whole.hpp"

namespace ferry::server {
namespace {

using unexpected = std::unexpected<config_file_error>;

unexpected wrong_at(std::string_view name, std::size_t line, std::string_view what) {
    std::string text;
    ascii::append_escaped(text, name);
    return unexpected({.text = fmt::format("{}:{}: {}", text, line, what)});
}

/// The text of a value that an option can take, or nothing for the kinds it cannot.
std::optional<std::string> text_of(const toml::node& value) {
    if (const auto* text = value.as_string()) {
        return text->get();
    }
    if (const auto* number = value.as_integer()) {
        return fmt::to_string(number->get());
    }
    if (const auto* answer = value.as_boolean()) {
        return answer->get() ? "true" : "false";
    }
    return std::nullopt;
}

}  // namespace

std::expected<std::vector<config_entry>, config_file_error> parse_config_text(
    std::string_view text, std::string_view name) {
    const auto parsed = toml::parse(text);
    if (!parsed) {
        std::string why;
        ascii::append_escaped(why, parsed.error().description());
        return wrong_at(name, parsed.error().source().begin.line, "not TOML: " + why);
    }

    std::vector<config_entry> entries;
    for (const auto& [key, value] : parsed.table()) {
        config_entry entry{
            .key = std::string(key.str()), .values = {}, .line = key.source().begin.line};
        std::string shown;
        ascii::append_escaped(shown, entry.key);
        if (const auto* values = value.as_array()) {
            for (const auto& each : *values) {
                auto one = text_of(each);
                if (!one) {
                    return wrong_at(name, each.source().begin.line,
                                    shown + ": an array may hold strings, integers and booleans");
                }
                entry.values.push_back(std::move(*one));
            }
            if (entry.values.empty()) {
                return wrong_at(name, entry.line,
                                shown + ": an empty array; write \"off\" or \"none\"");
            }
        } else if (auto one = text_of(value)) {
            entry.values.push_back(std::move(*one));
        } else if (value.is_table()) {
            return wrong_at(name, entry.line, shown + ": a table; every option is a top-level key");
        } else {
            return wrong_at(name, entry.line,
                            shown + ": write a string, an integer or a boolean, such as \"10s\"");
        }
        entries.push_back(std::move(entry));
    }
    std::ranges::sort(entries, {}, &config_entry::line);
    return entries;
}

std::expected<std::vector<config_entry>, config_file_error> read_config_file(
    const std::string& path) {
    std::string shown;
    ascii::append_escaped(shown, path);
    const auto unreadable = [&shown](int os_errno) {
        return unexpected({.text = fmt::format("configuration file {}: {}", shown,
                                               describe(error_from_errno(os_errno).code)),
                           .unreadable = true});
    };
    const unique_fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        return unreadable(errno);
    }
    const auto text = read_whole(file.get(), config_file_bytes_max);
    if (!text && text.error() == EFBIG) {
        return unexpected({.text = fmt::format("configuration file {}: over the limit of {} octets",
                                               shown, config_file_bytes_max),
                           .unreadable = true});
    }
    if (!text) {
        return unreadable(text.error());
    }
    return parse_config_text(*text, path);
}

}  // namespace ferry::server
