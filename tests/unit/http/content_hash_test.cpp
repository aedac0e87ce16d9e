#include "http/content_hash.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string_view>

using namespace ferry::http;

namespace {

template <std::size_t SizeBytes>
constexpr std::string_view view(const std::array<char, SizeBytes>& text) {
    return {text.data(), text.size()};
}

constexpr std::string_view empty_text = "";
constexpr std::string_view abc_text = "abc";
constexpr std::string_view two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
constexpr std::string_view block =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
constexpr auto many_octets = [] {
    std::array<char, 20'000> made{};
    made.fill('a');
    return made;
}();
constexpr std::string_view many = view(many_octets);

}  // namespace

// The first three are the examples of NIST's Secure Hash Standard; all as `printf %s TEXT | openssl
// dgst -sha256 -binary | base64` has them.
TEST_CASE("content hash: SHA-256 in Base64 (FIPS 180-4; W3C CSP Level 3 section 2.3.1)") {
    constexpr auto empty = hash_content<empty_text>();
    CHECK(view(empty) == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
    constexpr auto abc = hash_content<abc_text>();
    CHECK(view(abc) == "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
    constexpr auto longer = hash_content<two_blocks>();
    CHECK(view(longer) == "'sha256-JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE='");
    constexpr auto whole_block = hash_content<block>();
    CHECK(view(whole_block) == "'sha256-qK5ubukpq+o6/PxSWMjM1vhSc+DUYm0mxyefMlD3fI4='");
}
