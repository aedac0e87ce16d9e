#include "http/range.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using namespace ferry;
using http::byte_range;
using http::merge_ranges;
using http::parse_range;

namespace {

using ranges = std::vector<byte_range>;

result<ranges> parse(std::string_view value, std::uint64_t size_bytes = 1'000) {
    return parse_range(value, {.size_bytes = size_bytes, .ranges_max = 4});
}

}  // namespace

TEST_CASE("range: what a valid field selects (RFC 9110 section 14.1.2)") {
    struct row {
        std::string value;
        ranges expected;
    };
    for (const auto& each : {
             row{"bytes=0-499", {{0, 500}}},
             row{"bytes=0-0", {{0, 1}}},
             row{"bytes=500-", {{500, 500}}},
             row{"bytes=999-", {{999, 1}}},
             row{"bytes=-1", {{999, 1}}},
             row{"bytes=-1000", {{0, 1'000}}},
             row{"bytes=-1001", {{0, 1'000}}},
             row{"bytes=0-99999", {{0, 1'000}}},
             row{"BYTES=0-1", {{0, 2}}},
             row{"bytes= 0-1 ", {{0, 2}}},
             row{"bytes=00-001", {{0, 2}}},
             row{"bytes=0-0,-1", {{0, 1}, {999, 1}}},
             row{"bytes=500-600, 0-9\t,\t-5", {{500, 101}, {0, 10}, {995, 5}}},
             row{"bytes=,0-1,,", {{0, 2}}},
             row{"bytes=2000-,0-1", {{0, 2}}},
             row{"bytes=-0,0-1", {{0, 2}}},
             row{"bytes=0-18446744073709551615", {{0, 1'000}}},
             row{"bytes=0-18446744073709551616", {{0, 1'000}}},
             row{"bytes=0-99999999999999999999999999", {{0, 1'000}}},
             row{"bytes=-99999999999999999999999999", {{0, 1'000}}},
         }) {
        CAPTURE(each.value);
        const auto got = parse(each.value);
        REQUIRE(got);
        CHECK(*got == each.expected);
    }
}

TEST_CASE("range: past 4 GiB and to the end of 64 bits nothing wraps (threats.md, V10)") {
    constexpr std::uint64_t size = 5'368'709'120;
    CHECK(parse("bytes=4294967296-4295032831", size) == ranges{{4'294'967'296, 65'536}});
    CHECK(parse("bytes=-65536", size) == ranges{{size - 65'536, 65'536}});
    constexpr std::uint64_t most = ~std::uint64_t{0};
    CHECK(parse("bytes=0-", most) == ranges{{0, most}});
    CHECK(parse("bytes=18446744073709551614-", most) == ranges{{most - 1, 1}});
    CHECK(parse("bytes=18446744073709551615-", most) == failure(errc::not_found));
    CHECK(parse("bytes=18446744073709551616-18446744073709551617", most) ==
          failure(errc::not_found));
}

TEST_CASE("range: well formed, nothing of it there: 416 (RFC 9110 section 15.5.17)") {
    for (const auto* value : {"bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=5000-,-0",
                              "bytes=99999999999999999999999-"}) {
        CAPTURE(std::string(value));
        CHECK(parse(value) == failure(errc::not_found));
    }
    CHECK(parse("bytes=0-", 0) == failure(errc::not_found));
    CHECK(parse("bytes=-0", 0) == failure(errc::not_found));
    CHECK(parse("bytes=0-0", 0) == failure(errc::not_found));
}

TEST_CASE("range: what overlaps, touches or nearly does is joined (RFC 9110 section 15.3.7.2)") {
    CHECK(merge_ranges({{0, 10}, {5, 10}}) == std::vector<byte_range>{{0, 15}});
    CHECK(merge_ranges({{5, 10}, {0, 10}}) == std::vector<byte_range>{{0, 15}});
    CHECK(merge_ranges({{0, 10}, {10, 1}}) == std::vector<byte_range>{{0, 11}});
    CHECK(merge_ranges({{0, 100}, {20, 10}}) == std::vector<byte_range>{{0, 100}});
    CHECK(merge_ranges({{0, 10}, {90, 1}}) == std::vector<byte_range>{{0, 91}});
    CHECK(merge_ranges({{0, 10}, {91, 1}}) == std::vector<byte_range>{{0, 10}, {91, 1}});
    // In the client's order; joined ones where the first of them was.
    CHECK(merge_ranges({{5'000, 1}, {0, 1}, {5'001, 1}}) ==
          std::vector<byte_range>{{5'000, 2}, {0, 1}});
    // The third closes the gap between the others.
    CHECK(merge_ranges({{0, 1'000}, {2'000, 1'000}, {900, 1'200}}) ==
          std::vector<byte_range>{{0, 3'000}});
    constexpr std::uint64_t most = ~std::uint64_t{0};
    CHECK(merge_ranges({{most - 1, 1}, {0, 1}}) == std::vector<byte_range>{{most - 1, 1}, {0, 1}});
    CHECK(merge_ranges({{0, most}, {most - 1, 1}}) == std::vector<byte_range>{{0, most}});
}

TEST_CASE("range: the rest is ignored (RFC 9110 section 14.2)") {
    for (const auto* value : {"",
                              "bytes",
                              "bytes=",
                              "bytes=,",
                              "bytes= , ,",
                              "items=0-1",
                              "0-1",
                              "bytes 0-1",
                              "bytes =0-1",
                              "bytes=-",
                              "bytes=--1",
                              "bytes=1",
                              "bytes=a-b",
                              "bytes=0-1-2",
                              "bytes=0 - 1",
                              "bytes=+0-1",
                              "bytes=0x0-1",
                              "bytes=2-1",
                              "bytes=0-1,2-1",
                              "bytes=0-1;2-3",
                              "bytes=1000-999",
                              "bytes=0-1,x",
                              "bytes=0-\xc3\xbc"}) {
        CAPTURE(std::string(value));
        CHECK(parse(value) == failure(errc::invalid));
    }
    // A suffix of nothing is satisfiable and has no octets: the whole, which is empty.
    CHECK(parse("bytes=-5", 0) == failure(errc::invalid));
}

TEST_CASE("range: more members than the limit are not even read (threats.md, H5)") {
    CHECK(parse("bytes=0-0,1-1,2-2,3-3")->size() == 4);
    CHECK(parse("bytes=0-0,1-1,2-2,3-3,4-4") == failure(errc::exhausted));
    CHECK(parse("bytes=,,,,,0-1") == failure(errc::exhausted));
    std::string many = "bytes=0-";
    for (int i = 0; i < 1'000; ++i) {
        many += ",0-";
    }
    CHECK(parse(many) == failure(errc::exhausted));
}
