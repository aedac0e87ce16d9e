#include "ferry/net/tls_certificate.hpp"

#include <doctest/doctest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <string>

#include "ferry/base/wall_clock.hpp"

using namespace ferry;
using namespace ferry::net;

namespace {

using certificate = std::unique_ptr<X509, decltype([](X509* made) { X509_free(made); })>;

certificate read(const std::string& pem) {
    BIO* text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    certificate made(PEM_read_bio_X509(text, nullptr, nullptr, nullptr));
    BIO_free(text);
    return made;
}

}  // namespace

TEST_CASE("make_self_signed: is for the names it is made for, and for no other") {
    const auto now = read_wall_clock().seconds;
    const auto made =
        make_self_signed({"localhost", "files.example.org", "127.0.0.1", "2001:db8::1"}, now);
    REQUIRE(made);
    const auto own = read(made->certificates);
    REQUIRE(own);
    CHECK(X509_check_host(own.get(), "localhost", 0, 0, nullptr) == 1);
    CHECK(X509_check_host(own.get(), "files.example.org", 0, 0, nullptr) == 1);
    CHECK(X509_check_host(own.get(), "example.org", 0, 0, nullptr) == 0);
    CHECK(X509_check_ip_asc(own.get(), "127.0.0.1", 0) == 1);
    CHECK(X509_check_ip_asc(own.get(), "2001:db8::1", 0) == 1);
    CHECK(X509_check_ip_asc(own.get(), "127.0.0.2", 0) == 0);
    CHECK(X509_check_purpose(own.get(), X509_PURPOSE_SSL_SERVER, 0) == 1);
    CHECK(X509_check_ca(own.get()) == 0);
    CHECK(X509_verify(own.get(), X509_get0_pubkey(own.get())) == 1);
    auto begin = static_cast<std::time_t>(now);
    auto end = static_cast<std::time_t>(now + 396 * 86'400);
    CHECK(X509_cmp_time(X509_get0_notBefore(own.get()), &begin) < 0);
    CHECK(X509_cmp_time(X509_get0_notAfter(own.get()), &end) > 0);
    end += 2 * 86'400;
    CHECK(X509_cmp_time(X509_get0_notAfter(own.get()), &end) < 0);
    CHECK(made->key.starts_with("-----BEGIN PRIVATE KEY-----"));
}

TEST_CASE("make_self_signed: no two have the same key, number or fingerprint") {
    const auto one = make_self_signed({"localhost"}, 1'700'000'000);
    const auto other = make_self_signed({"localhost"}, 1'700'000'000);
    REQUIRE(one);
    REQUIRE(other);
    CHECK(one->key != other->key);
    CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(read(one->certificates).get()),
                           X509_get0_serialNumber(read(other->certificates).get())) != 0);
    const auto shown = fingerprint_of(one->certificates);
    CHECK(shown.size() == 32 * 3 - 1);
    CHECK(shown != fingerprint_of(other->certificates));
}

TEST_CASE("fingerprint_of: nothing where there is no certificate") {
    CHECK(fingerprint_of("").empty());
    CHECK(fingerprint_of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").empty());
}
