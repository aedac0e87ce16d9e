#pragma once

#include <string_view>

/// Patterns of names, for LIST and NLST: `*`, `?` and `[a-z]`, `[!a-z]` (POSIX.2 section 2.13). No
/// braces, no backslash, and only in the last component of a path, so that no pattern makes the
/// server look through more than one directory (threats.md, F11).
namespace ferry::ftp {

/// True when `text` holds an octet that is special in a pattern.
[[nodiscard]] bool is_pattern(std::string_view text) noexcept;

/// True when all of `name` matches. A name that begins with a point is matched only by a pattern
/// that does. A `[` without its `]` stands for itself. `?` and sets stand for one character of
/// UTF-8, or an octet that is part of none.
///
/// Cost: at most name times pattern, whatever the pattern; no recursion, no allocation.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view name) noexcept;

}  // namespace ferry::ftp
