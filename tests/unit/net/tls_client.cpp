#include "tls_client.hpp"

#include <doctest/doctest.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <vector>

namespace ferry::net_test {

void tls_client_freed::operator()(ssl_st* session) const noexcept {
    // Else the session could not be resumed.
    SSL_set_shutdown(session, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session);
}
void tls_client_freed::operator()(ssl_ctx_st* context) const noexcept {
    SSL_CTX_free(context);
}
void tls_client_freed::operator()(ssl_session_st* session) const noexcept {
    SSL_SESSION_free(session);
}

tls_client::tls_client(const tls_client_options& how) : context_(SSL_CTX_new(TLS_client_method())) {
    REQUIRE(context_);
    SSL_CTX_set_security_level(context_.get(), 0);  // The server is the one under test.
    if (how.version != 0) {
        SSL_CTX_set_min_proto_version(context_.get(), how.version);
        SSL_CTX_set_max_proto_version(context_.get(), how.version);
    }
    if (!how.suites.empty()) {
        REQUIRE(SSL_CTX_set_ciphersuites(context_.get(), how.suites.c_str()) == 1);
    }
    if (!how.ciphers.empty()) {
        REQUIRE(SSL_CTX_set_cipher_list(context_.get(), how.ciphers.c_str()) == 1);
    }
    if (!how.takes_tickets) {
        SSL_CTX_set_options(context_.get(), SSL_OP_NO_TICKET);
    }
    if (how.groups != nullptr) {
        REQUIRE(SSL_CTX_set1_groups_list(context_.get(), how.groups) == 1);
    }
    if (how.signatures != nullptr) {
        REQUIRE(SSL_CTX_set1_sigalgs_list(context_.get(), how.signatures) == 1);
    }
    if (!how.certificate.empty()) {
        BIO* text =
            BIO_new_mem_buf(how.certificate.data(), static_cast<int>(how.certificate.size()));
        X509* own = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
        REQUIRE(SSL_CTX_use_certificate(context_.get(), own) == 1);
        X509_free(own);
        BIO_free(text);
        text = BIO_new_mem_buf(how.key.data(), static_cast<int>(how.key.size()));
        EVP_PKEY* key = PEM_read_bio_PrivateKey(text, nullptr, nullptr, nullptr);
        REQUIRE(SSL_CTX_use_PrivateKey(context_.get(), key) == 1);
        EVP_PKEY_free(key);
        BIO_free(text);
    }
    ssl_.reset(SSL_new(context_.get()));
    REQUIRE(ssl_);
    if (!how.name.empty()) {
        SSL_set_tlsext_host_name(ssl_.get(), how.name.c_str());
    }
    if (!how.protocols.empty()) {
        const std::vector<unsigned char> list(how.protocols.begin(), how.protocols.end());
        REQUIRE(SSL_set_alpn_protos(ssl_.get(), list.data(), static_cast<unsigned>(list.size())) ==
                0);
    }
    if (how.ticket != nullptr) {
        REQUIRE(SSL_set_session(ssl_.get(), how.ticket) == 1);
    }
    if (how.wants_staple) {
        SSL_set_tlsext_status_type(ssl_.get(), TLSEXT_STATUSTYPE_ocsp);
    }
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
    SSL_set_connect_state(ssl_.get());
}

void tls_client::give(std::string_view octets) {
    if (!octets.empty()) {
        BIO_write(SSL_get_rbio(ssl_.get()), octets.data(), static_cast<int>(octets.size()));
    }
}

std::string tls_client::take() {
    std::string taken(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())), '\0');
    if (!taken.empty()) {
        BIO_read(SSL_get_wbio(ssl_.get()), taken.data(), static_cast<int>(taken.size()));
    }
    return taken;
}

tls_client::progress tls_client::shake_hands() {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    if (done == 1) {
        return progress::done;
    }
    if (SSL_get_error(ssl_.get(), done) == SSL_ERROR_WANT_READ) {
        return progress::wants_input;
    }
    has_failed_ = true;
    return progress::failed;
}

std::string tls_client::read() {
    std::string all;
    std::array<char, 16'384> some{};
    ERR_clear_error();
    std::size_t octets = 0;
    while (SSL_read_ex(ssl_.get(), some.data(), some.size(), &octets) == 1) {
        all.append(some.data(), octets);
    }
    const int why = SSL_get_error(ssl_.get(), 0);
    has_failed_ = has_failed_ || (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_ZERO_RETURN);
    return all;
}

bool tls_client::has_ended() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void tls_client::write(std::string_view octets) {
    std::size_t written = 0;
    REQUIRE(SSL_write_ex(ssl_.get(), octets.data(), octets.size(), &written) == 1);
    REQUIRE(written == octets.size());
}

void tls_client::write_early(std::string_view octets) {
    REQUIRE(SSL_SESSION_set_max_early_data(SSL_get0_session(ssl_.get()), 16'384) == 1);
    std::size_t written = 0;
    REQUIRE(SSL_write_early_data(ssl_.get(), octets.data(), octets.size(), &written) == 1);
}

void tls_client::end() {
    SSL_shutdown(ssl_.get());
}

bool tls_client::renew_keys() {
    // Both calls: the message leaves with the next write, or at once by a handshake.
    return SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1 &&
           SSL_do_handshake(ssl_.get()) == 1;
}

bool tls_client::renegotiate() {
    if (SSL_renegotiate(ssl_.get()) != 1) {
        return false;
    }
    static_cast<void>(SSL_do_handshake(ssl_.get()));
    return true;
}

std::string tls_client::seal(char kind, std::string_view clear, std::uint64_t number) const {
    using octets = std::vector<unsigned char>;
    octets master(48);
    octets random(2 * SSL3_RANDOM_SIZE);
    SSL_SESSION_get_master_key(SSL_get_session(ssl_.get()), master.data(), master.size());
    SSL_get_server_random(ssl_.get(), random.data(), SSL3_RANDOM_SIZE);
    SSL_get_client_random(ssl_.get(), random.data() + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
    // RFC 5246 section 6.3: keys of both sides, then four octets of nonce for each.
    octets block(40);
    std::string digest = "SHA256";
    std::string label = "key expansion";
    const OSSL_PARAM terms[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master.data(), master.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, label.data(), label.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, random.data(), random.size()),
        OSSL_PARAM_construct_end()};
    EVP_KDF* prf = EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_PRF, nullptr);
    EVP_KDF_CTX* expansion = EVP_KDF_CTX_new(prf);
    REQUIRE(EVP_KDF_derive(expansion, block.data(), block.size(), terms) == 1);
    EVP_KDF_CTX_free(expansion);
    EVP_KDF_free(prf);
    const auto add_number = [](auto& to, std::uint64_t value, unsigned count) {
        while (count > 0) {
            to.push_back(static_cast<char>(value >> 8U * --count & 0xFFU));
        }
    };
    octets nonce(block.begin() + 32, block.begin() + 36);
    add_number(nonce, number, 8);
    std::string about;
    add_number(about, number, 8);
    const std::string head{kind, 3, 3};
    about += head;
    add_number(about, clear.size(), 2);
    octets sealed(clear.size() + 16);
    int size_bytes = 0;
    EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
    REQUIRE(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), nullptr, block.data(), nonce.data()) ==
            1);
    REQUIRE(EVP_EncryptUpdate(cipher, nullptr, &size_bytes,
                              reinterpret_cast<const unsigned char*>(about.data()),
                              static_cast<int>(about.size())) == 1);
    REQUIRE(EVP_EncryptUpdate(cipher, sealed.data(), &size_bytes,
                              reinterpret_cast<const unsigned char*>(clear.data()),
                              static_cast<int>(clear.size())) == 1);
    REQUIRE(EVP_EncryptFinal_ex(cipher, sealed.data() + size_bytes, &size_bytes) == 1);
    REQUIRE(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, &sealed[clear.size()]) == 1);
    EVP_CIPHER_CTX_free(cipher);
    std::string made = head;
    add_number(made, 8 + sealed.size(), 2);
    add_number(made, number, 8);
    return made.append(sealed.begin(), sealed.end());
}

bool tls_client::is_resumed() const {
    return SSL_session_reused(ssl_.get()) == 1;
}

std::string tls_client::version() const {
    return SSL_get_version(ssl_.get());
}

std::string tls_client::protocol() const {
    const unsigned char* name = nullptr;
    unsigned size_bytes = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size_bytes);
    return {name, name + size_bytes};
}

std::string tls_client::server_common_name() const {
    const X509* shown = SSL_get0_peer_certificate(ssl_.get());
    std::array<char, 256> name{};
    if (shown != nullptr) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name.data(),
                                  static_cast<int>(name.size()));
    }
    return name.data();
}

bool tls_client::has_server_rsa_key() const {
    const X509* shown = SSL_get0_peer_certificate(ssl_.get());
    return shown != nullptr && EVP_PKEY_get_base_id(X509_get0_pubkey(shown)) == EVP_PKEY_RSA;
}

std::string tls_client::staple() const {
    const unsigned char* octets = nullptr;
    const long size_bytes = SSL_get_tlsext_status_ocsp_resp(ssl_.get(), &octets);
    return size_bytes > 0 ? std::string(octets, octets + size_bytes) : std::string();
}

tls_ticket tls_client::ticket() const {
    SSL_SESSION* own = SSL_get_session(ssl_.get());
    if (own == nullptr || SSL_SESSION_is_resumable(own) != 1) {
        return nullptr;
    }
    return tls_ticket(SSL_SESSION_dup(own));  // Its own is void once it is freed without an end.
}

}  // namespace ferry::net_test
