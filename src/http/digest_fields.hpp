#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ferry/vfs/digest.hpp"
#include "http/request.hpp"

namespace ferry::http {

/// The algorithm that Want-Repr-Digest or Want-Content-Digest (RFC 9530 section 4) likes best of
/// those that are secure (section 5): sha-256 and sha-512, sha-256 where both are liked alike.
/// Nothing without the field, where it wants neither, and where it is no dictionary of integers
/// from 0 to 10 (RFC 8941 section 3.2): such a field is ignored whole.
[[nodiscard]] std::optional<vfs::digest_algorithm> wanted_digest(const field_lines& fields,
                                                                 field which);

/// Algorithms whose digests of content are compared with what its sender says they are.
inline constexpr std::array checked_algorithms = {vfs::digest_algorithm::sha256,
                                                  vfs::digest_algorithm::sha512};

/// What a sender says the digests of something are, each of the algorithms that are looked at: as
/// many octets as its digests have. Empty: nothing of that one.
class expected_digests {
  public:
    [[nodiscard]] bool empty() const noexcept { return all_ == decltype(all_){}; }
    /// By an index of `checked_algorithms`.
    [[nodiscard]] std::string& of(std::size_t index) noexcept { return all_[index]; }
    [[nodiscard]] const std::string& of(std::size_t index) const noexcept { return all_[index]; }

    friend bool operator==(const expected_digests&, const expected_digests&) = default;

  private:
    std::array<std::string, checked_algorithms.size()> all_;
};

/// Octets of a digest of `checked_algorithms[index]`.
[[nodiscard]] constexpr std::size_t digest_bytes(std::size_t index) noexcept {
    return checked_algorithms[index] == vfs::digest_algorithm::sha256 ? 32 : 64;
}
/// Its name (RFC 9530 section 5): "sha-256".
[[nodiscard]] std::string_view digest_name(std::size_t index) noexcept;

/// What Content-Digest or Repr-Digest of a request says (RFC 9530 sections 2 and 3). Algorithms
/// that are not looked at are passed over. Nothing: the field is no dictionary, or what it says of
/// an algorithm that is looked at is no byte sequence of as many octets as that makes. Refuse the
/// request: who sent it wants the content compared (decision 0025).
[[nodiscard]] std::optional<expected_digests> read_digests(const field_lines& fields, field which);

/// The value of Repr-Digest or Content-Digest: `sha-256=:...:`.
[[nodiscard]] std::string digest_value(vfs::digest_algorithm by, const vfs::digest& value);

}  // namespace ferry::http
