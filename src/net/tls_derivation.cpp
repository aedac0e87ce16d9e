#include "net/tls_derivation.hpp"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "net/tls_key_schedule.hpp"
#include "net/tls_openssl.hpp"

namespace ferry::net {

namespace {

constexpr const char* provider_name = "ferry";
/// Ours where there is one; all else is as it was.
constexpr const char* properties = "?provider=ferry";

// A handshake is computed in one call, in one thread: that is whose it is.
thread_local const tls_secret_watch* watching = nullptr;

/// What libssl tells of a secret that it wants.
struct wishes {
    int mode = -1;
    std::optional<tls_digest> digest;
    std::span<const unsigned char> key;
    std::span<const unsigned char> salt;
    std::string_view prefix;
    std::string_view label;
    std::span<const unsigned char> context;
};

std::span<const unsigned char> octets_of_term(const OSSL_PARAM& term) noexcept {
    return {static_cast<const unsigned char*>(term.data), term.data_size};
}

std::string_view text_of_term(const OSSL_PARAM& term) noexcept {
    return {static_cast<const char*>(term.data), term.data_size};
}

/// Nothing: something is said in a form that libssl does not use.
std::optional<wishes> read(const OSSL_PARAM* terms) noexcept {
    wishes made;
    for (; terms != nullptr && terms->key != nullptr; ++terms) {
        const std::string_view name(terms->key);
        const bool is_octets = terms->data_type == OSSL_PARAM_OCTET_STRING;
        if (name == OSSL_KDF_PARAM_MODE) {
            if (::OSSL_PARAM_get_int(terms, &made.mode) != 1) {
                return std::nullopt;
            }
        } else if (name == OSSL_KDF_PARAM_DIGEST && terms->data_type == OSSL_PARAM_UTF8_STRING) {
            made.digest = tls_digest_of(text_of_term(*terms));
        } else if (name == OSSL_KDF_PARAM_KEY && is_octets) {
            made.key = octets_of_term(*terms);
        } else if (name == OSSL_KDF_PARAM_SALT && is_octets) {
            made.salt = octets_of_term(*terms);
        } else if (name == OSSL_KDF_PARAM_PREFIX && is_octets) {
            made.prefix = text_of_term(*terms);
        } else if (name == OSSL_KDF_PARAM_LABEL && is_octets) {
            made.label = text_of_term(*terms);
        } else if (name == OSSL_KDF_PARAM_DATA && is_octets) {
            made.context = octets_of_term(*terms);
        }
    }
    return made;
}

/// One step down the key schedule (RFC 8446 section 7.1): what was before is expanded with the
/// label "derived" and is the salt of what is new; where either is not there it is zeros.
bool go_down(tls_digest by, const wishes& wanted, std::span<unsigned char> out) noexcept {
    constexpr std::array<unsigned char, 48> zeros{};
    const auto size_bytes = digest_bytes(by);
    const auto from =
        wanted.key.data() == nullptr ? std::span(zeros).first(size_bytes) : wanted.key;
    tls_secret salt{.octets = {}, .size_bytes = size_bytes};
    if (wanted.salt.data() != nullptr) {
        std::array<unsigned char, 48> nothing{};
        hash_nothing(by, nothing);
        if (!expand_label(by, wanted.salt,
                          {.prefix = wanted.prefix,
                           .text = wanted.label,
                           .context = std::span(nothing).first(size_bytes)},
                          std::span(salt.octets).first(size_bytes))) {
            return false;
        }
    }
    return extract_secret(by, salt.used(), from, out);
}

std::optional<told_secret> to_be_told(std::string_view label) noexcept {
    if (label == "c ap traffic") {
        return told_secret::of_client;
    }
    if (label == "s ap traffic") {
        return told_secret::of_server;
    }
    return label == "res master" ? std::optional(told_secret::of_resumption) : std::nullopt;
}

int derive(void*, unsigned char* into, std::size_t size_bytes, const OSSL_PARAM terms[]) {
    const auto wanted = read(terms);
    if (!wanted || !wanted->digest) {
        return 0;
    }
    const std::span out(into, size_bytes);
    switch (wanted->mode) {
        case EVP_KDF_HKDF_MODE_EXTRACT_ONLY:
            return go_down(*wanted->digest, *wanted, out) ? 1 : 0;
        case EVP_KDF_HKDF_MODE_EXPAND_ONLY: {
            const bool is_done = expand_label(
                *wanted->digest, wanted->key,
                {.prefix = wanted->prefix, .text = wanted->label, .context = wanted->context}, out);
            const auto which = watching != nullptr ? to_be_told(wanted->label) : std::nullopt;
            if (is_done && which) {
                watching->hear(*which, out);
            }
            return is_done ? 1 : 0;
        }
        default:
            return 0;
    }
}

/// There is no state: all is said in the call that derives. OpenSSL wants a context all the same.
void* make_context(void* provider) {
    return provider;
}

void free_context(void*) {}

/// The table of functions has them as of no arguments; whoever calls them casts back by their
/// number, so it is safe (provider-base(7)).
template <class Function>
constexpr auto entry(int number, Function* called) noexcept {
    return OSSL_DISPATCH{number, reinterpret_cast<void (*)()>(called)};
}

const OSSL_DISPATCH* functions() {
    static const auto all =
        std::to_array<OSSL_DISPATCH>({entry(OSSL_FUNC_KDF_NEWCTX, &make_context),
                                      entry(OSSL_FUNC_KDF_FREECTX, &free_context),
                                      entry(OSSL_FUNC_KDF_DERIVE, &derive),
                                      {0, nullptr}});
    return all.data();
}

const OSSL_ALGORITHM* look_up(void*, int operation, int* is_not_to_be_kept) {
    static const auto all = std::to_array<OSSL_ALGORITHM>(
        {{OSSL_KDF_NAME_TLS1_3_KDF, "provider=ferry", functions(), nullptr},
         {nullptr, nullptr, nullptr, nullptr}});
    *is_not_to_be_kept = 0;
    return operation == OSSL_OP_KDF ? all.data() : nullptr;
}

int begin(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** told,
          void** context) {
    static const auto all = std::to_array<OSSL_DISPATCH>(
        {entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, &look_up), {0, nullptr}});
    static const char nothing = 0;
    *told = all.data();
    // OpenSSL passes it on; nobody writes to it.
    *context = const_cast<char*>(&nothing);
    return 1;
}

}  // namespace

std::expected<const char*, std::string> derivation_properties() {
    // Those that are there without being asked for stay, be it OpenSSL's own or what its
    // configuration says.
    static OSSL_PROVIDER* loaded = nullptr;  // For as long as the process: handshakes ask it.
    static const std::string why = [] {
        constexpr int others_stay = 1;
        if (::OSSL_PROVIDER_add_builtin(nullptr, provider_name, &begin) == 1) {
            loaded = ::OSSL_PROVIDER_try_load(nullptr, provider_name, others_stay);
        }
        return loaded != nullptr ? std::string() : take_tls_error();
    }();
    if (!why.empty()) {
        return std::unexpected(why);
    }
    return properties;
}

tls_secret_watch::tls_secret_watch(listener told, void* whose) noexcept
    : told_(told), whose_(whose), before_(std::exchange(watching, this)) {}

tls_secret_watch::~tls_secret_watch() {
    watching = before_;
}

}  // namespace ferry::net
