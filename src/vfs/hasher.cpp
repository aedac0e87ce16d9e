#include "ferry/vfs/hasher.hpp"

#include <openssl/evp.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <utility>

#include "vfs/crc32c.hpp"

namespace ferry::vfs {
namespace {

digest digest_of_crc(std::uint32_t value) noexcept {
    std::array<std::byte, sizeof value> octets{};
    for (std::byte& each : octets) {
        each = static_cast<std::byte>(value >> 24U);
        value <<= 8U;
    }
    return digest(octets);
}

class crc32_hasher final : public hasher {
  public:
    void add(std::span<const std::byte> octets) noexcept override {
        // Octets are octets, whatever zlib calls them.
        value_ =
            ::crc32_z(value_, static_cast<const Bytef*>(static_cast<const void*>(octets.data())),
                      octets.size());
    }
    std::optional<digest> finish() noexcept override {
        return digest_of_crc(static_cast<std::uint32_t>(value_));
    }

  private:
    uLong value_ = 0;
};

class crc32c_hasher final : public hasher {
  public:
    void add(std::span<const std::byte> octets) noexcept override {
        value_ = crc32c(value_, octets);
    }
    std::optional<digest> finish() noexcept override { return digest_of_crc(value_); }

  private:
    std::uint32_t value_ = 0;
};

struct freed_by_openssl {
    void operator()(EVP_MD_CTX* context) const noexcept { ::EVP_MD_CTX_free(context); }
};
using context_ptr = std::unique_ptr<EVP_MD_CTX, freed_by_openssl>;

class openssl_hasher final : public hasher {
  public:
    explicit openssl_hasher(context_ptr begun) noexcept : context_(std::move(begun)) {}

    void add(std::span<const std::byte> octets) noexcept override {
        is_well_ =
            is_well_ && ::EVP_DigestUpdate(context_.get(), octets.data(), octets.size()) == 1;
    }
    std::optional<digest> finish() noexcept override {
        std::array<unsigned char, EVP_MAX_MD_SIZE> octets{};
        unsigned size_bytes = 0;
        if (!is_well_ || ::EVP_DigestFinal_ex(context_.get(), octets.data(), &size_bytes) != 1) {
            return std::nullopt;
        }
        return digest(std::as_bytes(std::span(octets).first(size_bytes)));
    }

  private:
    context_ptr context_;
    bool is_well_ = true;
};

std::unique_ptr<hasher> make_openssl_hasher(const EVP_MD* algorithm) {
    context_ptr context(::EVP_MD_CTX_new());
    if (context == nullptr || ::EVP_DigestInit_ex(context.get(), algorithm, nullptr) != 1) {
        return nullptr;
    }
    return std::make_unique<openssl_hasher>(std::move(context));
}

}  // namespace

std::unique_ptr<hasher> make_hasher(digest_algorithm by) {
    switch (by) {
        case digest_algorithm::crc32:
            return std::make_unique<crc32_hasher>();
        case digest_algorithm::crc32c:
            return std::make_unique<crc32c_hasher>();
        case digest_algorithm::md5:
            return make_openssl_hasher(::EVP_md5());
        case digest_algorithm::sha1:
            return make_openssl_hasher(::EVP_sha1());
        case digest_algorithm::sha256:
            return make_openssl_hasher(::EVP_sha256());
        case digest_algorithm::sha512:
            return make_openssl_hasher(::EVP_sha512());
        case digest_algorithm::blake2b:
            return make_openssl_hasher(::EVP_blake2b512());
    }
    return nullptr;
}

}  // namespace ferry::vfs
