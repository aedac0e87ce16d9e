#include "ferry/auth/fingerprint.hpp"

#include <openssl/evp.h>

#include <memory>

namespace ferry::auth {
namespace {

struct freed_by_openssl {
    void operator()(EVP_MD_CTX* context) const noexcept { ::EVP_MD_CTX_free(context); }
};

bool add(EVP_MD_CTX& to, const void* octets, std::size_t size_bytes) noexcept {
    return ::EVP_DigestUpdate(&to, octets, size_bytes) == 1;
}

}  // namespace

std::optional<fingerprint> fingerprint_of(const fingerprint_key& key, std::string_view name,
                                          std::string_view password) noexcept {
    const std::unique_ptr<EVP_MD_CTX, freed_by_openssl> context(::EVP_MD_CTX_new());
    const std::uint64_t name_bytes = name.size();  // Else "a" with "bc" would be "ab" with "c".
    fingerprint made;
    void* const into = made.octets.data();
    if (context == nullptr || ::EVP_DigestInit_ex(context.get(), ::EVP_sha256(), nullptr) != 1 ||
        !add(*context, key.data(), sizeof key) || !add(*context, &name_bytes, sizeof name_bytes) ||
        !add(*context, name.data(), name.size()) ||
        !add(*context, password.data(), password.size()) ||
        ::EVP_DigestFinal_ex(context.get(), static_cast<unsigned char*>(into), nullptr) != 1) {
        return std::nullopt;
    }
    return made;
}

}  // namespace ferry::auth
