#pragma once

#include <unistd.h>

#include <climits>
#include <cstddef>
#include <string>
#include <vector>

#include "server/directory_of.hpp"

namespace ferry::server {

/// `name`, what that leads to where it is a link, what that leads to, and so on: at most as many as
/// path_resolution(7) follows. The last one need not be there.
[[nodiscard]] inline std::vector<std::string> names_along_links(std::string name) {
    constexpr std::size_t links_max = 40;
    std::vector<std::string> all;
    for (;;) {
        all.push_back(name);
        std::string target(PATH_MAX, '\0');
        const auto got = ::readlink(name.c_str(), target.data(), target.size());
        if (got <= 0 || all.size() > links_max) {
            return all;
        }
        target.resize(static_cast<std::size_t>(got));
        name = target.starts_with('/') ? target : directory_of(name) + "/" + target;
    }
}

}  // namespace ferry::server
