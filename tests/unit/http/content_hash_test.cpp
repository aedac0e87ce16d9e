#include "http/content_hash.hpp"

#include <doctest/doctest.h>

#include <string_view>

using namespace ferry::http;

namespace {

template <std::size_t SizeBytes>
constexpr std::string_view view(const std::array<char, SizeBytes>& text) {
    return {text.data(), text.size()};
}

constexpr std::string_view two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
constexpr std::string_view block =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

}  // namespace

// The first three are the examples of NIST's Secure Hash Standard; all as `printf %s TEXT | openssl
// dgst -sha256 -binary | base64` has them.
TEST_CASE("content hash: SHA-256 in Base64 (FIPS 180-4; W3C CSP Level 3 section 2.3.1)") {
    constexpr auto empty = hash_content("");
    CHECK(view(empty) == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
    constexpr auto abc = hash_content("abc");
    CHECK(view(abc) == "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
    constexpr auto longer = hash_content(two_blocks);
    CHECK(view(longer) == "'sha256-JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE='");
    constexpr auto whole_block = hash_content(block);
    CHECK(view(whole_block) == "'sha256-qK5ubukpq+o6/PxSWMjM1vhSc+DUYm0mxyefMlD3fI4='");
}
