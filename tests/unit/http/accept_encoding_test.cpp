#include "http/accept_encoding.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "http/head_parser.hpp"

using namespace ferry;
using namespace ferry::http;
using enum content_coding;

namespace {

constexpr std::array offered = {brotli, zstd, gzip};

/// Of `offered`, what a request with these lines accepts.
std::vector<content_coding> accepted(const std::vector<std::string>& lines) {
    std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (const auto& each : lines) {
        text += "Accept-Encoding: " + each + "\r\n";
    }
    text += "\r\n";
    head_parser parser({});
    REQUIRE(parser.parse(text) == head_progress::complete);
    const auto list = accepted_codings(parser.head(), offered);
    return {list.view().begin(), list.view().end()};
}

using codings = std::vector<content_coding>;

}  // namespace

TEST_CASE("accept-encoding: what is weighed more comes first (RFC 9110 section 12.5.3)") {
    struct row {
        std::string value;
        codings expected;
    };
    for (const auto& each : {
             row{"gzip, deflate, br, zstd", {brotli, zstd, gzip}},
             row{"gzip", {gzip}},
             row{"GZip", {gzip}},
             row{"x-gzip", {gzip}},
             row{"br;q=0.5, gzip;q=0.8, zstd;q=0.6", {gzip, zstd, brotli}},
             row{"br ; q=0.5 , gzip", {gzip, brotli}},
             row{"br;Q=0.5,gzip;q=0.50", {brotli, gzip}},
             row{"*", {brotli, zstd, gzip}},
             row{"*;q=0.1, gzip", {gzip, brotli, zstd}},
             row{"*, br;q=0", {zstd, gzip}},
             row{"gzip;q=0", {}},
             row{"gzip;q=0.001", {gzip}},
             row{"gzip;q=1.000", {gzip}},
             row{"*;q=0", {}},
             row{"", {}},
             row{", ,gzip,", {gzip}},
             row{"compress", {}},
             row{"identity", {}},
             row{"gzip, br;q=0.2, gzip;q=0.1", {brotli, gzip}},
         }) {
        CAPTURE(each.value);
        CHECK(accepted({each.value}) == each.expected);
    }
    CHECK(accepted({}).empty());
    CHECK(accepted({"br", "gzip;q=0.5"}) == codings{brotli, gzip});
}

TEST_CASE("accept-encoding: identity is taken where it is liked better (section 12.5.3)") {
    CHECK(accepted({"identity;q=1, gzip;q=0.5"}).empty());
    CHECK(accepted({"identity;q=0.5, gzip;q=0.4, br;q=0.6"}) == codings{brotli});
    CHECK(accepted({"identity;q=0.5, gzip;q=0.5"}) == codings{gzip});
    CHECK(accepted({"identity;q=0, gzip"}) == codings{gzip});
    CHECK(accepted({"identity;q=0"}).empty());  // And gets the file as it is.
    CHECK(accepted({"identity;q=1, *;q=0"}).empty());
}

TEST_CASE("accept-encoding: a member that is none is passed over, the others count") {
    for (const auto* each :
         {"gzip;q=", "gzip;q=1.0001", "gzip;q=2", "gzip;q=-1", "gzip;q=1.001", "gzip;q=.5",
          "gzip;q=0,5x", "gzip;level=9", "gzip;q=0.5;x", "gz ip", "gzip;;q=1"}) {
        CAPTURE(std::string(each));
        const auto got = accepted({std::string(each) + ", br;q=0.1"});
        CHECK(got == codings{brotli});
    }
}
