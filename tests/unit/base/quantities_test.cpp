#include "ferry/base/quantities.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <optional>

using namespace ferry;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

TEST_CASE("quantities: a number is decimal digits and nothing else") {
    CHECK(parse_number("0") == 0);
    CHECK(parse_number("18446744073709551615") == UINT64_MAX);
    for (const auto* bad :
         {"", " 1", "1 ", "+1", "-1", "0x10", "1.0", "1e3", "18446744073709551616"}) {
        CAPTURE(bad);
        CHECK_FALSE(parse_number(bad));
    }
}

TEST_CASE("quantities: a size has a unit of powers of 1024 or none") {
    struct row {
        const char* text;
        std::optional<std::uint64_t> octets;
    };
    static const row rows[] = {
        {"4096", 4'096},
        {"16k", 16'384},
        {"16K", 16'384},
        {"16KiB", 16'384},
        {"16kib", 16'384},
        {"1M", 1U << 20U},
        {"1MiB", 1U << 20U},
        {"2GiB", 2ULL << 30U},
        {"1T", 1ULL << 40U},
        {"2TiB", 2ULL << 40U},
        {"16777215t", 16'777'215ULL << 40U},
        {"16777216T", std::nullopt},  // 2^64.
        {"17179869183GiB", 17'179'869'183ULL << 30U},
        {"17179869184GiB", std::nullopt},  // 2^64.
        {"16kB", std::nullopt},            // 16,000 or 16,384: nobody knows.
        {"16 k", std::nullopt},
        {"k", std::nullopt},
        {"", std::nullopt},
        {"1.5k", std::nullopt},
        {"-1k", std::nullopt},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        CHECK(parse_size(each.text) == each.octets);
    }
}

TEST_CASE("quantities: a duration has a unit or is in seconds") {
    struct row {
        const char* text;
        std::optional<milliseconds> time;
    };
    static const row rows[] = {
        {"10", 10s},
        {"10s", 10s},
        {"500ms", 500ms},
        {"2m", 2min},
        {"1h", 1h},
        {"1d", 24h},
        {"0", 0ms},
        {"1H", 1h},
        {"1.5s", {}},
        {"s", {}},
        {"", {}},
        {"10 s", {}},
        {"-1s", {}},
        {"1w", {}},
        {"10m30s", {}},
        {"9223372036854775807ms", milliseconds(INT64_MAX)},
        {"9223372036854775808ms", {}},
        {"18446744073709551615d", {}},
    };
    for (const auto& each : rows) {
        CAPTURE(each.text);
        CHECK(parse_duration(each.text) == each.time);
    }
}

TEST_CASE("quantities: what is shown is read as the same value") {
    struct size_row {
        std::uint64_t octets;
        const char* text;
    };
    static constexpr size_row sizes[] = {{0, "0"},
                                         {1'023, "1023"},
                                         {1'024, "1KiB"},
                                         {1'536, "1536"},
                                         {64U << 20U, "64MiB"},
                                         {3ULL << 30U, "3GiB"},
                                         {1ULL << 40U, "1024GiB"}};
    for (const auto& each : sizes) {
        CHECK(show_size(each.octets) == each.text);
        CHECK(parse_size(each.text) == each.octets);
    }
    struct duration_row {
        milliseconds time;
        const char* text;
    };
    static constexpr duration_row durations[] = {{0ms, "0s"},  {1ms, "1ms"},       {999ms, "999ms"},
                                                 {10s, "10s"}, {90s, "90s"},       {5min, "5m"},
                                                 {24h, "24h"}, {1'500ms, "1500ms"}};
    for (const auto& each : durations) {
        CHECK(show_duration(each.time) == each.text);
        CHECK(parse_duration(each.text) == each.time);
    }
}
