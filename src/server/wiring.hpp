#pragma once

#include "ferry/base/memory_advice.hpp"
#include "server/config.hpp"

namespace ferry::server {

/// Puts the layers together and serves until a signal ends it: SIGTERM or SIGINT drains, a second
/// one ends at once; SIGUSR2 has another process go on in its place. `arguments`: those of main,
/// by which that is started. Before threads start. With `config::check` it prepares everything,
/// says what would run and returns. `memory` is what the allocator can be told. Prints one line on
/// standard output for each endpoint, before the first connection is accepted.
///
/// Returns the process's exit status: 0, or 1 with one line on standard error when serving could
/// not begin.
[[nodiscard]] int run(const config& settings, char* const* arguments, memory_advice memory);

}  // namespace ferry::server
