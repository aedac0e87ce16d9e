#pragma once

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

/// Who hears of the secrets of content (RFC 8446 section 7.1, "c ap traffic", "s ap traffic") that
/// are derived in this thread while it lives: OpenSSL tells them otherwise as text only, octet by
/// octet and with three others, for a tenth of what a handshake costs.
class tls_secret_watch {
  public:
    using listener = void (*)(void* whose, bool is_client,
                              std::span<const unsigned char> secret) noexcept;
    tls_secret_watch(listener told, void* whose) noexcept;
    tls_secret_watch(const tls_secret_watch&) = delete;
    tls_secret_watch& operator=(const tls_secret_watch&) = delete;
    ~tls_secret_watch();

    void hear(bool is_client, std::span<const unsigned char> secret) const noexcept {
        told_(whose_, is_client, secret);
    }

  private:
    listener told_;
    void* whose_;
    const tls_secret_watch* before_;
};

}  // namespace ferry::net
