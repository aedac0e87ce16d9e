#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::server {

inline constexpr std::size_t config_file_bytes_max = std::size_t{1} << 20U;

/// One key of a configuration file with its values as text: `head-bytes-max = "16KiB"`.
struct config_entry {
    std::string key;
    std::vector<std::string> values;  ///< One, or those of an array.
    std::size_t line = 0;             ///< Counted from 1.
};

/// Why a configuration file cannot be used, as one line without LF.
struct config_file_error {
    std::string text;
    bool unreadable = false;  ///< The file could not be read; else its contents are wrong.
};

/// Reads TOML 1.0 (toml.io): top-level keys with a string, an integer, a boolean or an array of
/// these. `name` is the file's, for messages. Entries come in the order of the text.
///
/// Errors: not TOML; a table, a float, a date, an empty or nested array: ferry has no such option.
[[nodiscard]] std::expected<std::vector<config_entry>, config_file_error> parse_config_text(
    std::string_view text, std::string_view name);

/// The same from the file at `path`. Errors: also unreadable, or over `config_file_bytes_max`.
[[nodiscard]] std::expected<std::vector<config_entry>, config_file_error> read_config_file(
    const std::string& path);

}  // namespace ferry::server
