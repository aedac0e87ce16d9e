#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace ferry::net {

/// The hash function of a cipher suite of TLS 1.3 (RFC 8446 appendix B.4).
enum class tls_digest : std::uint8_t { sha256, sha384 };

[[nodiscard]] constexpr std::size_t digest_bytes(tls_digest by) noexcept {
    return by == tls_digest::sha256 ? 32 : 48;
}

/// By OpenSSL's names for it, of which there are several; nothing: another one.
[[nodiscard]] std::optional<tls_digest> tls_digest_of(std::string_view name) noexcept;

/// A secret of one direction, as the key schedule has it (RFC 8446 section 7.1).
struct tls_secret {
    std::array<unsigned char, 48> octets{};
    std::size_t size_bytes = 0;  ///< 0: there is none.

    ~tls_secret();
    [[nodiscard]] std::span<const unsigned char> used() const noexcept {
        return std::span(octets).first(size_bytes);
    }
};

/// What HKDF-Expand-Label is told beside the secret (RFC 8446 section 7.1).
struct tls_label {
    std::string_view prefix = "tls13 ";
    std::string_view text;
    std::span<const unsigned char> context{};
};

// OpenSSL's HKDF looks its algorithms up anew for each secret, and some twenty are derived in a
// handshake: that costs several times what hashing does. These allocate nothing.

/// HKDF-Expand-Label (RFC 8446 section 7.1, RFC 5869 section 2.3) of as many octets as `out` has.
/// False: label, context or `out` is longer than it may be, or the secret than a block of the hash
/// function (64 octets, 128).
[[nodiscard]] bool expand_label(tls_digest by, std::span<const unsigned char> secret,
                                const tls_label& label, std::span<unsigned char> out) noexcept;

/// HKDF-Extract (RFC 5869 section 2.2); an empty salt is that of zeros. False: `out` has not the
/// size of the digest, or the salt is longer than a block.
[[nodiscard]] bool extract_secret(tls_digest by, std::span<const unsigned char> salt,
                                  std::span<const unsigned char> from,
                                  std::span<unsigned char> out) noexcept;

/// The digest of nothing, which is the context of "derived" (RFC 8446 section 7.1), into `out`.
void hash_nothing(tls_digest by, std::span<unsigned char, 48> out) noexcept;

}  // namespace ferry::net
