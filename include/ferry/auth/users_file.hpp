#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/auth/accounts.hpp"

namespace ferry::auth {

/// Reads a users file: a line each, `name:hash:home:permissions:limits`, later fields may be left
/// out. Empty lines and those that begin with "#" say nothing.
///
/// - name: 1 to 64 octets, no control characters; "anonymous" and "ftp" are nobody's here.
/// - hash: of crypt(5), as `ferry passwd` writes it. One that begins with "!" or "*" locks the
///   account.
/// - home: the directory of the tree that the user sees as "/"; empty: all of it. `%3A` and `%25`
///   stand for a colon and a percent sign.
/// - permissions: see `permissions::parse`; empty: read-only.
/// - limits: see `limits::parse`; empty: none.
///
/// The error names the line and what is wrong with it, for a person.
[[nodiscard]] std::expected<std::vector<account>, std::string> parse_users(std::string_view text);

/// `text`, a users file, with the hash of the user `name` replaced; a user it does not have is
/// added at its end, with the whole tree to read. Every other line stays as it is, the broken ones
/// too.
[[nodiscard]] std::string with_hash(std::string_view text, std::string_view name,
                                    std::string_view hash);

inline constexpr std::size_t user_name_bytes_max = 64;

/// What keeps `name` from being the name of a user, for a person; empty when nothing does.
[[nodiscard]] std::string why_no_user_name(std::string_view name);

}  // namespace ferry::auth
