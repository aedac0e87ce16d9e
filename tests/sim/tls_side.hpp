#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

namespace ferry::sim::test {

struct tls_freed {
    void operator()(ssl_st* session) const noexcept;
    void operator()(ssl_ctx_st* context) const noexcept;
    void operator()(ssl_session_st* session) const noexcept;
};

/// What all clients of TLS of a run begin with. They take any certificate: tests of `net` look at
/// those.
class tls_clients {
  public:
    tls_clients();

  private:
    friend class tls_side;
    std::unique_ptr<ssl_ctx_st, tls_freed> context_;
};

/// The newest session that a server has given a ticket for, or a name.
class tls_memory {
  public:
    [[nodiscard]] bool is_there() const noexcept { return session_ != nullptr; }
    void forget() noexcept { session_.reset(); }

  private:
    friend class tls_side;
    std::unique_ptr<ssl_session_st, tls_freed> session_;
};

/// A client's side of TLS, through memory, by OpenSSL: it shares no code with the server's records.
class tls_side {
  public:
    enum class version : std::uint8_t { any, only_1_2 };
    /// Resumes what is in `resumed`, and keeps there what comes to resume later.
    tls_side(const tls_clients& by, std::shared_ptr<tls_memory> resumed, version speaks);
    tls_side(const tls_side&) = delete;
    tls_side& operator=(const tls_side&) = delete;
    ~tls_side();

    enum class progress : std::uint8_t {
        done,
        wants_input,
        ended,    ///< The server has said so (RFC 8446 section 6.1).
        refused,  ///< By an alert of the server's.
        broken,   ///< What has come is no TLS.
    };
    [[nodiscard]] progress shake_hands();
    /// Appends one record's content to `into`, at most `octets_max`.
    [[nodiscard]] progress read(std::string& into, std::size_t octets_max);
    void write(std::string_view octets);
    /// close_notify.
    void end();

    /// What the server has sent.
    void give(std::string_view octets);
    /// What is to be sent to it; empty: nothing.
    [[nodiscard]] std::string take();
    [[nodiscard]] bool is_resumed() const noexcept;
    /// What OpenSSL said last of what was wrong.
    [[nodiscard]] const std::string& why() const noexcept { return why_; }

  private:
    static int keep(ssl_st* of, ssl_session_st* given) noexcept;
    [[nodiscard]] progress judge(int returned);

    friend class tls_clients;
    std::shared_ptr<tls_memory> memory_;
    std::unique_ptr<ssl_st, tls_freed> ssl_;
    std::string why_;
};

}  // namespace ferry::sim::test
