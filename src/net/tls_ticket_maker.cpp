#include "net/tls_ticket_maker.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "net/tls_openssl.hpp"

namespace ferry::net {
namespace {

using session_owner = std::unique_ptr<SSL_SESSION, freed_by<::SSL_SESSION_free>>;

constexpr char new_session_ticket = 4;  // Of handshake messages (RFC 8446 section 4).
/// What is left of a record for the ticket.
constexpr std::size_t ticket_bytes_max = SSL3_RT_MAX_PLAIN_LENGTH - 64;

struct octets_to_wipe {
    std::vector<unsigned char> octets;
    ~octets_to_wipe() { ::OPENSSL_cleanse(octets.data(), octets.size()); }
};

/// Empty: OpenSSL does not write it.
std::vector<unsigned char> write(SSL_SESSION* session) {
    const int size_bytes = ::i2d_SSL_SESSION(session, nullptr);
    std::vector<unsigned char> made(static_cast<std::size_t>(std::max(size_bytes, 0)));
    auto* into = made.data();
    if (size_bytes <= 0 || ::i2d_SSL_SESSION(session, &into) != size_bytes) {
        return {};
    }
    return made;
}

/// A ticket as OpenSSL opens it (RFC 5077 section 4): name of the key, IV, AES-256-CBC of `clear`,
/// HMAC-SHA256 of all that. Empty: OpenSSL does not do it.
std::string seal(std::span<const unsigned char> clear, const tls_ticket_keys::key& with) {
    constexpr std::size_t block_bytes = 16;
    constexpr std::size_t mac_bytes = 32;
    constexpr std::size_t head_bytes = sizeof with.name + tls_ticket_keys::ticket_id_bytes;
    std::string made(head_bytes + clear.size() + block_bytes + mac_bytes, '\0');
    // Octets are octets, signed or not.
    auto* const octets = reinterpret_cast<unsigned char*>(made.data());
    std::ranges::copy(with.name, octets);
    auto* const iv = octets + with.name.size();
    const cipher_context_owner cipher(::EVP_CIPHER_CTX_new());
    int sealed = 0;
    int last = 0;
    const bool is_sealed =
        cipher && ::RAND_bytes(iv, tls_ticket_keys::ticket_id_bytes) == 1 &&
        ::EVP_EncryptInit_ex(cipher.get(), ::EVP_aes_256_cbc(), nullptr, with.cipher.data(), iv) ==
            1 &&
        ::EVP_EncryptUpdate(cipher.get(), octets + head_bytes, &sealed, clear.data(),
                            static_cast<int>(clear.size())) == 1 &&
        ::EVP_EncryptFinal_ex(cipher.get(), octets + head_bytes + sealed, &last) == 1;
    const auto size_bytes = head_bytes + static_cast<std::size_t>(sealed + last);
    if (!is_sealed || ::HMAC(::EVP_sha256(), with.mac.data(), static_cast<int>(with.mac.size()),
                             octets, size_bytes, octets + size_bytes, nullptr) == nullptr) {
        return {};
    }
    made.resize(size_bytes + mac_bytes);
    return made;
}

void add_number(std::string& to, std::uint32_t number, unsigned octets) {
    while (octets > 0) {
        to += static_cast<char>(number >> 8U * --octets & 0xFFU);
    }
}

}  // namespace

std::unique_ptr<tls_ticket_maker> tls_ticket_maker::make(ssl_session_st& agreed, tls_digest by,
                                                         const tls_secret& resumption,
                                                         std::int64_t issued) {
    constexpr std::array<unsigned char, 48> no_secret{};
    // The one that OpenSSL holds is that of a ticket which the client has.
    const session_owner copy(::SSL_SESSION_dup(&agreed));
    std::unique_ptr<tls_ticket_maker> made(new tls_ticket_maker(by, resumption, issued));
    if (copy &&
        ::SSL_SESSION_set1_master_key(copy.get(), no_secret.data(), digest_bytes(by)) == 1) {
        made->agreed_ = write(copy.get());
    }
    ::ERR_clear_error();
    return made->agreed_.empty() ? nullptr : std::move(made);
}

std::string tls_ticket_maker::next(const terms& how) {
    // No other ticket of the session has it: OpenSSL's are of eight octets.
    const auto number = ++given_;
    std::string nonce;
    add_number(nonce, number, sizeof number);
    tls_secret secret{.octets = {}, .size_bytes = digest_bytes(by_)};
    // Octets are octets, signed or not.
    const std::span context(reinterpret_cast<const unsigned char*>(nonce.data()), nonce.size());
    const auto* from = agreed_.data();
    const session_owner session(
        ::d2i_SSL_SESSION(nullptr, &from, static_cast<long>(agreed_.size())));
    // Its time is that of the handshake.
    const auto lasts =
        tls_ticket_keys::rotation_seconds + std::max(how.issued - begun_, std::int64_t{0});
    const bool is_made =
        session &&
        expand_label(by_, resumption_.used(), {.text = "resumption", .context = context},
                     std::span(secret.octets).first(secret.size_bytes)) &&
        ::SSL_SESSION_set1_master_key(session.get(), secret.octets.data(), secret.size_bytes) ==
            1 &&
        ::SSL_SESSION_set1_id(session.get(), context.data(), 0) == 1 &&  // A ticket has none.
        ::SSL_SESSION_set_timeout(session.get(), static_cast<long>(lasts)) == 1 &&
        ::SSL_SESSION_set1_ticket_appdata(session.get(), how.text.data(), how.text.size()) == 1;
    octets_to_wipe clear;
    std::string ticket;
    std::uint32_t added_to_age = 0;
    if (is_made) {
        clear.octets = write(session.get());
    }
    // Octets are octets, of a number or not.
    auto* const random = reinterpret_cast<unsigned char*>(&added_to_age);
    if (!clear.octets.empty() && ::RAND_bytes(random, sizeof added_to_age) == 1) {
        ticket = seal(clear.octets, how.with);
    }
    ::ERR_clear_error();
    if (ticket.empty() || ticket.size() > ticket_bytes_max) {
        return {};
    }
    std::string message;
    add_number(message, static_cast<std::uint32_t>(tls_ticket_keys::rotation_seconds), 4);
    add_number(message, added_to_age, 4);
    add_number(message, static_cast<std::uint32_t>(nonce.size()), 1);
    message += nonce;
    add_number(message, static_cast<std::uint32_t>(ticket.size()), 2);
    message += ticket;
    add_number(message, 0, 2);  // No extensions: nothing is said early.
    std::string whole{new_session_ticket};
    add_number(whole, static_cast<std::uint32_t>(message.size()), 3);
    return whole += message;
}

}  // namespace ferry::net
