#include "tls_parts.hpp"

#include <doctest/doctest.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include <cstring>
#include <memory>

#include "net/tls_openssl.hpp"

namespace ferry::net_test {

std::string ocsp_response_for(const net::tls_identity& whom) {
    using namespace net;
    const std::unique_ptr<BIO, freed_by<::BIO_free_all>> text(
        ::BIO_new_mem_buf(whom.certificates.data(), static_cast<int>(whom.certificates.size())));
    const std::unique_ptr<BIO, freed_by<::BIO_free_all>> secret(
        ::BIO_new_mem_buf(whom.key.data(), static_cast<int>(whom.key.size())));
    const certificate_owner own(::PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    const key_owner key(::PEM_read_bio_PrivateKey(secret.get(), nullptr, nullptr, nullptr));
    REQUIRE(own != nullptr);
    REQUIRE(key != nullptr);
    const std::unique_ptr<OCSP_BASICRESP, freed_by<::OCSP_BASICRESP_free>> basic(
        ::OCSP_BASICRESP_new());
    const std::unique_ptr<OCSP_CERTID, freed_by<::OCSP_CERTID_free>> id(
        ::OCSP_cert_to_id(nullptr, own.get(), own.get()));
    using time_owner = std::unique_ptr<ASN1_TIME, freed_by<::ASN1_STRING_free>>;
    const time_owner now(::X509_gmtime_adj(nullptr, 0));
    const time_owner later(::X509_gmtime_adj(nullptr, 86'400));
    REQUIRE(::OCSP_basic_add1_status(basic.get(), id.get(), V_OCSP_CERTSTATUS_GOOD, 0, nullptr,
                                     now.get(), later.get()) != nullptr);
    REQUIRE(::OCSP_basic_sign(basic.get(), own.get(), key.get(), ::EVP_sha256(), nullptr, 0) == 1);
    const std::unique_ptr<OCSP_RESPONSE, freed_by<::OCSP_RESPONSE_free>> response(
        ::OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
    unsigned char* octets = nullptr;
    const int size_bytes = ::i2d_OCSP_RESPONSE(response.get(), &octets);
    REQUIRE(size_bytes > 0);
    std::string der(static_cast<std::size_t>(size_bytes), '\0');
    std::memcpy(der.data(), octets, der.size());
    OPENSSL_free(octets);
    return der;
}

}  // namespace ferry::net_test
