#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>

namespace ferry::net {

/// Has OpenSSL derive the secrets of TLS 1.3 by `tls_key_schedule`, wherever a context has these
/// properties: a provider of the process, which has that one function (provider-kdf(7)). Loaded
/// with the first call, from any thread.
///
/// Errors: one line for a person: OpenSSL does not take it.
[[nodiscard]] std::expected<const char*, std::string> derivation_properties();

/// Of the secrets that a handshake ends with (RFC 8446 section 7.1) those that are told.
enum class told_secret : std::uint8_t {
    of_client,      ///< "c ap traffic": what protects its content.
    of_server,      ///< "s ap traffic"
    of_resumption,  ///< "res master": what tickets are made of.
};

/// Who hears of such secrets that are derived in this thread while it lives: OpenSSL tells those of
/// content otherwise as text only, octet by octet and with three others, for a tenth of what a
/// handshake costs, and that of resumption to nobody.
class tls_secret_watch {
  public:
    using listener = void (*)(void* whose, told_secret which,
                              std::span<const unsigned char> secret) noexcept;
    tls_secret_watch(listener told, void* whose) noexcept;
    tls_secret_watch(const tls_secret_watch&) = delete;
    tls_secret_watch& operator=(const tls_secret_watch&) = delete;
    ~tls_secret_watch();

    void hear(told_secret which, std::span<const unsigned char> secret) const noexcept {
        told_(whose_, which, secret);
    }

  private:
    listener told_;
    void* whose_;
    const tls_secret_watch* before_;
};

}  // namespace ferry::net
