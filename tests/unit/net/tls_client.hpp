#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

namespace ferry::net_test {

struct tls_client_freed {
    void operator()(ssl_st* session) const noexcept;
    void operator()(ssl_ctx_st* context) const noexcept;
    void operator()(ssl_session_st* session) const noexcept;
};
using tls_ticket = std::unique_ptr<ssl_session_st, tls_client_freed>;

struct tls_client_options {
    int version = 0;                   ///< TLS1_2_VERSION, ...; 0: what both can.
    std::string name{};                ///< By SNI; empty: none.
    std::string protocols{};           ///< Of ALPN, as it has them: "\x08http/1.1".
    std::string ciphers{};             ///< Of TLS 1.2; empty: OpenSSL's.
    std::string suites{};              ///< Of TLS 1.3; empty: OpenSSL's.
    std::string certificate{};         ///< PEM; empty: none.
    std::string key{};                 ///< PEM.
    ssl_session_st* ticket = nullptr;  ///< To resume.
    bool takes_tickets = true;
    bool wants_staple = false;
    const char* groups = nullptr;      ///< Null: OpenSSL's.
    const char* signatures = nullptr;  ///< What it can check; null: OpenSSL's.
};

/// A client of TLS by OpenSSL, through memory. Trusts anybody.
class tls_client {
  public:
    explicit tls_client(const tls_client_options& how = {});

    /// What the server has sent.
    void give(std::string_view octets);
    /// What is to be sent to the server; empty: nothing.
    [[nodiscard]] std::string take();

    enum class progress : std::uint8_t { done, wants_input, failed };
    [[nodiscard]] progress shake_hands();
    /// All that has come by now.
    [[nodiscard]] std::string read();
    /// True once the server has said that nothing more comes.
    [[nodiscard]] bool has_ended() const;
    [[nodiscard]] bool has_failed() const { return has_failed_; }
    void write(std::string_view octets);
    /// Before hands are shaken, by the ticket, which does not allow it (RFC 8446 section 4.2.10).
    void write_early(std::string_view octets);
    /// close_notify.
    void end();
    /// The peer's keys are to be renewed, too (RFC 8446 section 4.6.3).
    [[nodiscard]] bool renew_keys();
    [[nodiscard]] bool renegotiate();
    /// A record of TLS 1.2 as this client seals its number `number`, by AES-128-GCM (RFC 5288); 0
    /// is the one that ends its handshake. For what OpenSSL would not say.
    [[nodiscard]] std::string seal(char kind, std::string_view clear, std::uint64_t number) const;
    [[nodiscard]] bool is_resumed() const;
    [[nodiscard]] std::string version() const;
    [[nodiscard]] std::string protocol() const;
    [[nodiscard]] std::string server_common_name() const;
    [[nodiscard]] bool has_server_rsa_key() const;
    [[nodiscard]] std::string staple() const;
    /// The last that came; null: none, or it is no good.
    [[nodiscard]] tls_ticket ticket() const;

  private:
    std::unique_ptr<ssl_ctx_st, tls_client_freed> context_;
    std::unique_ptr<ssl_st, tls_client_freed> ssl_;
    bool has_failed_ = false;
};

}  // namespace ferry::net_test
