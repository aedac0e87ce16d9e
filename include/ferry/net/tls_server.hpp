#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/net/tls_certificate.hpp"
#include "ferry/net/tls_ticket_keys.hpp"

namespace ferry::net {

/// Whether clients show a certificate (RFC 8446 section 4.3.2).
enum class tls_client_certificates : std::uint8_t { off, optional, required };

struct tls_settings {
    /// One at least. A client is shown the one for the name that it asks for (RFC 6066 section 3),
    /// else the first; of those for the same names, whose keys are of different kinds, one that it
    /// can check, ECDSA sooner than RSA (RFC 8446 section 4.4.2.2).
    std::vector<tls_identity> identities;
    bool needs_tls_1_3 = false;                  ///< Else 1.2, too; nothing older (RFC 8996).
    std::shared_ptr<tls_ticket_keys> tickets{};  ///< Null: nobody resumes a session.
    bool seals_in_kernel = false;  ///< What is sent of files, where `why_no_kernel_tls` is empty.
    tls_client_certificates from_clients = tls_client_certificates::off;
    std::string client_authorities{};  ///< PEM: who vouches for clients; not empty unless off.
};

/// What a server needs to speak TLS with its clients: certificates, keys, terms. Never changes, so
/// all cores share one; when files are read anew there is a new one, and connections keep theirs.
class tls_server {
  public:
    /// What is OpenSSL's of it.
    class contexts;

    /// Reads `settings`. Errors: which certificate is wrong, and how, for a person.
    [[nodiscard]] static std::expected<std::shared_ptr<const tls_server>, std::string> make(
        const tls_settings& settings);

    explicit tls_server(std::unique_ptr<contexts> inside) noexcept;
    tls_server(const tls_server&) = delete;
    tls_server& operator=(const tls_server&) = delete;
    ~tls_server();

    /// What is worth telling of certificates that serve all the same: one that is over, or soon.
    [[nodiscard]] std::vector<std::string> warnings(std::int64_t now) const;

    [[nodiscard]] const contexts& inside() const noexcept { return *inside_; }

  private:
    std::unique_ptr<contexts> inside_;
};

}  // namespace ferry::net
