#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "load/histogram.hpp"

namespace ferry::http_load {

/// What became of requests: of one thread while it runs, of all of them at the end.
struct tally {
    load::histogram latency;        ///< Nanoseconds of each request that was answered well.
    std::uint64_t octets = 0;       ///< Received, heads and bodies.
    std::uint64_t failed = 0;       ///< Requests without an answer, or with a wrong one.
    std::uint64_t connections = 0;  ///< That were opened.
    std::map<std::string, std::uint64_t, std::less<>> errors;  ///< By what is wrong, in words.

    void add(const tally& other);
    void count_error(std::string_view what, std::uint64_t times = 1);
};

}  // namespace ferry::http_load
