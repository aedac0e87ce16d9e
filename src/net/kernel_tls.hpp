#pragma once

#include <array>
#include <cstdint>

#include "ferry/net/kernel_tls.hpp"

namespace ferry::net {

/// What records of TLS are sealed with in one direction, from a certain record on.
struct record_key {
    enum class cipher : std::uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };

    cipher how = cipher::aes_128_gcm;
    std::uint16_t version = 0x0304;       ///< As records have it: 0x0303 is TLS 1.2.
    std::array<unsigned char, 32> key{};  ///< Of AES-128 the first half.
    std::array<unsigned char, 12> iv{};   ///< RFC 8446 section 5.3.
    std::uint64_t sequence = 0;           ///< Of the next record.

    ~record_key();
};

/// Has the kernel seal what is sent on `socket` from now on (Linux's "Kernel TLS", the option
/// TLS_TX). False: it does not, and the socket is what it was. It cannot be taken back. Cost: two
/// system calls.
[[nodiscard]] bool begin_sealing(int socket, const record_key& key) noexcept;

}  // namespace ferry::net
