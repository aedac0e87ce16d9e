#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ferry::net {

/// Watches a ClientHello come in: whether it is whole, and whether it says that it is longer than
/// any honest one. Of what is not whole OpenSSL is told nothing: a session holds 42 KiB while hands
/// are shaken, and would make room of up to 128 KiB for four octets (threats.md, T3).
///
/// Fed with the octets of the first records in any pieces, each once; a hello may come in several
/// records (RFC 8446 section 5.1). Cost: a few instructions an octet.
class tls_client_hello_watch {
  public:
    /// A post-quantum key share and two dozen of ALPN names are a tenth of it.
    static constexpr std::size_t hello_bytes_max = 16 * 1'024;

    /// False: there is a hello that is too long.
    [[nodiscard]] constexpr bool take(std::string_view octets) noexcept {
        for (const char each : octets) {
            const auto octet = static_cast<unsigned char>(each);
            if (record_left_ > 0) {
                --record_left_;
                if (!is_handshake_) {
                    continue;
                }
                if (message_bytes_ < message_.size()) {
                    message_[message_bytes_] = octet;
                }
                ++message_bytes_;
                if (message_bytes_ == message_.size() && is_too_long()) {
                    return false;
                }
                continue;
            }
            header_[header_bytes_++] = octet;
            if (header_bytes_ == header_.size()) {
                header_bytes_ = 0;
                is_handshake_ = header_[0] == handshake_record;
                has_other_ = has_other_ || !is_handshake_;
                record_left_ = std::size_t{header_[3]} << 8U | header_[4];
            }
        }
        return true;
    }

    /// The hello has come, or something that is none: there is something to answer.
    [[nodiscard]] constexpr bool is_whole() const noexcept {
        return has_other_ ||
               (message_bytes_ >= message_.size() && message_bytes_ >= message_.size() + length());
    }

    /// The next handshake message is a hello again: the server has asked for another one
    /// (RFC 8446 section 4.1.4).
    constexpr void expect_another() noexcept { message_bytes_ = 0; }

  private:
    static constexpr unsigned char handshake_record = 22;
    static constexpr unsigned char client_hello = 1;

    [[nodiscard]] constexpr std::size_t length() const noexcept {
        return std::size_t{message_[1]} << 16U | std::size_t{message_[2]} << 8U |
               std::size_t{message_[3]};
    }
    [[nodiscard]] constexpr bool is_too_long() const noexcept {
        return message_[0] == client_hello && length() > hello_bytes_max;
    }

    std::array<unsigned char, 5> header_{};
    std::size_t header_bytes_ = 0;
    std::size_t record_left_ = 0;
    bool is_handshake_ = false;
    bool has_other_ = false;                  ///< There was a record of another kind.
    std::array<unsigned char, 4> message_{};  ///< The beginning of the handshake message.
    std::size_t message_bytes_ = 0;           ///< That have come.
};

}  // namespace ferry::net
