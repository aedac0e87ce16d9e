#include "kernel_like_stream.hpp"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "net/tls_openssl.hpp"

namespace ferry::net_test {

using runtime::task;

namespace {

constexpr std::size_t record_bytes_max = 16'384;

const EVP_CIPHER* cipher_of(net::record_key::cipher how) {
    switch (how) {
        case net::record_key::cipher::aes_128_gcm:
            return ::EVP_aes_128_gcm();
        case net::record_key::cipher::aes_256_gcm:
            return ::EVP_aes_256_gcm();
        case net::record_key::cipher::chacha20_poly1305:
            return ::EVP_chacha20_poly1305();
    }
    return nullptr;
}

unsigned char* octets_at(char* at) {
    return static_cast<unsigned char*>(static_cast<void*>(at));
}

std::string_view text_of(std::span<const std::byte> octets) {
    return {static_cast<const char*>(static_cast<const void*>(octets.data())), octets.size()};
}

}  // namespace

bool kernel_like_stream::seal_in_kernel(const net::record_key& by) noexcept {
    ++asked;
    if (can_seal) {
        key = by;
    }
    return can_seal;
}

/// One record of TLS 1.3 (RFC 8446 section 5.2).
std::string kernel_like_stream::seal(unsigned char kind, std::string_view clear) {
    std::string inner(clear);
    inner += static_cast<char>(kind);
    const auto sealed_bytes = inner.size() + 16;
    std::string record = {23, 3, 3, static_cast<char>(sealed_bytes >> 8U),
                          static_cast<char>(sealed_bytes & 0xFFU)};
    record.resize(5 + sealed_bytes);
    auto nonce = key->iv;
    for (std::size_t i = 0; i < 8; ++i) {
        nonce.at(11 - i) ^= static_cast<unsigned char>(key->sequence >> (8 * i));
    }
    ++key->sequence;
    const net::cipher_context_owner context(::EVP_CIPHER_CTX_new());
    auto* const header = octets_at(record.data());
    int done = 0;
    REQUIRE(::EVP_EncryptInit_ex(context.get(), cipher_of(key->how), nullptr, key->key.data(),
                                 nonce.data()) == 1);
    REQUIRE(::EVP_EncryptUpdate(context.get(), nullptr, &done, header, 5) == 1);
    REQUIRE(::EVP_EncryptUpdate(context.get(), header + 5, &done, octets_at(inner.data()),
                                static_cast<int>(inner.size())) == 1);
    REQUIRE(::EVP_EncryptFinal_ex(context.get(), header + 5 + inner.size(), &done) == 1);
    REQUIRE(::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16,
                                  header + 5 + inner.size()) == 1);
    return record;
}

task<result<void>> kernel_like_stream::send_record(std::uint8_t kind,
                                                   std::span<const std::byte> octets,
                                                   runtime::duration stall_timeout) {
    const auto record = seal(kind, text_of(octets));
    const auto sent = co_await below_.send(std::as_bytes(std::span(record)), stall_timeout);
    co_return sent;
}

task<result<void>> kernel_like_stream::send(std::span<const std::byte> octets,
                                            runtime::duration stall_timeout) {
    std::string sealed;
    auto left = text_of(octets);
    while (key && !left.empty()) {
        sealed += seal(23, left.substr(0, record_bytes_max));
        left.remove_prefix(std::min(left.size(), record_bytes_max));
    }
    if (full != nullptr) {
        static_cast<void>(co_await full->wait());
    }
    const auto goes = key ? std::as_bytes(std::span(sealed)) : octets;
    if (lacks_memory) {
        static_cast<void>(co_await below_.send(goes.first(goes.size() / 2), stall_timeout));
        throw std::bad_alloc();
    }
    const auto sent = co_await below_.send(goes, stall_timeout);
    co_return sent;
}

task<result<std::uint64_t>> kernel_like_stream::send_file(file_message message,
                                                          runtime::duration stall_timeout) {
    std::string clear(text_of(message.head));
    const auto head_bytes = clear.size();
    clear.resize(head_bytes + message.body.size_bytes);
    const auto got = ::pread(message.body.fd, clear.data() + head_bytes, message.body.size_bytes,
                             static_cast<off_t>(message.body.offset));
    REQUIRE(got >= 0);
    if (got == 0) {
        co_return failure(errc::closed);
    }
    clear.resize(head_bytes + static_cast<std::size_t>(got));
    file_octets += static_cast<std::uint64_t>(got);
    const auto sent = co_await send(std::as_bytes(std::span(clear)), stall_timeout);
    if (!sent) {
        co_return failure(sent.error());
    }
    co_return clear.size();
}

}  // namespace ferry::net_test
