#pragma once

#include <cstdlib>
#include <string>

namespace ferry::server {

/// The value of an environment variable, which is then no more; empty if it was not set. Before
/// threads start.
[[nodiscard]] inline std::string taken_out_of_environment(const char* name) {
    const char* const value = std::getenv(name);
    std::string text = value != nullptr ? value : "";
    ::unsetenv(name);
    return text;
}

}  // namespace ferry::server
