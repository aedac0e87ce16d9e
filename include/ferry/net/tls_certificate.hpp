#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace ferry::net {

/// A certificate and its key as PEM (RFC 7468). Text that a key is in is wiped when it goes.
struct tls_identity {
    std::string certificates;     ///< The server's own first, then those that vouch for it.
    std::string key;              ///< Empty: it is among `certificates`.
    std::string called;           ///< For messages: the name of the file.
    std::string ocsp_response{};  ///< DER (RFC 6960); empty: nothing is stapled.
    std::string key_called{};     ///< As `called`, of the file of the key; empty: the same one.
    std::string ocsp_called{};    ///< As `called`, of the file of the response.

    ~tls_identity();
};

/// Makes a certificate that vouches for itself, ECDSA on P-256 (RFC 5480), for `names`: host names
/// and numeric addresses, one at least. Valid for 397 days, which is as long as browsers take one,
/// from an hour before `now` (seconds of the wall clock). For developing: nobody trusts it unasked.
///
/// Errors: what OpenSSL says, for a person.
[[nodiscard]] std::expected<tls_identity, std::string> make_self_signed(
    const std::vector<std::string>& names, std::int64_t now);

/// The SHA-256 fingerprint of the first certificate in `pem` as browsers show it, "AB:CD:...";
/// empty where there is none.
[[nodiscard]] std::string fingerprint_of(std::string_view pem);

}  // namespace ferry::net
