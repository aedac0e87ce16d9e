#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "net/tls_derivation.hpp"
#include "net/tls_session.hpp"

namespace ferry::net {

/// What OpenSSL calls for a session; `tls_server` tells it so.
class tls_session::callbacks {
  public:
    static int write(BIO* wire, const char* octets, int size_bytes);
    static int read(BIO* wire, char* into, int size_bytes);
    static long control(BIO* wire, int what, long number, void* pointer);
    static void see_message(int is_written, int version, int kind, const void* octets,
                            std::size_t size_bytes, SSL* session, void* unused);
    /// The secrets of TLS 1.3 as they are made (`tls_secret_watch`).
    static void hear_secret(void* session, told_secret which,
                            std::span<const unsigned char> secret) noexcept;
    static int choose_protocol(SSL* session, const unsigned char** chosen,
                               unsigned char* chosen_bytes, const unsigned char* offered,
                               unsigned offered_bytes, void* unused);
    static int mark_session(SSL* session, void* unused);
    static int mark_ticket(SSL* session, void* unused);
    static SSL_TICKET_RETURN see_ticket(SSL* session, SSL_SESSION* resumed,
                                        const unsigned char* name, std::size_t name_bytes,
                                        SSL_TICKET_STATUS status, void* unused);

    /// The client's certificate in it is over: OpenSSL judges one when it is shown, and a client
    /// that comes often enough would never have to show it again.
    [[nodiscard]] static bool is_of_old_certificate(SSL_SESSION* resumed,
                                                    std::int64_t now) noexcept;
    /// Which ticket `see_ticket` is about, if it is good: its random part.
    static void note_ticket(tls_session& self,
                            std::span<const unsigned char, tls_ticket_keys::ticket_id_bytes> id);

    [[nodiscard]] static const tls_server& server_of(const tls_session& self) noexcept;
    [[nodiscard]] static bool has_mark(const tls_session& self) noexcept;
    /// It goes on with a session that OpenSSL keeps (TLS 1.2 only): the very one, which others go
    /// on with at the same time, on any core. Nothing is written to it, and whose it is stays.
    [[nodiscard]] static bool is_resumed_by_name(const SSL* session) noexcept;
    /// Whose certificate is for who asks for that of no name; empty: the first.
    [[nodiscard]] static std::string_view usual_name(const SSL* session) noexcept;
    /// Null while it is made.
    [[nodiscard]] static tls_session* of(const SSL* session) noexcept;
};

}  // namespace ferry::net
