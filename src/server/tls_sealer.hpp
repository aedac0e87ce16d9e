#pragma once

#include <expected>
#include <string>

#include "server/config.hpp"

namespace ferry::server {

/// Who seals what is sent over TLS: decided once, before anything is bound.
struct sealer_choice {
    bool is_kernel = false;  ///< Of what is sent of large files.
    std::string notice;      ///< One line for the log and for `--check`: who, and why.
};

/// Picks what `wish` asks for, given why the kernel cannot (`net::why_no_kernel_tls`).
///
/// Errors: one line for a person: the kernel alone would do, and it cannot.
[[nodiscard]] std::expected<sealer_choice, std::string> choose_sealer(
    kernel_tls_wish wish, const std::string& why_no_kernel);

}  // namespace ferry::server
