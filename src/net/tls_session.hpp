#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "ferry/base/result.hpp"
#include "ferry/net/tls_server.hpp"
#include "net/tls_client_hello.hpp"

struct ssl_st;
struct ssl_session_st;
struct bio_st;

namespace ferry::net {

/// What else a session of a server is told.
struct tls_session_options {
    std::string_view protocol{};  ///< By ALPN (RFC 7301); empty: none is agreed on.
    /// What the tickets of this session are marked with; empty: nothing.
    std::string mark{};
    /// The certificate for who asks for that of no name; empty: the first.
    std::string usual_name{};
};

/// TLS of one connection without the connection, as the server (RFC 8446, RFC 5246): octets of the
/// network are offered, octets for the network are collected. Does no I/O, so octets may come in
/// any pieces, from anywhere. One core's own.
///
/// Errors of its functions are final: errc::invalid (what came is no TLS, is not wanted or too much
/// of it; `why()` says it), exhausted (memory). What `to_send` holds then is the alert for the
/// peer.
class tls_session {
  public:
    /// Errors: errc::exhausted.
    [[nodiscard]] static result<std::unique_ptr<tls_session>> make(
        std::shared_ptr<const tls_server> by, tls_session_options how);
    tls_session(const tls_session&) = delete;
    tls_session& operator=(const tls_session&) = delete;
    ~tls_session();

    /// From now on reads from `octets`, which must stay until others are offered.
    void offer(std::string_view octets) noexcept {
        offered_ = octets;
        taken_ = 0;
    }
    /// How many of those offered are used up.
    [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

    enum class progress : std::uint8_t {
        done,
        wants_input,  ///< All that was offered is used up.
        ended,        ///< The peer has said that nothing more comes (RFC 8446 section 6.1).
    };

    /// Goes on with the handshake.
    [[nodiscard]] result<progress> shake_hands();
    [[nodiscard]] bool is_established() const noexcept;

    struct reading {
        progress how = progress::done;
        std::size_t octets = 0;  ///< Not 0 when done.
    };
    /// Reads what the peer has sent, a record of it at most.
    [[nodiscard]] result<reading> read(std::span<std::byte> into);
    /// How much of a record that was opened is not read yet.
    [[nodiscard]] std::size_t pending() const noexcept;

    /// Seals all of `octets`, as many records as that takes.
    [[nodiscard]] result<void> write(std::span<const std::byte> octets);

    /// Says that nothing more is sent. Idempotent; nothing may be written behind it.
    void end() noexcept;

    /// What is to be sent to the peer; whoever sends it takes it out.
    [[nodiscard]] std::string& to_send() noexcept { return to_send_; }

    /// What went wrong, for a log; empty: nothing.
    [[nodiscard]] std::string_view why() const noexcept { return why_; }

    [[nodiscard]] std::string_view version() const noexcept;  ///< "TLSv1.3".
    [[nodiscard]] std::string_view cipher() const noexcept;
    [[nodiscard]] bool is_resumed() const noexcept;
    /// The mark of the session that was resumed; empty for a new one, and where it had none.
    [[nodiscard]] std::string_view resumed_mark() const noexcept { return resumed_mark_; }
    /// The subject of the certificate that the client has shown, "CN=..." first; empty: none.
    [[nodiscard]] std::string client_subject() const;
    /// The common name in it (RFC 5280, id-at-commonName); empty: none.
    [[nodiscard]] std::string client_common_name() const;

    // For OpenSSL's callbacks.
    class callbacks;

  private:
    struct ssl_freed {
        void operator()(ssl_st* session) const noexcept;
    };
    tls_session(std::shared_ptr<const tls_server> by, tls_session_options how);

    [[nodiscard]] error fail() noexcept;
    [[nodiscard]] bool is_too_much() const noexcept;
    [[nodiscard]] bool take_mark(ssl_session_st* resumed) noexcept;

    std::shared_ptr<const tls_server> by_;  ///< Outlives `ssl_`.
    tls_session_options how_;
    std::string_view offered_;
    std::size_t taken_ = 0;
    std::string to_send_;
    std::string resumed_mark_;
    const char* why_ = "";
    tls_client_hello_watch hello_;
    bool watches_hello_ = true;
    bool has_answered_hello_ = false;
    bool has_shaken_hands_ = false;
    bool has_seen_ticket_ = false;     ///< And resumes what is in it.
    std::uint64_t moved_ = 0;          ///< Octets of content, both ways.
    std::uint64_t side_messages_ = 0;  ///< That were no content, once hands were shaken.
    bool is_out_of_memory_ = false;
    std::unique_ptr<ssl_st, ssl_freed> ssl_;
};

}  // namespace ferry::net
