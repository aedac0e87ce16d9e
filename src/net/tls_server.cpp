#include "ferry/net/tls_server.hpp"

#include <fmt/format.h>
#include <openssl/aes.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <new>
#include <span>
#include <utility>

#include "ferry/base/ascii.hpp"
#include "ferry/base/wall_clock.hpp"
#include "net/tls_callbacks.hpp"
#include "net/tls_contexts.hpp"
#include "net/tls_derivation.hpp"
#include "net/tls_ocsp.hpp"

namespace ferry::net {
namespace {

using refusal = std::unexpected<std::string>;
using identity = tls_server::contexts::identity;

/// Of TLS 1.2 what Mozilla calls intermediate: forward secret and authenticated, the quickest on
/// this kind of machine first. No RC4, 3DES, NULL or anonymous one (threats.md, T1; RFC 9325
/// section 4.2).
constexpr const char* ciphers_1_2 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* ciphers_1_3 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256:P-384";

/// Of a client; also what is held for one that stops in the middle of it.
constexpr long client_chain_bytes_max = 16 * 1'024;
/// Of those that are marked, and of the others; some 1,300 octets each.
constexpr long kept_sessions_max = 1'024;
constexpr std::int64_t warning_seconds = 14 * 86'400;

/// Says which key would have been needed: for files that ask for a password.
int no_password(char*, int, int, void*) {
    return -1;
}

/// Seals and opens tickets with the server's keys.
int use_ticket_key(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* mac, int is_sealing) {
    constexpr int failed = -1;
    constexpr int unknown = 0;
    constexpr int used = 1;
    constexpr int used_and_renewed = 2;
    auto* const self = tls_session::callbacks::of(session);
    if (self == nullptr) {
        return unknown;
    }
    auto& keys = *tls_session::callbacks::server_of(*self).inside().tickets;
    const auto now = read_wall_clock().seconds;
    tls_ticket_keys::key with;
    bool is_old = false;
    if (is_sealing != 0) {
        // Who goes on by name does so: a ticket would have the mark of the session there is.
        const auto current =
            tls_session::callbacks::is_resumed_by_name(session) ? std::nullopt : keys.sealing(now);
        if (!current) {
            return unknown;
        }
        with = *current;
        std::ranges::copy(with.name, name);
        if (::RAND_bytes(iv, ::EVP_CIPHER_get_iv_length(::EVP_aes_256_cbc())) != 1) {
            return failed;
        }
    } else {
        const auto found = keys.find(name, now);
        if (!found) {
            return unknown;
        }
        with = found->with;
        static_assert(tls_ticket_keys::ticket_id_bytes == AES_BLOCK_SIZE);
        tls_session::callbacks::note_ticket(
            *self, std::span<const unsigned char, tls_ticket_keys::ticket_id_bytes>(
                       iv, tls_ticket_keys::ticket_id_bytes));
        is_old = !found->is_sealing;
    }
    std::array<char, 7> digest{"SHA256"};
    const OSSL_PARAM terms[] = {
        ::OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, with.mac.data(), with.mac.size()),
        ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        ::OSSL_PARAM_construct_end()};
    const bool is_set = ::EVP_MAC_CTX_set_params(mac, terms) == 1 &&
                        ::EVP_CipherInit_ex(cipher, ::EVP_aes_256_cbc(), nullptr,
                                            with.cipher.data(), iv, is_sealing) == 1;
    if (!is_set) {
        return failed;
    }
    // Each data connection of FTP has a ticket for the next; in TLS 1.3 a ticket is for one use
    // (RFC 8446 appendix C.4).
    const bool is_renewed = is_sealing == 0 && (is_old || tls_session::callbacks::has_mark(*self) ||
                                                ::SSL_version(session) == TLS1_3_VERSION);
    return is_renewed ? used_and_renewed : used;
}

int choose_certificate(SSL* session, int*, void* of) {
    const char* const asked = ::SSL_get_servername(session, TLSEXT_NAMETYPE_host_name);
    const auto name =
        asked == nullptr ? tls_session::callbacks::usual_name(session) : std::string_view(asked);
    if (name.empty()) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    try {
        auto* const chosen = static_cast<const tls_server::contexts*>(of)->find(name);
        if (chosen == nullptr) {
            return SSL_TLSEXT_ERR_NOACK;  // The standard one: who asks decides what it is worth.
        }
        if (::SSL_set_SSL_CTX(session, chosen) == nullptr) {
            return SSL_TLSEXT_ERR_ALERT_FATAL;
        }
    } catch (const std::bad_alloc&) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    return SSL_TLSEXT_ERR_OK;
}

int staple(SSL* session, void* of) {
    const auto& all = static_cast<const identity*>(of)->certificates;
    const X509* const shown = ::SSL_get_certificate(session);
    const auto found = std::ranges::find_if(all, [shown](const auto& each) {
        return shown != nullptr && ::X509_cmp(each.shown.get(), shown) == 0;
    });
    if (found == all.end() || found->ocsp_response.empty() ||
        read_wall_clock().seconds > found->ocsp_end) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    const auto& response = found->ocsp_response;
    auto* const copy =
        static_cast<unsigned char*>(OPENSSL_memdup(response.data(), response.size()));
    if (copy == nullptr) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    SSL_set_tlsext_status_ocsp_resp(session, copy, static_cast<long>(response.size()));
    return SSL_TLSEXT_ERR_OK;
}

bool set_terms(SSL_CTX* context, const tls_settings& settings) {
    ::SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_timeout(context, static_cast<long>(tls_ticket_keys::rotation_seconds));
    SSL_CTX_set_max_cert_list(context, client_chain_bytes_max);
    ::SSL_CTX_set_max_early_data(context, 0);
    ::SSL_CTX_set_msg_callback(context, &tls_session::callbacks::see_message);
    ::SSL_CTX_set_alpn_select_cb(context, &tls_session::callbacks::choose_protocol, nullptr);
    if (settings.tickets) {
        ::SSL_CTX_set_num_tickets(context, 1);
        // For clients of TLS 1.2 that take no tickets, as curl; those of 1.3 all do.
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
        SSL_CTX_sess_set_cache_size(context, kept_sessions_max);
        ::SSL_CTX_set_cert_cb(context, &tls_session::callbacks::mark_session, nullptr);
        ::SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &use_ticket_key);
        ::SSL_CTX_set_session_ticket_cb(context, &tls_session::callbacks::mark_ticket,
                                        &tls_session::callbacks::see_ticket, nullptr);
    } else {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        ::SSL_CTX_set_num_tickets(context, 0);
    }
    return SSL_CTX_set_min_proto_version(
               context, settings.needs_tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1 &&
           ::SSL_CTX_set_cipher_list(context, ciphers_1_2) == 1 &&
           ::SSL_CTX_set_ciphersuites(context, ciphers_1_3) == 1 &&
           SSL_CTX_set1_groups_list(context, groups) == 1;
}

refusal wrong_certificate(const tls_identity& from, std::string_view how) {
    return refusal(fmt::format("{}: {}", from.called, how));
}

/// The server's own certificate out of `text`, and those that vouch for it stay in there.
std::expected<certificate_owner, std::string> read_certificate(BIO* text,
                                                               const tls_identity& from) {
    certificate_owner own(
        text != nullptr ? ::PEM_read_bio_X509_AUX(text, nullptr, &no_password, nullptr) : nullptr);
    if (!own) {
        ::ERR_clear_error();
        return wrong_certificate(from, "there is no certificate in it (PEM, RFC 7468)");
    }
    return own;
}

/// Takes those that vouch for the certificate that was used last.
std::expected<void, std::string> use_chain(SSL_CTX* context, BIO* text, const tls_identity& from) {
    for (;;) {
        certificate_owner next(::PEM_read_bio_X509(text, nullptr, &no_password, nullptr));
        if (!next) {
            break;
        }
        if (SSL_CTX_add0_chain_cert(context, next.get()) != 1) {
            return wrong_certificate(from, take_tls_error());
        }
        static_cast<void>(next.release());  // It is the context's.
    }
    const auto last = ::ERR_peek_last_error();
    const bool is_end = last == 0 || (ERR_GET_LIB(last) == ERR_LIB_PEM &&
                                      ERR_GET_REASON(last) == PEM_R_NO_START_LINE);
    if (!is_end) {
        return wrong_certificate(from, take_tls_error());
    }
    ::ERR_clear_error();
    return {};
}

std::expected<void, std::string> use_key(SSL_CTX* context, const X509* own,
                                         const tls_identity& from) {
    const auto text = reader_of(from.key.empty() ? from.certificates : from.key);
    const key_owner key(text ? ::PEM_read_bio_PrivateKey(text.get(), nullptr, &no_password, nullptr)
                             : nullptr);
    if (!key) {
        ::ERR_clear_error();
        return from.key.empty()
                   ? wrong_certificate(from,
                                       "there is no key in it that can be read; --tls-key "
                                       "names the file of the key")
                   : refusal(fmt::format("{}: the key cannot be read: it is no PEM (RFC 7468), or "
                                         "behind a password",
                                         from.key_called.empty() ? from.called : from.key_called));
    }
    // Asked of the certificate: the context has places for keys of several kinds, and puts this one
    // where it fits.
    if (::X509_check_private_key(own, key.get()) != 1 ||
        ::SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
        ::ERR_clear_error();
        return wrong_certificate(from, "the key is not the one of this certificate");
    }
    return {};
}

std::expected<void, std::string> use_client_authorities(SSL_CTX* context,
                                                        const tls_settings& settings) {
    if (settings.from_clients == tls_client_certificates::off) {
        return {};
    }
    const auto text = reader_of(settings.client_authorities);
    auto* const store = ::SSL_CTX_get_cert_store(context);
    std::size_t count = 0;
    while (text) {
        const certificate_owner next(
            ::PEM_read_bio_X509(text.get(), nullptr, &no_password, nullptr));
        if (!next) {
            break;
        }
        if (::X509_STORE_add_cert(store, next.get()) != 1 ||
            ::SSL_CTX_add_client_CA(context, next.get()) != 1) {
            return refusal(fmt::format("authorities of clients: {}", take_tls_error()));
        }
        ++count;
    }
    ::ERR_clear_error();
    if (count == 0) {
        return refusal(std::string("authorities of clients: there is no certificate in it"));
    }
    ::SSL_CTX_set_verify(context,
                         settings.from_clients == tls_client_certificates::required
                             ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                             : SSL_VERIFY_PEER,
                         nullptr);
    return {};
}

/// Sessions that were begun under other terms for clients are not resumed under these.
bool set_session_context(SSL_CTX* context, const tls_settings& settings) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size_bytes = 0;
    const auto terms =
        fmt::format("{} {}", static_cast<int>(settings.from_clients), settings.client_authorities);
    return ::EVP_Digest(terms.data(), terms.size(), digest.data(), &size_bytes, ::EVP_sha256(),
                        nullptr) == 1 &&
           ::SSL_CTX_set_session_id_context(context, digest.data(), size_bytes) == 1;
}

std::string lower_case(std::string_view text) {
    std::string made(text);
    for (char& each : made) {
        each = ascii::to_lower(each);
    }
    return made;
}

/// The host names that a certificate is for, in order: where it has alternative names its common
/// name does not count (RFC 6125 section 6.4.4).
std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> names;
    const general_names_owner alternatives(static_cast<GENERAL_NAMES*>(
        ::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    for (int i = 0; alternatives && i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
        const auto* const each = sk_GENERAL_NAME_value(alternatives.get(), i);
        if (each->type == GEN_DNS) {
            const auto* const octets = ::ASN1_STRING_get0_data(each->d.dNSName);
            // Octets of a host name, signed or not.
            names.push_back(
                lower_case({reinterpret_cast<const char*>(octets),
                            static_cast<std::size_t>(::ASN1_STRING_length(each->d.dNSName))}));
        }
    }
    if (alternatives) {
        std::ranges::sort(names);
        return names;
    }
    auto* const subject = ::X509_get_subject_name(certificate);
    const int at = ::X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char* octets = nullptr;
    const int size_bytes =
        at < 0 ? -1
               : ::ASN1_STRING_to_UTF8(
                     &octets, ::X509_NAME_ENTRY_get_data(::X509_NAME_get_entry(subject, at)));
    if (size_bytes > 0) {
        // Octets of a host name, signed or not.
        names.push_back(lower_case(
            {reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size_bytes)}));
    }
    OPENSSL_free(octets);
    return names;
}

/// With terms, for `names`, and without a certificate.
std::expected<std::unique_ptr<identity>, std::string> make_identity(
    const tls_settings& settings, std::vector<std::string> names) {
    auto made = std::make_unique<identity>();
    made->names = std::move(names);
    const auto properties = derivation_properties();
    if (!properties) {
        return refusal(properties.error());
    }
    made->context.reset(::SSL_CTX_new_ex(nullptr, *properties, ::TLS_server_method()));
    if (!made->context || !set_terms(made->context.get(), settings) ||
        !set_session_context(made->context.get(), settings)) {
        return refusal(take_tls_error());
    }
    if (auto used = use_client_authorities(made->context.get(), settings); !used) {
        return refusal(std::move(used.error()));
    }
    SSL_CTX_set_tlsext_status_cb(made->context.get(), &staple);
    SSL_CTX_set_tlsext_status_arg(made->context.get(), made.get());
    return made;
}

std::expected<void, std::string> add_certificate(identity& to, const tls_identity& from) {
    const auto text = reader_of(from.certificates);
    auto read = read_certificate(text.get(), from);
    if (!read) {
        return refusal(std::move(read.error()));
    }
    auto own = std::move(*read);
    auto* const context = to.context.get();
    if (::SSL_CTX_use_certificate(context, own.get()) != 1) {
        return wrong_certificate(from, take_tls_error());
    }
    if (auto used = use_chain(context, text.get(), from); !used) {
        return used;
    }
    if (auto used = use_key(context, own.get(), from); !used) {
        return used;
    }
    if (!from.ocsp_response.empty()) {
        if (const auto why = why_not_stapled(from.ocsp_response, own.get()); !why.empty()) {
            return refusal(fmt::format("{}: {}", from.ocsp_called, why));
        }
    }
    const auto ocsp_end =
        from.ocsp_response.empty() ? std::int64_t{0} : end_of_staple(from.ocsp_response, own.get());
    to.certificates.push_back({.shown = std::move(own),
                               .called = from.called,
                               .ocsp_response = from.ocsp_response,
                               .ocsp_called = from.ocsp_called,
                               .ocsp_end = ocsp_end});
    return {};
}

/// The identity that a certificate for `names` joins: it has none with a key of that kind.
identity* find_to_join(std::span<const std::unique_ptr<identity>> among,
                       const std::vector<std::string>& names, const X509* own) {
    const int kind = ::EVP_PKEY_get_base_id(::X509_get0_pubkey(own));
    const auto found = std::ranges::find_if(among, [&](const auto& each) {
        return each->names == names &&
               std::ranges::none_of(each->certificates, [kind](const auto& other) {
                   return other.kind_of_key() == kind;
               });
    });
    return found == among.end() ? nullptr : found->get();
}

std::expected<void, std::string> add_identity(tls_server::contexts& to,
                                              const tls_settings& settings,
                                              const tls_identity& from) {
    auto own = read_certificate(reader_of(from.certificates).get(), from);
    if (!own) {
        return refusal(std::move(own.error()));
    }
    auto names = names_of(own->get());
    auto* into = find_to_join(to.identities, names, own->get());
    if (into == nullptr) {
        auto made = make_identity(settings, std::move(names));
        if (!made) {
            return refusal(std::move(made.error()));
        }
        into = to.identities.emplace_back(std::move(*made)).get();
    }
    if (into == to.identities.front().get()) {
        if (!to.of_marked) {
            auto made = make_identity(settings, into->names);
            if (!made) {
                return refusal(std::move(made.error()));
            }
            to.of_marked = std::move(*made);
        }
        if (auto added = add_certificate(*to.of_marked, from); !added) {
            return added;
        }
    }
    if (auto added = add_certificate(*into, from); !added) {
        return added;
    }
    for (const auto& name : into->names) {
        to.by_name.emplace(name, into->context.get());  // The first that has it.
    }
    return {};
}

}  // namespace

SSL_CTX* tls_server::contexts::find(std::string_view name) const {
    const auto wanted = lower_case(name);
    if (const auto found = by_name.find(wanted); found != by_name.end()) {
        return found->second;
    }
    const auto dot = wanted.find('.');
    if (dot == std::string::npos) {
        return nullptr;
    }
    const auto found = by_name.find("*" + wanted.substr(dot));
    return found == by_name.end() ? nullptr : found->second;
}

tls_server::tls_server(std::unique_ptr<contexts> inside) noexcept : inside_(std::move(inside)) {}

tls_server::~tls_server() = default;

std::expected<std::shared_ptr<const tls_server>, std::string> tls_server::make(
    const tls_settings& settings) {
    auto inside = std::make_unique<contexts>();
    inside->tickets = settings.tickets;
    inside->suites = std::make_shared<const tls_suites>();
    inside->seals_in_kernel = settings.seals_in_kernel;
    inside->wire_method.reset(::BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ferry"));
    auto* const wire = inside->wire_method.get();
    if (wire == nullptr || ::BIO_meth_set_write(wire, &tls_session::callbacks::write) != 1 ||
        ::BIO_meth_set_read(wire, &tls_session::callbacks::read) != 1 ||
        ::BIO_meth_set_ctrl(wire, &tls_session::callbacks::control) != 1) {
        return refusal(take_tls_error());
    }
    for (const auto& each : settings.identities) {
        if (auto added = add_identity(*inside, settings, each); !added) {
            return refusal(std::move(added.error()));
        }
    }
    if (inside->identities.empty()) {
        return refusal(std::string("there is no certificate"));
    }
    for (const bool is_marked : {false, true}) {
        auto* const standard = inside->standard(is_marked);
        SSL_CTX_set_tlsext_servername_callback(standard, &choose_certificate);
        SSL_CTX_set_tlsext_servername_arg(standard, inside.get());
    }
    return std::make_shared<const tls_server>(std::move(inside));
}

std::vector<std::string> tls_server::warnings(std::int64_t now) const {
    std::vector<std::string> told;
    auto at = static_cast<std::time_t>(now);
    auto soon = static_cast<std::time_t>(now + warning_seconds);
    for (const auto& each : inside_->identities) {
        for (const auto& one : each->certificates) {
            const auto* const end = ::X509_get0_notAfter(one.shown.get());
            if (::X509_cmp_time(end, &at) < 0) {
                told.push_back(fmt::format("{}: the certificate has expired", one.called));
            } else if (::X509_cmp_time(end, &soon) < 0) {
                told.push_back(
                    fmt::format("{}: the certificate expires within two weeks", one.called));
            }
            if (::X509_cmp_time(::X509_get0_notBefore(one.shown.get()), &at) > 0) {
                told.push_back(fmt::format("{}: the certificate is not valid yet", one.called));
            }
            if (!one.ocsp_response.empty() && now > one.ocsp_end) {
                told.push_back(
                    fmt::format("{}: it holds no more, and is not stapled", one.ocsp_called));
            }
        }
    }
    ::ERR_clear_error();
    return told;
}

}  // namespace ferry::net
