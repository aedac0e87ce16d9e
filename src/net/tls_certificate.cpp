#include "ferry/net/tls_certificate.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <array>
#include <ctime>

#include "ferry/net/endpoint.hpp"
#include "net/tls_openssl.hpp"

namespace ferry::net {
namespace {

constexpr long hour_seconds = 3'600;
constexpr int days_valid = 397;  // CA/Browser Forum, Baseline Requirements, section 6.3.2.

std::string text_of(BIO* from) {
    char* octets = nullptr;
    const auto size_bytes = BIO_get_mem_data(from, &octets);
    return {octets, static_cast<std::size_t>(size_bytes)};
}

bool add_extension(X509* to, int kind, const std::string& value) {
    X509V3_CTX about;
    X509V3_set_ctx_nodb(&about);
    ::X509V3_set_ctx(&about, to, to, nullptr, nullptr, 0);
    auto* made = ::X509V3_EXT_conf_nid(nullptr, &about, kind, value.c_str());
    if (made == nullptr) {
        return false;
    }
    const bool is_added = ::X509_add_ext(to, made, -1) == 1;
    ::X509_EXTENSION_free(made);
    return is_added;
}

/// As the field subjectAltName has them (RFC 5280 section 4.2.1.6).
std::string alternative_names(const std::vector<std::string>& names) {
    std::string made;
    for (const auto& each : names) {
        made += made.empty() ? "" : ",";
        made += parse_address(each) ? "IP:" : "DNS:";
        made += each;
    }
    return made;
}

bool set_fields(X509* made, EVP_PKEY* key, const std::vector<std::string>& names,
                std::int64_t now) {
    std::array<unsigned char, 8> number{};
    if (::RAND_bytes(number.data(), static_cast<int>(number.size())) != 1) {
        return false;
    }
    number[0] = static_cast<unsigned char>((number[0] & 0x7FU) | 1U);  // Positive, and not 0.
    auto* serial = ::X509_get_serialNumber(made);
    std::uint64_t value = 0;
    for (const auto each : number) {
        value = value << 8U | each;
    }
    std::time_t begin = static_cast<std::time_t>(now);
    auto* subject = ::X509_get_subject_name(made);
    const auto add_name = [subject](const char* field, const std::string& text) {
        return ::X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                                            // An octet of UTF-8, signed or not.
                                            reinterpret_cast<const unsigned char*>(text.data()),
                                            static_cast<int>(text.size()), -1, 0) == 1;
    };
    constexpr std::size_t common_name_max = 64;  // RFC 5280, ub-common-name.
    return ::X509_set_version(made, 2) == 1 && ::ASN1_INTEGER_set_uint64(serial, value) == 1 &&
           ::X509_time_adj_ex(X509_getm_notBefore(made), 0, -hour_seconds, &begin) != nullptr &&
           ::X509_time_adj_ex(X509_getm_notAfter(made), days_valid, -hour_seconds, &begin) !=
               nullptr &&
           add_name("O", "ferry, made for developing") &&
           add_name("CN", names.front().substr(0, common_name_max)) &&
           ::X509_set_issuer_name(made, subject) == 1 && ::X509_set_pubkey(made, key) == 1 &&
           add_extension(made, NID_subject_alt_name, alternative_names(names)) &&
           add_extension(made, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(made, NID_key_usage, "critical,digitalSignature") &&
           add_extension(made, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(made, NID_subject_key_identifier, "hash") &&
           ::X509_sign(made, key, ::EVP_sha256()) > 0;
}

}  // namespace

tls_identity::~tls_identity() {
    ::OPENSSL_cleanse(certificates.data(), certificates.size());
    ::OPENSSL_cleanse(key.data(), key.size());
}

std::string take_tls_error() {
    const auto last = ::ERR_peek_last_error();
    const char* const reason = last == 0 ? nullptr : ::ERR_reason_error_string(last);
    std::string said = reason == nullptr ? "OpenSSL does not say why" : reason;
    ::ERR_clear_error();
    return said;
}

bio_owner reader_of(std::string_view text) noexcept {
    return bio_owner(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::expected<tls_identity, std::string> make_self_signed(const std::vector<std::string>& names,
                                                          std::int64_t now) {
    const key_owner key(EVP_EC_gen("P-256"));
    const certificate_owner made(::X509_new());
    const bio_owner certificate_text(::BIO_new(::BIO_s_mem()));
    const bio_owner key_text(::BIO_new(::BIO_s_mem()));
    const bool is_made = key && made && certificate_text && key_text &&
                         set_fields(made.get(), key.get(), names, now) &&
                         ::PEM_write_bio_X509(certificate_text.get(), made.get()) == 1 &&
                         ::PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0,
                                                    nullptr, nullptr) == 1;
    if (!is_made) {
        return std::unexpected(fmt::format("no certificate can be made: {}", take_tls_error()));
    }
    return tls_identity{.certificates = text_of(certificate_text.get()),
                        .key = text_of(key_text.get()),
                        .called = "self-signed"};
}

std::string fingerprint_of(std::string_view pem) {
    const auto from = reader_of(pem);
    const certificate_owner first(from ? ::PEM_read_bio_X509(from.get(), nullptr, nullptr, nullptr)
                                       : nullptr);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size_bytes = 0;
    std::string shown;
    if (first && ::X509_digest(first.get(), ::EVP_sha256(), digest.data(), &size_bytes) == 1) {
        for (unsigned i = 0; i < size_bytes; ++i) {
            shown += fmt::format("{}{:02X}", i == 0 ? "" : ":", digest[i]);
        }
    }
    ::ERR_clear_error();
    return shown;
}

}  // namespace ferry::net
