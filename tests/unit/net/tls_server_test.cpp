#include "ferry/net/tls_server.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "ferry/base/wall_clock.hpp"
#include "tls_parts.hpp"

using namespace ferry;
using namespace ferry::net;
using namespace ferry::net_test;

TEST_CASE("tls_server: says which file is wrong, and how") {
    const auto good = identity_for("good.example");
    const auto other = identity_for("other.example");
    const auto rsa = rsa_identity_for("good.example");
    struct row {
        tls_identity identity;
        std::string_view said;
    };
    const row rows[] = {
        {{.certificates = "", .key = good.key, .called = "a.pem"}, "there is no certificate"},
        {{.certificates = "not PEM", .key = good.key, .called = "a.pem"}, "no certificate"},
        {{.certificates = good.certificates, .key = "", .called = "a.pem"}, "no key in it"},
        {{.certificates = good.certificates, .key = "?", .called = "b.pem", .key_called = "a.pem"},
         "key cannot be read"},
        {{.certificates = good.certificates,
          .key = good.key,
          .called = "b.pem",
          .ocsp_response = good.certificates,
          .ocsp_called = "a.pem"},
         "no response of OCSP"},
        {{.certificates = good.certificates,
          .key = good.key,
          .called = "b.pem",
          .ocsp_response = std::string("\x30\x03\x0a\x01\x06", 5),
          .ocsp_called = "a.pem"},
         "unauthorized"},
        {{.certificates = good.certificates,
          .key = good.key,
          .called = "b.pem",
          .ocsp_response = ocsp_response_for(other),
          .ocsp_called = "a.pem"},
         "another certificate"},
        {{.certificates = good.certificates, .key = other.key, .called = "a.pem"},
         "not the one of this certificate"},
        // It fits the certificate that is there already, of another kind.
        {{.certificates = rsa.certificates, .key = good.key, .called = "a.pem"},
         "not the one of this certificate"},
        {{.certificates = good.certificates + "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                              "-----END CERTIFICATE-----\n",
          .key = good.key,
          .called = "a.pem"},
         "a.pem"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.said);
        const auto made = tls_server::make({.identities = {good, each.identity}});
        REQUIRE(!made);
        CHECK(made.error().starts_with("a.pem: "));
        CHECK(made.error().contains(each.said));
        CHECK(!made.error().contains("BEGIN"));
    }
    CHECK(!tls_server::make({.identities = {}}));
}

TEST_CASE("tls_server: key and certificates may be in one file, with others that vouch for it") {
    const auto own = identity_for("own.example");
    const auto above = identity_for("above.example");
    CHECK(tls_server::make(
        {.identities = {{.certificates = own.key + own.certificates + above.certificates,
                         .key = "",
                         .called = "all.pem"}}}));
}

TEST_CASE("tls_server: clients that are to show certificates need who vouches for them") {
    const auto own = identity_for("own.example");
    const auto made = tls_server::make({.identities = {own},
                                        .from_clients = tls_client_certificates::optional,
                                        .client_authorities = "nothing"});
    REQUIRE(!made);
    CHECK(made.error().contains("authorities of clients"));
}

TEST_CASE("tls_server: tells of certificates that are over, or soon") {
    const auto now = read_wall_clock().seconds;
    constexpr std::int64_t day = 86'400;
    const auto made = tls_server::make({.identities = {identity_for("own.example")}});
    REQUIRE(made);
    CHECK((*made)->warnings(now).empty());
    const auto soon = (*made)->warnings(now + 390 * day);
    REQUIRE(soon.size() == 1);
    CHECK(soon[0].contains("expires within two weeks"));
    CHECK((*made)->warnings(now + 400 * day).at(0).contains("has expired"));
    CHECK((*made)->warnings(now - day).at(0).contains("not valid yet"));
    auto stapled = identity_for("own.example");
    stapled.ocsp_response = ocsp_response_for(stapled);
    stapled.ocsp_called = "own.ocsp";
    const auto with_response = tls_server::make({.identities = {stapled}});
    REQUIRE(with_response);
    CHECK((*with_response)->warnings(now).empty());
    const auto over = (*with_response)->warnings(now + 2 * day);
    REQUIRE(over.size() == 1);
    CHECK(over[0] == "own.ocsp: it holds no more, and is not stapled");
}
