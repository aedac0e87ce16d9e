#pragma once

#include <optional>
#include <string>

#include "ferry/vfs/digest.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// The algorithm that Want-Repr-Digest or Want-Content-Digest (RFC 9530 section 4) likes best of
/// those that are secure (section 5): sha-256 and sha-512, sha-256 where both are liked alike.
/// Nothing without the field, where it wants neither, and where it is no dictionary of integers
/// from 0 to 10 (RFC 8941 section 3.2): such a field is ignored whole.
[[nodiscard]] std::optional<vfs::digest_algorithm> wanted_digest(const field_lines& fields,
                                                                 field which);

/// The value of Repr-Digest or Content-Digest: `sha-256=:...:`.
[[nodiscard]] std::string digest_value(vfs::digest_algorithm by, const vfs::digest& value);

}  // namespace ferry::http
