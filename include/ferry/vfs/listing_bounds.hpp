#pragma once

#include <cstddef>

#include "ferry/runtime/core.hpp"
#include "ferry/runtime/permits.hpp"

namespace ferry::vfs {

class listing_cache;

/// What the listings of one core may cost together, whatever protocol they are for: a client that
/// asks for a large directory and does not read, or leaves, costs many turns of the offload pool
/// and megabytes (threats.md, V9 and H4). Make one a core; it outlives the listings begun with it.
struct listing_bounds {
    struct numbers {
        std::size_t reads_max = 16;  ///< As many may begin at once, and as many go on.
        std::size_t held_max = 32;
    };

    listing_bounds(runtime::core& here, numbers most) noexcept
        : beginning(here, most.reads_max),
          going_on(here, most.reads_max),
          held(here, most.held_max) {}

    /// To read the first batch of a directory: a small one is done then.
    runtime::permits beginning;
    /// To read a further batch, each. Apart from `beginning`, so that a crowd that begins
    /// does not hold up those that are under way.
    runtime::permits going_on;
    /// To have more than one batch of a directory in memory.
    runtime::permits held;
    /// Of the same core, for directories that are asked for again; null: each is read each time.
    listing_cache* kept = nullptr;
};

}  // namespace ferry::vfs
