// SHA by its own functions, which OpenSSL 3 would rather have called by way of EVP: a lookup and an
// allocation for some hundred octets each.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "net/tls_key_schedule.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cstring>

namespace ferry::net {

namespace {

struct sha256 {
    using state = SHA256_CTX;
    static constexpr std::size_t block_bytes = SHA256_CBLOCK;
    static constexpr std::size_t digest_bytes = SHA256_DIGEST_LENGTH;
    static void begin(state& of) noexcept { ::SHA256_Init(&of); }
    static void take(state& of, std::span<const unsigned char> octets) noexcept {
        ::SHA256_Update(&of, octets.data(), octets.size());
    }
    static void end(state& of, unsigned char* digest) noexcept { ::SHA256_Final(digest, &of); }
};

struct sha384 {
    using state = SHA512_CTX;
    static constexpr std::size_t block_bytes = SHA512_CBLOCK;
    static constexpr std::size_t digest_bytes = SHA384_DIGEST_LENGTH;
    static void begin(state& of) noexcept { ::SHA384_Init(&of); }
    static void take(state& of, std::span<const unsigned char> octets) noexcept {
        ::SHA384_Update(&of, octets.data(), octets.size());
    }
    static void end(state& of, unsigned char* digest) noexcept { ::SHA384_Final(digest, &of); }
};

/// HMAC (RFC 2104) with a key of a block at most, for several texts.
template <class Hash>
class hmac {
  public:
    explicit hmac(std::span<const unsigned char> key) noexcept {
        constexpr unsigned char inner = 0x36;
        constexpr unsigned char outer = 0x5c;
        std::array<unsigned char, Hash::block_bytes> block{};
        std::ranges::copy(key, block.begin());
        for (auto& each : block) {
            each ^= inner;
        }
        Hash::begin(inner_);
        Hash::take(inner_, block);
        for (auto& each : block) {
            each ^= inner ^ outer;
        }
        Hash::begin(outer_);
        Hash::take(outer_, block);
        ::OPENSSL_cleanse(block.data(), block.size());
    }
    hmac(const hmac&) = delete;
    hmac& operator=(const hmac&) = delete;
    ~hmac() {
        ::OPENSSL_cleanse(&inner_, sizeof inner_);
        ::OPENSSL_cleanse(&outer_, sizeof outer_);
    }

    using digest = std::array<unsigned char, Hash::digest_bytes>;
    template <class... Parts>
    [[nodiscard]] digest of(const Parts&... parts) const noexcept {
        digest made{};
        auto state = inner_;
        (Hash::take(state, parts), ...);
        Hash::end(state, made.data());
        state = outer_;
        Hash::take(state, made);
        Hash::end(state, made.data());
        ::OPENSSL_cleanse(&state, sizeof state);
        return made;
    }

  private:
    Hash::state inner_;
    Hash::state outer_;
};

template <class Hash>
bool expand(std::span<const unsigned char> secret, std::span<const unsigned char> info,
            std::span<unsigned char> out) noexcept {
    constexpr std::size_t blocks_max = 255;
    if (secret.size() > Hash::block_bytes || out.size() > blocks_max * Hash::digest_bytes) {
        return false;
    }
    const hmac<Hash> by(secret);
    typename hmac<Hash>::digest block{};
    std::span<const unsigned char> before;
    for (unsigned char number = 1; !out.empty(); ++number) {
        block = by.of(before, info, std::span(&number, 1));
        before = block;
        const auto taken = std::min(out.size(), block.size());
        std::ranges::copy(std::span(block).first(taken), out.begin());
        out = out.subspan(taken);
    }
    ::OPENSSL_cleanse(block.data(), block.size());
    return true;
}

template <class Hash>
bool extract(std::span<const unsigned char> salt, std::span<const unsigned char> from,
             std::span<unsigned char> out) noexcept {
    if (salt.size() > Hash::block_bytes || out.size() != Hash::digest_bytes) {
        return false;
    }
    auto made = hmac<Hash>(salt).of(from);
    std::ranges::copy(made, out.begin());
    ::OPENSSL_cleanse(made.data(), made.size());
    return true;
}

template <class Hash>
void hash_nothing_by(std::span<unsigned char> out) noexcept {
    typename Hash::state state;
    Hash::begin(state);
    Hash::end(state, out.data());
}

}  // namespace

tls_secret::~tls_secret() {
    ::OPENSSL_cleanse(octets.data(), octets.size());
}

std::optional<tls_digest> tls_digest_of(std::string_view name) noexcept {
    if (name == "SHA256" || name == "SHA2-256" || name == "SHA-256") {
        return tls_digest::sha256;
    }
    if (name == "SHA384" || name == "SHA2-384" || name == "SHA-384") {
        return tls_digest::sha384;
    }
    return std::nullopt;
}

bool expand_label(tls_digest by, std::span<const unsigned char> secret, const tls_label& label,
                  std::span<unsigned char> out) noexcept {
    constexpr std::size_t vector_bytes_max = 255;  // What an octet can say.
    std::array<unsigned char, 2 + 2 * (1 + vector_bytes_max)> info{};
    const auto text_bytes = label.prefix.size() + label.text.size();
    if (text_bytes > vector_bytes_max || label.context.size() > vector_bytes_max ||
        out.size() > 0xFFFF) {
        return false;
    }
    info[0] = static_cast<unsigned char>(out.size() >> 8U);
    info[1] = static_cast<unsigned char>(out.size() & 0xFFU);
    info[2] = static_cast<unsigned char>(text_bytes);
    auto* at = info.data() + 3;
    at = std::ranges::copy(label.prefix, at).out;
    at = std::ranges::copy(label.text, at).out;
    *at++ = static_cast<unsigned char>(label.context.size());
    at = std::ranges::copy(label.context, at).out;
    const std::span said(info.data(), at);
    return by == tls_digest::sha256 ? expand<sha256>(secret, said, out)
                                    : expand<sha384>(secret, said, out);
}

bool extract_secret(tls_digest by, std::span<const unsigned char> salt,
                    std::span<const unsigned char> from, std::span<unsigned char> out) noexcept {
    return by == tls_digest::sha256 ? extract<sha256>(salt, from, out)
                                    : extract<sha384>(salt, from, out);
}

void hash_nothing(tls_digest by, std::span<unsigned char, 48> out) noexcept {
    if (by == tls_digest::sha256) {
        hash_nothing_by<sha256>(out);
    } else {
        hash_nothing_by<sha384>(out);
    }
}

}  // namespace ferry::net
