#include "net/tls_derivation.hpp"

#include <doctest/doctest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace ferry;
using namespace ferry::net;

namespace {

using secret_octets = std::vector<unsigned char>;

struct wish {
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    std::string digest = "SHA256";
    std::optional<secret_octets> key;
    std::optional<secret_octets> salt;
    std::string label = "key";
    std::optional<secret_octets> context;
    std::size_t size_bytes = 32;
};

/// As libssl asks (RFC 8446 section 7.1). Nothing: it was refused.
std::optional<secret_octets> derived(const char* properties, wish what) {
    const std::unique_ptr<EVP_KDF, decltype([](EVP_KDF* each) { ::EVP_KDF_free(each); })> kind(
        ::EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_3_KDF, properties));
    REQUIRE(kind);
    const std::unique_ptr<EVP_KDF_CTX,
                          decltype([](EVP_KDF_CTX* each) { ::EVP_KDF_CTX_free(each); })>
        one(::EVP_KDF_CTX_new(kind.get()));
    REQUIRE(one);
    std::string prefix = "tls13 ";
    std::vector<OSSL_PARAM> terms;
    const auto put = [&terms](const char* name, auto& from) {
        terms.push_back(::OSSL_PARAM_construct_octet_string(name, from.data(), from.size()));
    };
    terms.push_back(::OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &what.mode));
    terms.push_back(
        ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, what.digest.data(), 0));
    if (what.key) {
        put(OSSL_KDF_PARAM_KEY, *what.key);
    }
    if (what.salt) {
        put(OSSL_KDF_PARAM_SALT, *what.salt);
    }
    put(OSSL_KDF_PARAM_PREFIX, prefix);
    put(OSSL_KDF_PARAM_LABEL, what.label);
    if (what.context) {
        put(OSSL_KDF_PARAM_DATA, *what.context);
    }
    terms.push_back(::OSSL_PARAM_construct_end());
    secret_octets made(what.size_bytes);
    if (::EVP_KDF_derive(one.get(), made.data(), made.size(), terms.data()) != 1) {
        ::ERR_clear_error();
        return std::nullopt;
    }
    return made;
}

const char* ours() {
    const auto properties = derivation_properties();
    REQUIRE(properties.has_value());
    return *properties;
}

secret_octets derived_secret(const wish& what, unsigned char first) {
    secret_octets made(what.digest == "SHA256" ? 32 : 48);
    for (auto& each : made) {
        each = first++;
    }
    return made;
}

}  // namespace

TEST_CASE("tls_derivation: our secrets are OpenSSL's own") {
    const auto* const here = ours();
    for (const auto* digest : {"SHA256", "SHA384"}) {
        for (const bool has_key : {false, true}) {
            for (const bool has_salt : {false, true}) {
                wish step{
                    .mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .digest = digest, .label = "derived"};
                step.size_bytes = derived_secret(step, 0).size();
                if (has_key) {
                    step.key = derived_secret(step, 7);
                }
                if (has_salt) {
                    step.salt = derived_secret(step, 99);
                }
                const auto made = derived(here, step);
                CHECK(made.has_value());
                CHECK(made == derived("provider=default", step));
            }
        }
        for (const std::size_t size_bytes : {1, 12, 32, 48, 49, 200}) {
            for (const bool has_context : {false, true}) {
                wish step{.digest = digest, .label = "c hs traffic"};
                step.key = derived_secret(step, 11);
                step.size_bytes = size_bytes;
                if (has_context) {
                    step.context = derived_secret(step, 200);
                }
                const auto made = derived(here, step);
                CHECK(made.has_value());
                CHECK(made == derived("provider=default", step));
            }
        }
    }
}

TEST_CASE("tls_derivation: what is not of TLS 1.3 is refused") {
    const auto* const here = ours();
    CHECK_FALSE(derived(here, {.digest = "SHA1", .key = secret_octets(20)}).has_value());
    CHECK_FALSE(
        derived(here, {.mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND, .key = secret_octets(32)})
            .has_value());
    CHECK_FALSE(
        derived(here, {.mode = EVP_KDF_HKDF_MODE_EXTRACT_ONLY, .size_bytes = 31}).has_value());
}

TEST_CASE("tls_derivation: some secrets are told while somebody listens") {
    const auto* const here = ours();
    using heard = std::vector<std::pair<told_secret, secret_octets>>;
    heard first;
    heard second;
    const auto hear = [](void* into, told_secret which,
                         std::span<const unsigned char> secret) noexcept {
        static_cast<heard*>(into)->emplace_back(which, secret_octets(secret.begin(), secret.end()));
    };
    const auto ask = [here](const char* label) {
        return derived(here, {.key = secret_octets(32, 'k'),
                              .label = label,
                              .context = secret_octets(32, 'h')})
            .value();
    };
    CHECK(ask("c ap traffic") != ask("s ap traffic"));  // To nobody.
    {
        const tls_secret_watch watch(hear, &first);
        const auto client = ask("c ap traffic");
        {
            const tls_secret_watch inner(hear, &second);
            const auto server = ask("s ap traffic");
            CHECK(second == heard{{told_secret::of_server, server}});
        }
        CHECK(ask("exp master") != ask("s hs traffic"));
        const auto resumption = ask("res master");
        CHECK(first ==
              heard{{told_secret::of_client, client}, {told_secret::of_resumption, resumption}});
    }
    CHECK(ask("c ap traffic").size() == 32);
    CHECK(first.size() == 2);
}
