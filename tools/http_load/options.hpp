#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "load/authority.hpp"
#include "load/option_values.hpp"

namespace ferry::http_load {

/// What the command line asks for.
struct load_options {
    load::authority where;
    std::string path = "/";  ///< As it is sent: percent-encoded, with its query.
    std::string method = "GET";
    std::vector<std::string> fields;  ///< "Name: value".
    std::size_t connections = 10;
    std::size_t threads = 0;  ///< 0: as many as there are CPUs, and connections.
    std::chrono::milliseconds duration{std::chrono::seconds(10)};
    std::optional<std::uint64_t> operations;  ///< Instead of a duration.
    std::uint64_t rate = 0;                   ///< Requests a second; 0: as fast as they go.
    std::size_t pipeline = 1;                 ///< Requests that are sent before answers are read.
    bool closes = false;                      ///< A connection for each request.
    std::uint64_t files = 1;
    std::uint64_t range_bytes = 0;            ///< Of a range at random; 0: none is asked for.
    std::uint64_t range_of = 0;               ///< The size of the file they lie in.
    unsigned status = 200;                    ///< What every answer has to have.
    std::optional<std::uint64_t> body_bytes;  ///< The same; none: what the first of its name had.
    std::chrono::milliseconds timeout{std::chrono::seconds(10)};
    bool latency = false;
    std::string json;
    load::io_wish io = load::io_wish::automatic;

    /// The URL again.
    [[nodiscard]] std::string show() const { return "http://" + where.show() + path; }
};

/// Reads the command line. Errors: what to print, and the status to end with: 0 of --help, else 2.
[[nodiscard]] std::expected<load_options, load::ending> parse_options(int argc, char** argv);

}  // namespace ferry::http_load
