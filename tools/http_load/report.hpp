#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "options.hpp"
#include "tally.hpp"

namespace ferry::http_load {

/// How a run was, beside what it was asked for.
struct run_facts {
    const load_options& options;
    const tally& results;
    std::size_t threads = 1;
    double seconds = 0;        ///< From the first thread's start to the last one's end.
    std::string_view backend;  ///< "io_uring", "epoll".
    bool interrupted = false;
};

/// What a run begins with, two lines for a person.
[[nodiscard]] std::string introduction(const run_facts& facts);

/// What it found: rates, percentiles, errors.
[[nodiscard]] std::string report(const run_facts& facts);

/// The same and more as one JSON object (RFC 8259), times in nanoseconds.
[[nodiscard]] std::string report_json(const run_facts& facts);

}  // namespace ferry::http_load
