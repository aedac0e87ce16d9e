#pragma once

#include <cstddef>
#include <string>

#include "server/json_value.hpp"

namespace ferry::server {

/// How much a terminal shows.
struct screen_size {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

/// What `ferry top` shows: lines that end in LF, none wider than the screen and no more than it
/// has. `now` and `before` are answers of an admin server to `/status.json` (`write_status`);
/// rates, latency and what was found are those between the two: "-" where they are the same, or
/// where nothing was asked; since its start where the process is another one. Names have no control
/// octets any more, and nothing that turns the direction of writing (threats.md, V11). `has_style`:
/// with the escape sequences of terminals for bold and dim (ECMA-48 section 8.3.117).
[[nodiscard]] std::string draw_top(const json_value& before, const json_value& now,
                                   screen_size size, bool has_style);

}  // namespace ferry::server
