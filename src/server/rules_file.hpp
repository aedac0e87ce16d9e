#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "ferry/http/rules.hpp"
#include "server/config.hpp"

namespace ferry::server {

inline constexpr std::size_t rules_file_bytes_max = std::size_t{4} << 20U;

/// Reads rules of sites as TOML 1.0 (README, "Rules of sites"). `name` is the file's, for messages;
/// `usual` are the settings of a site that says nothing of its own. Of what a row means only its
/// form is checked here: `http::make_sites` does the rest.
///
/// Errors, one line: not TOML; a key that is none; a value of another kind. With name and line.
[[nodiscard]] std::expected<http::rules, std::string> parse_rules_text(
    std::string_view text, std::string_view name, const http::site_rules& usual);

/// What `settings` say of sites, with `config::rules_file` if there is one. Blocking.
///
/// Errors, one line: of the above and of `http::make_sites`, with file and line; the file cannot be
/// read, or is over `rules_file_bytes_max`; no host of theirs is `config::ftp_without_host`.
[[nodiscard]] std::expected<std::shared_ptr<const http::sites>, std::string> load_rules(
    const config& settings);

}  // namespace ferry::server
