#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "server/config.hpp"

/// How a mount is written: `/path=DIR` or `/path=DIR:option,option`. In both names `%3A`, `%2C`,
/// `%3D` and `%25` stand for ':', ',', '=' and '%'.
namespace ferry::server {

/// What each option is, for messages and help.
inline constexpr std::string_view mount_options_known =
    "ro, hidden=show|hide, links=refuse|inside|trusted, uploads=any|new|none, fold, nfc, "
    "windows-names=allow|refuse";

/// Reads one mount. The path is normalised; the directory is not looked at. An option that comes
/// twice is refused. Errors: what is wrong, for a person, without the name of the flag.
[[nodiscard]] std::expected<mounted_directory, std::string> parse_mount(std::string_view text);

/// The shortest text that `parse_mount` reads as `from`.
[[nodiscard]] std::string show_mount(const mounted_directory& from);

/// What `from` does not do as a directory without options does: "ro,links=refuse"; empty: all.
[[nodiscard]] std::string show_mount_options(const vfs::tree_options& from);

}  // namespace ferry::server
