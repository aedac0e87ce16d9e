#include "http/digest_fields.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;
using vfs::digest_algorithm;

namespace {

std::optional<vfs::digest_algorithm> wanted(const std::vector<std::string>& lines) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& each : lines) {
        text += "Want-Repr-Digest: " + each + "\r\n";
    }
    text += "\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(text) == head_progress::complete);
    return wanted_digest(parser.head().fields, field::want_repr_digest);
}

}  // namespace

TEST_CASE("digest fields: the algorithm that is liked best (RFC 9530 section 4)") {
    CHECK(wanted({"sha-256=1"}) == digest_algorithm::sha256);
    CHECK(wanted({"sha-512=3, sha-256=10, unixsum=0"}) == digest_algorithm::sha256);
    CHECK(wanted({"sha-512=3,sha-256=2"}) == digest_algorithm::sha512);
    CHECK(wanted({"sha-512=5, sha-256=5"}) == digest_algorithm::sha256);
    CHECK(wanted({"sha-256=1", "sha-512=9"}) == digest_algorithm::sha512);
    CHECK(wanted({"sha-256=9, sha-256=0, sha-512=1"}) ==
          digest_algorithm::sha512);  // The last counts.
}

TEST_CASE("digest fields: nothing that is liked, or no dictionary of integers, is no wish") {
    CHECK_FALSE(wanted({}));
    for (const auto* each : {"sha-256=0", "md5=10", "", "sha-256", "sha-256=11", "sha-256=-1",
                             "sha-256=1.0", "sha-256=?1", "SHA-256=1", "sha-256 =1", "sha-256=",
                             "sha-256=1,,sha-512=1", "sha-256=1,", "=1", "sha-256=:aa:"}) {
        CAPTURE(std::string(each));
        CHECK_FALSE(wanted({std::string(each)}));
    }
}

TEST_CASE(
    "digest fields: a value is the algorithm and octets in base 64 (RFC 8941 section 3.3.5)") {
    static constexpr std::array octets = {std::byte{0xff}, std::byte{0xef}, std::byte{0xbe}};
    CHECK(digest_value(digest_algorithm::sha256, vfs::digest(octets)) == "sha-256=:/+++:");
    CHECK(digest_value(digest_algorithm::sha512, vfs::digest(octets)) == "sha-512=:/+++:");
}
