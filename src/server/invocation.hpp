#pragma once

#include <expected>
#include <span>
#include <string>

#include "server/config.hpp"

namespace ferry::server {

/// What `main` was started with.
struct invocation {
    std::span<const char* const> arguments;    ///< Without the program's own name.
    const char* const* environment = nullptr;  ///< As `environ`: ends with a null pointer; or null.
};

/// The process ends here: `text` belongs on standard output if `status` is 0, else on standard
/// error.
struct early_exit {
    int status =
        0;  ///< 0: help or version; 1: the configuration file is unreadable; 2: a bad value.
    std::string text;  ///< Ends with LF. One line if `status` is not 0.
};

/// Reads the command line, else the environment, else the file that `--config` names, else the
/// default, option by option; a list given in one place replaces the whole list of a weaker one.
/// Every value is checked, a weaker one that loses too. Environment variables that begin with
/// FERRY_ but name no option are left alone: others' tools make such names. An empty variable
/// counts as not set.
///
/// Errors: an `early_exit` with status 1 or 2; print it and exit. The text names the place
/// ("--cores", "FERRY_CORES", "ferry.toml:3: cores"), the value and the bounds, or for an unknown
/// name the nearest.
///
/// Where LISTEN_PID is this process, what listens is not looked at as a whole: the sockets that a
/// service manager gives come in place of that (`contradiction_in_listeners`).
///
/// Cost: reads at most one file of 1 MiB. Blocking; call it before the runtime starts.
[[nodiscard]] std::expected<config, early_exit> parse(const invocation& started);

/// What keeps the endpoints of `settings` from being served together, for a person; empty: nothing.
[[nodiscard]] std::string contradiction_in_listeners(const config& settings);

}  // namespace ferry::server
