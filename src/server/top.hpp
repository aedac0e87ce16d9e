#pragma once

#include <span>

namespace ferry::server {

/// `ferry top [--once] [ADDRESS]`: shows in a terminal, anew each second, what the admin server at
/// ADDRESS tells of its process, until q is pressed or a signal ends it; where standard output is
/// no terminal, or with `--once`, a second of it once, which takes that second. Without ADDRESS it
/// is the first of FERRY_ADMIN, else 127.0.0.1:9180. `arguments` are those behind "top".
///
/// Returns the process's exit status: 0; 1 where nobody answers; 2 for wrong usage.
[[nodiscard]] int show_top(std::span<char* const> arguments);

}  // namespace ferry::server
