#pragma once

#include <string>

namespace ferry::server {

/// The directory that a name of a file is in, as `dirname(1)` but for the '/' at its end, which
/// stays:
/// "/etc/" of "/etc/users"; "." where the name has none. Links are not followed.
[[nodiscard]] inline std::string directory_of(const std::string& file) {
    const auto slash = file.rfind('/');
    return slash == std::string::npos ? "." : file.substr(0, slash + 1);
}

}  // namespace ferry::server
