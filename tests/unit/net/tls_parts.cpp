#include "tls_parts.hpp"

#include <doctest/doctest.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#include <cstring>
#include <memory>

#include "net/tls_openssl.hpp"

namespace ferry::net_test {

net::tls_identity rsa_identity_for(const std::string& name) {
    using namespace net;
    const key_owner key(EVP_RSA_gen(2'048));
    const certificate_owner made(::X509_new());
    REQUIRE(key != nullptr);
    ::X509_set_version(made.get(), 2);
    ::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(made.get()), 1);
    ::X509_gmtime_adj(X509_getm_notBefore(made.get()), -3'600);
    ::X509_gmtime_adj(X509_getm_notAfter(made.get()), 86'400);
    // Octets of a name, signed or not.
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(name.data()),
                                 static_cast<int>(name.size()), -1, 0);
    ::X509_set_issuer_name(made.get(), ::X509_get_subject_name(made.get()));
    ::X509_set_pubkey(made.get(), key.get());
    REQUIRE(::X509_sign(made.get(), key.get(), ::EVP_sha256()) > 0);
    const auto text_of = [](auto write) {
        const bio_owner text(::BIO_new(::BIO_s_mem()));
        REQUIRE(write(text.get()) == 1);
        char* octets = nullptr;
        const auto size_bytes = BIO_get_mem_data(text.get(), &octets);
        return std::string(octets, static_cast<std::size_t>(size_bytes));
    };
    return {
        .certificates = text_of([&](BIO* text) { return ::PEM_write_bio_X509(text, made.get()); }),
        .key = text_of([&](BIO* text) {
            return ::PEM_write_bio_PrivateKey(text, key.get(), nullptr, nullptr, 0, nullptr,
                                              nullptr);
        }),
        .called = name};
}

std::string ocsp_response_for(const net::tls_identity& whom, long begun_seconds) {
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
    const time_owner now(::X509_gmtime_adj(nullptr, begun_seconds));
    const time_owner later(::X509_gmtime_adj(nullptr, begun_seconds + 86'400));
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
