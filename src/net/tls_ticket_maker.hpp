#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ferry/net/tls_ticket_keys.hpp"
#include "net/tls_key_schedule.hpp"

struct ssl_session_st;

namespace ferry::net {

/// Makes more tickets of a session of TLS 1.3 behind its handshake, for OpenSSL to open (RFC 8446
/// section 4.6.1): OpenSSL would need all that it holds of the session for that, 14 KiB (decision
/// 0051). Holds some 300 octets, and the client's certificate where it has shown one.
class tls_ticket_maker {
  public:
    /// `agreed` is the session as OpenSSL has it when hands are shaken, `resumption` its resumption
    /// master secret; `issued` the time, as all times here by `tls_ticket_keys::issue_time`.
    /// Null: OpenSSL does not tell of it. Throws std::bad_alloc.
    [[nodiscard]] static std::unique_ptr<tls_ticket_maker> make(ssl_session_st& agreed,
                                                                tls_digest by,
                                                                const tls_secret& resumption,
                                                                std::int64_t issued);

    struct terms {
        const tls_ticket_keys::key& with;  ///< Seals it.
        std::span<const char> text;        ///< What OpenSSL calls the data of the application.
        std::int64_t issued = 0;
    };
    /// The message NewSessionTicket of a ticket that is good for
    /// `tls_ticket_keys::rotation_seconds`. Empty: OpenSSL does not make it, or it would be longer
    /// than a record may be. Throws std::bad_alloc.
    [[nodiscard]] std::string next(const terms& how);

  private:
    tls_ticket_maker(tls_digest by, const tls_secret& resumption, std::int64_t begun) noexcept
        : by_(by), resumption_(resumption), begun_(begun) {}

    std::vector<unsigned char> agreed_;  ///< As OpenSSL writes sessions; no secret is in it.
    tls_digest by_;
    tls_secret resumption_;
    std::int64_t begun_;
    std::uint32_t given_ = 0;
};

}  // namespace ferry::net
