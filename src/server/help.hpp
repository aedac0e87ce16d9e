#pragma once

#include <string>

namespace ferry::server {

/// What `--help` prints: 80 columns, the same for every run, checked verbatim against README.md.
[[nodiscard]] std::string help_text();

/// What `--version` prints: one line.
[[nodiscard]] std::string version_text();

}  // namespace ferry::server
