#include "ftp/digest_names.hpp"

#include <doctest/doctest.h>

#include <array>

using namespace ferry;
using vfs::digest_algorithm;

TEST_CASE("digest names: FEAT marks the one in use (draft-bryan-ftpext-hash-02 section 3.1)") {
    CHECK(ftp::hash_feature(digest_algorithm::sha256) ==
          "HASH SHA-256*;SHA-512;BLAKE2b-512;SHA-1;MD5;CRC32;CRC32C");
    CHECK(ftp::hash_feature(digest_algorithm::crc32c) ==
          "HASH SHA-256;SHA-512;BLAKE2b-512;SHA-1;MD5;CRC32;CRC32C*");
}

TEST_CASE("digest names: each finds its algorithm, in letters of any case") {
    for (const auto each : {digest_algorithm::crc32, digest_algorithm::crc32c,
                            digest_algorithm::md5, digest_algorithm::sha1, digest_algorithm::sha256,
                            digest_algorithm::sha512, digest_algorithm::blake2b}) {
        CHECK(ftp::find_algorithm(ftp::name_of(each)) == each);
    }
    CHECK(ftp::find_algorithm("sha-1") == digest_algorithm::sha1);
    for (const char* none : {"", "SHA1", "CRC-37", "SHA-256*", " MD5", "MD5 "}) {
        CAPTURE(none);
        CHECK_FALSE(ftp::find_algorithm(none));
    }
}

TEST_CASE("digest names: hexadecimal digits, with their zeros") {
    constexpr std::array octets{std::byte{0x00}, std::byte{0x0A}, std::byte{0xBC}, std::byte{0xFF}};
    const vfs::digest value(octets);
    CHECK(ftp::lower_hex(value) == "000abcff");
    CHECK(ftp::upper_hex(value) == "000ABCFF");
}
