#include "ferry/vfs/hasher.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "scratch.hpp"

using namespace ferry;
using ferry::vfs_test::octets;
using vfs::digest_algorithm;

namespace {

std::string hex(const vfs::digest& value) {
    std::string text;
    for (const std::byte each : value.octets()) {
        text += fmt::format("{:02x}", static_cast<unsigned>(each));
    }
    return text;
}

}  // namespace

TEST_CASE("hasher: each algorithm, of nothing, in one piece and in many") {
    struct row {
        digest_algorithm by;
        std::string_view of_digits;  ///< "123456789".
        std::string_view of_nothing;
    };
    constexpr row rows[] = {
        {digest_algorithm::crc32, "cbf43926", "00000000"},
        {digest_algorithm::crc32c, "e3069283", "00000000"},
        {digest_algorithm::md5, "25f9e794323b453885f5181f1b624d0b",
         "d41d8cd98f00b204e9800998ecf8427e"},
        {digest_algorithm::sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
         "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {digest_algorithm::sha256,
         "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {digest_algorithm::sha512,
         "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
         "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
         "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
         "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
        {digest_algorithm::blake2b,
         "f5ab8bafa6f2f72b431188ac38ae2de7bb618fb3d38b6cbf639defcdd5e10a86"
         "b22fccff571da37e42b23b80b657ee4d936478f582280a87d6dbb1da73f5c47d",
         "786a02f742015903c6c6fd852552d272912f4740e15847618a86e217f71f5419"
         "d25e1031afee585313896444934eb04b903a685b1448b755d56f701afe9be2ce"},
    };
    for (const auto& each : rows) {
        CAPTURE(each.of_digits);
        const auto nothing = vfs::make_hasher(each.by);
        CHECK(hex(nothing->finish().value()) == each.of_nothing);
        const auto whole = vfs::make_hasher(each.by);
        whole->add(octets("123456789"));
        CHECK(hex(whole->finish().value()) == each.of_digits);
        const auto pieces = vfs::make_hasher(each.by);
        for (const char* piece : {"1", "", "2345", "6789"}) {
            pieces->add(octets(piece));
        }
        CHECK(hex(pieces->finish().value()) == each.of_digits);
    }
}
