#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ferry/vfs/digest.hpp"

/// What HASH calls the algorithms of digests (draft-bryan-ftpext-hash-02 section 3.1: IANA's Hash
/// Function Textual Names, and for the CRCs what servers call them).
namespace ferry::ftp {

[[nodiscard]] std::string_view name_of(vfs::digest_algorithm which) noexcept;

/// In letters of any case; nothing for what there is not.
[[nodiscard]] std::optional<vfs::digest_algorithm> find_algorithm(std::string_view name) noexcept;

/// The line of FEAT, the one in use with an asterisk: "HASH SHA-256*;SHA-512;SHA-1".
[[nodiscard]] std::string hash_feature(vfs::digest_algorithm in_use);

/// As hexadecimal digits: HASH has lower case, the X commands upper case.
[[nodiscard]] std::string lower_hex(const vfs::digest& value);
[[nodiscard]] std::string upper_hex(const vfs::digest& value);

}  // namespace ferry::ftp
