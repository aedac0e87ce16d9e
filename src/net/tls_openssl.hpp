#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>

namespace ferry::net {

/// Frees what `Free` frees.
template <auto Free>
struct freed_by {
    template <class Type>
    void operator()(Type* object) const noexcept {
        Free(object);
    }
};

using bio_owner = std::unique_ptr<BIO, freed_by<::BIO_free_all>>;
using bio_method_owner = std::unique_ptr<BIO_METHOD, freed_by<::BIO_meth_free>>;
using certificate_owner = std::unique_ptr<X509, freed_by<::X509_free>>;
using key_owner = std::unique_ptr<EVP_PKEY, freed_by<::EVP_PKEY_free>>;
using context_owner = std::unique_ptr<SSL_CTX, freed_by<::SSL_CTX_free>>;
using cipher_owner = std::unique_ptr<EVP_CIPHER, freed_by<::EVP_CIPHER_free>>;
using cipher_context_owner = std::unique_ptr<EVP_CIPHER_CTX, freed_by<::EVP_CIPHER_CTX_free>>;
using general_names_owner = std::unique_ptr<GENERAL_NAMES, freed_by<::GENERAL_NAMES_free>>;

/// What OpenSSL says of the last thing that failed, for a person, and forgets it.
[[nodiscard]] std::string take_tls_error();

/// A BIO to read `text` from, which must outlive it; null where memory is out.
[[nodiscard]] bio_owner reader_of(std::string_view text) noexcept;

}  // namespace ferry::net
