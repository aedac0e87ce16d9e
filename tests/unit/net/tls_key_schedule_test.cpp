#include "net/tls_key_schedule.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

using namespace ferry;
using namespace ferry::net;

namespace {

using schedule_octets = std::vector<unsigned char>;

schedule_octets octets_from_hex(std::string_view digits) {
    schedule_octets made;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        made.push_back(
            static_cast<unsigned char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
    }
    return made;
}

schedule_octets expanded(const schedule_octets& secret, std::string_view label,
                         const schedule_octets& context, std::size_t size_bytes,
                         tls_digest by = tls_digest::sha256) {
    schedule_octets made(size_bytes);
    REQUIRE(expand_label(by, secret, {.text = label, .context = context}, made));
    return made;
}

schedule_octets extracted(const schedule_octets& salt, const schedule_octets& from) {
    schedule_octets made(32);
    REQUIRE(extract_secret(tls_digest::sha256, salt, from, made));
    return made;
}

}  // namespace

// RFC 8448 section 3, from the first secret to the server's key.
TEST_CASE("tls_key_schedule: RFC 8448 goes down it step by step") {
    std::array<unsigned char, 48> digest{};
    hash_nothing(tls_digest::sha256, digest);
    const schedule_octets nothing(digest.begin(), digest.begin() + 32);

    const auto early = extracted({}, schedule_octets(32));
    CHECK(early ==
          octets_from_hex("33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"));
    const auto derived = expanded(early, "derived", nothing, 32);
    CHECK(derived ==
          octets_from_hex("6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba"));
    const auto handshake = extracted(
        derived,
        octets_from_hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d"));
    CHECK(handshake ==
          octets_from_hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"));
    const auto master = extracted(expanded(handshake, "derived", nothing, 32), schedule_octets(32));
    CHECK(master ==
          octets_from_hex("18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"));
    const auto server = expanded(
        master, "s ap traffic",
        octets_from_hex("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13"), 32);
    CHECK(server ==
          octets_from_hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"));
    CHECK(expanded(server, "key", {}, 16) == octets_from_hex("9f02283b6c9c07efc26bb9f2ac92e356"));
    CHECK(expanded(server, "iv", {}, 12) == octets_from_hex("cf782b88dd83549aadf1e984"));
}

TEST_CASE("tls_key_schedule: what is too long is refused, and what is longest is not") {
    schedule_octets out(32);
    const schedule_octets secret(32, 's');
    const auto is_taken = [&](const schedule_octets& key, std::size_t label_bytes,
                              std::size_t context_bytes, std::size_t out_bytes) {
        const std::string label(label_bytes, 'l');
        const schedule_octets context(context_bytes, 'c');
        schedule_octets made(out_bytes);
        return expand_label(tls_digest::sha256, key, {.text = label, .context = context}, made);
    };
    CHECK(is_taken(secret, 249, 255, 255 * 32));
    CHECK_FALSE(is_taken(secret, 250, 0, 32));
    CHECK_FALSE(is_taken(secret, 1, 256, 32));
    CHECK_FALSE(is_taken(secret, 1, 0, 255 * 32 + 1));
    CHECK(is_taken(schedule_octets(64), 1, 0, 32));
    CHECK_FALSE(is_taken(schedule_octets(65), 1, 0, 32));
    CHECK_FALSE(extract_secret(tls_digest::sha256, schedule_octets(65), secret, out));
    CHECK_FALSE(extract_secret(tls_digest::sha384, {}, secret, out));
}

TEST_CASE("tls_key_schedule: OpenSSL's names of its digests") {
    for (const auto* name : {"SHA256", "SHA2-256", "SHA-256"}) {
        CHECK(tls_digest_of(name) == tls_digest::sha256);
    }
    for (const auto* name : {"SHA384", "SHA2-384", "SHA-384"}) {
        CHECK(tls_digest_of(name) == tls_digest::sha384);
    }
    CHECK_FALSE(tls_digest_of("SHA512").has_value());
    CHECK_FALSE(tls_digest_of("").has_value());
}
