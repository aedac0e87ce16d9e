#include "http/content_hash.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace ferry::http;

// The first three are the examples of NIST's Secure Hash Standard; all as `printf %s TEXT | openssl
// dgst -sha256 -binary | base64` has them.
TEST_CASE("content hash: SHA-256 in Base64 (FIPS 180-4; W3C CSP Level 3 section 2.3.1)") {
    CHECK(content_hash("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
    CHECK(content_hash("abc") == "'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0='");
    CHECK(content_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "'sha256-JI1qYdIGOLjlwCaTDD5gOaM85Flk/yFn9uzt1BnbBsE='");
}
