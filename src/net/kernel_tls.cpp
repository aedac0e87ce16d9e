#include "net/kernel_tls.hpp"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "ferry/base/kernel.hpp"
#include "ferry/base/unique_fd.hpp"

namespace ferry::net {

namespace {

/// Puts the kernel's TLS upon TCP.
int put_on(int socket) noexcept {
    constexpr std::string_view name = "tls";
    return kernel::setsockopt(socket, SOL_TCP, TCP_ULP, name.data(), name.size());
}

/// The octets of `key` in `Terms`, which is the same for all ciphers but for sizes. AES-GCM has its
/// IV in two parts: RFC 5288 has a salt before what changes.
template <class Terms>
bool set_socket_terms(int socket, std::uint16_t kind, const record_key& key) noexcept {
    Terms terms{};
    terms.info.version = key.version;
    terms.info.cipher_type = kind;
    constexpr std::size_t salt_bytes = sizeof key.iv - sizeof terms.iv;
    std::memcpy(terms.key, key.key.data(), sizeof terms.key);
    if constexpr (salt_bytes > 0) {
        std::memcpy(terms.salt, key.iv.data(), salt_bytes);
    }
    std::memcpy(terms.iv, key.iv.data() + salt_bytes, sizeof terms.iv);
    for (std::size_t i = 0; i < sizeof terms.rec_seq; ++i) {
        terms.rec_seq[sizeof terms.rec_seq - 1 - i] =
            static_cast<unsigned char>(key.sequence >> (8 * i));
    }
    const bool is_set = kernel::setsockopt(socket, SOL_TLS, TLS_TX, &terms, sizeof terms) == 0;
    ::OPENSSL_cleanse(&terms, sizeof terms);
    return is_set;
}

}  // namespace

record_key::~record_key() {
    ::OPENSSL_cleanse(key.data(), key.size());
}

bool begin_sealing(int socket, const record_key& key) noexcept {
    if (put_on(socket) != 0 && errno != EEXIST) {
        return false;
    }
    switch (key.how) {
        case record_key::cipher::aes_128_gcm:
            return set_socket_terms<tls12_crypto_info_aes_gcm_128>(socket, TLS_CIPHER_AES_GCM_128,
                                                                   key);
        case record_key::cipher::aes_256_gcm:
            return set_socket_terms<tls12_crypto_info_aes_gcm_256>(socket, TLS_CIPHER_AES_GCM_256,
                                                                   key);
        case record_key::cipher::chacha20_poly1305:
            return set_socket_terms<tls12_crypto_info_chacha20_poly1305>(
                socket, TLS_CIPHER_CHACHA20_POLY1305, key);
    }
    return false;
}

std::string why_no_kernel_tls() {
    const unique_fd socket(kernel::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) {
        return std::strerror(errno);
    }
    // Only what is connected has TLS, so there is no other way for it to succeed.
    if (put_on(socket.get()) == 0 || errno == ENOTCONN) {
        return {};
    }
    if (errno == ENOENT || errno == ENOPROTOOPT) {
        return "the kernel has no TLS (CONFIG_TLS), or its module is not there (modprobe tls)";
    }
    return std::strerror(errno);
}

}  // namespace ferry::net
