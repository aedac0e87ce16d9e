#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ferry::auth {

/// How a password is hashed.
enum class hash_method {
    yescrypt,     ///< "$y$": slow, and takes memory too: what Debian uses.
    sha512crypt,  ///< "$6$": for files that older systems read.
    bcrypt,       ///< "$2b$": of a password's first 72 octets.
};

/// Hashes `password` with fresh salt, in the form of crypt(5). Nothing: it holds a NUL or is longer
/// than crypt takes (512 octets), or the system has no random numbers. Cost: 10 to 100 ms and, for
/// yescrypt, 16 MiB: for the offload pool, or a command line.
[[nodiscard]] std::optional<std::string> hash_password(std::string_view password,
                                                       hash_method method);

/// True when `password` is what `hash` was made of; false also for what is no hash. Cost as
/// `hash_password`, whatever the outcome.
[[nodiscard]] bool is_password_of(std::string_view password, const std::string& hash);

/// What is wrong with `hash` as a hash that passwords can be compared with, for a person; empty
/// when nothing is. A method that is known to be weak (DES, MD5) counts as wrong.
[[nodiscard]] std::string why_no_hash(const std::string& hash);

}  // namespace ferry::auth
