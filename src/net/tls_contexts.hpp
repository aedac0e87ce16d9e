#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ferry/net/tls_server.hpp"
#include "net/tls_openssl.hpp"
#include "net/tls_records.hpp"

namespace ferry::net {

/// One SSL_CTX for certificates of the same names, whose keys are of different kinds, found by
/// these names.
class tls_server::contexts {
  public:
    struct certificate {
        certificate_owner shown;
        std::string called;
        std::string ocsp_response;
        std::string ocsp_called;
        std::int64_t ocsp_end = 0;  ///< `end_of_staple`.

        [[nodiscard]] int kind_of_key() const noexcept {
            return ::EVP_PKEY_get_base_id(::X509_get0_pubkey(shown.get()));
        }
    };
    struct identity {
        context_owner context;
        std::vector<std::string> names;  ///< In lower case, in order.
        /// Clients are shown one that they can check (RFC 8446 section 4.4.2.2).
        std::vector<certificate> certificates;
    };

    /// What sessions begin with, which also keeps those of them that have names (TLS 1.2). Marked
    /// ones have a place of their own, where no flood of others pushes them out.
    [[nodiscard]] SSL_CTX* standard(bool is_marked) const noexcept {
        return (is_marked ? of_marked : identities.front())->context.get();
    }
    [[nodiscard]] const BIO_METHOD* wire() const noexcept { return wire_method.get(); }

    /// The context for a name that a client asks for: the name itself, then one of all names of its
    /// domain (RFC 6125 section 6.4.3); null where there is none.
    [[nodiscard]] SSL_CTX* find(std::string_view name) const;

    std::shared_ptr<const tls_suites> suites;
    bool seals_in_kernel = false;
    bio_method_owner wire_method;
    std::vector<std::unique_ptr<identity>> identities;     ///< In place: callbacks point at them.
    std::unique_ptr<identity> of_marked;                   ///< The same as the first of these.
    std::map<std::string, SSL_CTX*, std::less<>> by_name;  ///< In lower case; "*.example.org", too.
    std::shared_ptr<tls_ticket_keys> tickets;
};

}  // namespace ferry::net
