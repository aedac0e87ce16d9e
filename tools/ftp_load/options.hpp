#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "load/option_values.hpp"
#include "operation.hpp"
#include "target.hpp"

namespace ferry::ftp_load {

/// How a transfer gets its data connection.
enum class data_mode : std::uint8_t {
    epsv,  ///< RFC 2428 section 3.
    pasv,  ///< RFC 959 section 4.1.2; the address in the reply is not trusted, nor used.
    eprt,  ///< RFC 2428 section 2.
    port,  ///< RFC 959 section 4.1.2.
};

/// When TLS begins on a control connection; data connections then go over it, too.
enum class tls_mode : std::uint8_t {
    never,
    by_command,  ///< AUTH TLS (RFC 4217 section 4).
    at_once,     ///< With the connection: ftps URLs.
};

/// One operation and how often it is among all of them.
struct share {
    operation what = operation::retr;
    std::uint64_t weight = 1;
};

/// What the command line asks for.
struct load_options {
    target where;
    std::vector<share> workload{{}};
    std::size_t connections = 10;
    std::size_t threads = 0;  ///< 0: as many as there are CPUs, and connections.
    std::chrono::milliseconds duration{std::chrono::seconds(10)};
    std::optional<std::uint64_t> operations;  ///< Instead of a duration.
    std::uint64_t rate = 0;                   ///< Operations a second; 0: as fast as they go.
    data_mode data = data_mode::epsv;
    bool wants_tls = false;  ///< --tls; an ftps URL has it anyway.
    bool is_ascii = false;
    std::uint64_t upload_bytes = 1024;
    std::uint64_t files = 1;
    std::string upload_path;  ///< Empty: that of the URL.
    std::chrono::milliseconds timeout{std::chrono::seconds(10)};
    bool verify = false;
    bool latency = false;
    std::string json;
    load::io_wish io = load::io_wish::automatic;

    [[nodiscard]] tls_mode security() const noexcept {
        if (where.is_ftps) {
            return tls_mode::at_once;
        }
        return wants_tls ? tls_mode::by_command : tls_mode::never;
    }
};

/// Reads the command line. Errors: what to print, and the status to end with: 0 of --help, else 2.
[[nodiscard]] std::expected<load_options, load::ending> parse_options(int argc, char** argv);

/// "{}" in `path` replaced by `number`; without one, `path` as it is.
[[nodiscard]] std::string numbered(const std::string& path, std::uint64_t number);

/// The directory that the last name of `path` is in, as LIST is to name it; empty: the login's own.
[[nodiscard]] std::string directory_of(const std::string& path);

}  // namespace ferry::ftp_load
